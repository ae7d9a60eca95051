#include "core/gadget/export.h"
#include "gadgets/fdk/feldkamp_reconstruction.h"

using counterflow::FeldkampReconstruction;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(FeldkampReconstruction))
