#include "hub/database/popularity.h"

#include <fmt/format.h>

#include "hub/database/rights.h"

namespace glassbox::hub {

std::string trending_score(int64_t now) {
  constexpr int64_t kDay = int64_t{24} * 60 * 60 * 1000;
  return fmt::format(
      "(SELECT COALESCE(SUM(1.0 / pow(MAX(0, {0} - l.time) / {1}.0 + 2, 1.5)), 0) FROM liked l WHERE l.repository = "
      "r.id) "
      "+ 0.1 * (SELECT COUNT(*) FROM downloaded d WHERE d.repository = r.id AND d.day > {0} / {1} - 7)",
      now, kDay);
}

std::map<int64_t, double> Popularity::trending(const std::vector<int64_t>& repositories, int64_t now) {
  std::map<int64_t, double> scores;
  connection_.each(
      fmt::format("SELECT r.id, {} FROM json_each(?) j JOIN repository r ON r.id = j.value", trending_score(now)),
      {dump_json(Json(repositories))}, [&](const Row& row) { scores[row.integer(0)] = row.real(1); });
  return scores;
}

std::vector<Standing> Popularity::models(const Caller& caller, int64_t after, int64_t most, int64_t now) {
  const std::string sql = fmt::format(
      "{}SELECT r.id, a.name, r.name, r.visibility, r.created, r.modified, r.likes, r.downloads, "
      "r.facts ->> '$.pipeline_tag', r.facts ->> '$.library_name', "
      "(SELECT json_group_array(b.name) FROM base b WHERE b.child = r.id), {} "
      "FROM me JOIN repository r JOIN account a ON a.id = r.owner WHERE r.kind = 0 AND {} AND r.id > ? "
      "ORDER BY r.id LIMIT ?",
      kMe, trending_score(now), kKnown);
  return connection_.all(
      sql, {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository, after, most},
      [](const Row& row) {
        Standing one;
        one.model.id = row.integer(0);
        one.model.owner = row.text(1);
        one.model.name = row.text(2);
        one.model.is_private = row.integer(3) != 0;
        one.model.created = row.integer(4);
        one.model.modified = row.integer(5);
        one.model.likes = row.integer(6);
        one.model.downloads = row.integer(7);
        one.pipeline_tag = row.text(8);
        one.library_name = row.text(9);
        one.bases = parse_json(row.bytes(10), "the hub's database").get<std::vector<std::string>>();
        one.trending = row.real(11);
        return one;
      });
}

}  // namespace glassbox::hub
