#include "core/archive/learned_parameters.h"

#include <algorithm>
#include <cstring>

#include "core/archive/hdf5_file.h"
#include "core/archive/pending_file.h"
#include "core/array.h"
#include "core/digest.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr std::size_t kMostValues = std::size_t{1} << 31;
constexpr std::size_t kLongestText = std::size_t{1} << 20;
constexpr const char* kSchema = "counterflow-parameters/1";

std::string listed(const std::vector<std::string>& names) { return joined(names, "\n"); }
std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

void write_attribute(const hdf5::Handle& dataset, const std::string& name, const std::string& text) {
  using namespace hdf5;
  const Handle type(checked(H5Tcopy(H5T_C_S1), "HDF5 refuses a string type"));
  check(H5Tset_size(type.get(), text.size() + 1), "HDF5 refuses a string type");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "HDF5 refuses a string type");
  const Handle space(checked(H5Screate(H5S_SCALAR), name + ": bad shape"));
  const Handle attribute(checked(H5Acreate2(dataset.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
                                 name + " cannot be written; is the disk full?"));
  check(H5Awrite(attribute.get(), type.get(), text.c_str()), name + " cannot be written; is the disk full?");
}

// Text of fixed length from an attribute or a dataset, whose type and space are given.
template <class Read>
std::string fixed_text(const hdf5::Handle& type, const hdf5::Handle& space, const std::string& where, Read&& read) {
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0 ||
      H5Sget_simple_extent_npoints(space.get()) != 1 || H5Tget_size(type.get()) > kLongestText)
    throw ArchiveError(where + ": expected a text of fixed length");
  std::string text(H5Tget_size(type.get()), '\0');
  hdf5::check(read(type.get(), text.data()), where + ": cannot be read; the file is damaged or truncated");
  return text.substr(0, text.find('\0'));
}

std::string read_attribute(const hdf5::Handle& dataset, const std::string& name, const std::string& where) {
  using namespace hdf5;
  if (H5Aexists(dataset.get(), name.c_str()) <= 0) throw ArchiveError(where + ": has no attribute '" + name + "'");
  const Handle attribute(checked(H5Aopen(dataset.get(), name.c_str(), H5P_DEFAULT), where + ": the file is damaged"));
  const Handle type(checked(H5Aget_type(attribute.get()), where + ": the file is damaged"));
  const Handle space(checked(H5Aget_space(attribute.get()), where + ": the file is damaged"));
  return fixed_text(type, space, where + ": attribute " + name,
                    [&](hid_t t, char* to) { return H5Aread(attribute.get(), t, to); });
}

std::string read_text(const hdf5::Handle& file, const std::string& path, const std::string& where) {
  using namespace hdf5;
  const Handle dataset = open_dataset(file, path, where);
  const Handle type(checked(H5Dget_type(dataset.get()), where + ": the file is damaged"));
  const Handle space(checked(H5Dget_space(dataset.get()), where + ": the file is damaged"));
  return fixed_text(type, space, where + ": " + path,
                    [&](hid_t t, char* to) { return H5Dread(dataset.get(), t, H5S_ALL, H5S_ALL, H5P_DEFAULT, to); });
}

// Names of what a group holds, in the order of their names.
std::vector<std::string> members(const hdf5::Handle& group, const std::string& where) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5L_info_t*, void* to) -> herr_t {
    static_cast<std::vector<std::string>*>(to)->emplace_back(name);
    return 0;
  };
  hdf5::check(H5Literate(group.get(), H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names), where + ": the file is damaged");
  return names;
}

// A gadget's name may hold anything but '/'; training has a group of its own.
std::string group_of(const std::string& gadget) { return gadget == "training" ? "training (gadget)" : gadget; }
std::string gadget_of(const std::string& group) { return group == "training (gadget)" ? "training" : group; }

void write_block(const hdf5::Handle& file, const LearnedBlock& b) {
  const std::string path = "/" + group_of(b.gadget) + "/" + b.name;
  hdf5::write_all(file, path, b.shape, b.values.data());
  const hdf5::Handle dataset(hdf5::checked(H5Dopen2(file.get(), path.c_str(), H5P_DEFAULT), path + " cannot be written"));
  write_attribute(dataset, "unit", b.unit);
  write_attribute(dataset, "axes", listed(b.axes));
  write_attribute(dataset, "classname", b.classname);
}

