// One slice as a CT Image Storage object. file.cpp alone knows DCMTK.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "core/geometry/scan_geometry.h"
#include "pipelines/counterflow/dicom/unit.h"

namespace counterflow {

struct DicomStudy {
  std::string uid, frame_of_reference_uid;
  std::string patient_name, patient_id;
  double tube_voltage = 0;                                 // [kV]; 0 = unknown
  double source_to_isocenter = 0, source_to_detector = 0;  // [mm]; 0 = none
  std::string derivation;                                  // which chain and parameters made the images
};

struct DicomSeries {
  std::string uid, description;
  int number = 1;
  DicomUnit unit;
  double step = 1;  // value of a pixel = stored integer times step, in the unit of the pixels
  double window_centre = 0, window_width = 1;
  ImageGrid grid;
};

constexpr std::int16_t kDicomPadding = -32768;  // stored where there is no finite value
constexpr int kDicomLargest = 32767;

struct DicomSlice {
  std::string uid;
  std::size_t slice = 0;                 // z index in the grid
  std::span<const std::int16_t> stored;  // [y,x]
  bool padded = false;                   // some are kDicomPadding
};

// Throws ArchiveError "FILE: ..." where it cannot be written.
void write_dicom(const std::filesystem::path& file, const DicomStudy& study, const DicomSeries& series, const DicomSlice& slice);

// Who made a DICOM file; nothing where it is none.
std::optional<std::string> dicom_manufacturer(const std::filesystem::path& file);
constexpr const char* kDicomManufacturer = "Counterflow";

}  // namespace counterflow
