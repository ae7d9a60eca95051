#include "core/gadget/export.h"
#include "gadgets/fbp/filtered_backprojection.h"

using counterflow::FilteredBackprojection;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(FilteredBackprojection))
