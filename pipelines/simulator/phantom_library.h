// Phantoms that a scenario gets by name.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/gadget/property.h"
#include "pipelines/simulator/phantom.h"

namespace counterflow {

// A phantom with parameters: declared once in describe(), painted from their values.
class ReadyPhantom {
 public:
  virtual ~ReadyPhantom() = default;
  virtual void describe(PropertyVisitor& v) = 0;
  virtual void paint(Phantom& phantom) const = 0;
};

std::vector<std::string> ready_phantoms();
// Throws ConfigError naming the nearest.
std::unique_ptr<ReadyPhantom> ready_phantom(const std::string& name);

// Heads, in files of their own.
std::unique_ptr<ReadyPhantom> make_shepp_logan();
std::unique_ptr<ReadyPhantom> make_forbild_head();
std::unique_ptr<ReadyPhantom> make_random_phantom();

}  // namespace counterflow
