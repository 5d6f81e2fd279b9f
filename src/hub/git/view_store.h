// A repository of the hub as a transfer reads it.
#pragma once

#include "hub/git/store.h"
#include "hub/hub.h"

namespace glassbox::hub::git {

// As long-lived as the view. REQUIRES: the caller may read the repository.
class ViewStore : public Store {
 public:
  ViewStore(View& view, const Repository& repository, const Contents& contents)
      : view_(view), repository_(repository), contents_(contents) {}

  std::vector<Reference> references() override;
  bool has_commit(const ObjectId& id) override;
  std::string bytes(ObjectKind kind, const ObjectId& id) override;
  uint64_t blob_size(const ObjectId& id) override;
  std::unique_ptr<ContentReader> open_blob(const ObjectId& id) override;

 private:
  View& view_;
  const Repository& repository_;
  const Contents& contents_;
};

}  // namespace glassbox::hub::git
