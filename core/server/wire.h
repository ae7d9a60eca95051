// What goes over a connection or a pipe (docs/protocol.md): Gadgetron's messages, and ours from id 2000 on. Little-endian.
#pragma once
#include <ismrmrd/ismrmrd.h>
#include <ismrmrd/waveform.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "core/error.h"
#include "core/message/view.h"

namespace counterflow::wire {

enum class Id : std::uint16_t {
  config_file = 1,
  config_script = 2,
  header = 3,
  close = 4,
  text = 5,
  query = 6,
  response = 7,
  acquisition = 1008,
  image = 1022,
  waveform = 1026,
  wish = 2000,     // ours: u64 n, u32 CRC32C of the payload, payload of n bytes
  view = 2001,     // the same envelope
  receipt = 2002,  // the same envelope
  ending = 2003,   // the same envelope
};

// The most that is accepted of one message [byte]; every one an option of `counterflow serve`.
struct Limits {
  std::size_t header = std::size_t{1} << 20;
  std::size_t config = std::size_t{256} << 10;
  std::size_t text = std::size_t{64} << 10;  // texts, queries, answers, wishes, meta attributes of images
  std::size_t message = std::size_t{1} << 30;
};

// Payload as it came: not initialised before bytes are read into it.
class Payload {
 public:
  Payload() = default;
  explicit Payload(std::size_t size) : data_(std::make_unique_for_overwrite<std::byte[]>(size)), size_(size) {}
  std::size_t size() const { return size_; }
  std::span<std::byte> bytes() { return {data_.get(), size_}; }
  std::span<const std::byte> bytes() const { return {data_.get(), size_}; }

 private:
  std::unique_ptr<std::byte[]> data_;
  std::size_t size_ = 0;
};

struct ConfigFile {
  std::string name;
};
struct ConfigScript {
  std::string xml;
};
struct Header {
  std::string xml;
};
struct Close {};
struct Text {
  std::string text;
};
struct Query {
  std::uint64_t correlation = 0;
  std::string question;
};
struct Response {
  std::uint64_t correlation = 0;
  std::string answer;
};
struct Acquisition {
  ISMRMRD::ISMRMRD_AcquisitionHeader head;
  Payload data;             // complex float [channel, sample], or what flag 54 says: NHLBI's compressed floats
  bool compressed = false;  // flag 54
};
struct Image {
  ISMRMRD::ISMRMRD_ImageHeader head;
  std::string meta;  // without a NUL at its end
  Payload pixels;    // [channel, z, y, x] of head.data_type
};
struct Waveform {
  ISMRMRD::ISMRMRD_WaveformHeader head;
  Payload data;  // u32 [channel, sample]
};

// Ours. What a client would like beside images: "views" (what a chain gives where it gives views), "previews", "receipts",
// "waveforms"; separated by spaces.
struct Wish {
  std::string words;
};
// One view of counts or line integrals. Its payload: u32 encoding, u32 flags (bit 0: air), u64 index, f64 angle, exposure, table
// position, time, u64 rotation, bins, rows, columns; the values.
enum class Encoding : std::uint32_t { u16 = 1, u32 = 2, f32 = 3 };
struct CompactView {
  View view;
  Encoding encoding = Encoding::f32;
  std::uint64_t bins = 0, rows = 0, columns = 0;
  Payload values;  // [bin, row, column]
};
// How many views have come in order, air views included, and how many of them are safe on disk.
struct Receipt {
  std::uint64_t received = 0, recorded = 0;
};
// How a scan ended, before CLOSE: complete, or with an error. A connection that ends without CLOSE is lost. Its payload: u32
// complete (0 or 1), the error.
struct Ending {
  bool complete = false;
  std::string error;
};

using Frame = std::variant<ConfigFile, ConfigScript, Header, Close, Text, Query, Response, Acquisition, Image, Waveform, Wish,
                           CompactView, Receipt, Ending>;

bool is_known(Id id);
std::string name_of(Id id);  // "acquisition (id 1008)", "unknown message id 77"

}  // namespace counterflow::wire
