// The engine, on small gadgets whose results are known: order, threads, tapes, gradients, errors, previews, trees.
#include "core/engine/scan_run.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <random>
#include <thread>

namespace counterflow {
namespace {

const char* const kToyChain = R"(<configuration><version>2</version><stream>
<gadget><name>gain</name><dll>counterflow_test_gadgets</dll><classname>TestGain</classname>
  <property name="start" value="0.1"/></gadget>
<gadget><name>air</name><dll>counterflow_test_gadgets</dll><classname>TestCalibrated</classname></gadget>
<gadget><name>second</name><dll>counterflow_test_gadgets</dll><classname>TestGain</classname>
  <property name="start" value="-0.05"/></gadget>
<gadget><name>paths</name><dll>counterflow_test_gadgets</dll><classname>TestToPaths</classname></gadget>
<gadget><name>fold</name><dll>counterflow_test_gadgets</dll><classname>TestFold</classname></gadget>
<gadget><name>scale</name><dll>counterflow_test_gadgets</dll><classname>TestScale</classname></gadget>
<gadget after="fold"><name>side</name><dll>counterflow_test_gadgets</dll><classname>TestScale</classname>
  <property name="factor" value="3"/></gadget>
</stream><training>
<parameter gadget="second" name="log_gain"/><parameter gadget="paths" name="weight"/><parameter gadget="fold" name="scale"/>
<loss><dll>counterflow_test_gadgets</dll><classname>TestMeanSquare</classname><property name="reference" value="0.8"/></loss>
<loss after="side"><name>side_loss</name><dll>counterflow_test_gadgets</dll><classname>TestMeanSquare</classname><property name="reference" value="0.2"/></loss>
<loss after="paths"><name>path_loss</name><dll>counterflow_test_gadgets</dll><classname>TestPathLoss</classname></loss>
</training></configuration>)";

constexpr std::size_t kBins = 3, kRows = 5, kColumns = 67, kAir = 4;

ScanHeader toy_header(std::size_t views = 60) {
  ScanHeader h;
  h.geometry.beam = Beam::parallel;
  h.geometry.rows = kRows;
  h.geometry.columns = kColumns;
  h.geometry.views = h.geometry.views_per_rotation = views;
  h.geometry.column_pitch = h.geometry.row_pitch = 1;
  h.geometry.angle_step = 0.1;
  h.system.bins = kBins;
  h.system.open_beam_counts = 1000;
  return h;
}

template <class Real>
Message<Real> toy_view(std::size_t index, bool air) {
  auto x = std::make_shared<Counts<Real>>();
  x->view.index = index;
  x->view.angle = 0.1 * static_cast<double>(index);
  x->view.air = air;
  x->counts = Array<Real, 3>({kBins, kRows, kColumns});
  std::mt19937_64 random(index + (air ? 1000000 : 0));
  std::uniform_real_distribution<double> count(air ? 990 : 300, air ? 1010 : 700);
  for (Real& v : x->counts) v = static_cast<Real>(count(random));
  return Sent<Counts<Real>>(std::move(x));
}

template <class Real>
Source<Real> toy_scan(const ScanHeader& header) {
  return [views = header.geometry.views, n = std::size_t{0}]() mutable -> Message<Real> {
    if (n == views + kAir) return {};
    const bool air = n < kAir;
    const std::size_t index = air ? n : n - kAir;
    ++n;
    return toy_view<Real>(index, air);
  };
}

template <class Real>
Chain<Real> toy_chain(const std::string& xml = kToyChain) {
  return parse_chain<Real>(xml, "toy.xml", PluginFolders({COUNTERFLOW_TEST_PLUGIN_DIR}));
}

struct Result {
  double loss = 0;
  std::vector<std::vector<double>> gradient;
  std::vector<double> images;
  bool operator==(const Result&) const = default;
};

template <class Real>
Result run_toy(const Chain<Real>& chain, const ScanHeader& header, int threads, Tape tape,
               std::vector<std::vector<double>> parameters = {}) {
  Workers workers(threads);
  ScanRun<Real> run(chain, header, workers, std::move(parameters));
  Result result;
  run.output = [&](const Stage<Real>&, const Message<Real>& m) {
    for (Real v : std::get<Sent<Image<Real>>>(m)->value) result.images.push_back(static_cast<double>(v));
  };
  result.loss = run.forward(toy_scan<Real>(header), tape);
  if (tape != Tape::none) result.gradient = run.backward(toy_scan<Real>(header), tape);
  return result;
}

TEST(Engine, images_loss_and_gradient_have_the_same_bits_for_any_threads_and_tape) {
  const auto chain = toy_chain<float>();
  const auto header = toy_header();
  const Result one = run_toy(chain, header, 1, Tape::keep);
  EXPECT_EQ(one.images.size(), 2 * kRows * kColumns);  // scale, and side beside it
  for (int threads : {1, 2, 3, 4})
    for (Tape tape : {Tape::keep, Tape::recompute}) EXPECT_EQ(run_toy(chain, header, threads, tape), one) << threads;
  for (int repeat = 0; repeat < 100; ++repeat) {
    const Result forward = run_toy(chain, header, 1 + repeat % 4, Tape::none);
    ASSERT_EQ(forward.images, one.images);
    ASSERT_EQ(forward.loss, one.loss);
  }
}

// One parameter at a time, Richardson differences.
double worst_gradient_error(const Chain<double>& chain, const ScanHeader& header, double spoil = 0) {
  auto parameters = [&] {
    std::vector<std::vector<double>> p;
    const auto headers = chain.headers(header);
    for (std::size_t k = 0; k < chain.stages.size(); ++k) p.push_back(chain.stages[k]->initial(headers[k]));
    return p;
  }();
  auto gradient = run_toy(chain, header, 2, Tape::recompute).gradient;
  double worst = 0;
  for (std::size_t k = chain.first_trained(); k < parameters.size(); ++k)
    for (std::size_t i = 0; i < parameters[k].size(); ++i) {
      const double at = parameters[k][i];
      const auto loss = [&](double e) {
        parameters[k][i] = at + e;
        const double value = run_toy(chain, header, 2, Tape::none, parameters).loss;
        parameters[k][i] = at;
        return value;
      };
      const auto central = [&](double h) { return (loss(h) - loss(-h)) / (2 * h); };
      const double numeric = (4 * central(5e-4) - central(1e-3)) / 3;
      worst = std::max(worst, std::abs(numeric - (1 + spoil) * gradient[k][i]) / std::abs(numeric));
    }
  return worst;
}

TEST(Engine, gradient_of_a_tree_of_losses_agrees_with_differences) {
  const auto chain = toy_chain<double>();
  EXPECT_LT(worst_gradient_error(chain, toy_header(12)), 1e-9);
  EXPECT_GT(worst_gradient_error(chain, toy_header(12), 1e-4), 1e-5);  // a gradient 0.01 % off is seen
}

TEST(Engine, cotangents_of_the_scan_itself_agree_with_differences) {
  const auto chain = toy_chain<double>();
  const auto header = toy_header(6);
  Workers workers(2);
  ScanRun<double> run(chain, header, workers);
  run.forward(toy_scan<double>(header), Tape::recompute);
  std::vector<Message<double>> bars;
  run.backward(toy_scan<double>(header), Tape::recompute, [&](const Message<double>& m) { bars.push_back(m); });
  ASSERT_EQ(bars.size(), 6u);

  const std::size_t view = 4, at = 100;
  const auto loss = [&](double e) {
    ScanRun<double> again(chain, header, workers);
    auto scan = toy_scan<double>(header);
    return again.forward([&]() -> Message<double> {
      auto m = scan();
      if (m.index() == 0 || view_of(m).air || view_of(m).index != view) return m;
      auto x = std::make_shared<Counts<double>>(*std::get<Sent<Counts<double>>>(m));
      x->counts[at] += e;
      return Sent<Counts<double>>(std::move(x));
    });
  };
  const auto central = [&](double h) { return (loss(h) - loss(-h)) / (2 * h); };
  const double numeric = (4 * central(0.5) - central(1)) / 3;
  const double bar = std::get<Sent<Counts<double>>>(bars[view])->counts[at];
  EXPECT_NEAR(bar / numeric, 1, 1e-7);
}

TEST(Engine, a_restarted_run_has_the_bits_of_a_new_one) {
  const auto chain = toy_chain<float>();
  const auto header = toy_header();
  Workers workers(2);
  const Result first = run_toy(chain, header, 2, Tape::keep);
  auto parameters = [&] {
    std::vector<std::vector<double>> p;
    for (const auto& stage : chain.stages) p.push_back(stage->initial(header));
    return p;
  }();
  const std::size_t second = 2;
  parameters[second] = {0.2, -0.1, 0.05};
  const Result moved = run_toy(chain, header, 2, Tape::keep, parameters);
  ASSERT_NE(first.loss, moved.loss);
  for (Tape tape : {Tape::keep, Tape::recompute}) {
    ScanRun<float> run(chain, header, workers);
    EXPECT_EQ(run.forward(toy_scan<float>(header), tape), first.loss);
    run.restart(parameters);
    EXPECT_EQ(run.forward(toy_scan<float>(header), tape), moved.loss);
    EXPECT_EQ(run.backward(toy_scan<float>(header), tape), moved.gradient);
  }
}

TEST(Engine, losses_count_by_their_weights) {
  std::string xml = kToyChain;
  const auto header = toy_header();
  const auto weighted = [&](const char* before) {
    std::string text = xml;
    text.insert(text.find(before), " weight=\"0.25\"");
    return run_toy(toy_chain<double>(text), header, 2, Tape::recompute);
  };
  const Result plain = run_toy(toy_chain<double>(), header, 2, Tape::recompute);
  const Result side = weighted(" after=\"side\"><name>side_loss"), paths = weighted(" after=\"paths\"");
  EXPECT_LT(side.loss, plain.loss);
  EXPECT_LT(paths.loss, plain.loss);
  EXPECT_LT(worst_gradient_error(toy_chain<double>(xml), header), 1e-8);
  xml.insert(xml.find(" after=\"paths\""), " weight=\"0.25\"");
  EXPECT_LT(worst_gradient_error(toy_chain<double>(xml), header), 1e-8);
}

TEST(Engine, a_run_without_output_leaves_out_what_no_loss_sees) {
  const auto header = toy_header();
  std::string xml = kToyChain;
  xml.insert(xml.find("</stream>"), R"(<gadget after="gain"><name>unseen</name><dll>counterflow_test_gadgets</dll>
<classname>TestGain</classname><property name="fail_at" value="7"/></gadget>)");
  const auto chain = toy_chain<double>(xml);
  Workers workers(2);
  ScanRun<double> seen(chain, header, workers);
  seen.output = [](const auto&, const auto&) {};
  EXPECT_THROW(seen.forward(toy_scan<double>(header)), GadgetError);
  const Result whole = run_toy(toy_chain<double>(), header, 2, Tape::keep);
  for (Tape tape : {Tape::keep, Tape::recompute}) {
    ScanRun<double> run(chain, header, workers);
    EXPECT_EQ(run.forward(toy_scan<double>(header), tape), whole.loss);
    const auto gradient = run.backward(toy_scan<double>(header), tape);
    ASSERT_EQ(gradient.size(), chain.stages.size());
    for (std::size_t k = 0, old = 0; k < gradient.size(); ++k)
      if (chain.stages[k]->name != "unseen") {
        EXPECT_EQ(gradient[k], whole.gradient[old++]) << chain.stages[k]->name;
      }
  }
}

TEST(Engine, losses_that_ask_for_the_truth_see_a_perfect_scan) {
  std::string xml = kToyChain;
  xml.insert(xml.find("</loss>"), "<property name=\"of_truth\" value=\"true\"/>");
  const auto chain = toy_chain<double>(xml);
  const auto header = toy_header();
  Workers workers(2);
  ScanRun<double> run(chain, header, workers);
  std::vector<std::size_t> asked;
  run.refer(toy_scan<double>(header), [&](std::size_t stage, const Counts<double>& x) {
    auto perfect = std::make_shared<Counts<double>>(x);
    for (std::size_t i = 0; i < perfect->counts.size(); ++i) perfect->counts[i] = 0.25 * (*x.open_beam)[i];
    if (x.view.index == 0) asked.push_back(stage);
    return perfect;
  });
  EXPECT_EQ(asked, std::vector<std::size_t>{3});  // where counts become path lengths, and nowhere else
  std::vector<std::vector<double>> parameters;
  for (const auto& stage : chain.stages) parameters.push_back(stage->initial(header));
  run.restart(parameters);
  const double of_truth = run.forward(toy_scan<double>(header));
  EXPECT_NE(of_truth, run_toy(toy_chain<double>(), header, 2, Tape::none).loss);
  EXPECT_NE(of_truth, run_toy(chain, header, 2, Tape::none).loss);  // without refer(): the value wanted
  const double a = std::log(4), c = 0.05;                           // A + c A^3 = ln 4 for the perfect scan
  double path = a;
  for (int k = 0; k < 50; ++k) path -= (path + c * path * path * path - a) / (1 + 3 * c * path * path);
  double weight = 0;  // of TestFold, over all views
  for (std::size_t v = 0; v < header.geometry.views; ++v) weight += 1 + std::cos(0.1 * static_cast<double>(v)) / 4;
  const double wanted = 2 * path * weight / static_cast<double>(header.geometry.views);
  double direct = 0;
  run.restart(parameters);
  run.output = [&](const Stage<double>& stage, const Message<double>& m) {
    if (stage.name != "scale") return;
    for (double v : std::get<Sent<Image<double>>>(m)->value) direct += 0.5 * (v - wanted) * (v - wanted);
  };
  run.forward(toy_scan<double>(header));
  direct /= static_cast<double>(kRows * kColumns);
  EXPECT_NEAR(run.losses()[chain.stages.size() - 3], direct, 1e-9 * direct);
}

TEST(Engine, the_earliest_failing_view_is_reported_for_any_number_of_threads) {
  std::string xml = kToyChain;
  xml.replace(xml.find("value=\"-0.05\"/>"), 15, "value=\"-0.05\"/><property name=\"fail_at\" value=\"7\"/>");
  const auto chain = toy_chain<float>(xml);
  for (int threads : {1, 2, 4}) {
    std::string what;
    try {
      run_toy(chain, toy_header(), threads, Tape::none);
    } catch (const GadgetError& error) {
      what = error.what();
    }
    EXPECT_EQ(what, "toy.xml:5: second, view 7: asked to fail") << threads;
  }
}

TEST(Engine, an_error_of_the_source_ends_the_run_and_gives_no_image) {
  const auto chain = toy_chain<float>();
  const auto header = toy_header();
  Workers workers(2);
  ScanRun<float> run(chain, header, workers);
  int images = 0;
  run.output = [&](const Stage<float>&, const Message<float>&) { ++images; };
  auto scan = toy_scan<float>(header);
  int n = 0;
  EXPECT_THROW(run.forward([&]() -> Message<float> {
    if (++n == 20) throw ArchiveError("view 16 is missing");
    return scan();
  }),
               ArchiveError);
  EXPECT_EQ(images, 0);
}

TEST(Engine, an_air_view_after_an_object_view_is_refused) {
  const auto chain = toy_chain<float>();
  Workers workers(2);
  ScanRun<float> run(chain, toy_header(), workers);
  int n = 0;
  EXPECT_THROW(run.forward([&]() -> Message<float> { return toy_view<float>(0, n++ != 1); }), DataError);
}

TEST(Engine, a_slow_consumer_bounds_the_messages_alive) {
  struct Counted {
    std::atomic<int>& alive;
    explicit Counted(std::atomic<int>& a) : alive(a) { ++alive; }
    ~Counted() { --alive; }
  };
  Workers workers(2);
  std::atomic<int> alive{0};
  int most = 0, made = 0, finished = 0;
  stream<Counted>(
      workers, [&] { return made++ < 200 ? std::make_unique<Counted>(alive) : nullptr; }, [](Counted&) {},
      [&](Counted&) {
        for (int wait = 0; finished == 0 && alive < 2 && wait < 5000; ++wait)
          std::this_thread::sleep_for(std::chrono::milliseconds(1));  // until another thread has woken up
        most = std::max(most, alive.load());
        ++finished;
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      });
  EXPECT_EQ(finished, 200);
  EXPECT_LE(most, static_cast<int>(workers.tokens()));
  EXPECT_GT(most, 1);
}

TEST(Engine, previews_pass_maps_and_observers_but_no_loss) {
  std::string xml = kToyChain;
  const std::string observer =
      "<gadget><name>observer</name><dll>counterflow_test_gadgets</dll><classname>TestObserver</classname></gadget>";
  xml.insert(xml.find("</stream>"), observer);
  const auto chain = toy_chain<float>(xml);
  const auto header = toy_header();
  Workers workers(2);
  ScanRun<float> run(chain, header, workers);
  run.preview_interval = 1e-9;
  int previews = 0, finals = 0;
  run.output = [&](const Stage<float>&, const Message<float>& m) { ++(view_of(m).preview ? previews : finals); };
  const double loss = run.forward(toy_scan<float>(header));
  EXPECT_EQ(finals, 2 * static_cast<int>(kRows));
  EXPECT_GT(previews, 10);
  EXPECT_EQ(loss, run_toy(chain, header, 2, Tape::none).loss);
  std::uint64_t seen = 0, seen_previews = 0;
  for (const auto& [stage, remark] : run.report())
    if (stage == "observer") (remark.text == "images seen" ? seen : seen_previews) = remark.count;
  EXPECT_EQ(seen, kRows);
  EXPECT_EQ(seen_previews * 2, static_cast<std::uint64_t>(previews));
}

TEST(Engine, a_second_calibrating_gadget_sees_air_views_that_passed_the_first) {
  std::string xml = kToyChain;
  const std::string gadgets =
      "<gadget><name>again</name><dll>counterflow_test_gadgets</dll><classname>TestCalibrated</classname></gadget>";
  xml.insert(xml.find("<gadget><name>second"), gadgets);
  const auto chain = toy_chain<float>(xml);
  // The second mean replaces the first, and both are means of the same air views.
  EXPECT_EQ(run_toy(chain, toy_header(), 2, Tape::none).images, run_toy(toy_chain<float>(), toy_header(), 2, Tape::none).images);
}

}  // namespace
}  // namespace counterflow
