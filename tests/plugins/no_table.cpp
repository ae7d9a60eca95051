// The right tag, but no gadgets.
#include "core/gadget/export.h"
extern "C" {
__attribute__((visibility("default"))) extern const char counterflow_abi_tag[] = COUNTERFLOW_ABI_TAG;
}
