#include "core/engine/scan_run.h"

#include <algorithm>
#include <chrono>
#include <new>

namespace counterflow {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

template <class Real>
ScanRun<Real>::ScanRun(const Chain<Real>& chain, const ScanHeader& header, Workers& workers,
                       std::vector<std::vector<double>> parameters)
    : chain_(chain),
      workers_(workers),
      bound_(chain.stages.size()),
      counts_(std::make_unique<Count[]>(chain.stages.size() + 1)),
      emitted_(chain.stages.size()),
      emitted_bar_(chain.stages.size()),
      calibrated_(chain.stages.size()) {
  chain.check_scan(header);
  headers_ = chain.headers(header);
  for (std::size_t k = 0; k < chain.stages.size(); ++k)
    guard(k, {}, [&] {
      if (parameters.size() <= k) parameters.push_back(chain.stages[k]->initial(headers_[k]));
      sizes_.push_back(parameters[k].size());
      bind(k, parameters[k]);
    });
  divide_into_groups();
}

template <class Real>
ScanRun<Real>::ScanRun(const ScanRun& other)
    : chain_(other.chain_),
      workers_(other.workers_),
      headers_(other.headers_),
      sizes_(other.sizes_),
      counts_(std::make_unique<Count[]>(other.bound_.size() + 1)),
      groups_(other.groups_),
      local_(other.local_),
      watched_(other.watched_),
      emitted_(other.emitted_.size()),
      emitted_bar_(other.emitted_.size()),
      kept_(other.kept_.size()),
      calibrating_(other.calibrating_),
      calibrated_(other.calibrated_) {
  for (std::size_t k = 0; k < other.bound_.size(); ++k) bound_.push_back(chain_.stages[k]->copy(*other.bound_[k]));
}

template <class Real>
void ScanRun<Real>::bind(std::size_t stage, const std::vector<double>& parameters) {
  bound_[stage] = chain_.stages[stage]->begin(headers_[stage], parameters);
  calibrated_[stage] = false;
}

template <class Real>
void ScanRun<Real>::restart(std::vector<std::vector<double>> parameters) {
  for (std::size_t k = 0; k < bound_.size(); ++k)
    guard(k, {}, [&] {
      if (!chain_.stages[k]->restart(*bound_[k], parameters[k])) bind(k, parameters[k]);
    });
  for (auto& messages : emitted_) messages.clear();
  for (auto& messages : emitted_bar_) messages.clear();
  for (auto& tokens : kept_) tokens.clear();
}

template <class Real>
template <class F>
void ScanRun<Real>::guard(std::size_t stage, const M& message, F&& f) const {
  try {
    f();
  } catch (const GadgetError&) {
    throw;
  } catch (const std::exception& error) {
    const auto& s = *chain_.stages[stage];
    const std::string view = message.index() == 0 ? "" : ", view " + std::to_string(view_of(message).index);
    const bool memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr;
    throw GadgetError(s.where + ": " + s.name + view + ": " +
                      (memory ? "out of memory: it asked for more than there is" : error.what()));
  }
}

// f() as work of a stage; `done`: it has then done with one more message.
template <class Real>
template <class F>
void ScanRun<Real>::timed(std::size_t stage, bool done, F&& f) const {
  const auto from = std::chrono::steady_clock::now();
  f();
  const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - from);
  counts_[stage].nanoseconds.fetch_add(static_cast<std::uint64_t>(took.count()), std::memory_order_relaxed);
  if (done) counts_[stage].messages.fetch_add(1, std::memory_order_relaxed);
}

template <class Real>
void ScanRun<Real>::divide_into_groups() {
  const std::size_t n = chain_.stages.size();
  std::vector<std::size_t> root(n);
  groups_.push_back({kScan, {}});
  local_.resize(n);
  for (std::size_t k = 0; k < n; ++k) {
    const std::size_t source = chain_.source(k);
    const bool from_fold = source != kScan && chain_.stages[source]->form() == Form::fold;
    root[k] = source == kScan || from_fold ? source : root[source];
    const auto group = std::find_if(groups_.begin(), groups_.end(), [&](const Group& g) { return g.root == root[k]; });
    local_[k] = group->stages.size();
    group->stages.push_back(k);
    if (chain_.stages[k]->form() == Form::fold) groups_.push_back({k, {}});
    if (chain_.stages[k]->calibrates()) calibrating_.push_back(k);
  }
  kept_.resize(groups_.size());
  const bool has_loss = std::ranges::any_of(chain_.stages, [](const auto& stage) { return stage->has_loss(); });
  watched_.assign(n, !has_loss);
  for (std::size_t k = n; k-- > 0;) {
    if (chain_.stages[k]->form() == Form::sink) watched_[k] = true;
    if (watched_[k] && chain_.source(k) != kScan) watched_[chain_.source(k)] = true;
  }
}

