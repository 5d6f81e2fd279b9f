#include "hub/git/view_store.h"

namespace glassbox::hub::git {
namespace {

std::string pointer_to(const FileRecord& file) { return lfs_pointer({file.sha256, file.size}); }

}  // namespace

std::vector<Reference> ViewStore::references() { return view_.repositories.references(repository_); }

bool ViewStore::has_commit(const ObjectId& id) { return view_.repositories.made(repository_, id.hex()).has_value(); }

std::string ViewStore::bytes(ObjectKind kind, const ObjectId& id) { return view_.objects.bytes(kind, id); }

uint64_t ViewStore::blob_size(const ObjectId& id) {
  const FileRecord file = view_.objects.file(id);
  return file.pointer ? pointer_to(file).size() : file.size;
}

std::unique_ptr<ContentReader> ViewStore::open_blob(const ObjectId& id) {
  const FileRecord file = view_.objects.file(id);
  return file.pointer ? reader_of(pointer_to(file)) : contents_.open(file.sha256);
}

}  // namespace glassbox::hub::git