LearnedBlock read_block(const hdf5::Handle& file, const std::string& group, const std::string& name, const std::string& where) {
  const hdf5::Handle dataset = hdf5::open_dataset(file, "/" + group + "/" + name, where);
  const std::string place = where + ": /" + group + "/" + name;
  LearnedBlock b;
  b.gadget = gadget_of(group);
  b.name = name;
  b.unit = read_attribute(dataset, "unit", place);
  b.axes = lines(read_attribute(dataset, "axes", place));
  b.classname = read_attribute(dataset, "classname", place);
  b.shape = hdf5::shape(dataset, place);
  b.values = hdf5::read_all<double>(dataset, kMostValues, place);
  return b;
}

bool is_ours(const hdf5::Handle& file, const std::string& where) {
  return hdf5::exists(file, "/training/schema") && read_text(file, "/training/schema", where) == kSchema;
}

void write_table(const hdf5::Handle& file, const std::string& path, const std::vector<double>& values, std::size_t columns) {
  if (!values.empty()) hdf5::write_all(file, path, {values.size() / columns, columns}, values.data());
}
std::vector<double> read_table(const hdf5::Handle& file, const std::string& path, const std::string& where) {
  if (!hdf5::exists(file, path)) return {};
  return hdf5::read_all<double>(hdf5::open_dataset(file, path, where), kMostValues, where + ": " + path);
}

}  // namespace

std::string parameters_hash(const LearnedParameters& parameters) {
  std::string text;
  for (const LearnedBlock& b : parameters.blocks) {
    text += b.gadget + "\n" + b.name + "\n" + b.unit + "\n";
    for (std::size_t extent : b.shape) text += std::to_string(extent) + " ";
    text.append(reinterpret_cast<const char*>(b.values.data()), b.values.size() * sizeof(double));
  }
  return sha256(text);
}

void write_parameters(const std::filesystem::path& file, const LearnedParameters& p) {
  PendingFile pending(file);
  const hdf5::Quiet quiet;
  {
    const hdf5::Handle out = hdf5::create(pending.temporary());
    hdf5::write_text(out, "/training/schema", kSchema);
    hdf5::write_text(out, "/training/chain", p.chain);
    hdf5::write_text(out, "/training/archives", listed(p.archives));
    hdf5::write_text(out, "/training/columns", listed(p.columns));
    write_table(out, "/training/history", p.history, std::max<std::size_t>(p.columns.size(), 1));
    write_table(out, "/training/search", p.search, 1);
    for (const LearnedBlock& b : p.blocks) write_block(out, b);
    hdf5::check(H5Fflush(out.get(), H5F_SCOPE_GLOBAL), file.string() + " cannot be written; is the disk full?");
  }
  pending.finish();
}

bool holds_parameters(const std::filesystem::path& file) {
  const hdf5::Quiet quiet;
  return is_ours(hdf5::open_to_read(file), file.string());
}

LearnedParameters read_parameters(const std::filesystem::path& file) {
  const hdf5::Quiet quiet;
  const std::string where = file.string();
  const hdf5::Handle in = hdf5::open_to_read(file);
  if (!is_ours(in, where))
    throw ArchiveError(where + ": expected learned parameters (" + kSchema +
                       ", made by counterflow train), got another HDF5 file");
  LearnedParameters p;
  p.chain = read_text(in, "/training/chain", where);
  p.archives = lines(read_text(in, "/training/archives", where));
  p.columns = lines(read_text(in, "/training/columns", where));
  p.history = read_table(in, "/training/history", where);
  p.search = read_table(in, "/training/search", where);
  for (const std::string& group : members(in, where)) {
    if (group == "training") continue;
    const hdf5::Handle opened(
        hdf5::checked(H5Gopen2(in.get(), group.c_str(), H5P_DEFAULT), where + ": /" + group + " is damaged"));
    for (const std::string& name : members(opened, where)) p.blocks.push_back(read_block(in, group, name, where));
  }
  return p;
}

}  // namespace counterflow
