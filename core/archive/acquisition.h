// One view as an ISMRMRD acquisition, in files and on the wire (docs/format.md, "Acquisitions").
#pragma once
#include <ismrmrd/ismrmrd.h>

#include <complex>
#include <cstdint>
#include <memory>
#include <string>

#include "core/message/message.h"
#include "core/message/scan_header.h"

namespace counterflow {

// The fields of an acquisition's header that mean something here; ISMRMRD's own struct is packed, so members are copied, never
// referred to.
struct AcquisitionFields {
  std::uint64_t flags = 0;
  std::uint32_t scan_counter = 0;           // of all views, air included
  std::uint32_t time_stamp = 0;             // [us], modulo 2^32
  std::uint16_t samples = 0, channels = 0;  // columns; rows bins
  std::uint16_t step = 0;                   // view modulo 65536
  std::uint16_t repetition = 0;             // rotation modulo 65536
  float user[8] = {};                       // source angle [rad], table position [mm], exposure
  bool air() const;
};
AcquisitionFields fields_of(const ISMRMRD::ISMRMRD_AcquisitionHeader& head);
ISMRMRD::AcquisitionHeader acquisition_header(const View& view, const ScanHeader& scan, std::uint64_t scan_counter, bool last);

// The whole acquisition of a view with `values` [bin,row,column]; channel = row bins + bin.
void fill_acquisition(ISMRMRD::Acquisition& acquisition, const ISMRMRD::AcquisitionHeader& head, const Array<float, 3>& values);
void fill_acquisition(ISMRMRD::Acquisition& acquisition, const View& view, const Array<float, 3>& values, const ScanHeader& scan,
                      std::uint64_t scan_counter, bool last);
// Its data [channel,column] back as [bin,row,column]; the imaginary parts are not looked at.
template <class Real>
Array<Real, 3> values_of(const std::complex<float>* data, const ScanHeader& scan);

// Follows the views of one scan and refuses, with ArchiveError, what does not belong: wrong samples or channels, missing,
// repeated or permuted views, air views after object views, more views than the header promises.
class ViewSequence {
 public:
  ViewSequence(const ScanHeader& scan, std::string where);
  View accept(const AcquisitionFields& fields);
  // The same of a view that says all of itself; its shape is the caller's to check.
  View accept(View view);
  void finish() const;  // throws unless every object view of the header came
  std::size_t air_views() const { return air_; }
  std::size_t object_views() const { return object_; }

 private:
  void check_shape(const AcquisitionFields& fields) const;
  void check_order(const AcquisitionFields& fields) const;
  void check_place(bool air) const;
  double time_of(const AcquisitionFields& fields);
  std::string name(bool air) const;

  Quantity quantity_;
  ScanGeometry geometry_;
  std::size_t bins_ = 0;
  std::string where_;
  std::uint64_t air_ = 0, object_ = 0;
  std::uint32_t first_counter_ = 0, last_stamp_ = 0;
  std::uint64_t time_base_ = 0;  // [us], a multiple of 2^32
};

// Throws ArchiveError naming the first value, unless every one is finite and, of counts, not negative.
void check_values(const Array<float, 3>& values, Quantity quantity, const std::string& where);

// What the bins of a scan of line integrals are called; null for counts.
std::shared_ptr<const Channels> channels_of_views(const ScanHeader& scan);
// A view as a message: of line integrals where there are `channels`, else of counts.
template <class Real>
Message<Real> view_message(const View& view, Array<float, 3>&& values, const std::shared_ptr<const Channels>& channels);

}  // namespace counterflow
