// The compact form: /dataset/counts, uint16 or uint32 [view,row,bin,column], one chunk a view, shuffled (the bytes of like weight
// side by side) and deflated; /dataset/view_headers, the AcquisitionHeaders. Chunks are read and inflated past HDF5, into buffers
// whose sizes come from the scan's header (docs/decisions/0008-reading-damaged-files.md).
#include <libdeflate.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/archive/acquisition_record.h"
#include "core/archive/view_file.h"
#include "core/text.h"

namespace counterflow {
namespace {

using hdf5::Handle;

constexpr const char* kCounts = "/dataset/counts";
constexpr const char* kHeaders = "/dataset/view_headers";
constexpr int kDeflateLevel = 1;          // of 12; higher ones take longer and save a few per cent of noise
constexpr std::size_t kHeaderChunk = 64;  // [header]

// How the bytes of a chunk are stored.
struct Packing {
  std::size_t size = 2;  // [byte] of a count
  bool shuffled = false, deflated = false;
};

Array<float, 3>::Shape view_shape(const ScanHeader& scan) { return {scan.bins(), scan.geometry.rows, scan.geometry.columns}; }

std::vector<hsize_t> chunk_shape(const ScanHeader& scan) { return {1, scan.geometry.rows, scan.bins(), scan.geometry.columns}; }

// Calls visit(index in [bin,row,column], index in [row,bin,column]) for the first of each line of columns.
template <class Visit>
void each_line(const Array<float, 3>::Shape& shape, Visit&& visit) {
  const auto [bins, rows, columns] = shape;
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t bin = 0; bin < bins; ++bin) visit((bin * rows + row) * columns, (row * bins + bin) * columns);
}

// Byte k of value i stands at stored[i * step + k * apart].
template <std::size_t Size>
void unpack(const std::vector<std::uint8_t>& stored, bool shuffled, Array<float, 3>& values) {
  const std::size_t step = shuffled ? 1 : Size, apart = shuffled ? values.size() : 1, columns = values.extent(2);
  each_line(values.shape(), [&](std::size_t to, std::size_t from) {
    const std::uint8_t* bytes = stored.data() + from * step;
    float* out = values.data() + to;
    for (std::size_t c = 0; c < columns; ++c) {
      std::uint32_t count = 0;
      for (std::size_t k = 0; k < Size; ++k) count |= std::uint32_t{bytes[c * step + k * apart]} << (8 * k);
      out[c] = static_cast<float>(count);
    }
  });
}

template <std::size_t Size>
void pack(const Array<float, 3>& values, std::vector<std::uint8_t>& stored) {
  const std::size_t n = values.size(), columns = values.extent(2);
  stored.resize(checked_size(n, Size));
  each_line(values.shape(), [&](std::size_t from, std::size_t to) {
    for (std::size_t c = 0; c < columns; ++c) {
      const auto count = static_cast<std::uint32_t>(values[from + c]);
      for (std::size_t k = 0; k < Size; ++k) stored[k * n + to + c] = static_cast<std::uint8_t>(count >> (8 * k));
    }
  });
}

struct FreeDecompressor {
  void operator()(libdeflate_decompressor* d) const { libdeflate_free_decompressor(d); }
};
struct FreeCompressor {
  void operator()(libdeflate_compressor* c) const { libdeflate_free_compressor(c); }
};

// ---- reading ----

class CompactViews : public ViewFile {
 public:
  CompactViews(const Handle& file, const HeapReader& heap, const ScanHeader& scan, const std::string& where)
      : heap_(heap),
        shape_(view_shape(scan)),
        where_(where),
        records_(file, heap, kHeaders, where),
        heads_(records_, {}),
        dataset_(hdf5::open_dataset(file, kCounts, where)),
        inflate_(libdeflate_alloc_decompressor()) {
    const std::string place = where + ": " + kCounts;
    if (scan.quantity != Quantity::counts) throw ArchiveError(place + ": a scan of line integrals has no compact form");
    check_shape(scan, place);
    packing_ = packing(place);
  }