template <class Real>
const typename ScanRun<Real>::M& ScanRun<Real>::input_of(const Token& token, const Group& group, std::size_t local) const {
  const std::size_t source = chain_.source(group.stages[local]);
  return source == group.root ? token.input : token.out[local_[source]];
}

// ---- calibration: air views pass the gadgets before each one that calibrates, in order, before the first object view

template <class Real>
void ScanRun<Real>::calibrate(const M& air) {
  if (calibrating_.empty()) return;
  if (calibrating_.size() > 1) air_.push_back(air);
  if (!calibrated_[calibrating_.front()]) calibrate_stage(calibrating_.front(), air);
}

template <class Real>
void ScanRun<Real>::calibrate_stage(std::size_t stage, const M& air) {
  std::vector<std::size_t> path;
  for (std::size_t k = chain_.source(stage); k != kScan; k = chain_.source(k)) path.push_back(k);
  M message = air;
  for (auto k = path.rbegin(); k != path.rend(); ++k)
    guard(*k, message, [&] { message = chain_.stages[*k]->forward(*bound_[*k], message); });
  guard(stage, message, [&] { chain_.stages[stage]->calibrate(*bound_[stage], message); });
}

template <class Real>
void ScanRun<Real>::finish_calibration() {
  for (std::size_t i = 0; i < calibrating_.size(); ++i) {
    const std::size_t k = calibrating_[i];
    if (calibrated_[k]) continue;
    calibrated_[k] = true;
    if (i > 0)
      for (const auto& air : air_) calibrate_stage(k, air);
    guard(k, {}, [&] { chain_.stages[k]->calibrated(*bound_[k]); });
  }
  air_.clear();
}

// ---- forward

template <class Real>
void ScanRun<Real>::work_forward(Token& token, const Group& group) const {
  token.out.resize(group.stages.size());
  for (std::size_t i = 0; i < group.stages.size(); ++i) {
    const std::size_t k = group.stages[i];
    if (!runs(k)) continue;
    const auto& stage = *chain_.stages[k];
    const M& x = input_of(token, group, i);
    if (stage.form() == Form::fold) continue;
    guard(k, x, [&] { timed(k, stage.form() == Form::map, [&] { token.out[i] = stage.forward(*bound_[k], perfected(k, x)); }); });
  }
}

// x, or what it would be in a perfect scan where a decomposition takes it.
template <class Real>
typename ScanRun<Real>::M ScanRun<Real>::perfected(std::size_t stage, const M& x) const {
  const auto* counts = std::get_if<Sent<Counts<Real>>>(&x);
  if (!perfect_ || !counts || chain_.stages[stage]->out() == x.index()) return x;
  return perfect_(stage, **counts);
}

template <class Real>
void ScanRun<Real>::finish_forward(Token& token, const Group& group) {
  if (output && group.root != kScan && chain_.leaves(group.root)) output(*chain_.stages[group.root], token.input);
  for (std::size_t i = 0; i < group.stages.size(); ++i) {
    const std::size_t k = group.stages[i];
    if (!runs(k)) continue;
    const auto& stage = *chain_.stages[k];
    const M& x = input_of(token, group, i);
    const bool passes_by = stage.form() == Form::map || (view_of(x).preview && stage.has_loss());
    if (!passes_by) guard(k, x, [&] { timed(k, true, [&] { stage.add(*bound_[k], x); }); });
    if (stage.form() == Form::fold) show_preview(k);
    else if (output && chain_.leaves(k)) output(stage, token.out[i]);
  }
}

template <class Real>
void ScanRun<Real>::show_preview(std::size_t fold) {
  if (preview_interval <= 0 || now() - last_preview_ < preview_interval) return;
  last_preview_ = now();
  Token token;
  guard(fold, {}, [&] { token.input = chain_.stages[fold]->preview(*bound_[fold]); });
  if (token.input.index() == 0) return;
  const auto group = std::find_if(groups_.begin(), groups_.end(), [&](const Group& g) { return g.root == fold; });
  for (std::size_t k : group->stages)
    if (chain_.stages[k]->form() == Form::fold) return;  // a preview passes maps only
  work_forward(token, *group);
  finish_forward(token, *group);
}

template <class Real>
void ScanRun<Real>::end_folds(const Group& group) {
  for (std::size_t k : group.stages)
    if (chain_.stages[k]->form() == Form::fold && runs(k))
      guard(k, {}, [&] {
        timed(k, false, [&] { chain_.stages[k]->end(*bound_[k], [&](M y) { emitted_[k].push_back(std::move(y)); }); });
      });
}

