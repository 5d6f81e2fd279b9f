#include "hub/database/sweep.h"

#include "base/error.h"

namespace glassbox::hub {
namespace {

ObjectId id_of(const Row& row) { return ObjectId::of_bytes(row.bytes(0)); }

}  // namespace

void Sweep::mark_tree(const ObjectId& tree, std::set<ObjectId>& reached) {
  if (!reached.insert(tree).second) return;
  for (const TreeEntry& entry : objects_.tree(tree)) {
    if (entry.is_folder())
      mark_tree(entry.id, reached);
    else
      reached.insert(entry.id);
  }
}

void Sweep::mark(const ObjectId& commit, std::set<ObjectId>& reached) {
  if (!reached.insert(commit).second) return;
  mark_tree(objects_.commit(commit).tree, reached);
}

void Sweep::mark(std::set<ObjectId>& reached) {
  for (const ObjectId& commit : connection_.all("SELECT DISTINCT id FROM made", {}, id_of)) mark(commit, reached);
}

std::vector<std::string> Sweep::run(int64_t now, std::set<ObjectId> reached,
                                    const std::function<bool(int64_t xorb)>& pinned) {
  mark(reached);
  connection_.run("DELETE FROM uploaded WHERE leased < ?", {now});
  for (const ObjectId& id : connection_.all("SELECT id FROM object", {}, id_of))
    if (!reached.contains(id)) connection_.run("DELETE FROM object WHERE id = ?", {Blob{id.view()}});
  for (const ObjectId& id : connection_.all("SELECT id FROM file", {}, id_of))
    if (!reached.contains(id)) connection_.run("DELETE FROM file WHERE id = ?", {Blob{id.view()}});
  connection_.run(
      "DELETE FROM content WHERE leased < ? AND NOT EXISTS "
      "(SELECT 1 FROM file WHERE file.sha256 = content.sha256)",
      {now});
  constexpr std::string_view kLoose =
      "(SELECT file_id FROM layout WHERE leased < ? AND NOT EXISTS "
      "(SELECT 1 FROM content WHERE content.file_id = layout.file_id))";
  const auto loose =
      connection_.all(kLoose.substr(1, kLoose.size() - 2), {now}, [](const Row& row) { return row.text(0); });
  for (const std::string& file_id : loose) {
    connection_.run("DELETE FROM layout_xorb WHERE file_id = ?", {Blob{file_id}});
    connection_.run("DELETE FROM layout WHERE file_id = ?", {Blob{file_id}});
  }
  struct Xorb {
    int64_t id;
    std::string name;
  };
  const auto unused = connection_.all(
      "SELECT id, hash FROM xorb WHERE leased < ? AND NOT EXISTS "
      "(SELECT 1 FROM layout_xorb WHERE layout_xorb.xorb = xorb.id)",
      {now}, [](const Row& row) { return Xorb{row.integer(0), xet_hash(row.bytes(1)).text()}; });
  std::vector<std::string> gone;
  for (const Xorb& xorb : unused) {
    if (pinned(xorb.id)) continue;
    connection_.run("DELETE FROM chunk WHERE xorb = ?", {xorb.id});
    connection_.run("DELETE FROM xorb WHERE id = ?", {xorb.id});
    gone.push_back(xorb.name);
  }
  return gone;
}

void Sweep::each_object(const std::function<void(const ObjectId&, ObjectKind, std::string_view)>& see) {
  connection_.each("SELECT id, kind, bytes FROM object", {},
                   [&](const Row& row) { see(id_of(row), static_cast<ObjectKind>(row.integer(1)), row.bytes(2)); });
}

void Sweep::each_file(const std::function<void(const ObjectId&, const FileRecord&)>& see) {
  connection_.each("SELECT id, pointer, size, sha256 FROM file", {}, [&](const Row& row) {
    see(id_of(row), {row.integer(1) != 0, static_cast<uint64_t>(row.integer(2)), Sha256::of_bytes(row.bytes(3))});
  });
}

void Sweep::each_content(const std::function<void(const Content&, std::string_view)>& see) {
  connection_.each("SELECT sha256, size, file_id, bytes FROM content", {}, [&](const Row& row) {
    Content content{Sha256::of_bytes(row.bytes(0)), static_cast<uint64_t>(row.integer(1)), {}};
    if (!row.is_null(2)) content.file_id = xet_hash(row.bytes(2));
    see(content, row.bytes(3));
  });
}

std::vector<xet::Hash> Sweep::layouts() {
  return connection_.all("SELECT file_id FROM layout", {}, [](const Row& row) { return xet_hash(row.bytes(0)); });
}

std::vector<int64_t> Sweep::xorbs() {
  return connection_.all("SELECT id FROM xorb", {}, [](const Row& row) { return row.integer(0); });
}

std::set<std::string> Sweep::xorb_names() {
  std::set<std::string> names;
  connection_.each("SELECT hash FROM xorb", {}, [&](const Row& row) { names.insert(xet_hash(row.bytes(0)).text()); });
  return names;
}

std::vector<std::string> Sweep::wrong_references() {
  return connection_.all(
      "SELECT r.name || ' of repository ' || r.repository FROM reference r WHERE NOT EXISTS "
      "(SELECT 1 FROM made m WHERE m.repository = r.repository AND m.id = r.target) UNION ALL "
      "SELECT 'a commit of repository ' || m.repository FROM made m WHERE NOT EXISTS "
      "(SELECT 1 FROM object o WHERE o.id = m.id AND o.kind = 1)",
      {}, [](const Row& row) { return row.text(0); });
}

std::vector<std::string> Sweep::damage() {
  std::vector<std::string> wrong;
  connection_.each("PRAGMA integrity_check", {}, [&](const Row& row) {
    if (row.bytes(0) != "ok") wrong.push_back(row.text(0));
  });
  connection_.each("PRAGMA foreign_key_check", {}, [&](const Row& row) {
    wrong.push_back("a row of " + row.text(0) + " names one of " + row.text(2) + " that is not there");
  });
  return wrong;
}

}  // namespace glassbox::hub
