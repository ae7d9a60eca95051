#include "core/archive/acquisition.h"

#include <cmath>
#include <cstring>

#include "core/archive/values_kernel.h"
#include "core/error.h"
#include "core/kernel.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr std::uint64_t kWrap = std::uint64_t{1} << 32;  // of the time stamp [us]

constexpr std::uint64_t flag(int n) { return std::uint64_t{1} << (n - 1); }  // ISMRMRD counts flags from 1
constexpr std::uint64_t kAir = flag(ISMRMRD::ISMRMRD_ACQ_IS_PARALLEL_CALIBRATION);
constexpr std::uint64_t kLast = flag(ISMRMRD::ISMRMRD_ACQ_LAST_IN_MEASUREMENT);

// The nominal angle where the stored float is its rounding, so that equidistant scans keep double precision.
double angle_of(float stored, const ScanGeometry& geometry, std::uint64_t view) {
  const double nominal = geometry.first_angle + static_cast<double>(view) * geometry.angle_step;
  return static_cast<float>(nominal) == stored ? nominal : static_cast<double>(stored);
}

// Likewise of a helical scan's table.
double table_position_of(float stored, const ScanGeometry& geometry, std::uint64_t view) {
  const double nominal = geometry.table_position(static_cast<double>(view));
  return geometry.is_helical() && static_cast<float>(nominal) == stored ? nominal : static_cast<double>(stored);
}

std::uint64_t rotation_of(std::uint16_t stored, const ScanGeometry& geometry, std::uint64_t view) {
  const std::uint64_t nominal = view / geometry.views_per_rotation;
  return (nominal & 0xffff) == stored ? nominal : stored;
}

}  // namespace

bool AcquisitionFields::air() const { return (flags & kAir) != 0; }

AcquisitionFields fields_of(const ISMRMRD::ISMRMRD_AcquisitionHeader& head) {
  AcquisitionFields f;
  f.flags = head.flags;
  f.scan_counter = head.scan_counter;
  f.time_stamp = head.acquisition_time_stamp;
  f.samples = head.number_of_samples;
  f.channels = head.active_channels;
  f.step = head.idx.kspace_encode_step_1;
  f.repetition = head.idx.repetition;
  std::memcpy(f.user, head.user_float, sizeof f.user);
  return f;
}

ISMRMRD::AcquisitionHeader acquisition_header(const View& view, const ScanHeader& scan, std::uint64_t scan_counter, bool last) {
  ISMRMRD::AcquisitionHeader head;
  head.flags = (view.air ? kAir : 0) | (last ? kLast : 0);
  head.scan_counter = static_cast<std::uint32_t>(scan_counter);
  head.acquisition_time_stamp = static_cast<std::uint32_t>(static_cast<std::uint64_t>(std::llround(view.time * 1e6)) % kWrap);
  head.number_of_samples = static_cast<std::uint16_t>(scan.geometry.columns);
  head.active_channels = static_cast<std::uint16_t>(scan.geometry.rows * scan.bins());
  head.available_channels = head.active_channels;
  head.idx.kspace_encode_step_1 = static_cast<std::uint16_t>(view.index & 0xffff);
  head.idx.repetition = static_cast<std::uint16_t>(view.rotation & 0xffff);
  const float user[3] = {static_cast<float>(view.angle), static_cast<float>(view.table_position),
                         static_cast<float>(view.exposure)};
  std::memcpy(head.user_float, user, sizeof user);
  return head;
}

void fill_acquisition(ISMRMRD::Acquisition& acquisition, const ISMRMRD::AcquisitionHeader& head, const Array<float, 3>& values) {
  acquisition.setHead(head);  // takes the memory too
  const std::size_t bins = values.extent(0), rows = values.extent(1);
  const std::uint16_t channels = head.active_channels, samples = head.number_of_samples;
  if (bins * rows != channels || values.extent(2) != samples)
    throw DataError("a view has " + std::to_string(bins) + " bins of " + std::to_string(rows) + " x " +
                    std::to_string(values.extent(2)) + " values; its scan's header says otherwise");
  std::complex<float>* out = acquisition.getDataPtr();
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t bin = 0; bin < bins; ++bin)
      for (float value : values.block(bin, row)) *out++ = value;
}

