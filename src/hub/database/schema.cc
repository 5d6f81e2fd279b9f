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

-- Who acts. kind: 0 a person, 1 an organisation, 2 a name that only repositories have. `folded`: the name in lower case.
-- `password`: in Argon2's own encoding.
CREATE TABLE account (
  id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, full_name TEXT NOT NULL,
  administers INTEGER NOT NULL DEFAULT 0, password TEXT, created INTEGER NOT NULL);
-- role: 0 reads, 1 writes, 2 administers it.
CREATE TABLE member (organization INTEGER NOT NULL REFERENCES account, account INTEGER NOT NULL REFERENCES account,
  role INTEGER NOT NULL, PRIMARY KEY (organization, account)) WITHOUT ROWID;
CREATE INDEX member_account ON member (account);

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

-- What lets somebody in: `hash` is the SHA-256 of a token that only its holder has. `repository`: the only one it is for.
CREATE TABLE token (
  id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES account, hash BLOB NOT NULL UNIQUE, label TEXT NOT NULL,
  writes INTEGER NOT NULL, repository INTEGER REFERENCES repository ON DELETE CASCADE, created INTEGER NOT NULL);
CREATE INDEX token_account ON token (account);
-- Who asked for the files of a gated repository, or was let in. status: 0 pending, 1 accepted, 2 rejected.
CREATE TABLE access (
  id INTEGER PRIMARY KEY, repository INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE,
  account INTEGER NOT NULL REFERENCES account, status INTEGER NOT NULL, time INTEGER NOT NULL,
  UNIQUE (repository, account));

-- Which contents a repository's commits have, all that were ever made in it: who may read them may have the content.
CREATE TABLE held (sha256 BLOB NOT NULL, repository INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE,
  PRIMARY KEY (sha256, repository)) WITHOUT ROWID;
CREATE INDEX held_repository ON held (repository);
-- Who had bytes of this name in hand, until `leased`. kind: 0 a content (SHA-256), 1 a Xet file, 2 a xorb.
CREATE TABLE uploaded (account INTEGER NOT NULL REFERENCES account, kind INTEGER NOT NULL, hash BLOB NOT NULL,
  leased INTEGER NOT NULL, PRIMARY KEY (account, kind, hash)) WITHOUT ROWID;

-- Talks about a repository, and proposed changes to it, which count together. status: 0 open, 1 closed, 2 merged,
-- 3 draft. `base`: the branch that a proposal is for; of talk, null. `merged`: the commit by which it got there.
CREATE TABLE discussion (
  id INTEGER PRIMARY KEY, repository INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE, number INTEGER NOT NULL,
  title TEXT NOT NULL, author INTEGER NOT NULL REFERENCES account, created INTEGER NOT NULL, status INTEGER NOT NULL,
  base TEXT, merged BLOB, UNIQUE (repository, number));
-- What happened in one. kind: 0 a comment (its text), 1 a status (its number), 2 a title (the old one, the new one),
-- 3 a commit (its summary, its name).
CREATE TABLE event (
  id INTEGER PRIMARY KEY, discussion INTEGER NOT NULL REFERENCES discussion ON DELETE CASCADE, kind INTEGER NOT NULL,
  author INTEGER NOT NULL REFERENCES account, created INTEGER NOT NULL, text TEXT NOT NULL, second TEXT NOT NULL,
  edits INTEGER NOT NULL DEFAULT 0, edited INTEGER NOT NULL, hidden INTEGER NOT NULL DEFAULT 0);
CREATE INDEX event_discussion ON event (discussion);
)sql",
                              R"sql(
-- What models say they were made of, in their cards' order. `folded`: the base's name in lower case, by which it is
-- looked for whenever it is asked for. What holding the weights against the base's showed, where that was done:
-- `verdict`, `why`, and the base's commit, `against`.
CREATE TABLE base (
  child INTEGER NOT NULL REFERENCES repository ON DELETE CASCADE, place INTEGER NOT NULL, name TEXT NOT NULL,
  folded TEXT NOT NULL, relation TEXT NOT NULL, verdict TEXT, why TEXT, against BLOB, PRIMARY KEY (child, place))
  WITHOUT ROWID;
CREATE INDEX base_folded ON base (folded);
CREATE INDEX former_name_repository ON former_name (repository);
INSERT INTO base (child, place, name, folded, relation, verdict, why)
  SELECT r.id, MIN(j.key), j.value, lower(j.value),
    CASE WHEN r.facts ->> '$.relation' IN ('finetune', 'adapter', 'merge', 'quantized') THEN r.facts ->> '$.relation'
    ELSE 'finetune' END, l.value ->> '$.verdict', l.value ->> '$.why'
  FROM repository r JOIN json_each(r.facts, '$.base_models') j
  LEFT JOIN json_each(r.facts, '$.lineage') l ON l.key = j.value
  WHERE r.kind = 0 AND j.key < 64 AND length(j.value) <= 256 GROUP BY r.id, lower(j.value);
UPDATE base SET against = (
  SELECT m.id FROM repository r JOIN json_each(r.facts, '$.lineage') l ON l.key = base.name JOIN made m ON m.repository =
    COALESCE((SELECT id FROM repository WHERE kind = 0 AND folded = base.folded),
      (SELECT repository FROM former_name WHERE kind = 0 AND folded = base.folded))
  WHERE r.id = base.child AND lower(hex(m.id)) = l.value ->> '$.sha');
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
