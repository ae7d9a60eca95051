#include "core/gadget/export.h"
#include "gadgets/decomposition/maximum_likelihood.h"

namespace counterflow {

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(MaximumLikelihood))

}  // namespace counterflow
