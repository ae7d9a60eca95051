// Some other library that lies in the folder.
extern "C" __attribute__((visibility("default"))) int nothing_of_ours() { return 0; }
