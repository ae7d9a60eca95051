#include "pipelines/counterflow/dicom/file.h"

// clang-format off
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>
// clang-format on
#include <fmt/format.h>

#include <fstream>

#include "core/error.h"
#include "core/text.h"

namespace counterflow {
namespace {

// A decimal string of at most 16 characters (PS3.5 table 6.2-1).
std::string decimal(double value) {
  std::string text = number_text(value);
  for (int digits = 16; text.size() > 16; --digits) text = fmt::format("{:.{}g}", value, digits);
  return text;
}

std::string decimal_or_nothing(double value) { return value > 0 ? decimal(value) : ""; }

// A data set that is being filled; the first attribute that cannot be put throws.
class Item {
 public:
  Item(DcmItem& item, const std::filesystem::path& file) : item_(item), file_(file) {}

  Item& text(const DcmTagKey& key, const std::string& value) { return check(item_.putAndInsertString(key, value.c_str()), key); }
  Item& number(const DcmTagKey& key, std::size_t value) {
    return check(item_.putAndInsertUint16(key, static_cast<Uint16>(value)), key);
  }
  Item& stored(const DcmTagKey& key, int value) { return check(item_.putAndInsertSint16(key, static_cast<Sint16>(value)), key); }
  Item& real(const DcmTagKey& key, double value) { return check(item_.putAndInsertFloat64(key, value), key); }
  Item& pixels(std::span<const std::int16_t> values) {
    const auto* words = reinterpret_cast<const Uint16*>(values.data());
    return check(item_.putAndInsertUint16Array(DCM_PixelData, words, values.size()), DCM_PixelData);
  }
  // A new item at the end of a sequence.
  Item item(const DcmTagKey& sequence) {
    DcmItem* inner = nullptr;
    check(item_.findOrCreateSequenceItem(sequence, inner, -2), sequence);
    return {*inner, file_};
  }

 private:
  Item& check(const OFCondition& status, const DcmTagKey& key) {
    if (status.good()) return *this;
    const std::string dictionary =
        dcmDataDict.isDictionaryLoaded() ? "" : "; DCMTK finds no data dictionary: install libdcmtk17 or set DCMDICTPATH";
    throw ArchiveError(file_.string() + ": DICOM attribute " + key.toString().c_str() + " cannot be set: " + status.text() +
                       dictionary);
  }

