// Files of images: ISMRMRD images in HDF5, group "images", as Gadgetron's stock client writes them (docs/format.md).
#pragma once
#include <ismrmrd/ismrmrd.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/message/message.h"

namespace counterflow {

// Which chain and which parameters made an image.
struct ImageOrigin {
  std::string chain, parameters;  // hashes
};

// Series 0: material images or plain attenuation; 1: their noise by the bound; 1000 + keV: monoenergetic in HU; maps their own.
class ImageFileWriter {
 public:
  ImageFileWriter(const std::filesystem::path& file, ImageOrigin origin);
  ~ImageFileWriter();
  void write(const Image<float>& image);
  // An image as it comes over a connection, of any of ISMRMRD's eight pixel types. Throws ArchiveError where the pixels are not
  // those that the header counts.
  void write(const ISMRMRD::ISMRMRD_ImageHeader& head, std::string_view meta, std::span<const std::byte> pixels);
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

struct ImageSeries {
  int number = 0;
  Channels channels;
  ImageGrid grid;
  Array<float, 4> value;                    // [channel,z,y,x]
  std::map<std::string, std::string> meta;  // parameters, chain
};

std::vector<ImageSeries> read_images(const std::filesystem::path& file);

}  // namespace counterflow
