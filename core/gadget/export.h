// The border of a plugin: plain data, no static constructors, a tag that can be read before anything is called. A plugin's
// source ends with
//   COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(AirCalibration))          several, separated by commas, where it has several
// (braces around the table: gcc 12 takes a temporary in `extern "C" const T x[] = {[] { ... }}` for an extern otherwise)
#pragma once
#include "core/gadget/stage.h"

#define COUNTERFLOW_ABI_TAG "counterflow-abi-1 " __VERSION__

namespace counterflow {

struct GadgetEntry {
  const char* classname;
  const char* manual;
  Stage<float>* (*make_float)(PropertyReader&);
  Stage<double>* (*make_double)(PropertyReader&);
};

template <template <class> class Gadget, class Real>
Stage<Real>* make_stage(PropertyReader& read) {
  return new StageOf<Gadget, Real>(read);
}

}  // namespace counterflow

#define COUNTERFLOW_GADGET(Class) \
  { #Class, Class < float> ::kManual, &counterflow::make_stage < Class, float>, &counterflow::make_stage < Class, double> }

#define COUNTERFLOW_PLUGIN(...)                                                                          \
  extern "C" {                                                                                           \
  __attribute__((visibility("default"))) extern const char counterflow_abi_tag[] = COUNTERFLOW_ABI_TAG;  \
  __attribute__((visibility("default"))) extern const counterflow::GadgetEntry counterflow_gadgets[] = { \
      __VA_ARGS__, {nullptr, nullptr, nullptr, nullptr}};                                                \
  }
