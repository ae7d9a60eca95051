#include "core/gadget/export.h"
#include "gadgets/loss/image_difference.h"

using counterflow::MaterialReference;
using counterflow::MonoenergeticReference;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(MaterialReference), COUNTERFLOW_GADGET(MonoenergeticReference))
