#include "hub/database/repositories.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <chrono>

#include "base/error.h"
#include "hub/database/accounts.h"
#include "hub/database/claims.h"
#include "hub/database/popularity.h"
#include "hub/database/rights.h"
#include "hub/names.h"
#include "hub/refusal.h"

namespace glassbox::hub {
namespace {

constexpr std::string_view kColumns =
    "r.id, r.kind, a.name, r.name, r.visibility, r.gated, r.disabled, r.created, r.modified, r.likes, r.downloads, "
    "r.facts";
constexpr int64_t kDay = int64_t{24} * 60 * 60 * 1000;

Repository read_repository(const Row& row) {
  Repository repository;
  repository.id = row.integer(0);
  repository.kind = static_cast<RepositoryKind>(row.integer(1));
  repository.owner = row.text(2);
  repository.name = row.text(3);
  repository.is_private = row.integer(4) != 0;
  repository.gate = static_cast<Gate>(row.integer(5));
  repository.is_disabled = row.integer(6) != 0;
  repository.created = row.integer(7);
  repository.modified = row.integer(8);
  repository.likes = row.integer(9);
  repository.downloads = row.integer(10);
  repository.facts = parse_json(row.bytes(11), "the hub's database");
  return repository;
}

}  // namespace

std::string_view name_of(RepositoryKind kind) {
  return kind == RepositoryKind::model ? "model" : kind == RepositoryKind::dataset ? "dataset" : "space";
}

std::optional<RepositoryKind> repository_kind(std::string_view name) {
  for (const RepositoryKind kind : {RepositoryKind::model, RepositoryKind::dataset, RepositoryKind::space})
    if (name_of(kind) == name) return kind;
  return std::nullopt;
}

int64_t now_in_milliseconds() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Right Repositories::right(const Caller& caller, const Repository& repository) {
  const auto found = connection_.integer(
      kMe + "SELECT CASE WHEN NOT COALESCE(" + kKnown + ", 0) THEN 0 WHEN " + kWritable + " AND " + kReadable +
          " THEN 3 WHEN " + kReadable + " THEN 2 ELSE 1 END FROM me, repository r WHERE r.id = ?",
      {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository, repository.id});
  return static_cast<Right>(found.value_or(0));
}

std::optional<Repository> Repositories::find(const Caller& caller, RepositoryKind kind, std::string_view full_name) {
  const std::string select = fmt::format("SELECT {} FROM repository r JOIN account a ON a.id = r.owner", kColumns);
  const std::string lower = folded(full_name);
  const int number = static_cast<int>(kind);
  auto found = connection_.first(select + " WHERE r.kind = ? AND r.folded = ?", {number, lower}, read_repository);
  if (!found)
    found = connection_.first(select + " JOIN former_name f ON f.repository = r.id WHERE f.kind = ? AND f.folded = ?",
                              {number, lower}, read_repository);
  return found && right(caller, *found) >= Right::know ? found : std::nullopt;
}

std::optional<int64_t> Repositories::add(const Repository& repository) {
  const std::string lower = folded(repository.full_name());
  const int kind = static_cast<int>(repository.kind);
  const int64_t owner = Accounts(connection_).of_name(repository.owner), now = now_in_milliseconds();
  connection_.run("DELETE FROM former_name WHERE kind = ? AND folded = ?", {kind, lower});
  const int64_t added = connection_.run(
      "INSERT OR IGNORE INTO repository (kind, owner, name, folded, visibility, created, modified) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      {kind, owner, repository.name, lower, repository.is_private, now, now});
  return added > 0 ? std::optional(connection_.last_row()) : std::nullopt;
}

void Repositories::remove(const Repository& repository) {
  connection_.run("DELETE FROM repository WHERE id = ?", {repository.id});
}

bool Repositories::rename(const Repository& repository, std::string_view owner, std::string_view name) {
  const int kind = static_cast<int>(repository.kind);
  const std::string from = folded(repository.full_name()), to = folded(fmt::format("{}/{}", owner, name));
  if (from != to) {
    if (connection_.integer("SELECT id FROM repository WHERE kind = ? AND folded = ?", {kind, to})) return false;
    connection_.run("DELETE FROM former_name WHERE kind = ? AND folded = ?", {kind, to});
    connection_.run("INSERT OR REPLACE INTO former_name (kind, folded, repository) VALUES (?, ?, ?)",
                    {kind, from, repository.id});
  }
  connection_.run("UPDATE repository SET owner = ?, name = ?, folded = ?, modified = ? WHERE id = ?",
                  {Accounts(connection_).of_name(owner), name, to, now_in_milliseconds(), repository.id});
  return true;
}

void Repositories::set_access(const Repository& repository, bool is_private, Gate gate) {
  connection_.run("UPDATE repository SET visibility = ?, gated = ? WHERE id = ?",
                  {is_private, static_cast<int>(gate), repository.id});
}

void Repositories::set_facts(const Repository& repository, const Json& facts, const std::vector<std::string>& tags) {
  connection_.run("UPDATE repository SET facts = ? WHERE id = ?", {dump_json(facts), repository.id});
  connection_.run("DELETE FROM tag WHERE repository = ?", {repository.id});
  for (const std::string& tag : tags)
    connection_.run("INSERT OR IGNORE INTO tag (repository, tag) VALUES (?, ?)", {repository.id, tag});
  Claims(connection_).set(repository, facts);
}

void Repositories::touch(const Repository& repository) {
  connection_.run("UPDATE repository SET modified = ? WHERE id = ?", {now_in_milliseconds(), repository.id});
}

std::vector<std::string> Repositories::tags(const Repository& repository) {
  return connection_.all("SELECT tag FROM tag WHERE repository = ? ORDER BY tag", {repository.id},
                         [](const Row& row) { return row.text(0); });
}

std::vector<std::string> Repositories::all_tags(const Caller& caller, RepositoryKind kind) {
  return connection_.all(
      kMe + "SELECT DISTINCT t.tag FROM me, tag t JOIN repository r ON r.id = t.repository WHERE r.kind = ? AND " +
          kKnown + " ORDER BY t.tag",
      {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository, static_cast<int>(kind)},
      [](const Row& row) { return row.text(0); });
}

// SQLite takes a list of values as JSON: one statement for any number of words and tags.
std::vector<Listed> Repositories::list(const Caller& caller, const RepositoryQuery& query) {
  using Order = RepositoryQuery::Order;
  const std::string score = query.order == Order::created     ? "CAST(r.created AS REAL)"
                            : query.order == Order::modified  ? "CAST(r.modified AS REAL)"
                            : query.order == Order::likes     ? "CAST(r.likes AS REAL)"
                            : query.order == Order::downloads ? "CAST(r.downloads AS REAL)"
                            : query.order == Order::trending  ? trending_score(now_in_milliseconds())
                                                              : "0.0";
  // The page goes on behind the last score and number, so that it misses none whose score stayed.
  double last_score = 0;
  int64_t last_id = 0;
  if (query.after) {
    const size_t dash = query.after->rfind('_');
    const char* end = query.after->data() + query.after->size();
    const auto bad = [&] { refuse(Refused::bad_value, "cursor: not one that this server gave"); };
    if (dash == std::string::npos) bad();
    const char* middle = query.after->data() + dash;
    if (std::from_chars(query.after->data(), middle, last_score).ptr != middle) bad();
    if (std::from_chars(middle + 1, end, last_id).ptr != end) bad();
  }
  Json words = Json::array(), tags = Json::array();
  for (const std::string& word : query.search) words.push_back(folded(word));
  for (const std::string& tag : query.tags) tags.push_back(tag);
  const std::string sql = fmt::format(
      "{3}SELECT {0}, s FROM (SELECT r.*, {1} AS s FROM me, repository r WHERE r.kind = ? AND {2} "
      "AND (? IS NULL OR r.owner = (SELECT id FROM account WHERE folded = ?)) "
      "AND NOT EXISTS (SELECT 1 FROM json_each(?) w WHERE instr(r.folded, w.value) = 0) "
      "AND NOT EXISTS (SELECT 1 FROM json_each(?) t WHERE NOT EXISTS "
      "(SELECT 1 FROM tag WHERE tag.tag = t.value AND tag.repository = r.id))) r "
      "JOIN account a ON a.id = r.owner WHERE (NOT ? OR s < ? OR (s = ? AND r.id < ?)) ORDER BY s DESC, r.id DESC "
      "LIMIT ?",
      kColumns, score, kKnown, kMe);
  const std::optional<std::string> owner = query.owner ? std::optional(folded(*query.owner)) : std::nullopt;
  return connection_.all(sql,
                         {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository,
                          static_cast<int>(query.kind), owner, owner, dump_json(words), dump_json(tags),
                          query.after.has_value(), last_score, last_score, last_id, query.most},
                         [](const Row& row) {
                           Listed listed{read_repository(row), row.real(12), {}};
                           listed.position = fmt::format("{}_{}", listed.score, listed.repository.id);
                           return listed;
                         });
}

std::vector<Reference> Repositories::references(const Repository& repository) {
  return connection_.all("SELECT name, target FROM reference WHERE repository = ? ORDER BY name", {repository.id},
                         [](const Row& row) { return Reference{row.text(0), ObjectId::of_bytes(row.bytes(1))}; });
}

std::optional<ObjectId> Repositories::reference(const Repository& repository, std::string_view name) {
  return connection_.first("SELECT target FROM reference WHERE repository = ? AND name = ?", {repository.id, name},
                           [](const Row& row) { return ObjectId::of_bytes(row.bytes(0)); });
}

void Repositories::set_reference(const Repository& repository, std::string_view name, const ObjectId& target) {
  connection_.run("INSERT OR REPLACE INTO reference (repository, name, target) VALUES (?, ?, ?)",
                  {repository.id, name, Blob{target.view()}});
}

bool Repositories::remove_reference(const Repository& repository, std::string_view name) {
  return connection_.run("DELETE FROM reference WHERE repository = ? AND name = ?", {repository.id, name}) > 0;
}

void Repositories::add_made(const Repository& repository, const ObjectId& commit) {
  connection_.run("INSERT OR IGNORE INTO made (repository, id) VALUES (?, ?)", {repository.id, Blob{commit.view()}});
}

std::optional<ObjectId> Repositories::made(const Repository& repository, std::string_view prefix) {
  if (prefix.size() < 4 || prefix.size() > 40) return std::nullopt;
  const std::string lowest = std::string(prefix) + std::string(40 - prefix.size(), '0'),
                    highest = std::string(prefix) + std::string(40 - prefix.size(), 'f');
  const auto from = ObjectId::parse(lowest), to = ObjectId::parse(highest);
  if (!from || !to) return std::nullopt;
  const auto found = connection_.all("SELECT id FROM made WHERE repository = ? AND id BETWEEN ? AND ? LIMIT 2",
                                     {repository.id, Blob{from->view()}, Blob{to->view()}},
                                     [](const Row& row) { return ObjectId::of_bytes(row.bytes(0)); });
  return found.size() == 1 ? std::optional(found.front()) : std::nullopt;
}

bool Repositories::like(const Repository& repository, int64_t account, bool liked) {
  const int64_t changed =
      liked ? connection_.run("INSERT OR IGNORE INTO liked (repository, account, time) VALUES (?, ?, ?)",
                              {repository.id, account, now_in_milliseconds()})
            : connection_.run("DELETE FROM liked WHERE repository = ? AND account = ?", {repository.id, account});
  if (changed > 0)
    connection_.run("UPDATE repository SET likes = (SELECT COUNT(*) FROM liked WHERE repository = id) WHERE id = ?",
                    {repository.id});
  return changed > 0;
}

std::vector<std::string> Repositories::likers(const Repository& repository, int64_t from, int64_t most) {
  return connection_.all(
      "SELECT a.name FROM liked l JOIN account a ON a.id = l.account WHERE l.repository = ? ORDER BY l.time DESC, a.id "
      "LIMIT ? OFFSET ?",
      {repository.id, most, from}, [](const Row& row) { return row.text(0); });
}

std::vector<Liked> Repositories::liked(const Caller& caller, int64_t account, int64_t from, int64_t most) {
  return connection_.all(
      fmt::format(
          "{}SELECT {}, l.time FROM me, liked l JOIN repository r ON r.id = l.repository JOIN account a ON a.id "
          "= r.owner WHERE l.account = ? AND {} ORDER BY l.time DESC, r.id LIMIT ? OFFSET ?",
          kMe, kColumns, kKnown),
      {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository, account, most, from},
      [](const Row& row) { return Liked{read_repository(row), row.integer(12)}; });
}

int64_t Repositories::count(const Caller& caller, int64_t owner, RepositoryKind kind) {
  return *connection_.integer(
      kMe + "SELECT COUNT(*) FROM me, repository r WHERE r.owner = ? AND r.kind = ? AND " + kKnown,
      {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository, owner,
       static_cast<int>(kind)});
}

int64_t Repositories::count_likes(const Caller& caller, int64_t account) {
  return *connection_.integer(
      kMe + "SELECT COUNT(*) FROM me, liked l JOIN repository r ON r.id = l.repository WHERE l.account = ? AND " +
          kKnown,
      {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository, account});
}

bool Repositories::likes(const Repository& repository, int64_t account) {
  return connection_.integer("SELECT 1 FROM liked WHERE repository = ? AND account = ?", {repository.id, account})
      .has_value();
}

void Repositories::count_download(const Repository& repository, std::string_view who) {
  const int64_t added = connection_.run("INSERT OR IGNORE INTO downloaded (repository, day, who) VALUES (?, ?, ?)",
                                        {repository.id, now_in_milliseconds() / kDay, Blob{who}});
  if (added > 0) connection_.run("UPDATE repository SET downloads = downloads + 1 WHERE id = ?", {repository.id});
}

}  // namespace glassbox::hub
