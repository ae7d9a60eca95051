#include "core/gadget/export.h"
#include "gadgets/maps/effective_z.h"
#include "gadgets/maps/linear_maps.h"

using counterflow::ContrastMap;
using counterflow::EffectiveZ;
using counterflow::ElectronDensity;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(ContrastMap), COUNTERFLOW_GADGET(ElectronDensity), COUNTERFLOW_GADGET(EffectiveZ))