  ArchiveForm form() const override { return ArchiveForm::compact; }
  std::size_t count() const override { return records_.count(); }

  ISMRMRD::AcquisitionHeader header(std::size_t index) const override {
    std::vector<std::byte> record;
    records_.read(index, record, where_ + ": the header of view " + std::to_string(index));
    return heads_.header(record);
  }

  void read(std::size_t index, Array<float, 3>& values, const std::string& where) override {
    load_chunk(index, where);
    values = Array<float, 3>(shape_);
    if (packing_.size == 2) unpack<2>(bytes_, packing_.shuffled, values);
    else unpack<4>(bytes_, packing_.shuffled, values);
  }

 private:
  void check_shape(const ScanHeader& scan, const std::string& place) const {
    const auto chunk = chunk_shape(scan);
    std::vector<std::size_t> expected(chunk.begin(), chunk.end());
    expected[0] = records_.count();
    const auto got = hdf5::shape(dataset_, place);
    const auto text = [](const std::vector<std::size_t>& shape) {
      std::vector<std::string> numbers;
      for (std::size_t n : shape) numbers.push_back(std::to_string(n));
      return "[" + joined(numbers, ", ") + "]";
    };
    if (got != expected)
      throw ArchiveError(place + ": expected [view_headers, detector_rows, energy_bins, detector_columns] = " + text(expected) +
                         ", got " + text(got) + "; the file is damaged or was not written whole");
    const Handle creation(hdf5::checked(H5Dget_create_plist(dataset_.get()), place + ": the file is damaged"));
    std::vector<hsize_t> stored(4);
    if (!heap_.usable() || H5Pget_layout(creation.get()) != H5D_CHUNKED || H5Pget_chunk(creation.get(), 4, stored.data()) != 4 ||
        stored != chunk)
      throw ArchiveError(place + ": expected one chunk a view; 'h5repack -l counts:CHUNK=1x" + std::to_string(chunk[1]) + "x" +
                         std::to_string(chunk[2]) + "x" + std::to_string(chunk[3]) + "' makes it so");
  }

  Packing packing(const std::string& place) const {
    Packing p;
    const Handle type(hdf5::checked(H5Dget_type(dataset_.get()), place + ": the file is damaged"));
    if (H5Tequal(type.get(), H5T_STD_U32LE) > 0) p.size = 4;
    else if (H5Tequal(type.get(), H5T_STD_U16LE) <= 0) throw ArchiveError(place + ": expected uint16 or uint32");
    const Handle creation(hdf5::checked(H5Dget_create_plist(dataset_.get()), place + ": the file is damaged"));
    const int filters = H5Pget_nfilters(creation.get());
    for (unsigned k = 0; k < static_cast<unsigned>(std::max(filters, 0)); ++k) {
      unsigned flags = 0;
      std::size_t values = 0;
      const H5Z_filter_t filter = H5Pget_filter2(creation.get(), k, &flags, &values, nullptr, 0, nullptr, nullptr);
      if (filter == H5Z_FILTER_SHUFFLE && !p.shuffled && !p.deflated) p.shuffled = true;
      else if (filter == H5Z_FILTER_DEFLATE && !p.deflated) p.deflated = true;
      else throw ArchiveError(place + ": expected shuffle and deflate only; 'h5repack -f SHUF -f GZIP=1' makes it so");
    }
    return p;
  }

  // The bytes of a view, inflated: no more than its counts take.
  void load_chunk(std::size_t index, const std::string& where) {
    const ChunkPlace place = chunk_place(dataset_, {index, 0, 0, 0}, where);
    bytes_.resize(checked_size(Array<float, 3>::size_of(shape_), packing_.size));
    if (place.not_filtered != 0) throw ArchiveError(where + ": its chunk is stored without the filters of the others");
    const std::size_t most = packing_.deflated ? bytes_.size() + bytes_.size() / 64 + 256 : bytes_.size();
    if (place.size > most || (!packing_.deflated && place.size != most))
      throw ArchiveError(where + ": the file is damaged: a chunk of a wrong size");
    std::vector<std::uint8_t>& stored = packing_.deflated ? deflated_ : bytes_;
    stored.resize(place.size);
    heap_.read_bytes(place.address, std::as_writable_bytes(std::span(stored)), where);
    if (packing_.deflated && libdeflate_zlib_decompress(inflate_.get(), stored.data(), stored.size(), bytes_.data(),
                                                        bytes_.size(), nullptr) != LIBDEFLATE_SUCCESS)
      throw ArchiveError(where + ": the file is damaged: its compressed counts do not give a view");
  }

