#include "hub/database/claims.h"

#include "hub/database/rights.h"
#include "hub/git.h"
#include "hub/names.h"

namespace glassbox::hub {
namespace {

const std::string kRelative = "r.id, a.name, r.name, r.visibility, r.gated, r.created, r.likes, r.downloads";
// Of a row `b` of base: the repository that its name leads to.
const std::string kNamed =
    "COALESCE((SELECT q.id FROM repository q WHERE q.kind = 0 AND q.folded = b.folded), "
    "(SELECT f.repository FROM former_name f WHERE f.kind = 0 AND f.folded = b.folded))";
// The claims whose base is one of the models of a list, by any name it has had. Its question marks: the list, twice.
// CROSS JOIN: SQLite keeps the order, and finds former names by their model.
const std::string kClaimsOn =
    ", named(id, folded) AS (SELECT q.id, q.folded FROM json_each(?) j JOIN repository q ON q.id = j.value UNION ALL "
    "SELECT f.repository, f.folded FROM json_each(?) j CROSS JOIN former_name f ON f.repository = j.value), "
    "claim AS (SELECT n.id AS base, b.child, MIN(b.place), b.name, b.relation, b.verdict, b.why, b.against "
    "FROM named n JOIN base b ON b.folded = n.folded WHERE b.child <> n.id GROUP BY n.id, b.child) ";

// Whether a verdict is of this base: another repository may have come to its name since.
std::string is_against(const char* claim, const std::string& base) {
  return std::string("EXISTS (SELECT 1 FROM made m WHERE m.repository = ") + base + " AND m.id = " + claim +
         ".against)";
}

std::string listed(const std::vector<int64_t>& ids) { return dump_json(Json(ids)); }

Repository read_relative(const Row& row, int at) {
  Repository repository;
  repository.id = row.integer(at);
  repository.owner = row.text(at + 1);
  repository.name = row.text(at + 2);
  repository.is_private = row.integer(at + 3) != 0;
  repository.gate = static_cast<Gate>(row.integer(at + 4));
  repository.created = row.integer(at + 5);
  repository.likes = row.integer(at + 6);
  repository.downloads = row.integer(at + 7);
  return repository;
}

// A model, its claim's name and relation, whether it was compared, verdict, why, and the relative.
Claim read_claim(const Row& row) {
  Claim claim;
  claim.of = row.integer(0);
  claim.name = row.text(1);
  claim.relation = row.text(2);
  if (!row.is_null(6)) claim.relative = read_relative(row, 6);
  const auto verdict = verdict_named(row.bytes(4));
  claim.compared = row.integer(3) != 0 && verdict;
  if (claim.compared) {
    claim.verdict = *verdict;
    claim.why = row.text(5);
  } else {
    claim.why = claim.relative ? "the two were not compared" : "the base is not on this hub";
  }
  return claim;
}

}  // namespace

void Claims::set(const Repository& model, const Json& facts) {
  connection_.run("DELETE FROM base WHERE child = ?", {model.id});
  const auto bases = facts.find("base_models");
  if (model.kind != RepositoryKind::model || bases == facts.end()) return;
  const Json lineage = facts.value("lineage", Json::object());
  int64_t place = 0;
  for (const Json& one : *bases) {
    const std::string name = one;
    std::optional<std::string> verdict, why;
    std::optional<ObjectId> against;
    if (const auto found = lineage.find(name); found != lineage.end()) {
      verdict = found->value("verdict", "");
      why = found->value("why", "");
      against = ObjectId::parse(found->value("sha", ""));
    }
    connection_.run(
        "INSERT INTO base (child, place, name, folded, relation, verdict, why, against) VALUES (?, ?, ?, ?, ?, ?, ?, "
        "?)",
        {model.id, place++, name, folded(name), facts.value("relation", "finetune"), verdict, why,
         against ? Value(Blob{against->view()}) : Value(nullptr)});
  }
}

std::vector<Claim> Claims::bases(const Caller& caller, const std::vector<int64_t>& models) {
  const std::string sql = kMe + ", claim AS (SELECT j.key AS nth, b.*, " + kNamed +
                          " AS base FROM json_each(?) j JOIN base b ON b.child = j.value) SELECT c.child, c.name, "
                          "c.relation, " +
                          is_against("c", "r.id") + ", c.verdict, c.why, " + kRelative +
                          " FROM me JOIN claim c LEFT JOIN repository r ON r.id = c.base AND " + kKnown +
                          " LEFT JOIN account a ON a.id = r.owner ORDER BY c.nth, c.place";
  return connection_.all(
      sql, {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository, listed(models)},
      read_claim);
}

std::vector<Claim> Claims::children(const Caller& caller, const std::vector<int64_t>& models, int64_t most) {
  const std::string list = listed(models);
  const std::string sql =
      kMe + kClaimsOn + "SELECT * FROM (SELECT c.base AS base, c.name, c.relation, " + is_against("c", "c.base") +
      ", c.verdict, c.why, " + kRelative +
      ", ROW_NUMBER() OVER (PARTITION BY c.base ORDER BY r.likes DESC, r.downloads DESC, r.id) AS nth "
      "FROM me JOIN claim c JOIN repository r ON r.id = c.child JOIN account a ON a.id = r.owner WHERE " +
      kKnown + ") WHERE nth <= ? ORDER BY base, nth";
  return connection_.all(
      sql, {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository, list, list, most},
      read_claim);
}

std::map<int64_t, int64_t> Claims::count_bases(const std::vector<int64_t>& models) {
  std::map<int64_t, int64_t> counts;
  connection_.each("SELECT b.child, COUNT(*) FROM json_each(?) j JOIN base b ON b.child = j.value GROUP BY b.child",
                   {listed(models)}, [&](const Row& row) { counts[row.integer(0)] = row.integer(1); });
  return counts;
}

std::map<int64_t, RelationCounts> Claims::count_children(const Caller& caller, const std::vector<int64_t>& models) {
  const std::string list = listed(models);
  std::map<int64_t, RelationCounts> counts;
  connection_.each(
      kMe + kClaimsOn +
          "SELECT c.base, c.relation, COUNT(*) FROM me JOIN claim c JOIN repository r ON r.id = c.child WHERE " +
          kKnown + " GROUP BY c.base, c.relation",
      {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository, list, list},
      [&](const Row& row) { counts[row.integer(0)][row.text(1)] = row.integer(2); });
  return counts;
}

ClaimGraph Claims::graph(const Caller& caller) {
  const std::string known =
      kMe + ", known(id, created) AS MATERIALIZED (SELECT r.id, r.created FROM me, repository r WHERE r.kind = 0 AND " +
      kKnown + ") ";
  ClaimGraph graph;
  connection_.each(known + "SELECT id, created FROM known ORDER BY id",
                   {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository},
                   [&](const Row& row) { graph.models.push_back({row.integer(0), row.integer(1)}); });
  connection_.each(known + ", claim AS (SELECT b.child, b.verdict, b.against, " + kNamed +
                       " AS base FROM base b) SELECT DISTINCT c.child, c.base FROM claim c WHERE c.base <> c.child "
                       "AND c.child IN (SELECT id FROM known) AND c.base IN (SELECT id FROM known) AND NOT "
                       "(COALESCE(c.verdict, '') = 'contradicted' AND " +
                       is_against("c", "c.base") + ")",
                   {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository},
                   [&](const Row& row) { graph.edges.emplace_back(row.integer(0), row.integer(1)); });
  return graph;
}

std::vector<Repository> Claims::models(const Caller& caller, const std::vector<int64_t>& ids) {
  return connection_.all(
      kMe + "SELECT " + kRelative +
          " FROM me JOIN json_each(?) j JOIN repository r ON r.id = j.value JOIN account a ON a.id = r.owner "
          "WHERE r.kind = 0 AND " +
          kKnown + " ORDER BY j.key",
      {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository, listed(ids)},
      [](const Row& row) { return read_relative(row, 0); });
}

}  // namespace glassbox::hub
