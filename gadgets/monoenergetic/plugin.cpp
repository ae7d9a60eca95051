#include "core/gadget/export.h"
#include "gadgets/monoenergetic/monoenergetic.h"

using counterflow::MonoenergeticImage;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(MonoenergeticImage))
