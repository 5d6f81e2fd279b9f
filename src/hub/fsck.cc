#include "hub/fsck.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "hub/contents.h"
#include "hub/database/sweep.h"

namespace glassbox::hub {
namespace {

constexpr size_t kPiece = size_t{1} << 20;

class Checker {
 public:
  Checker(Connection& connection, Contents& contents, const std::function<void(int64_t, int64_t)>& progress)
      : sweep_(connection), layouts_(connection), contents_(contents), progress_(progress) {}

  Proof run() {
    for (std::string& wrong : sweep_.damage()) proof_.problems.push_back("hub.db: " + std::move(wrong));
    for (std::string& wrong : sweep_.wrong_references())
      proof_.problems.push_back("hub.db: " + std::move(wrong) + " leads nowhere");
    check_xorbs();
    check_layouts();
    check_contents();
    check_files();
    check_objects();
    return std::move(proof_);
  }

 private:
  // Runs one check; what it throws is a problem, unless a server that runs has removed what was checked since the proof
  // began: `is_there` looks at what is so now.
  void hold(const std::string& what, const std::function<void()>& check,
            const std::function<bool(Layouts&)>& is_there = nullptr) {
    try {
      check();
    } catch (const Error& error) {
      if (is_there && !contents_.database().read([&](Connection& connection) {
            Layouts layouts(connection);
            return is_there(layouts);
          }))
        return;
      proof_.problems.push_back(what + ": " + error.what());
    }
  }

  void check_xorbs() {
    const std::vector<int64_t> all = sweep_.xorbs();
    std::set<std::string> known;
    for (const int64_t id : all) {
      if (progress_) progress_(proof_.xorbs, static_cast<int64_t>(all.size()));
      ++proof_.xorbs;
      const xet::XorbTable table = layouts_.xorb(id).table;
      known.insert(table.hash.text());
      hold(
          "xorb " + table.hash.text(),
          [&] {
            const auto blob = contents_.blobs().open(table.hash.text());
            proof_.bytes += blob->size();
            xet::XorbReader reader;
            for (uint64_t at = 0; at < blob->size();) {
              std::string piece(static_cast<size_t>(std::min<uint64_t>(kPiece, blob->size() - at)), '\0');
              blob->read(at, piece);
              reader.add(std::as_bytes(std::span(piece)));
              at += piece.size();
            }
            const xet::XorbTable is = reader.finish(table.hash);
            const bool same = std::ranges::equal(is.chunks, table.chunks, [](const auto& a, const auto& b) {
              return a.hash == b.hash && a.raw_end == b.raw_end && a.stored_end == b.stored_end;
            });
            if (!same) fail(ErrorKind::bad_file, "its chunks lie elsewhere than the database says");
          },
          [&](Layouts& now) { return now.xorb(table.hash).has_value(); });
    }
    for (const std::string& name : contents_.blobs().names()) proof_.leftovers += !known.contains(name);
  }

  // As an upload of the same would be.
  void check_layouts() {
    for (const xet::Hash& id : sweep_.layouts()) {
      ++proof_.layouts;
      hold("file " + id.text(), [&] {
        const Layout layout = *layouts_.find(id);
        xet::MerkleTree tree;
        std::map<int64_t, xet::XorbTable> tables;
        for (const LayoutTerm& term : layout.terms) {
          const auto [at, is_new] = tables.try_emplace(term.xorb);
          if (is_new) at->second = layouts_.xorb(term.xorb).table;
          const xet::XorbTable& table = at->second;
          if (term.first >= term.end || term.end > table.chunks.size() ||
              table.raw_bytes(term.first, term.end) != term.raw)
            fail(ErrorKind::bad_file, "a term has not the bytes it says");
          for (uint32_t chunk = term.first; chunk < term.end; ++chunk)
            tree.add(table.chunks[chunk].hash, table.raw_bytes(chunk, chunk + 1));
        }
        if (tree.length() != layout.size || tree.file_id() != id)
          fail(ErrorKind::bad_file, "its chunks give {} and {} bytes", tree.file_id().text(), tree.length());
      });
    }
  }

  void check_contents() {
    std::vector<Content> large;
    sweep_.each_content([&](const Content& content, std::string_view whole) {
      ++proof_.contents;
      sizes_[content.sha256] = content.size;
      if (content.file_id) {
        large.push_back(content);
      } else {
        proof_.bytes += whole.size();
        if (whole.size() != content.size || digest_of<Sha256>(whole) != content.sha256)
          proof_.problems.push_back("content " + content.sha256.hex() + ": other bytes than its name says");
      }
    });
    for (const Content& content : large)
      hold(
          "content " + content.sha256.hex(),
          [&] {
            const auto reader = contents_.open(content.sha256);
            Hasher<Sha256> hasher;
            uint64_t at = 0;
            for (std::string piece; !(piece = reader->read(at, kPiece)).empty(); at += piece.size())
              hasher.append(piece);
            if (at != content.size || hasher.finish() != content.sha256)
              fail(ErrorKind::bad_file, "other bytes than its name says");
          },
          [&](Layouts& now) { return now.content(content.sha256).has_value(); });
  }

  void check_files() {
    sweep_.each_file([&](const ObjectId& id, const FileRecord& file) {
      ++proof_.files;
      files_.insert(id);
      const auto found = sizes_.find(file.sha256);
      if (found == sizes_.end() || found->second != file.size)
        proof_.problems.push_back("file " + id.hex() + ": its content is not there, or has another size");
      else if (file.pointer && object_id(ObjectKind::blob, lfs_pointer({file.sha256, file.size})) != id)
        proof_.problems.push_back("file " + id.hex() + ": the pointer to its content has another name");
    });
  }

  void check_objects() {
    std::map<ObjectId, ObjectKind> kinds;
    std::vector<std::pair<ObjectId, std::string>> named;  // what must be there, and who says so
    sweep_.each_object([&](const ObjectId& id, ObjectKind kind, std::string_view bytes) {
      ++proof_.objects;
      kinds[id] = kind;
      hold("git object " + id.hex(), [&] {
        if (object_id(kind, bytes) != id) fail(ErrorKind::bad_file, "other bytes than its name says");
        if (kind == ObjectKind::commit) {
          const Commit commit = decode_commit(bytes);
          named.emplace_back(commit.tree, id.hex());
          for (const ObjectId& parent : commit.parents) named.emplace_back(parent, id.hex());
        } else {
          for (const TreeEntry& entry : decode_tree(bytes)) named.emplace_back(entry.id, id.hex());
        }
      });
    });
    for (const auto& [id, by] : named)
      if (!kinds.contains(id) && !files_.contains(id))
        proof_.problems.push_back("git object " + by + ": names " + id.hex() + ", which is not there");
  }

  Sweep sweep_;
  Layouts layouts_;
  Contents& contents_;
  const std::function<void(int64_t, int64_t)>& progress_;
  Proof proof_;
  std::map<Sha256, uint64_t> sizes_;
  std::set<ObjectId> files_;
};

}  // namespace

Proof check_store(const std::filesystem::path& folder, const std::function<void(int64_t, int64_t)>& progress) {
  if (!std::filesystem::exists(folder / "hub.db"))
    fail(ErrorKind::not_found, "{}: no hub is here (no hub.db)", folder.string());
  Database database(folder / "hub.db");
  const auto blobs = folder_blobs(folder / "blobs", FolderUse::reads);
  Contents contents(database, *blobs);
  return database.read([&](Connection& connection) { return Checker(connection, contents, progress).run(); });
}

}  // namespace glassbox::hub
