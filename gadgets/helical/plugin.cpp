#include "core/gadget/export.h"
#include "gadgets/helical/helical_reconstruction.h"

using counterflow::HelicalReconstruction;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(HelicalReconstruction))
