// A plugin of another build: its tag is data, and nothing of it may be called.
extern "C" {
__attribute__((visibility("default"))) extern const char counterflow_abi_tag[] = "counterflow-abi-0 gcc-4.4";
__attribute__((visibility("default"))) extern const void* const counterflow_gadgets[] = {nullptr};
}
