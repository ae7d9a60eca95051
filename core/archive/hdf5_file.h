// The little of HDF5's C interface that archives need, with owners, and with errors as ArchiveError.
#pragma once
#include <hdf5.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"

namespace counterflow::hdf5 {

// Owns one identifier of any kind.
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() { reset(); }
  void reset();
  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_ = H5I_INVALID_HID;
};

// HDF5 prints its own errors to standard error; not while one of these lives.
class Quiet {
 public:
  Quiet();
  ~Quiet();
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

// Throws ArchiveError "FILE: what" when an HDF5 call has failed.
hid_t checked(hid_t id, const std::string& what);
inline void check(herr_t status, const std::string& what) { checked(status, what); }

Handle open_to_read(const std::filesystem::path& file);
Handle create(const std::filesystem::path& file);

// Whether every link of a path such as "/dataset/data" is there.
bool exists(const Handle& file, const std::string& path);
// HDF5 1.10 trusts the offsets and sizes of types in a file, and overruns its buffers where they are damaged; so these are
// checked before anything is read. Throws ArchiveError "WHERE: ..." where the dataset is missing or damaged.
Handle open_dataset(const Handle& file, const std::string& path, const std::string& where);
std::vector<std::size_t> shape(const Handle& dataset, const std::string& where);

// Bytes that an element takes in the file; of text of variable length HDF5 tells the size of a pointer.
std::size_t stored_size(hid_t type);

// A simple dataset of T (float, double, std::uint16_t, ...), row-major; refuses more than `largest` elements.
template <class T>
std::vector<T> read_all(const Handle& dataset, std::size_t largest, const std::string& where);
template <class T>
void write_all(const Handle& file, const std::string& path, const std::vector<std::size_t>& shape, const T* values);

// Text as one string of fixed length, which needs no heap.
void write_text(const Handle& file, const std::string& path, const std::string& text);

}  // namespace counterflow::hdf5
