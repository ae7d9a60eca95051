#include "core/server/view_codec.h"

#include <algorithm>
#include <bit>
#include <complex>
#include <utility>

#include "core/server/nhlbi.h"

namespace counterflow::wire {
namespace {

// Converted as they are copied, without a pass of zeros before.
template <class T>
std::vector<float> floats_of(const Payload& payload) {
  const T* first = reinterpret_cast<const T*>(payload.bytes().data());
  return {first, first + payload.size() / sizeof(T)};
}

std::vector<float> floats_of(const CompactView& view) {
  switch (view.encoding) {
    case Encoding::u16:
      return floats_of<std::uint16_t>(view.values);
    case Encoding::u32:
      return floats_of<std::uint32_t>(view.values);
    case Encoding::f32:
      return floats_of<float>(view.values);
  }
  return {};
}

std::int32_t bits_of(float value) { return std::bit_cast<std::int32_t>(value); }

// What would hold all values if they were whole numbers. On the bits, which order floats from +0 on and are negative for -0 too.
Encoding encoding_for(const Array<float, 3>& values) {
  const float* v = values.data();
  std::int32_t all = 0, largest = 0;
  for (std::size_t i = 0, n = values.size(); i < n; ++i) {
    all |= bits_of(v[i]);
    largest = std::max(largest, bits_of(v[i]));
  }
  if (all < 0 || largest >= bits_of(4294967296.0f)) return Encoding::f32;
  return largest <= bits_of(65535.0f) ? Encoding::u16 : Encoding::u32;
}

// The values in integers that hold the largest of them; null where one is no whole number. `Wide` is signed and holds a T.
template <class T, class Wide>
std::shared_ptr<const Payload> integers_of(const Array<float, 3>& values) {
  auto payload = std::make_shared<Payload>(values.size() * sizeof(T));
  T* to = reinterpret_cast<T*>(payload->bytes().data());
  const float* from = values.data();
  std::int32_t changed = 0;
  for (std::size_t i = 0, n = values.size(); i < n; ++i) {
    const auto integer = static_cast<Wide>(from[i]);
    changed |= bits_of(from[i]) ^ bits_of(static_cast<float>(integer));
    to[i] = static_cast<T>(integer);
  }
  return changed == 0 ? payload : nullptr;
}

// In integers where that changes no bit, else as floats; `owner` keeps `values` alive.
void put_values(Outgoing& out, const View& view, const Array<float, 3>& values, std::shared_ptr<const void> owner,
                bool as_floats) {
  CompactView head;
  head.view = view;
  head.bins = values.extent(0);
  head.rows = values.extent(1);
  head.columns = values.extent(2);
  head.encoding = as_floats ? Encoding::f32 : encoding_for(values);
  std::shared_ptr<const Payload> integers;
  if (head.encoding == Encoding::u16) integers = integers_of<std::uint16_t, std::int32_t>(values);
  if (head.encoding == Encoding::u32) integers = integers_of<std::uint32_t, std::int64_t>(values);
  if (integers) return put_view(out, head, integers->bytes(), integers);
  head.encoding = Encoding::f32;
  put_view(out, head, std::as_bytes(std::span(values.values())), std::move(owner));
}

}  // namespace

ViewDecoder::ViewDecoder(const ScanHeader& scan, std::string where)
    : scan_(scan), where_(where), sequence_(scan, std::move(where)), channels_(channels_of_views(scan)) {}

std::string ViewDecoder::name(const View& view) const {
  return where_ + (view.air ? ", air view " : ", view ") + std::to_string(view.index);
}

template <class Real>
Message<Real> ViewDecoder::checked(const View& view, Array<float, 3>&& values) const {
  check_values(values, scan_.quantity, name(view));
  return view_message<Real>(view, std::move(values), channels_);
}

template <class Real>
Message<Real> ViewDecoder::decode(const Acquisition& acquisition) {
  const View view = sequence_.accept(fields_of(acquisition.head));  // refuses samples and channels that are not the header's
  const std::size_t values = checked_size(checked_size(scan_.bins(), scan_.geometry.rows), scan_.geometry.columns);
  if (!acquisition.compressed) {
    if (acquisition.data.size() != values * sizeof(std::complex<float>))
      throw ArchiveError(name(view) + ": expected " + std::to_string(values) + " complex values, got " +
                         std::to_string(acquisition.data.size()) + " bytes");
    const auto* data = reinterpret_cast<const std::complex<float>*>(acquisition.data.bytes().data());
    return checked<Real>(view, values_of<float>(data, scan_));
  }
  std::vector<float> floats;
  try {
    floats = nhlbi_floats(acquisition.data.bytes(), 2 * values);
  } catch (const DataError& error) {
    throw ArchiveError(name(view) + ": " + error.what());
  }
  return checked<Real>(view, values_of<float>(reinterpret_cast<const std::complex<float>*>(floats.data()), scan_));
}

template <class Real>
Message<Real> ViewDecoder::decode(const CompactView& compact) {
  const View view = sequence_.accept(compact.view);
  const auto& g = scan_.geometry;
  const Array<float, 3>::Shape shape{scan_.bins(), g.rows, g.columns}, got{compact.bins, compact.rows, compact.columns};
  std::vector<float> values = floats_of(compact);
  if (got != shape || values.size() != Array<float, 3>::size_of(shape)) {
    const auto text = [](const auto& s) {
      return std::to_string(s[0]) + " x " + std::to_string(s[1]) + " x " + std::to_string(s[2]);
    };
    throw ArchiveError(name(view) + ": expected " + text(shape) +
                       " values (energy_bins x detector_rows x detector_columns), got " + text(got));
  }
  return checked<Real>(view, Array<float, 3>(shape, std::move(values)));
}

template Message<float> ViewDecoder::decode(const Acquisition&);
template Message<double> ViewDecoder::decode(const Acquisition&);
template Message<float> ViewDecoder::decode(const CompactView&);
template Message<double> ViewDecoder::decode(const CompactView&);

void ViewDecoder::finish() const { sequence_.finish(); }

void put_view(Outgoing& out, const Sent<Counts<float>>& view, bool as_floats) {
  put_values(out, view->view, view->counts, view, as_floats);
}

void put_view(Outgoing& out, const Sent<PathLengths<float>>& view) {
  put_values(out, view->view, view->areal_density, view, true);
}

void put_acquisition(Outgoing& out, const Message<float>& view, const ScanHeader& scan, std::uint64_t scan_counter) {
  const View& v = view_of(view);
  const bool last = !v.air && v.index + 1 == scan.geometry.views;
  auto acquisition = std::make_shared<ISMRMRD::Acquisition>();
  if (const auto* counts = std::get_if<Sent<Counts<float>>>(&view))
    fill_acquisition(*acquisition, v, (*counts)->counts, scan, scan_counter, last);
  else fill_acquisition(*acquisition, v, std::get<Sent<PathLengths<float>>>(view)->areal_density, scan, scan_counter, last);
  const auto* data = reinterpret_cast<const std::byte*>(acquisition->getDataPtr());
  put_acquisition(out, acquisition->getHead(), {data, acquisition->getDataSize()}, acquisition);
}

void put_image(Outgoing& out, const ImageSlice& slice) {
  std::string meta;
  slice.image->getAttributeString(meta);
  const auto* pixels = reinterpret_cast<const std::byte*>(slice.image->getDataPtr());
  put_image(out, slice.image->getHead(), meta, {pixels, slice.image->getDataSize()}, slice.image);
}

void put_image(Outgoing& out, const counterflow::Image<float>& image, const ImageOrigin& origin, const std::string& where) {
  const auto put = [&](const ImageSlice& slice) { put_image(out, slice); };
  for_each_slice(image, origin, where, put, Previews::kept);
}

}  // namespace counterflow::wire