// The next object view; air views before it go where they calibrate.
template <class Real>
typename ScanRun<Real>::M ScanRun<Real>::next_of_scan(const Source<Real>& source, bool& object_seen) {
  for (;;) {
    M m = source();
    if (m.index() != 0 && view_of(m).air) {
      if (object_seen) throw DataError("an air view came after the first object view: air views come first in a scan");
      calibrate(m);
      continue;
    }
    if (!object_seen) finish_calibration();
    object_seen = true;
    return m;
  }
}

template <class Real>
void ScanRun<Real>::stream_groups(const Source<Real>& source, Tape tape, const Finish& finish) {
  bool object_seen = false;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    std::size_t n = 0;
    const auto next = [&]() -> std::unique_ptr<Token> {
      auto token = std::make_unique<Token>();
      if (group.root == kScan) token->input = next_of_scan(source, object_seen);
      else if (n < emitted_[group.root].size()) token->input = emitted_[group.root][n++];
      if (token->input.index() == 0) return nullptr;
      if (group.root == kScan) counts_[bound_.size()].messages.fetch_add(1, std::memory_order_relaxed);
      return token;
    };
    stream<Token>(
        workers_, next, [&](Token& token) { work_forward(token, group); },
        [&](Token& token) {
          finish(token, group);
          if (tape == Tape::keep) kept_[g].push_back(std::move(token));
        });
    end_folds(group);
    if (tape == Tape::none && group.root != kScan) emitted_[group.root].clear();
  }
}

template <class Real>
double ScanRun<Real>::forward(const Source<Real>& source, Tape tape) {
  stream_groups(source, tape, [this](Token& token, const Group& group) { finish_forward(token, group); });
  const auto each = losses();
  double sum = 0;
  for (std::size_t k = 0; k < each.size(); ++k) sum += chain_.places[k].weight * each[k];
  return sum;
}

// ---- references of losses

template <class Real>
void ScanRun<Real>::refer(const Source<Real>& source, const Perfect& perfect) {
  perfect_ = perfect;
  stream_groups(source, Tape::none, [this](Token& token, const Group& group) { finish_reference(token, group); });
  perfect_ = nullptr;
}

template <class Real>
void ScanRun<Real>::refer(std::size_t stage, const M& image) {
  guard(stage, image, [&] { chain_.stages[stage]->refer(*bound_[stage], image); });
}

template <class Real>
void ScanRun<Real>::finish_reference(Token& token, const Group& group) {
  for (std::size_t i = 0; i < group.stages.size(); ++i) {
    const std::size_t k = group.stages[i];
    if (!runs(k)) continue;
    const auto& stage = *chain_.stages[k];
    const M& x = input_of(token, group, i);
    if (stage.form() == Form::fold) guard(k, x, [&] { stage.add(*bound_[k], x); });
    else if (stage.reference() == "truth") refer(k, x);
  }
}

// ---- backward

template <class Real>
typename ScanRun<Real>::M ScanRun<Real>::loss_cotangent(std::size_t stage, const M& x) const {
  std::vector<Real> none;
  return scaled(chain_.stages[stage]->adjoint(*bound_[stage], x, {}, {}, none), chain_.places[stage].weight);
}

// The messages of this run that stand where those of a token of another run do.
template <class Real>
typename ScanRun<Real>::Token ScanRun<Real>::replayed(const Token& token, const Group& group) const {
  Token own;
  own.input = group.root == kScan ? token.input : emitted_[group.root][token.number];
  work_forward(own, group);
  return own;
}

template <class Real>
void ScanRun<Real>::work_backward(Token& token, const Group& group, std::size_t first, const Difference* difference) const {
  Token plus, minus;
  if (difference) plus = difference->plus.replayed(token, group), minus = difference->minus.replayed(token, group);
  std::vector<M> bar(group.stages.size());  // cotangent of each stage's output
  token.p_bar.resize(group.stages.size());
  const auto give = [&](std::size_t i, const M& x_bar) {
    const std::size_t source = chain_.source(group.stages[i]);
    M& to = source == group.root ? token.input_bar : bar[local_[source]];
    to = add(to, x_bar);
  };
  for (std::size_t i = group.stages.size(); i-- > 0;) {
    const std::size_t k = group.stages[i];
    if (k < first) break;
    const auto& stage = *chain_.stages[k];
    const M& x = input_of(token, group, i);
    auto& p_bar = token.p_bar[i];
    p_bar.assign(sizes_[k], 0);
    guard(k, x, [&] {
      if (stage.form() == Form::sink) {
        if (stage.differentiable() && !difference) give(i, loss_cotangent(k, x));
        if (stage.differentiable() && difference)
          give(i, add(scaled(difference->plus.loss_cotangent(k, input_of(plus, group, i)), difference->scale),
                      scaled(difference->minus.loss_cotangent(k, input_of(minus, group, i)), -difference->scale)));
      } else if (stage.form() == Form::fold) {
        const auto& bars = emitted_bar_[k];
        const bool reached = std::any_of(bars.begin(), bars.end(), [](const M& m) { return m.index() != 0; });
        if (reached) give(i, stage.adjoint(*bound_[k], x, {}, {}, p_bar));
      } else if (bar[i].index() != 0) {
        give(i, stage.adjoint(*bound_[k], x, token.out[i], bar[i], p_bar));
      }
    });
  }
}

