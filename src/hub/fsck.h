// Proof that a store holds what it says: every byte is read, and every name computed again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace glassbox::hub {

struct Proof {
  int64_t xorbs = 0, layouts = 0, contents = 0, files = 0, objects = 0;
  uint64_t bytes = 0;                 // that are stored
  int64_t leftovers = 0;              // blobs that nothing knows of, which garbage collection takes
  std::vector<std::string> problems;  // a sentence each
};

// Reads the store in `folder`, also while a server uses it. Throws Error(not_found) where there is none, and Error(io).
Proof check_store(const std::filesystem::path& folder,
                  const std::function<void(int64_t done, int64_t all)>& progress = {});

}  // namespace glassbox::hub
