#include "core/archive/copy_objects.h"

#include <algorithm>

#include "core/array.h"

namespace counterflow {
namespace {

using hdf5::Handle;

constexpr int kDeepest = 16;                                 // groups in groups
constexpr std::size_t kLargestSlice = std::size_t{1} << 30;  // [byte]

class Copier {
 public:
  Copier(const Handle& from, const HeapReader& heap, const Handle& to, const std::vector<std::string>& leave_out,
         const std::string& where)
      : from_(from), to_(to), heap_(heap), leave_out_(leave_out), where_(where) {}

  void group(const std::string& path, int depth = 0) const {
    if (depth > kDeepest) throw ArchiveError(where_ + ": " + path + ": the file is damaged: groups within groups without end");
    const Handle source(hdf5::checked(H5Gopen2(from_.get(), path.c_str(), H5P_DEFAULT), where_ + ": the file is damaged"));
    for (const std::string& name : names(source)) {
      const std::string child = (path == "/" ? "" : path) + "/" + name;
      if (std::find(leave_out_.begin(), leave_out_.end(), child) == leave_out_.end()) object(child, depth);
    }
  }

 private:
  // Of hard links; others have no content of their own.
  std::vector<std::string> names(const Handle& group) const {
    struct Names {
      std::vector<std::string> all;
      std::string not_hard;
    } names;
    const auto add = [](hid_t, const char* name, const H5L_info_t* info, void* to) -> herr_t {
      auto& found = *static_cast<Names*>(to);
      if (info->type != H5L_TYPE_HARD) found.not_hard = name;
      found.all.emplace_back(name);
      return 0;
    };
    hsize_t at = 0;
    hdf5::check(H5Literate(group.get(), H5_INDEX_NAME, H5_ITER_INC, &at, add, &names), where_ + ": the file is damaged");
    if (!names.not_hard.empty())
      throw ArchiveError(where_ + ": '" + names.not_hard + "' is a link to something else and cannot be copied; remove it");
    return names.all;
  }

  void object(const std::string& path, int depth) const {
    const Handle opened(hdf5::checked(H5Oopen(from_.get(), path.c_str(), H5P_DEFAULT), where_ + ": the file is damaged"));
    const H5I_type_t kind = H5Iget_type(opened.get());
    const bool there = hdf5::exists(to_, path);
    if (kind == H5I_GROUP) {
      if (!there)
        Handle(hdf5::checked(H5Gcreate2(to_.get(), path.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), "no group can be made"));
      group(path, depth + 1);
    } else if (kind == H5I_DATASET) {
      if (!there) dataset(path);
    } else {
      refuse(path);
    }
  }

  [[noreturn]] void refuse(const std::string& path) const {
    throw ArchiveError(where_ + ": " + path +
                       " is stored in a way that is not copied (compressed, or of variable length); remove it, or make it plain "
                       "('h5repack -f NONE')");
  }

  static bool has_variable_length(hid_t type) {
    return H5Tdetect_class(type, H5T_VLEN) != 0 || H5Tdetect_class(type, H5T_STRING) != 0 ||
           H5Tdetect_class(type, H5T_REFERENCE) != 0;
  }

  void dataset(const std::string& path) const {
    const Handle source = hdf5::open_dataset(from_, path, where_);
    const Handle type(hdf5::checked(H5Dget_type(source.get()), where_ + ": the file is damaged"));
    if (H5Tget_class(type.get()) == H5T_STRING) return hdf5::write_text(to_, path, read_text(from_, heap_, path, where_));
    const Handle creation(hdf5::checked(H5Dget_create_plist(source.get()), where_ + ": the file is damaged"));
    if (has_variable_length(type.get()) || H5Pget_nfilters(creation.get()) != 0) refuse(path);
    array(path, source, type);
  }

  // Slice by slice along the first index that is longer than 1.
  void array(const std::string& path, const Handle& source, const Handle& type) const {
    const std::string place = where_ + ": " + path;
    const std::vector<std::size_t> shape = hdf5::shape(source, place);
    std::vector<hsize_t> all(shape.begin(), shape.end()), start(shape.size(), 0), slice = all;
    const auto along =
        static_cast<std::size_t>(std::find_if(all.begin(), all.end(), [](hsize_t n) { return n > 1; }) - all.begin());
    if (along < all.size()) slice[along] = 1;
    std::size_t size = H5Tget_size(type.get());
    for (hsize_t n : slice) size = checked_size(size, n);
    if (size > kLargestSlice) throw ArchiveError(place + ": is larger than anything that is copied");
    const int rank = static_cast<int>(all.size());
    const Handle space(hdf5::checked(H5Screate_simple(rank, all.data(), nullptr), place + ": bad shape"));
    const Handle target(hdf5::checked(
        H5Dcreate2(to_.get(), path.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), path + ": no room"));
    if (size == 0) return;
    const Handle memory(hdf5::checked(H5Screate_simple(rank, slice.data(), nullptr), place + ": bad shape"));
    std::vector<std::byte> bytes(size);
    const hsize_t slices = along < all.size() ? all[along] : 1;
    for (hsize_t at = 0; at < slices; ++at) {
      if (!all.empty()) {
        start[along < all.size() ? along : 0] = at;
        hdf5::check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, slice.data(), nullptr), "no slice");
      }
      hdf5::check(H5Dread(source.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT, bytes.data()),
                  place + ": cannot be read; the file is damaged or truncated");
      hdf5::check(H5Dwrite(target.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT, bytes.data()),
                  path + " cannot be written; is the disk full?");
    }
  }

  const Handle &from_, &to_;
  const HeapReader& heap_;
  const std::vector<std::string>& leave_out_;
  const std::string& where_;
};

}  // namespace

void copy_objects(const Handle& from, const HeapReader& heap, const Handle& to, const std::string& group,
                  const std::vector<std::string>& leave_out, const std::string& where) {
  try {
    Copier(from, heap, to, leave_out, where).group(group);
  } catch (const DataError&) {
    throw ArchiveError(where + ": the file is damaged: sizes that overflow");
  }
}

}  // namespace counterflow
