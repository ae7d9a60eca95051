// Messages as bytes: small parts are copied together, large ones are referred to, for a gathered write.
#pragma once
#include <cstddef>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/server/wire.h"

namespace counterflow::wire {

// Bytes to be written, in order. What a part refers to is kept alive by it. Pieces stay where they are while more is put behind.
class Outgoing {
 public:
  void put(std::span<const std::byte> small);                                     // copied
  void put(std::span<const std::byte> large, std::shared_ptr<const void> owner);  // referred to
  std::size_t size() const;                                                       // [byte]
  bool empty() const;
  // At most `most` pieces from the front.
  std::vector<std::span<const std::byte>> pieces(std::size_t most) const;
  void drop(std::size_t n);  // `n` bytes from the front have been written
  void append(Outgoing&& other);

 private:
  struct Part {
    std::span<const std::byte> bytes() const;
    std::vector<std::byte> own;
    std::span<const std::byte> foreign;
    std::shared_ptr<const void> owner;  // of the foreign ones
  };
  void trim();

  std::deque<Part> parts_;
  std::size_t written_ = 0, size_ = 0;  // of the front part; of all that is left
};

void put_config_file(Outgoing& out, std::string_view name);  // throws ConfigError for a name over 1023 bytes
void put_config_script(Outgoing& out, std::string_view xml);
void put_header(Outgoing& out, std::string_view xml);
void put_close(Outgoing& out);
void put_text(Outgoing& out, std::string_view text);  // the longest that is accepted, the rest cut
void put_query(Outgoing& out, std::uint64_t correlation, std::string_view question);
void put_response(Outgoing& out, std::uint64_t correlation, std::string_view answer);
// `values` complex float [channel, sample], as head says.
void put_acquisition(Outgoing& out, const ISMRMRD::ISMRMRD_AcquisitionHeader& head, std::span<const std::byte> values,
                     std::shared_ptr<const void> owner);
void put_image(Outgoing& out, const ISMRMRD::ISMRMRD_ImageHeader& head, std::string_view meta, std::span<const std::byte> pixels,
               std::shared_ptr<const void> owner);
void put_waveform(Outgoing& out, std::shared_ptr<const Waveform> waveform);
void put_wish(Outgoing& out, std::string_view words);
// Values [bin, row, column] in the given encoding; `head.values` is not looked at.
void put_view(Outgoing& out, const CompactView& head, std::span<const std::byte> values, std::shared_ptr<const void> owner);
void put_receipt(Outgoing& out, const Receipt& receipt);
void put_ending(Outgoing& out, const Ending& ending);

}  // namespace counterflow::wire
