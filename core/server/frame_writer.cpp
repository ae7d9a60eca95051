#include "core/server/frame_writer.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/array.h"
#include "core/server/crc32c.h"
#include "core/server/frame_head.h"

namespace counterflow::wire {
namespace {

constexpr std::size_t kBlock = 512;  // [byte]: small parts are put together in such

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// Values in a row.
class Bytes {
 public:
  template <class... T>
  explicit Bytes(const T&... values) {
    bytes_.reserve((sizeof values + ...));
    (add(values), ...);
  }
  template <class T>
  void add(const T& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  operator std::span<const std::byte>() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::vector<std::byte> bytes_;
};

void put_short_text(Outgoing& out, Id id, std::string_view text) {
  out.put(Bytes(id, static_cast<std::uint32_t>(text.size())));
  out.put(bytes_of(text));
}

// Ours: u64 n, u32 CRC32C, then `head` and, behind it, what has `size` bytes and the CRC `crc` together with the head.
void put_envelope(Outgoing& out, Id id, std::span<const std::byte> head, std::size_t size, std::uint32_t crc) {
  out.put(Bytes(id, std::uint64_t{head.size() + size}, crc));
  out.put(head);
}

void check_size(Id id, std::span<const std::byte> values, std::uint64_t expected) {
  if (values.size() != expected)
    throw DataError(name_of(id) + ": expected " + std::to_string(expected) + " bytes of values, as its header says, got " +
                    std::to_string(values.size()));
}

// Its gaps, behind the version and at the end, as zeros: nobody is sent what lay there in memory.
std::array<std::byte, sizeof(ISMRMRD::ISMRMRD_WaveformHeader)> without_padding(const ISMRMRD::ISMRMRD_WaveformHeader& head) {
  using Head = ISMRMRD::ISMRMRD_WaveformHeader;
  constexpr std::size_t kFlags = offsetof(Head, flags), kEnd = offsetof(Head, waveform_id) + sizeof head.waveform_id;
  std::array<std::byte, sizeof(Head)> bytes{};
  const auto from = std::as_bytes(std::span(&head, 1));
  std::copy_n(from.begin(), sizeof head.version, bytes.begin());
  std::copy_n(from.begin() + kFlags, kEnd - kFlags, bytes.begin() + kFlags);
  return bytes;
}

// At most `most` bytes of UTF-8, cut between characters.
std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return text.substr(0, most);
}

}  // namespace

// Memory that pieces() has shown does not move: a block takes no more than it has room for.
void Outgoing::put(std::span<const std::byte> small) {
  if (small.empty()) return;
  if (parts_.empty() || parts_.back().own.empty() || parts_.back().own.capacity() - parts_.back().own.size() < small.size()) {
    parts_.emplace_back();
    parts_.back().own.reserve(std::max(kBlock, small.size()));
  }
  auto& own = parts_.back().own;
  own.insert(own.end(), small.begin(), small.end());
  size_ += small.size();
}

void Outgoing::put(std::span<const std::byte> large, std::shared_ptr<const void> owner) {
  if (large.empty()) return;
  parts_.push_back({{}, large, std::move(owner)});
  size_ += large.size();
}

std::size_t Outgoing::size() const { return size_; }
bool Outgoing::empty() const { return size_ == 0; }

std::span<const std::byte> Outgoing::Part::bytes() const { return own.empty() ? foreign : std::span<const std::byte>(own); }

std::vector<std::span<const std::byte>> Outgoing::pieces(std::size_t most) const {
  std::vector<std::span<const std::byte>> pieces;
  for (auto part = parts_.begin(); part != parts_.end() && pieces.size() < most; ++part)
    pieces.push_back(part->bytes().subspan(pieces.empty() ? written_ : 0));
  return pieces;
}

void Outgoing::drop(std::size_t n) {
  size_ -= n;
  for (written_ += n; !parts_.empty() && written_ >= parts_.front().bytes().size(); parts_.pop_front())
    written_ -= parts_.front().bytes().size();
}

void Outgoing::append(Outgoing&& other) {
  if (empty()) {
    *this = std::move(other);
  } else {
    other.trim();
    for (Part& part : other.parts_) parts_.push_back(std::move(part));
    size_ += other.size_;
  }
  other = {};
}

// Leaves of the front part what has not been written.
void Outgoing::trim() {
  if (written_ == 0) return;
  Part& front = parts_.front();
  if (front.own.empty()) front.foreign = front.foreign.subspan(written_);
  else front.own.erase(front.own.begin(), front.own.begin() + static_cast<std::ptrdiff_t>(written_));
  written_ = 0;
}

void put_config_file(Outgoing& out, std::string_view name) {
  constexpr std::size_t kSize = 1024;
  if (name.size() >= kSize || name.find('\0') != name.npos)
    throw ConfigError("the name of a chain has at most " + std::to_string(kSize - 1) + " bytes and no NUL, got " +
                      std::to_string(name.size()) + " bytes");
  std::string padded(name);
  padded.resize(kSize);
  out.put(Bytes(Id::config_file));
  out.put(bytes_of(padded));
}

void put_config_script(Outgoing& out, std::string_view xml) { put_short_text(out, Id::config_script, xml); }
void put_header(Outgoing& out, std::string_view xml) { put_short_text(out, Id::header, xml); }
void put_close(Outgoing& out) { out.put(Bytes(Id::close)); }
void put_text(Outgoing& out, std::string_view text) { put_short_text(out, Id::text, cut(text, Limits{}.text)); }

void put_query(Outgoing& out, std::uint64_t correlation, std::string_view question) {
  out.put(Bytes(Id::query, std::uint64_t{0}, correlation, std::uint64_t{question.size()}));
  out.put(bytes_of(question));
}

void put_response(Outgoing& out, std::uint64_t correlation, std::string_view answer) {
  out.put(Bytes(Id::response, correlation, std::uint64_t{answer.size()}));
  out.put(bytes_of(answer));
}

void put_acquisition(Outgoing& out, const ISMRMRD::ISMRMRD_AcquisitionHeader& head, std::span<const std::byte> values,
                     std::shared_ptr<const void> owner) {
  check_size(Id::acquisition, values, std::uint64_t{head.number_of_samples} * head.active_channels * 8);
  out.put(Bytes(Id::acquisition, head));
  out.put(values, std::move(owner));
}

void put_image(Outgoing& out, const ISMRMRD::ISMRMRD_ImageHeader& head, std::string_view meta, std::span<const std::byte> pixels,
               std::shared_ptr<const void> owner) {
  check_size(Id::image, pixels, pixels_size(head, pixels.size()).value_or(0));
  out.put(Bytes(Id::image, head, std::uint64_t{meta.size()}));
  out.put(bytes_of(meta));
  out.put(pixels, std::move(owner));
}

void put_waveform(Outgoing& out, std::shared_ptr<const Waveform> waveform) {
  const auto& head = waveform->head;
  check_size(Id::waveform, waveform->data.bytes(), std::uint64_t{head.number_of_samples} * head.channels * 4);
  out.put(Bytes(Id::waveform, without_padding(head)));
  out.put(waveform->data.bytes(), waveform);
}

void put_wish(Outgoing& out, std::string_view words) { put_envelope(out, Id::wish, bytes_of(words), 0, crc32c(bytes_of(words))); }

void put_view(Outgoing& out, const CompactView& head, std::span<const std::byte> values, std::shared_ptr<const void> owner) {
  check_size(Id::view, values,
             checked_size(checked_size(head.bins, head.rows), checked_size(head.columns, value_size(head.encoding))));
  const View& v = head.view;
  const Bytes bytes(head.encoding, v.air ? kAirFlag : 0u, v.index, v.angle, v.exposure, v.table_position, v.time, v.rotation,
                    head.bins, head.rows, head.columns);
  put_envelope(out, Id::view, bytes, values.size(), crc32c(values, crc32c(bytes)));
  out.put(values, std::move(owner));
}

void put_receipt(Outgoing& out, const Receipt& receipt) {
  const Bytes bytes(receipt.received, receipt.recorded);
  put_envelope(out, Id::receipt, bytes, 0, crc32c(bytes));
}

void put_ending(Outgoing& out, const Ending& ending) {
  const std::string_view error = cut(ending.error, Limits{}.text);
  const Bytes bytes(std::uint32_t{ending.complete});
  put_envelope(out, Id::ending, bytes, error.size(), crc32c(bytes_of(error), crc32c(bytes)));
  out.put(bytes_of(error));
}

}  // namespace counterflow::wire