  const HeapReader& heap_;
  Array<float, 3>::Shape shape_;  // [bin,row,column]
  std::string where_;
  RecordList records_;
  AcquisitionRecords heads_;
  Handle dataset_;
  Packing packing_;
  std::unique_ptr<libdeflate_decompressor, FreeDecompressor> inflate_;
  std::vector<std::uint8_t> bytes_, deflated_;
};

// ---- writing ----

Handle list_properties(const std::vector<hsize_t>& chunk, bool compressed) {
  Handle p(hdf5::checked(H5Pcreate(H5P_DATASET_CREATE), "HDF5 refuses a property list"));
  hdf5::check(H5Pset_chunk(p.get(), static_cast<int>(chunk.size()), chunk.data()), "HDF5 refuses a chunk");
  if (compressed) {
    hdf5::check(H5Pset_shuffle(p.get()), "HDF5 refuses shuffling");
    hdf5::check(H5Pset_deflate(p.get(), kDeflateLevel), "HDF5 refuses deflate");
  }
  return p;
}

// A dataset that grows along its first index.
Handle growing(const Handle& file, const char* path, hid_t type, std::vector<hsize_t> chunk, std::vector<hsize_t> shape,
               bool compressed) {
  const Handle properties = list_properties(chunk, compressed);
  std::vector<hsize_t> largest = shape;
  largest[0] = H5S_UNLIMITED;
  const Handle space(hdf5::checked(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), largest.data()), "bad shape"));
  return Handle(hdf5::checked(H5Dcreate2(file.get(), path, type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                              std::string(path) + " cannot be made"));
}

class CompactWriter : public ViewWriter {
 public:
  CompactWriter(const std::filesystem::path& path, const ScanHeader& scan)
      : scan_(scan), file_(hdf5::create(path)), deflate_(libdeflate_alloc_compressor(kDeflateLevel)) {
    const Handle group(hdf5::checked(H5Gcreate2(file_.get(), "/dataset", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), "no group"));
    header_type_ = acquisition_header_type();
    headers_ = growing(file_, kHeaders, header_type_.get(), {kHeaderChunk}, {0}, false);
    counts_ = make_counts(kCounts, 2);
  }

  void write(const ISMRMRD::AcquisitionHeader& head, const Array<float, 3>& values, const std::string& where) override {
    const float largest = check_whole(values, where);
    if (largest > 65535 && size_ == 2) widen();
    write_counts(values);
    write_header(head);
    ++views_;
  }

 private:
  Handle make_counts(const char* path, std::size_t size) const {
    std::vector<hsize_t> shape = chunk_shape(scan_);
    shape[0] = views_;
    return growing(file_, path, size == 2 ? H5T_STD_U16LE : H5T_STD_U32LE, chunk_shape(scan_), shape, true);
  }

