// A plugin whose library is missing: the loader itself says so.
extern "C" int counterflow_symbol_that_nobody_has();
extern "C" __attribute__((visibility("default"))) int uses_it() { return counterflow_symbol_that_nobody_has(); }