void fill_acquisition(ISMRMRD::Acquisition& acquisition, const View& view, const Array<float, 3>& values, const ScanHeader& scan,
                      std::uint64_t scan_counter, bool last) {
  fill_acquisition(acquisition, acquisition_header(view, scan, scan_counter, last), values);
}

template <class Real>
Array<Real, 3> values_of(const std::complex<float>* data, const ScanHeader& scan) {
  Array<Real, 3> values({scan.bins(), scan.geometry.rows, scan.geometry.columns});
  for (std::size_t row = 0; row < scan.geometry.rows; ++row)
    for (std::size_t bin = 0; bin < scan.bins(); ++bin)
      for (Real& value : values.block(bin, row)) value = static_cast<Real>((data++)->real());
  return values;
}
template Array<float, 3> values_of(const std::complex<float>*, const ScanHeader&);
template Array<double, 3> values_of(const std::complex<float>*, const ScanHeader&);

ViewSequence::ViewSequence(const ScanHeader& scan, std::string where)
    : quantity_(scan.quantity), geometry_(scan.geometry), bins_(scan.bins()), where_(std::move(where)) {}

std::string ViewSequence::name(bool air) const {
  return where_ + ": " + (air ? "air view " + std::to_string(air_) : "view " + std::to_string(object_));
}

void ViewSequence::check_shape(const AcquisitionFields& fields) const {
  const std::size_t channels = geometry_.rows * bins_;
  if (fields.samples != geometry_.columns)
    throw ArchiveError(name(fields.air()) + ": expected " + std::to_string(geometry_.columns) +
                       " samples (detector_columns), got " + std::to_string(fields.samples));
  if (fields.channels != channels)
    throw ArchiveError(name(fields.air()) + ": expected " + std::to_string(channels) +
                       " channels (detector_rows x energy_bins), got " + std::to_string(fields.channels));
  for (int k = 0; k < 3; ++k)
    if (!std::isfinite(fields.user[k]))
      throw ArchiveError(name(fields.air()) + ": expected a finite angle, table position and exposure, got " +
                         number_text(fields.user[k]));
  if (quantity_ == Quantity::counts && !(fields.user[2] > 0))
    throw ArchiveError(name(fields.air()) + ": expected a positive exposure in user_float[2], got " +
                       number_text(fields.user[2]));
}

void ViewSequence::check_order(const AcquisitionFields& fields) const {
  const std::uint64_t before = air_ + object_;
  const auto expected = static_cast<std::uint32_t>(first_counter_ + before);
  if (before > 0 && fields.scan_counter != expected) {
    const bool behind = static_cast<std::int32_t>(fields.scan_counter - expected) < 0;
    throw ArchiveError(name(fields.air()) + ": expected scan_counter " + std::to_string(expected) + ", got " +
                       std::to_string(fields.scan_counter) +
                       (behind ? ": a view is repeated or out of order" : ": views are missing"));
  }
  check_place(fields.air());
  if (!fields.air() && fields.step != (object_ & 0xffff))
    throw ArchiveError(name(fields.air()) + ": expected kspace_encode_step_1 " + std::to_string(object_ & 0xffff) + ", got " +
                       std::to_string(fields.step) + ": views are missing, repeated or out of order");
}

// Air views first, and no more object views than promised.
void ViewSequence::check_place(bool air) const {
  if (air && object_ > 0) throw ArchiveError(name(air) + ": an air view after object views; air views come first");
  if (air && quantity_ == Quantity::line_integrals) throw ArchiveError(name(air) + ": a scan of line integrals has no air views");
  if (!air && object_ >= geometry_.views)
    throw ArchiveError(name(air) + ": more object views than the header's " + std::to_string(geometry_.views));
}

double ViewSequence::time_of(const AcquisitionFields& fields) {
  if (fields.time_stamp < last_stamp_ && last_stamp_ - fields.time_stamp > kWrap / 2) time_base_ += kWrap;
  last_stamp_ = fields.time_stamp;
  return static_cast<double>(time_base_ + fields.time_stamp) * 1e-6;
}

