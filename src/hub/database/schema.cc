#include "hub/database/schema.h"

#include <iterator>
#include <string>

#include "base/error.h"

namespace glassbox::hub {
namespace {

// Each step brings the one before it further; a database's user_version counts those it has had. A step that was
// published is never changed. Times are milliseconds since 1970; ids of git and hashes are their bytes.
const char* const kSteps[] = {R"sql(
-- What this store is and what it signs with: "store", "secret".
CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- Large bytes lie as xorbs among the blobs: `hash` names the blob. `chunks`: of each chunk its hash, and as little-endian
-- u32 its raw length and the end of its stored bytes. It stays until `leased`, whoever needs it.
CREATE TABLE xorb (
  id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, stored INTEGER NOT NULL, raw INTEGER NOT NULL,
  chunks BLOB NOT NULL, leased INTEGER NOT NULL);
-- Where a chunk can be had.
CREATE TABLE chunk (hash BLOB PRIMARY KEY, xorb INTEGER NOT NULL REFERENCES xorb, place INTEGER NOT NULL) WITHOUT ROWID;
-- A file as runs of chunks (its Xet file id). `terms`: little-endian u64 xorb, u32 first, u32 end, u32 raw length.
CREATE TABLE layout (file_id BLOB PRIMARY KEY, size INTEGER NOT NULL, terms BLOB NOT NULL, leased INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE layout_xorb (xorb INTEGER NOT NULL REFERENCES xorb, file_id BLOB NOT NULL REFERENCES layout,
  PRIMARY KEY (xorb, file_id)) WITHOUT ROWID;
-- What bytes there are: small ones here, others as a layout, of which the first that was known stays the published one.
CREATE TABLE content (
  sha256 BLOB PRIMARY KEY, size INTEGER NOT NULL, bytes BLOB, file_id BLOB REFERENCES layout, leased INTEGER NOT NULL,
  CHECK ((bytes IS NULL) <> (file_id IS NULL))) WITHOUT ROWID;
CREATE INDEX content_layout ON content (file_id);

-- Git's trees and commits (kind 2 and 1), and of its blobs what they stand for: `pointer`: the blob is the pointer to a
-- large file, whose size and content these are.
CREATE TABLE object (id BLOB PRIMARY KEY, kind INTEGER NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE file (id BLOB PRIMARY KEY, pointer INTEGER NOT NULL, size INTEGER NOT NULL,
  sha256 BLOB NOT NULL REFERENCES content) WITHOUT ROWID;

-- Who acts. kind: 0 a person, 1 an organisation. `folded`: the name in lower case.
CREATE TABLE account (
  id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, full_name TEXT NOT NULL,
  created INTEGER NOT NULL);

-- kind: 0 a model, 1 a dataset, 2 a space. visibility: 0 public, 1 private. gated: 0 no, 1 by itself, 2 by hand.
CREATE TABLE repository (
  id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, owner INTEGER NOT NULL REFERENCES account, name TEXT NOT NULL,
  folded TEXT NOT NULL, visibility INTEGER NOT NULL, gated INTEGER NOT NULL DEFAULT 0, disabled INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL, modified INTEGER NOT NULL, likes INTEGER NOT NULL DEFAULT 0,
  downloads INTEGER NOT NULL DEFAULT 0, facts TEXT NOT NULL DEFAULT '{}', UNIQUE (kind, folded));
CREATE INDEX repository_owner ON repository (owner);
-- What it was called before.
CREATE TABLE former_name (kind INTEGER NOT NULL, folded TEXT NOT NULL, repository INTEGER NOT NULL REFERENCES repository
  ON DELETE CASCADE, PRIMARY KEY (kind, folded)) WITHOUT ROWID;
-- Branches, tags and pull requests, by git's full names.
CREATE TABLE reference (repository INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE, name TEXT NOT NULL,
  target BLOB NOT NULL, PRIMARY KEY (repository, name)) WITHOUT ROWID;
-- Every commit that was ever made in it, and can be asked for: none is found through another repository.
CREATE TABLE made (repository INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE, id BLOB NOT NULL,
  PRIMARY KEY (repository, id)) WITHOUT ROWID;
CREATE TABLE tag (repository INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE, tag TEXT NOT NULL,
  PRIMARY KEY (tag, repository)) WITHOUT ROWID;

CREATE TABLE liked (repository INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE,
  account INTEGER NOT NULL REFERENCES account, time INTEGER NOT NULL, PRIMARY KEY (repository, account)) WITHOUT ROWID;
CREATE INDEX liked_account ON liked (account, time);
-- One row for a repository, a day (since 1970) and whoever fetched something of it (a hash).
CREATE TABLE downloaded (repository INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE, day INTEGER NOT NULL,
  who BLOB NOT NULL, PRIMARY KEY (repository, day, who)) WITHOUT ROWID;
)sql"};

}  // namespace

void prepare_schema(Database& database) {
  database.write([](Connection& connection) {
    const int64_t had = connection.integer("PRAGMA user_version").value_or(0), all = std::ssize(kSteps);
    if (had > all)
      fail(ErrorKind::unsupported,
           "the hub's database has version {}, and this program knows up to {}: a newer one made it", had, all);
    for (int64_t step = had; step < all; ++step) connection.script(kSteps[step]);
    connection.script("PRAGMA user_version = " + std::to_string(all));
  });
}

std::string setting(Database& database, std::string_view name, std::string_view otherwise) {
  return database.write([&](Connection& connection) {
    connection.run("INSERT OR IGNORE INTO setting (name, value) VALUES (?, ?)", {name, Blob{otherwise}});
    return *connection.first("SELECT value FROM setting WHERE name = ?", {name},
                             [](const Row& row) { return row.text(0); });
  });
}

}  // namespace glassbox::hub
