#include "core/physics/material_library.h"

namespace counterflow {
namespace {

using Composition = std::vector<std::pair<int, double>>;

// Pure elements under their English names; density from xraylib.
void add_elements(std::vector<ReadyMaterial>& all) {
  const std::pair<const char*, int> names[] = {
      {"carbon", 6},  {"graphite", 6},    {"aluminium", 13}, {"silicon", 14},   {"calcium", 20},  {"titanium", 22},
      {"iron", 26},   {"copper", 29},     {"silver", 47},    {"tin", 50},       {"iodine", 53},   {"xenon", 54},
      {"barium", 56}, {"gadolinium", 64}, {"holmium", 67},   {"ytterbium", 70}, {"tantalum", 73}, {"tungsten", 74},
      {"gold", 79},   {"lead", 82},       {"bismuth", 83}};
  for (const auto& [name, z] : names) all.push_back({name, 0, {{z, 1.0}}});
}

// Body tissues: ICRU Report 46 (1992), adults. Air, plastics, hydroxyapatite: by formula or NIST (Hubbell and Seltzer, 1995).
void add_tissues(std::vector<ReadyMaterial>& all) {
  all.insert(
      all.end(),
      {
          {"water", 1.0, {{1, 0.111898}, {8, 0.888102}}},
          {"air", 0.001205, {{6, 0.000124}, {7, 0.755268}, {8, 0.231781}, {18, 0.012827}}},
          {"adipose", 0.95, {{1, 0.114}, {6, 0.598}, {7, 0.007}, {8, 0.278}, {11, 0.001}, {16, 0.001}, {17, 0.001}}},
          {"muscle",
           1.05,
           {{1, 0.102}, {6, 0.143}, {7, 0.034}, {8, 0.710}, {11, 0.001}, {15, 0.002}, {16, 0.003}, {17, 0.001}, {19, 0.004}}},
          {"soft_tissue", 1.0, {{1, 0.101}, {6, 0.111}, {7, 0.026}, {8, 0.762}}},  // ICRU four-component
          {"blood",
           1.06,
           {{1, 0.102},
            {6, 0.110},
            {7, 0.033},
            {8, 0.745},
            {11, 0.001},
            {15, 0.001},
            {16, 0.002},
            {17, 0.003},
            {19, 0.002},
            {26, 0.001}}},
          {"brain",
           1.04,
           {{1, 0.107}, {6, 0.145}, {7, 0.022}, {8, 0.712}, {11, 0.002}, {15, 0.004}, {16, 0.002}, {17, 0.003}, {19, 0.003}}},
          {"lung",
           0.26,
           {{1, 0.103}, {6, 0.105}, {7, 0.031}, {8, 0.749}, {11, 0.002}, {15, 0.002}, {16, 0.003}, {17, 0.003}, {19, 0.002}}},
          {"liver",
           1.06,
           {{1, 0.102}, {6, 0.139}, {7, 0.030}, {8, 0.716}, {11, 0.002}, {15, 0.003}, {16, 0.003}, {17, 0.002}, {19, 0.003}}},
          {"bone",
           1.92,  // cortical
           {{1, 0.034}, {6, 0.155}, {7, 0.042}, {8, 0.435}, {11, 0.001}, {12, 0.002}, {15, 0.103}, {16, 0.003}, {20, 0.225}}},
          {"hydroxyapatite", 3.16, {{1, 0.002007}, {8, 0.414064}, {15, 0.184990}, {20, 0.398939}}},  // Ca10(PO4)6(OH)2
          {"pmma", 1.19, {{1, 0.080538}, {6, 0.599848}, {8, 0.319614}}},
          {"polyethylene", 0.94, {{1, 0.143711}, {6, 0.856289}}},
          {"teflon", 2.2, {{6, 0.240183}, {9, 0.759817}}},
          {"cdte", 5.85, {{48, 0.468364}, {52, 0.531636}}},
          {"czt", 5.78, {{30, 0.027785}, {48, 0.429953}, {52, 0.542262}}},  // Cd0.9 Zn0.1 Te
      });
}

// Rods and body of the Gammex 472 multi-energy phantom: the manufacturer's nominal sheet of 2016-03-10, transcribed by
// XrayAttenuation.jl (Dale Black, MIT licence). Columns H C N O S Cl Ca I; the sheet rounds to four digits.
void add_gammex(std::vector<ReadyMaterial>& all) {
  struct Rod {
    const char* name;
    double density, h, c, n, o, s, cl, ca, i;
  };
  const Rod rods[] = {{"i2_0", 1.03, 0.0864, 0.6953, 0.0215, 0.1751, 0.0003, 0.0013, 0.0181, 0.0020},
                      {"i2_5", 1.03, 0.0863, 0.6950, 0.0214, 0.1750, 0.0003, 0.0013, 0.0181, 0.0025},
                      {"i5_0", 1.03, 0.0861, 0.6937, 0.0214, 0.1743, 0.0003, 0.0013, 0.0181, 0.0049},
                      {"i7_5", 1.03, 0.0859, 0.6924, 0.0213, 0.1736, 0.0003, 0.0013, 0.0180, 0.0073},
                      {"i10_0", 1.03, 0.0856, 0.6911, 0.0212, 0.1729, 0.0003, 0.0013, 0.0179, 0.0097},
                      {"i15_0", 1.03, 0.0851, 0.6885, 0.0210, 0.1715, 0.0003, 0.0013, 0.0178, 0.0146},
                      {"i20_0", 1.04, 0.0846, 0.6859, 0.0209, 0.1701, 0.0003, 0.0013, 0.0176, 0.0194},
                      {"ca50_0", 1.17, 0.0710, 0.6266, 0.0270, 0.2308, 0.0007, 0.0012, 0.0427, 0},
                      {"ca100_0", 1.24, 0.0635, 0.5720, 0.0241, 0.2579, 0.0012, 0.0010, 0.0802, 0},
                      {"ca200_0", 1.40, 0.0509, 0.4806, 0.0193, 0.3031, 0.0022, 0.0008, 0.1431, 0},
                      {"ca300_0", 1.55, 0.0408, 0.4070, 0.0154, 0.3396, 0.0030, 0.0007, 0.1936, 0},
                      {"ca400_0", 1.70, 0.0325, 0.3465, 0.0121, 0.3695, 0.0036, 0.0005, 0.2352, 0},
                      {"ca500_0", 1.85, 0.0256, 0.2958, 0.0095, 0.3946, 0.0041, 0.0004, 0.2700, 0},
                      {"ca600_0", 2.01, 0.0196, 0.2525, 0.0072, 0.4161, 0.0046, 0.0003, 0.2998, 0},
                      {"solidwater", 1.02, 0.0839, 0.6859, 0.0219, 0.1840, 0.0003, 0.0014, 0.0226, 0}};
  for (const Rod& r : rods) {
    const Composition all_eight = {{1, r.h}, {6, r.c}, {7, r.n}, {8, r.o}, {16, r.s}, {17, r.cl}, {20, r.ca}, {53, r.i}};
    Composition composition;
    for (const auto& part : all_eight)
      if (part.second > 0) composition.push_back(part);
    all.push_back({std::string("gammex_472_") + r.name, r.density, composition});
  }
  ReadyMaterial alias = all.back();
  alias.name = "solid_water";
  all.push_back(alias);
}

}  // namespace

const std::vector<ReadyMaterial>& material_library() {
  static const std::vector<ReadyMaterial> all = [] {
    std::vector<ReadyMaterial> list;
    add_tissues(list);
    add_elements(list);
    add_gammex(list);
    return list;
  }();
  return all;
}

}  // namespace counterflow