View ViewSequence::accept(const AcquisitionFields& fields) {
  check_shape(fields);
  check_order(fields);
  if (air_ + object_ == 0) first_counter_ = fields.scan_counter;
  View view;
  view.air = fields.air();
  view.index = view.air ? air_++ : object_++;
  view.angle = view.air ? static_cast<double>(fields.user[0]) : angle_of(fields.user[0], geometry_, view.index);
  view.table_position = view.air ? static_cast<double>(fields.user[1]) : table_position_of(fields.user[1], geometry_, view.index);
  view.exposure = quantity_ == Quantity::counts ? static_cast<double>(fields.user[2]) : 1.0;
  view.rotation = view.air ? fields.repetition : rotation_of(fields.repetition, geometry_, view.index);
  view.time = time_of(fields);
  return view;
}

View ViewSequence::accept(View view) {
  for (const double value : {view.angle, view.table_position, view.exposure, view.time})
    if (!std::isfinite(value))
      throw ArchiveError(name(view.air) + ": expected a finite angle, table position, exposure and time, got " +
                         number_text(value));
  if (quantity_ == Quantity::counts && !(view.exposure > 0))
    throw ArchiveError(name(view.air) + ": expected a positive exposure, got " + number_text(view.exposure));
  check_place(view.air);
  std::uint64_t& expected = view.air ? air_ : object_;
  if (view.index != expected)
    throw ArchiveError(name(view.air) + ": expected the index " + std::to_string(expected) + ", got " +
                       std::to_string(view.index) + ": views are missing, repeated or out of order");
  ++expected;
  if (quantity_ == Quantity::line_integrals) view.exposure = 1;
  view.preview = false;
  return view;
}

void ViewSequence::finish() const {
  if (object_ != geometry_.views)
    throw ArchiveError(where_ + ": expected " + std::to_string(geometry_.views) + " object views (parameter 'views'), got " +
                       std::to_string(object_) + ": the scan is not complete");
}

namespace {

bool all_good(const Array<float, 3>& values, Quantity quantity) {
  static const auto all_finite =
      choose<AllFinite>(kernel_baseline::all_finite, kernel_avx2::all_finite, kernel_avx512::all_finite);
  return all_finite(values.data(), values.size(), quantity == Quantity::counts ? 0xffffffff : 0x7fffffff);
}

}  // namespace

void check_values(const Array<float, 3>& values, Quantity quantity, const std::string& where) {
  if (all_good(values, quantity)) return;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float value = values[i];
    const bool negative = quantity == Quantity::counts && value < 0;
    if (std::isfinite(value) && !negative) continue;
    const std::size_t columns = values.extent(2), rows = values.extent(1);
    throw ArchiveError(where + ": bin " + std::to_string(i / columns / rows) + ", row " + std::to_string(i / columns % rows) +
                       ", column " + std::to_string(i % columns) + ": expected " +
                       (negative ? "a count of at least 0, got " : "a finite number, got ") +
                       number_text(static_cast<double>(value)));
  }
}

std::shared_ptr<const Channels> channels_of_views(const ScanHeader& scan) {
  if (scan.quantity == Quantity::counts) return nullptr;
  Channels channels{"line_integral", "1", {}};
  for (std::size_t b = 0; b < scan.bins(); ++b) channels.names.push_back("bin " + std::to_string(b));
  return std::make_shared<const Channels>(std::move(channels));
}

template <class Real>
Message<Real> view_message(const View& view, Array<float, 3>&& values, const std::shared_ptr<const Channels>& channels) {
  Array<Real, 3> converted;
  if constexpr (std::is_same_v<Real, float>) converted = std::move(values);
  else converted = {values.shape(), std::vector<Real>(values.begin(), values.end())};
  if (!channels) {
    auto x = std::make_shared<Counts<Real>>();
    x->view = view;
    x->counts = std::move(converted);
    return Sent<Counts<Real>>(std::move(x));
  }
  auto x = std::make_shared<PathLengths<Real>>();
  x->view = view;
  x->areal_density = std::move(converted);
  x->channels = channels;
  return Sent<PathLengths<Real>>(std::move(x));
}
template Message<float> view_message(const View&, Array<float, 3>&&, const std::shared_ptr<const Channels>&);
template Message<double> view_message(const View&, Array<float, 3>&&, const std::shared_ptr<const Channels>&);

}  // namespace counterflow