template <class Real>
void ScanRun<Real>::begin_adjoint(const Group& group, std::size_t first) {
  const std::size_t fold = group.root;
  if (fold == kScan || fold < first) return;
  const auto& bars = emitted_bar_[fold];
  if (std::any_of(bars.begin(), bars.end(), [](const M& m) { return m.index() != 0; }))
    guard(fold, {}, [&] { chain_.stages[fold]->adjoint_begin(*bound_[fold], bars); });
}

template <class Real>
std::vector<std::vector<double>> ScanRun<Real>::backward(const Source<Real>& again, Tape tape, const InputCotangent& input) {
  return backward(again, tape, input, nullptr);
}
template <class Real>
std::vector<std::vector<double>> ScanRun<Real>::backward(const Source<Real>& again, Tape tape, const Difference& difference) {
  return backward(again, tape, nullptr, &difference);
}

template <class Real>
std::vector<std::vector<double>> ScanRun<Real>::backward(const Source<Real>& again, Tape tape, const InputCotangent& input,
                                                         const Difference* difference) {
  const std::size_t first = input ? 0 : chain_.first_trained();
  std::vector<std::vector<double>> gradient;
  for (std::size_t size : sizes_) gradient.emplace_back(size, 0.0);
  for (std::size_t g = groups_.size(); g-- > 0;) {
    const Group& group = groups_[g];
    std::size_t n = 0;
    const auto next = [&]() -> std::unique_ptr<Token> {
      auto token = std::make_unique<Token>();
      if (tape == Tape::keep) {
        if (n == kept_[g].size()) return nullptr;
        *token = kept_[g][n];
        token->number = n++;
        return token;
      }
      if (group.root == kScan) {
        token->input = again();
        while (token->input.index() != 0 && view_of(token->input).air) token->input = again();  // calibrated already
      } else if (n < emitted_[group.root].size()) token->input = emitted_[group.root][token->number = n++];
      return token->input.index() == 0 ? nullptr : std::move(token);
    };
    const auto work = [&](Token& token) {
      if (tape != Tape::keep) work_forward(token, group);
      work_backward(token, group, first, difference);
    };
    if (group.root != kScan) emitted_bar_[group.root].clear();
    stream<Token>(workers_, next, work, [&](Token& token) {
      for (std::size_t i = 0; i < group.stages.size(); ++i) {
        auto& sum = gradient[group.stages[i]];
        for (std::size_t j = 0; j < token.p_bar[i].size(); ++j) sum[j] += static_cast<double>(token.p_bar[i][j]);
      }
      if (group.root != kScan) emitted_bar_[group.root].push_back(token.input_bar);
      else if (input) input(token.input_bar);
    });
    begin_adjoint(group, first);
  }
  return gradient;
}

// ---- results

template <class Real>
std::vector<typename ScanRun<Real>::Activity> ScanRun<Real>::activity() const {
  std::vector<Activity> out(bound_.size());
  for (std::size_t k = 0; k < out.size(); ++k) {
    const std::size_t source = chain_.source(k);
    const bool from_fold = source != kScan && chain_.stages[source]->form() == Form::fold;
    out[k] = {counts_[k].messages, counts_[k].nanoseconds, 0};
    const std::uint64_t given = counts_[source == kScan ? out.size() : source].messages;
    if (!from_fold && given > out[k].messages) out[k].waiting = given - out[k].messages;
  }
  return out;
}

template <class Real>
std::vector<double> ScanRun<Real>::losses() const {
  std::vector<double> out;
  for (std::size_t k = 0; k < bound_.size(); ++k) out.push_back(chain_.stages[k]->loss(*bound_[k]));
  return out;
}

template <class Real>
std::vector<StageRemark> ScanRun<Real>::report() const {
  std::vector<StageRemark> out;
  for (std::size_t k = 0; k < bound_.size(); ++k)
    guard(k, {}, [&] {
      for (auto& remark : chain_.stages[k]->report(*bound_[k])) out.push_back({chain_.stages[k]->name, std::move(remark)});
    });
  return out;
}

template class ScanRun<float>;
template class ScanRun<double>;

}  // namespace counterflow
