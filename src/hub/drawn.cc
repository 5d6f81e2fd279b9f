#include "hub/drawn.h"

#include <openssl/rand.h>

#include "base/error.h"

namespace glassbox::hub {

std::string drawn_bytes(size_t count) {
  std::string bytes(count, '\0');
  check(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) == 1,
        "the system has random numbers");
  return bytes;
}

}  // namespace glassbox::hub