  DcmItem& item_;
  const std::filesystem::path& file_;
};

void put_study(Item& item, const DicomStudy& study) {
  item.text(DCM_SpecificCharacterSet, "ISO_IR 192")  // UTF-8
      .text(DCM_PatientName, study.patient_name)
      .text(DCM_PatientID, study.patient_id)
      .text(DCM_PatientBirthDate, "")
      .text(DCM_PatientSex, "")
      .text(DCM_StudyInstanceUID, study.uid)
      .text(DCM_StudyDate, "")
      .text(DCM_StudyTime, "")
      .text(DCM_ReferringPhysicianName, "")
      .text(DCM_StudyID, "")
      .text(DCM_AccessionNumber, "")
      .text(DCM_Manufacturer, kDicomManufacturer)
      .text(DCM_ManufacturerModelName, kDicomManufacturer)
      .text(DCM_FrameOfReferenceUID, study.frame_of_reference_uid)
      .text(DCM_PositionReferenceIndicator, "")
      .text(DCM_KVP, decimal_or_nothing(study.tube_voltage))
      .text(DCM_DerivationDescription, study.derivation);
  if (study.source_to_detector > 0)
    item.text(DCM_DistanceSourceToDetector, decimal(study.source_to_detector))
        .text(DCM_DistanceSourceToPatient, decimal(study.source_to_isocenter));
}

void put_unit(Item& item, const DicomSeries& series) {
  item.text(DCM_RescaleIntercept, "0")
      .text(DCM_RescaleSlope, decimal(series.step))
      .text(DCM_RescaleType, series.unit.rescale_type)
      .text(DCM_WindowCenter, decimal(series.window_centre))
      .text(DCM_WindowWidth, decimal(series.window_width));
  if (series.window_width < 1) item.text(DCM_VOILUTFunction, "LINEAR_EXACT");  // LINEAR ends at a width of 1 (PS3.3 C.11.2.1.2)
  for (const UnitCode& unit : series.unit.codes) {
    if (unit.code.size() > 16) continue;  // does not fit a code value
    Item mapping = item.item(DCM_RealWorldValueMappingSequence);
    mapping.stored(DCM_RealWorldValueFirstValueMapped, -kDicomLargest)
        .stored(DCM_RealWorldValueLastValueMapped, kDicomLargest)
        .real(DCM_RealWorldValueIntercept, 0)
        .real(DCM_RealWorldValueSlope, series.step * unit.factor)
        .text(DCM_LUTExplanation, series.description)
        .text(DCM_LUTLabel, unit.code);
    mapping.item(DCM_MeasurementUnitsCodeSequence)
        .text(DCM_CodeValue, unit.code)
        .text(DCM_CodingSchemeDesignator, "UCUM")
        .text(DCM_CodeMeaning, unit.meaning);
  }
}

void put_series(Item& item, const DicomSeries& series) {
  const ImageGrid& g = series.grid;
  const std::string flavour = series.unit.flavour.empty() ? "" : "\\" + series.unit.flavour;
  item.text(DCM_SOPClassUID, UID_CTImageStorage)
      .text(DCM_Modality, "CT")
      .text(DCM_SeriesInstanceUID, series.uid)
      .text(DCM_SeriesNumber, std::to_string(series.number))
      .text(DCM_SeriesDescription, series.description)
      .text(DCM_Laterality, "")
      .text(DCM_PatientPosition, "HFS")
      .text(DCM_ImageType, "DERIVED\\PRIMARY\\AXIAL" + flavour)
      .text(DCM_AcquisitionNumber, "1")
      .text(DCM_ImageOrientationPatient, "1\\0\\0\\0\\1\\0")
      .text(DCM_PixelSpacing, decimal(g.voxel_y) + "\\" + decimal(g.voxel_x))
      .text(DCM_SliceThickness, decimal(g.voxel_z))
      .text(DCM_SpacingBetweenSlices, decimal(g.voxel_z))
      .number(DCM_SamplesPerPixel, 1)
      .text(DCM_PhotometricInterpretation, "MONOCHROME2")
      .number(DCM_Rows, g.ny)
      .number(DCM_Columns, g.nx)
      .number(DCM_BitsAllocated, 16)
      .number(DCM_BitsStored, 16)
      .number(DCM_HighBit, 15)
      .number(DCM_PixelRepresentation, 1);
  put_unit(item, series);
}

// Image axes are the patient's of a head-first supine patient: x to the left, y to the back, z to the head.
void put_slice(Item& item, const ImageGrid& g, const DicomSlice& slice) {
  const double z = g.z(static_cast<double>(slice.slice));
  item.text(DCM_SOPInstanceUID, slice.uid)
      .text(DCM_InstanceNumber, std::to_string(slice.slice + 1))
      .text(DCM_ImagePositionPatient, decimal(g.x(0)) + "\\" + decimal(g.y(0)) + "\\" + decimal(z))
      .text(DCM_SliceLocation, decimal(z));
  if (slice.padded) item.stored(DCM_PixelPaddingValue, kDicomPadding);
  item.pixels(slice.stored);
}

}  // namespace

void write_dicom(const std::filesystem::path& file, const DicomStudy& study, const DicomSeries& series, const DicomSlice& slice) {
  DcmFileFormat format;
  Item item(*format.getDataset(), file);
  put_study(item, study);
  put_series(item, series);
  put_slice(item, series.grid, slice);
  const OFCondition status = format.saveFile(file.c_str(), EXS_LittleEndianExplicit);
  if (status.bad()) throw ArchiveError(file.string() + ": cannot be written: " + status.text());
}

std::optional<std::string> dicom_manufacturer(const std::filesystem::path& file) {
  std::string start(132, '\0');
  if (!std::ifstream(file, std::ios::binary).read(start.data(), 132) || start.substr(128) != "DICM") return std::nullopt;
  DcmFileFormat format;
  OFString name;
  if (format.loadFile(file.c_str(), EXS_Unknown, EGL_noChange, DCM_MaxReadLength, ERM_fileOnly).bad()) return std::nullopt;
  if (format.getDataset()->findAndGetOFString(DCM_Manufacturer, name).bad()) return "";
  return std::string(name.c_str());
}

}  // namespace counterflow
