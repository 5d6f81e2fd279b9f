#include "hub/database/objects.h"

#include "base/error.h"

namespace glassbox::hub {

std::string Objects::bytes(ObjectKind kind, const ObjectId& id) {
  const auto found =
      connection_.first("SELECT bytes FROM object WHERE id = ? AND kind = ?", {Blob{id.view()}, static_cast<int>(kind)},
                        [](const Row& row) { return row.text(0); });
  if (!found) fail(ErrorKind::bad_file, "git object {}: not in the store", id.hex());
  if (object_id(kind, *found) != id) fail(ErrorKind::bad_file, "git object {}: damaged in the store", id.hex());
  return *found;
}

std::vector<TreeEntry> Objects::tree(const ObjectId& id) { return decode_tree(bytes(ObjectKind::tree, id)); }
Commit Objects::commit(const ObjectId& id) { return decode_commit(bytes(ObjectKind::commit, id)); }

FileRecord Objects::file(const ObjectId& id) {
  const auto found =
      connection_.first("SELECT pointer, size, sha256 FROM file WHERE id = ?", {Blob{id.view()}}, [](const Row& row) {
        return FileRecord{row.integer(0) != 0, static_cast<uint64_t>(row.integer(1)), Sha256::of_bytes(row.bytes(2))};
      });
  if (!found) fail(ErrorKind::bad_file, "git blob {}: not in the store", id.hex());
  return *found;
}

ObjectId Objects::put(ObjectKind kind, const std::string& bytes) {
  const ObjectId id = object_id(kind, bytes);
  connection_.run("INSERT OR IGNORE INTO object (id, kind, bytes) VALUES (?, ?, ?)",
                  {Blob{id.view()}, static_cast<int>(kind), Blob{bytes}});
  return id;
}

ObjectId Objects::put_tree(std::vector<TreeEntry> entries) {
  return put(ObjectKind::tree, encode_tree(std::move(entries)));
}
ObjectId Objects::put_commit(const Commit& commit) { return put(ObjectKind::commit, encode_commit(commit)); }

ObjectId Objects::put_file(const ObjectId& id, const FileRecord& file) {
  connection_.run("INSERT OR IGNORE INTO file (id, pointer, size, sha256) VALUES (?, ?, ?, ?)",
                  {Blob{id.view()}, file.pointer, file.size, Blob{file.sha256.view()}});
  return id;
}

}  // namespace glassbox::hub