  // The largest of the counts, which must be whole numbers below 2^32.
  static float check_whole(const Array<float, 3>& values, const std::string& where) {
    float largest = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float v = values[i];
      if (!(v >= 0 && v < 4294967296.0f) || v != std::floor(v))
        throw ArchiveError(where + ": expected whole counts from 0 to 2^32 - 1, got " + number_text(static_cast<double>(v)) +
                           ": it cannot be stored in the compact form; write the plain one");
      largest = std::max(largest, v);
    }
    return largest;
  }

  void write_counts(const Array<float, 3>& values) {
    if (size_ == 2) pack<2>(values, bytes_);
    else pack<4>(values, bytes_);
    deflated_.resize(libdeflate_zlib_compress_bound(deflate_.get(), bytes_.size()));
    const std::size_t n =
        libdeflate_zlib_compress(deflate_.get(), bytes_.data(), bytes_.size(), deflated_.data(), deflated_.size());
    std::vector<hsize_t> shape = chunk_shape(scan_), start(4, 0);
    shape[0] = views_ + 1;
    start[0] = views_;
    hdf5::check(H5Dset_extent(counts_.get(), shape.data()), "counts cannot grow");
    hdf5::check(H5Dwrite_chunk(counts_.get(), H5P_DEFAULT, 0, start.data(), n, deflated_.data()), "counts cannot be written");
  }

  void write_header(const ISMRMRD::AcquisitionHeader& head) {
    const hsize_t count = views_ + 1, at = views_, one = 1;
    hdf5::check(H5Dset_extent(headers_.get(), &count), "headers cannot grow");
    const Handle all(H5Dget_space(headers_.get())), single(H5Screate_simple(1, &one, nullptr));
    hdf5::check(H5Sselect_hyperslab(all.get(), H5S_SELECT_SET, &at, nullptr, &one, nullptr), "HDF5 refuses a selection");
    hdf5::check(H5Dwrite(headers_.get(), header_type_.get(), single.get(), all.get(), H5P_DEFAULT, &head),
                "headers cannot be written");
  }

  // A count above 65535 has come: what is written so far is written again with 4 bytes a count.
  void widen() {
    constexpr const char* kWide = "/dataset/counts_of_32_bits";
    const Handle narrow = std::exchange(counts_, make_counts(kWide, 4));
    std::vector<hsize_t> start(4, 0);
    const std::vector<hsize_t> one = chunk_shape(scan_);
    const Handle from(H5Dget_space(narrow.get())), to(H5Dget_space(counts_.get())),
        view(H5Screate_simple(4, one.data(), nullptr));
    std::vector<std::uint32_t> values(Array<float, 3>::size_of(view_shape(scan_)));
    for (; start[0] < views_; ++start[0]) {
      for (const Handle* space : {&from, &to})
        hdf5::check(H5Sselect_hyperslab(space->get(), H5S_SELECT_SET, start.data(), nullptr, one.data(), nullptr),
                    "HDF5 refuses a selection");
      hdf5::check(H5Dread(narrow.get(), H5T_NATIVE_UINT32, view.get(), from.get(), H5P_DEFAULT, values.data()),
                  "counts cannot be read back");
      hdf5::check(H5Dwrite(counts_.get(), H5T_NATIVE_UINT32, view.get(), to.get(), H5P_DEFAULT, values.data()),
                  "counts cannot be written");
    }
    hdf5::check(H5Ldelete(file_.get(), kCounts, H5P_DEFAULT), "counts cannot be replaced");
    hdf5::check(H5Lmove(file_.get(), kWide, H5L_SAME_LOC, kCounts, H5P_DEFAULT, H5P_DEFAULT), "counts cannot be replaced");
    size_ = 4;
  }

  ScanHeader scan_;
  Handle file_, header_type_, headers_, counts_;
  std::size_t size_ = 2;  // [byte] of a count
  hsize_t views_ = 0;
  std::unique_ptr<libdeflate_compressor, FreeCompressor> deflate_;
  std::vector<std::uint8_t> bytes_, deflated_;
};

}  // namespace

std::unique_ptr<ViewFile> open_compact(const Handle& file, const HeapReader& heap, const ScanHeader& scan,
                                       const std::string& where) {
  return std::make_unique<CompactViews>(file, heap, scan, where);
}

std::unique_ptr<ViewWriter> create_compact(const std::filesystem::path& file, const ScanHeader& scan) {
  if (scan.quantity != Quantity::counts) throw ArchiveError("line integrals have no compact form; write the plain one");
  return std::make_unique<CompactWriter>(file, scan);
}

}  // namespace counterflow
