// N.image: magic, u32 size of the head, the head (JSON, padded with spaces), then float32 [channel,y,x]; little-endian.
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/server/small_file.h"
#include "core/server/status.h"

namespace counterflow {
namespace {

using Json = nlohmann::json;
static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "CFPICT1\n";
constexpr std::size_t kBeforeHead = 12, kMostHead = std::size_t{64} << 10, kMostName = 256;

std::filesystem::path file_of(const std::filesystem::path& folder, std::uint64_t session) {
  return folder / (std::to_string(session) + ".image");
}

bool fits(std::size_t channels, std::size_t ny, std::size_t nx) {
  return channels > 0 && channels <= kMostPictureChannels && ny > 0 && ny <= kMostPictureSide && nx > 0 && nx <= kMostPictureSide;
}

std::string head_of(const StatusPicture& p) {
  const ImageGrid& g = p.grid;
  Json names = Json::array();
  for (const std::string& name : p.channels.names) names.push_back(name.substr(0, kMostName));
  const Json json = {{"version", p.version},
                     {"preview", p.preview},
                     {"quantity", p.channels.quantity.substr(0, kMostName)},
                     {"unit", p.channels.unit.substr(0, kMostName)},
                     {"names", names},
                     {"grid", {g.nx, g.ny, g.nz}},
                     {"voxel", {g.voxel_x, g.voxel_y, g.voxel_z}},
                     {"centre", {g.centre_x, g.centre_y, g.centre_z}},
                     {"slice", p.slice},
                     {"shape", p.value.shape()}};
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + kBeforeHead + 15) / 16 * 16 - kBeforeHead, ' ');
  return text;
}

// As get<>, which would take 1e300 or -1 too.
std::uint64_t whole(const Json& number) {
  if (!number.is_number_unsigned()) return number.at("whole number").get<std::uint64_t>();  // throws
  return number.get<std::uint64_t>();
}

PictureHead head_from(const Json& json) {
  PictureHead head;
  StatusPicture& p = head.picture;
  p.version = whole(json.at("version"));
  p.preview = json.at("preview").get<bool>();
  p.channels = {json.at("quantity").get<std::string>(), json.at("unit").get<std::string>(),
                json.at("names").get<std::vector<std::string>>()};
  const Json &n = json.at("grid"), &shape = json.at("shape");
  const auto voxel = json.at("voxel").get<std::array<double, 3>>(), centre = json.at("centre").get<std::array<double, 3>>();
  p.grid = {whole(n.at(0)), whole(n.at(1)), whole(n.at(2)), voxel[0], voxel[1], voxel[2], centre[0], centre[1], centre[2]};
  p.slice = whole(json.at("slice"));
  head.channels = whole(shape.at(0)), head.ny = whole(shape.at(1)), head.nx = whole(shape.at(2));
  return head;
}

// An open picture whose sizes agree with each other and with the file's.
struct PictureFile {
  Descriptor file;
  PictureHead head;
  std::size_t values = 0;  // where they begin

  bool read_plane(std::size_t channel, std::span<float> to) const {
    const std::size_t bytes = head.ny * head.nx * sizeof(float);
    return read_at(file, values + channel * bytes, {reinterpret_cast<char*>(to.data()), bytes});
  }
};

std::optional<PictureHead> parsed_head(const std::string& text) {
  try {
    PictureHead head = head_from(Json::parse(text));
    if (fits(head.channels, head.ny, head.nx) && head.picture.channels.names.size() == head.channels) return head;
  } catch (const Json::exception&) {
  }
  return {};
}

std::optional<PictureFile> open_picture(const std::filesystem::path& folder, std::uint64_t session) {
  std::size_t size = 0;
  Descriptor file = open_regular(file_of(folder, session), size);
  std::array<char, kBeforeHead> start{};
  std::uint32_t length = 0;
  if (!file || !read_at(file, 0, start) || std::string_view(start.data(), kMagic.size()) != kMagic) return {};
  std::memcpy(&length, start.data() + kMagic.size(), sizeof length);
  std::string text(std::min<std::size_t>(length, kMostHead), '\0');
  if (length > kMostHead || !read_at(file, kBeforeHead, text)) return {};
  const auto head = parsed_head(text);
  const std::size_t values = kBeforeHead + length;
  if (!head || size != values + head->channels * head->ny * head->nx * sizeof(float)) return {};
  return PictureFile{std::move(file), *head, values};
}

}  // namespace

bool write_picture(const std::filesystem::path& folder, std::uint64_t session, const StatusPicture& picture) {
  const auto& value = picture.value;
  if (!fits(value.extent(0), value.extent(1), value.extent(2)) || picture.channels.names.size() != value.extent(0)) return false;
  const std::string head = head_of(picture);
  const auto length = static_cast<std::uint32_t>(head.size());
  if (length > kMostHead) return false;
  return replace_file(file_of(folder, session), {kMagic,
                                                 {reinterpret_cast<const char*>(&length), sizeof length},
                                                 head,
                                                 {reinterpret_cast<const char*>(value.data()), value.size() * sizeof(float)}});
}

std::optional<PictureHead> read_picture_head(const std::filesystem::path& folder, std::uint64_t session) {
  auto file = open_picture(folder, session);
  return file ? std::optional(std::move(file->head)) : std::nullopt;
}

std::optional<std::vector<float>> read_picture_plane(const std::filesystem::path& folder, std::uint64_t session,
                                                     std::uint64_t version, std::size_t channel) {
  const auto file = open_picture(folder, session);
  if (!file || file->head.picture.version != version || channel >= file->head.channels) return {};
  std::vector<float> plane(file->head.ny * file->head.nx);
  if (!file->read_plane(channel, plane)) return {};
  return plane;
}

std::optional<StatusPicture> read_picture(const std::filesystem::path& folder, std::uint64_t session) {
  const auto file = open_picture(folder, session);
  if (!file) return {};
  StatusPicture picture = file->head.picture;
  picture.value = Array<float, 3>({file->head.channels, file->head.ny, file->head.nx});
  for (std::size_t c = 0; c < file->head.channels; ++c)
    if (!file->read_plane(c, picture.value.block(c))) return {};
  return picture;
}

}  // namespace counterflow
