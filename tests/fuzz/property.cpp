// Text as the value of a property of each type: the first line names the property, the rest is its value. What is accepted is
// printed so that it parses back to the same value.
#include "core/gadget/property.h"

#include <map>

#include "tests/fuzz/target.h"

namespace counterflow {
namespace {

struct All {
  double number = 1;
  std::int64_t integer = 1;
  bool truth = false;
  std::string text = "a", choice = "red";
  std::vector<double> numbers = {1, 2};
  std::vector<std::string> words = {"x"};
  void describe(PropertyVisitor& v) {
    v("number", number, {.unit = "keV", .text = "A number.", .min = -10, .max = 1e12});
    v("integer", integer, {.text = "An integer.", .min = 0, .max = 1000});
    v("truth", truth, {.text = "A switch."});
    v("text", text, {.text = "Any text."});
    v("choice", choice, {.text = "One of two.", .choices = {"red", "green"}});
    v("numbers", numbers, {.text = "Numbers.", .min = 0});
    v("words", words, {.text = "Words."});
  }
};

std::vector<std::string> values_of(All& all) {
  PropertyList list;
  all.describe(list);
  std::vector<std::string> values;
  for (const Property& p : list.properties) values.push_back(p.value);
  return values;
}

}  // namespace
}  // namespace counterflow

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace counterflow;
  const std::string input = fuzz::text_of(data, size), name = input.substr(0, input.find('\n'));
  const std::string value = name.size() < input.size() ? input.substr(name.size() + 1) : "";
  const auto read = [&](const std::string& text) {
    All all;
    PropertyReader reader({{name, {text, "fuzz:1"}}}, "Fuzz");
    all.describe(reader);
    reader.finish();
    return all;
  };
  fuzz::refusal([&] {
    All all = read(value);
    PropertyList list;
    all.describe(list);
    for (const Property& p : list.properties) {
      if (p.name != name) continue;
      All again = read(p.value);
      fuzz::require(values_of(again) == values_of(all), "a printed value parses back to the same");
    }
    fuzz::require(all.number >= -10 && all.number <= 1e12 && all.integer >= 0 && all.integer <= 1000, "ranges hold");
  });
  return 0;
}
