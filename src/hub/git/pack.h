// A pack (gitformat-pack, version 2) of whole objects, made while it is sent.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hub/git/deflate.h"
#include "hub/git/object_walk.h"
#include "hub/git/store.h"

namespace glassbox::hub::git {

// Holds little of the objects themselves, however large they are. For one thread.
class PackWriter {
 public:
  explicit PackWriter(std::vector<PackedObject> objects);

  // The next bytes, `least` or a little more of them, fewer at the end, then none. Throws as Store, and
  // Error(bad_file) for a blob of another size than it was to have.
  std::string next(Store& store, size_t least);

 private:
  void begin_object(Store& store, std::string& out);
  void continue_blob(std::string& out);

  const std::vector<PackedObject> objects_;
  size_t at_ = 0;
  std::unique_ptr<ContentReader> blob_;  // of which a part was written
  uint64_t written_ = 0;                 // bytes of it
  uint64_t read_ = 0;                    // bytes of objects in this call
  bool has_begun_ = false, has_ended_ = false;
  Deflater deflater_;
  Hasher<Sha1> hasher_;
};

}  // namespace glassbox::hub::git
