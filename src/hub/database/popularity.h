// How much repositories are liked and fetched, in the database.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "hub/database/database.h"
#include "hub/repository.h"

namespace glassbox::hub {

// One model among all.
struct Standing {
  Repository model;  // without its facts
  std::string pipeline_tag, library_name;
  std::vector<std::string> bases;  // as its card names them
  double trending = 0;
};

// Likes weigh by their age: each counts 1 / (days + 2)^1.5, and a download of the last seven days a tenth. In SQL, of a
// row `r` of the table repository.
std::string trending_score(int64_t now);

// Over a connection in a transaction, and as long-lived as it. `now`: milliseconds since 1970.
class Popularity {
 public:
  explicit Popularity(Connection& connection) : connection_(connection) {}

  std::map<int64_t, double> trending(const std::vector<int64_t>& repositories, int64_t now);
  // Models that the caller may know of, by rising id, from behind `after` on.
  std::vector<Standing> models(const Caller& caller, int64_t after, int64_t most, int64_t now);

 private:
  Connection& connection_;
};

}  // namespace glassbox::hub
