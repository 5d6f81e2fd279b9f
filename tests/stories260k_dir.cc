// stories260k_dir DATA OUT: writes stories260K as a published directory, for use from the shell.
// DATA holds checkpoint_v1.bin and tokenizer.bin.
#include <cstdio>
#include <exception>

#include "tests/stories260k.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: stories260k_dir DATA OUT\n");
    return 2;
  }
  try {
    glassbox::testing::write_stories260k(argv[2], argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stories260k_dir: %s\n", error.what());
    return 1;
  }
  return 0;
}
