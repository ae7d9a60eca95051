// Writes the seeds of tests/fuzz/corpus: `seeds tests/fuzz/corpus`. What fuzzing found is kept beside them by hand.
#include <filesystem>
#include <fstream>
#include <functional>
#include <utility>

#include "core/archive/learned_parameters.h"
#include "core/server/test_frames.h"
#include "tests/fuzz/target.h"

namespace counterflow::fuzz {
namespace {

using wire::testing::bytes_of;
using wire::testing::ByteVector;

struct Corpus {
  std::filesystem::path folder;
  std::filesystem::path path(const std::string& target, const std::string& name) const {
    std::filesystem::create_directories(folder / target);
    return folder / target / name;
  }
  void text(const std::string& target, const std::string& name, const std::string& content) const {
    std::ofstream(path(target, name), std::ios::binary) << content;
  }
  // `whom`: the phase, + 4 where the scan's shape is expected; `step`: pieces of that many bytes and one.
  void frame(const std::string& name, int whom, const ByteVector& bytes, int step = 6) const {
    std::string content = {static_cast<char>(whom), static_cast<char>(step)};
    content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    text("frame", name, content);
  }
};

void frames(const Corpus& corpus) {
  const std::map<wire::Id, int> phases = {{wire::Id::config_file, 0}, {wire::Id::config_script, 0}, {wire::Id::query, 0},
                                          {wire::Id::header, 1},      {wire::Id::wish, 1},          {wire::Id::text, 2},
                                          {wire::Id::acquisition, 6}, {wire::Id::view, 6},          {wire::Id::waveform, 2},
                                          {wire::Id::close, 2},       {wire::Id::image, 3},         {wire::Id::response, 3},
                                          {wire::Id::receipt, 3},     {wire::Id::ending, 3}};
  for (const auto& [id, frame] : wire::testing::examples()) {
    std::string name = wire::name_of(id);
    name = name.substr(0, name.find(" (id"));
    std::replace(name.begin(), name.end(), ' ', '_');
    corpus.frame(name, phases.at(id), bytes_of(frame));
  }
  const auto stream = wire::testing::scan_stream();
  corpus.frame("scan", 4, stream.bytes, 255);
  const auto view = std::make_shared<const Counts<float>>(counterflow::testing::small_views(stream.scan, 0, 1000)[0]);
  corpus.frame("nhlbi", 6, bytes_of(wire::Frame(wire::testing::compressed(view, stream.scan, 11))));
  int kind = 0;
  for (const wire::Id id : {wire::Id::wish, wire::Id::view, wire::Id::receipt, wire::Id::ending}) {
    wire::Frame frame = std::move(wire::testing::examples()[id]);
    if (auto* compact = std::get_if<wire::CompactView>(&frame)) compact->view.index = 0;
    ByteVector payload = bytes_of(frame);
    payload.erase(payload.begin(), payload.begin() + 14);
    const std::string name = "guarded_" + wire::name_of(id);
    const int phase = kind < 2 ? 2 : 3, shape = id == wire::Id::view ? 4 : 0;
    corpus.frame(name.substr(0, name.find(' ')), 16 * kind++ + 8 + shape + phase, payload);
  }
  ByteVector zfp = bytes_of(wire::Frame(wire::testing::acquisition_example()));
  zfp[10] = std::byte{0x10};
  corpus.frame("zfp", 2, zfp);
  ByteVector claim = bytes_of(wire::Frame(wire::Header{"<x/>"}));
  claim[5] = std::byte{0xff};
  corpus.frame("claimed_4_gib", 1, claim);
  ByteVector image = bytes_of(wire::Frame(wire::testing::image_example()));
  for (const std::size_t at : {18u, 19u, 20u, 21u, 22u, 23u, 36u, 37u}) image[at] = std::byte{0xff};
  corpus.frame("image_of_2_to_68_bytes", 3, image);
}

void sessions(const Corpus& corpus) {
  const auto stream = wire::testing::scan_stream("images.xml", "ideal");
  const std::string all(reinterpret_cast<const char*>(stream.bytes.data()), stream.bytes.size());
  corpus.text("session", "scan", all);
  corpus.text("session", "no_close", all.substr(0, all.size() - 2));
  corpus.text("session", "half_a_view", all.substr(0, all.size() - 100));
  std::string damaged = all;
  damaged[stream.begins[6] + 300] = static_cast<char>(damaged[stream.begins[6] + 300] ^ 1);
  corpus.text("session", "a_flipped_bit", damaged);
  std::string unknown = all;
  unknown[stream.begins[7]] = 99;
  corpus.text("session", "unknown_id", unknown);
  corpus.text("session", "close_at_once", std::string("\4\0", 2));
  const auto outside = wire::testing::scan_stream("../../etc/passwd").bytes;
  corpus.text("session", "chain_outside", {reinterpret_cast<const char*>(outside.data()), outside.size()});
  wire::Outgoing script;
  wire::put_config_script(script, "<configuration/>");
  wire::put_close(script);
  const auto bytes = bytes_of(script);
  corpus.text("session", "chain_of_the_client", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void properties(const Corpus& corpus) {
  const std::pair<const char*, const char*> values[] = {
      {"number", "-1.5e-3"},        {"number", "nan"},           {"number", "1e400"},    {"number", "0x1p3"},
      {"integer", "1000"},          {"integer", "1001"},         {"integer", "5abc"},    {"truth", "true"},
      {"choice", "gren"},           {"numbers", "1 2.5 1e-300"}, {"numbers", ""},        {"words", "a b\tc "},
      {"text", "\xff<&>\n \"''\""}, {"misspelt", "value"},       {"numbers", "1 -0 inf"}};
  int k = 0;
  for (const auto& [name, value] : values)
    corpus.text("property", std::to_string(k++) + "_" + name, std::string(name) + "\n" + value);
}

std::string gadget(const std::string& classname, const std::string& inside = "", const std::string& attributes = "") {
  return "<gadget" + attributes + "><dll>counterflow_test_gadgets</dll><classname>" + classname + "</classname>" + inside +
         "</gadget>";
}

void chains(const Corpus& corpus) {
  const std::string two = "<configuration><version>2</version><stream>", end = "</stream></configuration>";
  corpus.text("chain", "version_2",
              two + gadget("TestGain", "<property name=\"start\" value=\"2\"/>") + gadget("TestPass") + end);
  corpus.text("chain", "version_1",
              "<gadgetronStreamConfiguration xmlns=\"http://gadgetron.org/gadgetron\"><reader><slot>1008</slot>"
              "<dll>gadgetron_mricore</dll><classname>GadgetIsmrmrdAcquisitionMessageReader</classname></reader><gadget><name>g</"
              "name><dll>counterflow_test_gadgets</dll><classname>TestGain"
              "</classname><property><name>start</name><value>2</value></property></gadget></gadgetronStreamConfiguration>");
  corpus.text("chain", "readers_and_writers",
              "<configuration><version>2</version><readers><reader><dll>gadgetron_core_readers</dll>"
              "<classname>AcquisitionReader</classname></reader></readers><writers><writer><dll>gadgetron_core_writers</dll>"
              "<classname>ImageWriter</classname></writer></writers><stream>" +
                  gadget("TestPass") + end);
  corpus.text("chain", "beside",
              two + gadget("TestGain") + gadget("TestPass", "", " after=\"TestGain\"") + gadget("TestCalibrated") + end);
  corpus.text("chain", "training",
              two + gadget("TestGain") + gadget("TestToPaths") + gadget("TestFold") +
                  "</stream><training rows_per_block=\"1\"><parameter gadget=\"TestGain\" sigma=\"0.5\"/>"
                  "<loss weight=\"2\"><dll>counterflow_test_gadgets</dll><classname>TestMeanSquare</classname></loss>"
                  "<optimiser name=\"adam\" steps=\"3\"/></training></configuration>");
  corpus.text("chain", "doctype", "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><configuration>&x;</configuration>");
  std::string laughs = "<!DOCTYPE lolz [<!ENTITY a \"ha\">";
  for (char c = 'b'; c < 'k'; ++c) {
    laughs += std::string("<!ENTITY ") + c + " \"";
    for (int k = 0; k < 10; ++k) laughs += std::string("&") + static_cast<char>(c - 1) + ";";
    laughs += "\">";
  }
  corpus.text("chain", "billion_laughs", laughs + "]><configuration>&j;</configuration>");
  std::string deep;
  for (int k = 0; k < 200; ++k) deep += "<a>";
  corpus.text("chain", "deep", deep);
  corpus.text("chain", "path_as_plugin", two + "<gadget><dll>../../x</dll><classname>y</classname></gadget>" + end);
  corpus.text("chain", "not_utf8", "<?xml version=\"1.0\" encoding=\"UTF-16\"?>" + two + "\xff\xfe" + end);
}

ScanHeader tiny_header(Quantity quantity) {
  ScanHeader h = counterflow::testing::small_header(quantity);
  h.geometry.columns = 3;
  h.geometry.rows = 1;
  h.geometry.views = 2;
  h.modules = 1;
  h.grid.nz = 1;
  h.system.open_beam_counts = 1000;
  return h;
}

void headers(const Corpus& corpus) {
  corpus.text("header", "counts", header_to_xml(counterflow::testing::small_header()));
  corpus.text("header", "line_integrals", header_to_xml(tiny_header(Quantity::line_integrals)));
  corpus.text("header", "truth", header_to_xml(tiny_header(Quantity::counts), {"water", "iodine"}));
}

void archives(const Corpus& corpus) {
  const ScanHeader h = tiny_header(Quantity::counts);
  for (const ArchiveForm form : {ArchiveForm::plain, ArchiveForm::compact}) {
    ArchiveWriter writer(corpus.path("archive", form == ArchiveForm::plain ? "plain" : "compact"), h, form);
    for (const auto& view : counterflow::testing::small_views(h, 0, 65535)) writer.write(view);
    writer.finish();
  }
}

void parameters(const Corpus& corpus) {
  LearnedParameters p;
  p.blocks = {{"decomposition", "MaximumLikelihood", "threshold", "keV", {"threshold", "module"}, {2, 3}, {1, 2, 3, 4, 5, 6}}};
  p.chain = "<configuration/>";
  p.archives = {"a.h5"};
  p.columns = {"step", "loss"};
  p.history = {0, 1.5};
  write_parameters(corpus.path("parameters", "one_block"), p);
}

}  // namespace
}  // namespace counterflow::fuzz

int main(int count, char** names) {
  using namespace counterflow::fuzz;
  if (count != 2) return std::fprintf(stderr, "usage: seeds FOLDER\n"), 2;
  const Corpus corpus{names[1]};
  for (const auto& write : {frames, sessions, properties, chains, headers, archives, parameters}) write(corpus);
  return 0;
}
