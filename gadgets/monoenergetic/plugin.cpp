#include "core/gadget/export.h"
#include "gadgets/monoenergetic/least_noise.h"
#include "gadgets/monoenergetic/monoenergetic.h"
#include "gadgets/monoenergetic/virtual_non_contrast.h"

using counterflow::LeastNoise;
using counterflow::MonoenergeticImage;
using counterflow::VirtualNonContrast;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(MonoenergeticImage), COUNTERFLOW_GADGET(VirtualNonContrast), COUNTERFLOW_GADGET(LeastNoise))
