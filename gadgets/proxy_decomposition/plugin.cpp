#include "core/gadget/export.h"
#include "gadgets/proxy_decomposition/proxy_decomposition.h"

using counterflow::ProxyDecomposition;
COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(ProxyDecomposition))
