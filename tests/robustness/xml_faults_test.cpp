// XML of others: bombs, entities and names that would lead elsewhere are refused at once and cost nothing.
#include <gmock/gmock.h>

#include <ctime>
#include <fstream>

#include "core/archive/scan_header_xml.h"
#include "core/testing/refusal.h"
#include "tests/robustness/toy.h"

namespace counterflow::testing {
namespace {

using ::testing::HasSubstr;

struct Bomb {
  std::string name, xml;
};

std::string repeated(const std::string& text, std::size_t n) {
  std::string all;
  for (std::size_t k = 0; k < n; ++k) all += text;
  return all;
}

std::string numbered(const std::string& before, const std::string& after, std::size_t n) {
  std::string all;
  for (std::size_t k = 0; k < n; ++k) all += before + std::to_string(k) + after;
  return all;
}

// &a9; stands for ten to the ninth times "lol".
std::string laughs() {
  std::string entities = "<!ENTITY a0 \"lol\">";
  for (int k = 1; k < 10; ++k)
    entities += "<!ENTITY a" + std::to_string(k) + " \"" + repeated("&a" + std::to_string(k - 1) + ";", 10) + "\">";
  return entities;
}

std::string with_doctype(const std::string& subset, const std::string& text) {
  return "<!DOCTYPE configuration [" + subset + "]><configuration><stream>" + text + "</stream></configuration>";
}

// ASCII as an encoding that a search for "<!DOCTYPE" does not see through.
std::string wide(const std::string& text, std::size_t before, std::size_t after, const std::string& mark) {
  std::string out = mark;
  for (const char c : text) out += std::string(before, '\0') + c + std::string(after, '\0');
  return out;
}

std::vector<Bomb> bombs() {
  const std::string inside = "<configuration><stream>", end = "</stream></configuration>";
  const std::string laughing = with_doctype(laughs(), "<gadget after=\"&a9;\"/>&a9;");
  const std::string passwords = "<!ENTITY x SYSTEM \"file:///etc/passwd\">";
  return {{"a billion laughs", laughing},
          {"a billion laughs in an attribute", with_doctype(laughs(), "<gadget after=\"&a9;\"/>")},
          {"a billion laughs in UTF-16, little-endian", wide(laughing, 0, 1, "\xff\xfe")},
          {"a billion laughs in UTF-16, big-endian", wide(laughing, 1, 0, "\xfe\xff")},
          {"what libxml2 cannot read: UTF-32", wide(laughing, 0, 3, std::string("\xff\xfe\0\0", 4))},
          {"quadratic growth", with_doctype("<!ENTITY a \"" + std::string(50000, 'a') + "\">", repeated("&a;", 50000))},
          {"an entity that holds itself", with_doctype("<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">", "&a;")},
          {"a file as an entity", with_doctype(passwords, "<gadget><dll>&x;</dll></gadget>")},
          {"a file as an entity in UTF-16", wide(with_doctype(passwords, "&x;"), 0, 1, "\xff\xfe")},
          {"a device as an entity", with_doctype("<!ENTITY x SYSTEM \"file:///dev/zero\">", "&x;")},
          {"an address as an entity", with_doctype("<!ENTITY x SYSTEM \"http://127.0.0.1:9/x\">", "&x;")},
          {"a file as a parameter entity", with_doctype("<!ENTITY % x SYSTEM \"file:///etc/passwd\">%x;", "")},
          {"an address as a DTD", "<!DOCTYPE configuration SYSTEM \"http://127.0.0.1:9/x.dtd\">" + inside + end},
          {"a DTD behind comments", "<!-- -->\n<?x?>\n" + laughing},
          {"a DTD behind white space", "<?xml version=\"1.0\"?>" + std::string(100000, '\n') + laughing},
          {"attributes with defaults",
           with_doctype("<!ATTLIST gadget after CDATA \"" + std::string(1000, 'x') + "\">", repeated("<gadget/>", 1000))},
          {"an entity nobody declared", inside + "&x;" + end},
          {"XInclude",
           "<configuration xmlns:xi=\"http://www.w3.org/2001/XInclude\"><xi:include href=\"file:///etc/passwd\" "
           "parse=\"text\"/></configuration>"},
          {"elements a thousand deep", repeated("<a>", 1000) + repeated("</a>", 1000)},
          {"elements sixty thousand deep, never closed", repeated("<a>", 60000)},
          {"ten thousand attributes", "<configuration" + numbered(" a", "=\"\"", 10000) + "/>"},
          {"ten thousand namespaces", "<configuration" + numbered(" xmlns:a", "=\"x\"", 10000) + "/>"},
          {"forty thousand elements", inside + repeated("<b/>", 40000) + end},
          {"a name of 200 KiB", "<" + std::string(200 * 1024, 'a') + "/>"},
          {"a gadget's name of 200 KiB", inside + test_gadget("TestGain", "", std::string(200 * 1024, 'a')) + end},
          {"a value of 200 KiB", inside + test_gadget("TestGain", property("start", std::string(200 * 1024, '1'))) + end},
          {"a character that is none", inside + "&#0;" + end},
          {"bytes that are no UTF-8", inside + "\xc0\xaf\xff" + end},
          {"zeros", std::string(200 * 1024, '\0')},
          {"a schema of its own",
           "<configuration xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
           "xsi:noNamespaceSchemaLocation=\"file:///etc/passwd\"><stream/></configuration>"}};
}

double seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// The most memory that the process has held since the last call of forget_peak() [MiB].
double peak() {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  return 0;
}
void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double kSlower = 20, kLarger = 20;
#else
constexpr double kSlower = 1, kLarger = 1;
#endif

template <class Parse>
void expect_refused_cheaply(const std::string& name, const Parse& parse) {
  refusal([&] { parse("<configuration/>"); });  // what is done once is not the bomb's
  forget_peak();
  const double before = peak(), started = seconds();
  for (const Bomb& bomb : bombs())
    if (bomb.name == name) {
      EXPECT_NE(refusal([&] { parse(bomb.xml); }), "accepted") << name;
    }
  EXPECT_LT(seconds() - started, 0.1 * kSlower) << name;
  EXPECT_LT(peak() - before, 8 * kLarger) << name << " [MiB]";
}

TEST(XmlFault, bombs_and_entities_are_refused_at_once_and_cost_nothing) {
  ASSERT_GE(bombs().size(), 20u);
  for (const Bomb& bomb : bombs()) {
    expect_refused_cheaply(bomb.name, [](const std::string& xml) { parse_chain<float>(xml, "chain.xml", test_plugins()); });
    expect_refused_cheaply(bomb.name, [](const std::string& xml) { header_from_xml(xml, "header"); });
  }
  expect_unharmed("bombs");
}

TEST(XmlFault, a_doctype_is_refused_as_one_in_any_encoding) {
  for (const Bomb& bomb : bombs()) {
    if (bomb.name.find("laughs") == std::string::npos && bomb.name.find("file as") == std::string::npos) continue;
    EXPECT_THAT(refusal([&] { parse_chain<float>(bomb.xml, "chain.xml", test_plugins()); }), HasSubstr("DOCTYPE is refused"))
        << bomb.name;
  }
}

TEST(XmlFault, hostile_plugin_names_are_refused) {
  const std::string good = "counterflow_test_gadgets";
  const std::vector<std::string> names = {"../plugins/" + good,
                                          "../../" + good,
                                          "./" + good,
                                          "/" + good,
                                          "//" + good,
                                          COUNTERFLOW_TEST_PLUGIN_DIR "/lib" + good + ".so",
                                          "/lib/x86_64-linux-gnu/libc.so.6",
                                          "lib" + good + ".so",
                                          good + ".so",
                                          good + ".so.1",
                                          good + "/",
                                          good + "/.",
                                          good + "/..",
                                          "..",
                                          ".",
                                          "~",
                                          "~root/x",
                                          "$HOME/x",
                                          "${HOME}",
                                          "`id`",
                                          "$(id)",
                                          good + ";id",
                                          good + "|id",
                                          good + " ",
                                          " x y",
                                          good + "%00",
                                          "%2e%2e%2f" + good,
                                          "..%2f" + good,
                                          "..\\" + good,
                                          "C:\\" + good,
                                          "con",
                                          "CON.xml",
                                          "nul:",
                                          good + ".",
                                          good + "...",
                                          good + "\t",
                                          "*",
                                          "?",
                                          "counterflow_[t]est_gadgets",
                                          "file:///" + good,
                                          "http://127.0.0.1/" + good,
                                          "-" + good,
                                          std::string(101, 'a'),
                                          std::string(5000, 'a'),
                                          std::string(100000, '/'),
                                          "c\xd0\xbeunterflow_test_gadgets",  // a Cyrillic o
                                          good + "\xe2\x80\x8b",
                                          "\xe2\x80\xae" + good,
                                          "\xef\xbc\x8e\xef\xbc\x8e\xef\xbc\x8f" + good,
                                          "\xc3\xa9",
                                          "LD_PRELOAD=x",
                                          good + "&#10;x",
                                          "<![CDATA[../x]]>"};
  ASSERT_GE(names.size(), 40u);
  for (const auto& name : names) {
    const std::string xml = "<configuration><version>2</version><stream><gadget><dll>" + name +
                            "</dll><classname>TestGain</classname></gadget></stream></configuration>";
    const std::string error = refusal<ConfigError>([&] { parse_chain<float>(xml, "chain.xml", test_plugins()); });
    if (name == good + " " || name == good + "\t") continue;  // white space around a name is XML's
    EXPECT_NE(error, "accepted") << name;
    EXPECT_LT(error.size(), 1000u) << name;
  }
  expect_unharmed("hostile names");
}

TEST(XmlFault, a_name_with_a_nul_in_it_is_refused) {
  const std::string name("counterflow_test_gadgets\0/../x", 30);
  EXPECT_THAT(refusal<ConfigError>([&] { test_plugins().gadgets(name, "chain.xml:1"); }), HasSubstr("never a path"));
}

}  // namespace
}  // namespace counterflow::testing
