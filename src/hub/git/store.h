// What a transfer reads: one repository's references and objects.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "hub/contents.h"
#include "hub/git.h"
#include "hub/repository.h"

namespace glassbox::hub::git {

class Store {
 public:
  virtual ~Store() = default;
  // By their names; HEAD, which is the main branch, is not among them.
  virtual std::vector<Reference> references() = 0;
  // Whether this commit was ever made in this repository: of others a client may learn nothing.
  virtual bool has_commit(const ObjectId& id) = 0;
  // All throw Error(bad_file | not_found) for what is not there.
  virtual std::string bytes(ObjectKind kind, const ObjectId& id) = 0;  // of a commit or a tree
  virtual uint64_t blob_size(const ObjectId& id) = 0;
  // Outlives the store.
  virtual std::unique_ptr<ContentReader> open_blob(const ObjectId& id) = 0;
};

struct HashOfId {
  size_t operator()(const ObjectId& id) const {
    size_t hash;
    std::memcpy(&hash, id.bytes.data(), sizeof hash);
    return hash;
  }
};

}  // namespace glassbox::hub::git
