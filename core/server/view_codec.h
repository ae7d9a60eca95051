// Between messages of the wire and messages of the chain.
#pragma once
#include "core/archive/acquisition.h"
#include "core/archive/image_slices.h"
#include "core/message/message.h"
#include "core/server/frame_parser.h"
#include "core/server/frame_writer.h"

namespace counterflow::wire {

// Views of one scan as they come, in either encoding; each is checked: shape, order, values. Throws ArchiveError naming `where`,
// the view and what is wrong with it.
class ViewDecoder {
 public:
  ViewDecoder(const ScanHeader& scan, std::string where);
  template <class Real>
  Message<Real> decode(const Acquisition& acquisition);
  template <class Real>
  Message<Real> decode(const CompactView& view);
  void finish() const;  // throws unless every view of the header came
  const ViewSequence& sequence() const { return sequence_; }

 private:
  std::string name(const View& view) const;
  template <class Real>
  Message<Real> checked(const View& view, Array<float, 3>&& values) const;

  ScanHeader scan_;
  std::string where_;
  ViewSequence sequence_;
  std::shared_ptr<const Channels> channels_;  // of line integrals; null for counts
};

// A view as our own message. Counts that are whole numbers go in 16 bits where the largest fits, else in 32; others as floats.
// `as_floats`: without looking, and without a copy.
void put_view(Outgoing& out, const Sent<Counts<float>>& view, bool as_floats = false);
void put_view(Outgoing& out, const Sent<PathLengths<float>>& view);
// A view as an ISMRMRD acquisition.
void put_acquisition(Outgoing& out, const Message<float>& view, const ScanHeader& scan, std::uint64_t scan_counter);
// A slice as an ISMRMRD image, and all slices of an image; a preview's in series 65535 (core/archive/image_slices.h).
void put_image(Outgoing& out, const ImageSlice& slice);
void put_image(Outgoing& out, const counterflow::Image<float>& image, const ImageOrigin& origin, const std::string& where);

}  // namespace counterflow::wire
