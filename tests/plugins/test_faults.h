// Gadgets that fail as they are asked to, for tests of what a fault may cost: one for each type of message, one Fold, one loss;
// and one that only passes views on. Where nothing is asked for, they do nothing, and cost a copy.
#pragma once
#include <signal.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "tests/plugins/test_gadgets.h"

namespace counterflow {

// What happens, and when: moment="view" at="3" fault="throw".
class Fault {
 public:
  void describe(PropertyVisitor& v) {
    v("fault", fault_, {.text = "What happens.", .choices = {"throw", "loop", "crash", "allocate", "sleep", "nan"}});
    v("moment", moment_,
      {.text = "When it happens.", .choices = {"never", "make", "begin", "calibrate", "view", "end", "adjoint"}});
    v("at", at_,
      {.unit = "view", .text = "View (of images: slice) of the moments view and adjoint; -1 = each.", .min = -1, .max = 1e9});
    v("bytes", bytes_, {.unit = "byte", .text = "What is allocated.", .min = 0, .max = 1e18});
    v("seconds", seconds_, {.unit = "s", .text = "How long is slept.", .min = 0, .max = 1e6});
    strike("make");
  }
  // Whether what comes of it shall be NaN.
  bool strike(const std::string& moment, std::int64_t view = -1) const {
    if (moment != moment_ || (at_ >= 0 && view >= 0 && at_ != view)) return false;
    if (fault_ == "throw") throw DataError("asked to fail");
    if (fault_ == "loop")
      for (volatile bool forever = true; forever;) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (fault_ == "crash") signal(SIGSEGV, SIG_DFL), raise(SIGSEGV);
    if (fault_ == "allocate") ::operator delete(::operator new(static_cast<std::size_t>(bytes_)));
    if (fault_ == "sleep") std::this_thread::sleep_for(std::chrono::duration<double>(seconds_));
    return fault_ == "nan";
  }
  bool strike(const std::string& moment, const View& view) const { return strike(moment, static_cast<std::int64_t>(view.index)); }

 private:
  std::string fault_ = "throw", moment_ = "never";
  std::int64_t at_ = -1;
  double bytes_ = 1e12, seconds_ = 0.1;
};

// y = x, one NaN in it where asked for.
template <class Real, class T>
class FaultyMap {
 public:
  using In = T;
  using Out = T;
  using Params = None;
  using State = None;

  void describe(PropertyVisitor& v) { fault_.describe(v); }
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader&) const {
    fault_.strike("begin");
    return {};
  }
  Footprint footprint(const ScanHeader& h) const { return {.message = bytes_of_view<Real>(h, h.bins())}; }
  Out forward(const Params&, const State&, const In& x) const {
    Out y = x;
    if (fault_.strike("view", number_of(x))) spoil(y);
    return y;
  }
  In adjoint(const Params&, const State&, const In& x, const Out&, const Out& y_bar, Params&) const {
    In x_bar = y_bar;
    if (fault_.strike("adjoint", number_of(x))) spoil(x_bar);
    return x_bar;
  }

 private:
  static std::int64_t number_of(const T& x) {
    if constexpr (requires { x.slice; }) return static_cast<std::int64_t>(x.slice);
    else return static_cast<std::int64_t>(x.view.index);
  }
  static void spoil(T& x) {
    T::each(x, [](auto, auto& block) {
      if (!block.empty()) block[0] = std::numeric_limits<Real>::quiet_NaN();
    });
  }
  Fault fault_;
};

template <class Real>
class FaultyCounts : public FaultyMap<Real, Counts<Real>> {
 public:
  static constexpr const char* kManual = R"(Passes counts on, until it fails as asked. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>FaultyCounts</classname></gadget>)";
};
template <class Real>
class FaultyPaths : public FaultyMap<Real, PathLengths<Real>> {
 public:
  static constexpr const char* kManual = R"(Passes path lengths on, until it fails as asked. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>FaultyPaths</classname></gadget>)";
};
template <class Real>
class FaultyImages : public FaultyMap<Real, Image<Real>> {
 public:
  static constexpr const char* kManual = R"(Passes images on, until it fails as asked. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>FaultyImages</classname></gadget>)";
};

// TestCalibrated that may fail while it is calibrated.
template <class Real>
class FaultyCalibrated : public TestCalibrated<Real> {
 public:
  using typename TestCalibrated<Real>::In;
  using typename TestCalibrated<Real>::State;
  static constexpr const char* kManual = R"(Learns the open beam from the air views, until it fails as asked. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>FaultyCalibrated</classname></gadget>)";

  void describe(PropertyVisitor& v) { fault_.describe(v); }
  void calibrate(State& s, const In& x) const {
    fault_.strike("calibrate", x.view);
    TestCalibrated<Real>::calibrate(s, x);
  }

 private:
  Fault fault_;
};

// TestFold that may fail at a view or at the end.
template <class Real>
class FaultyFold : public TestFold<Real> {
  using Base = TestFold<Real>;

 public:
  using typename Base::In;
  using typename Base::Out;
  using typename Base::Params;
  using typename Base::State;
  static constexpr const char* kManual = R"(A toy linear reconstruction, until it fails as asked. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>FaultyFold</classname></gadget>)";

  void describe(PropertyVisitor& v) { fault_.describe(v); }
  State begin(const Params& p, const ScanHeader& h) const {
    fault_.strike("begin");
    return Base::begin(p, h);
  }
  void add(const Params& p, State& s, const In& x) const {
    fault_.strike("view", x.view);
    Base::add(p, s, x);
  }
  template <class Emit>
  void end(const Params& p, const State& s, Emit emit) const {
    fault_.strike("end");
    Base::end(p, s, emit);
  }

 private:
  Fault fault_;
};

// Looks at nothing and passes counts on; without a copy, as a Sink does.
template <class Real>
class TestPass {
 public:
  using In = Counts<Real>;
  using Out = Counts<Real>;
  using Params = None;
  struct State {
    std::uint64_t seen = 0;
  };
  static constexpr const char* kManual = R"(Passes counts on. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>TestPass</classname></gadget>)";

  void describe(PropertyVisitor&) {}
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader&) const { return {}; }
  Footprint footprint(const ScanHeader&) const { return {.state = sizeof(State)}; }
  void consume(State& s, const In&) const { ++s.seen; }
  std::vector<Remark> report(const State& s) const { return {{"views seen", s.seen, s.seen}}; }
};

// A Sink that fails as asked.
template <class Real>
class FaultySink : public TestPass<Real> {
 public:
  using typename TestPass<Real>::In;
  using typename TestPass<Real>::State;
  static constexpr const char* kManual = R"(Looks at counts, until it fails as asked. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>FaultySink</classname></gadget>)";

  void describe(PropertyVisitor& v) { fault_.describe(v); }
  void consume(State& s, const In& x) const {
    fault_.strike("view", x.view);
    TestPass<Real>::consume(s, x);
  }
  std::vector<Remark> report(const State& s) const {
    fault_.strike("end");
    return TestPass<Real>::report(s);
  }

 private:
  Fault fault_;
};

}  // namespace counterflow
