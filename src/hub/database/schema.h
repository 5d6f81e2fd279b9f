// What the hub's database holds. Each table's columns are told in schema.cc.
#pragma once

#include <string>
#include <string_view>

#include "hub/database/database.h"

namespace glassbox::hub {

// Makes the tables of a new database, or brings an older one to this program's version. Throws Error(unsupported) for
// one that a newer program made.
void prepare_schema(Database& database);

// What the store remembers by this name; `otherwise` from now on, where it is nothing yet.
std::string setting(Database& database, std::string_view name, std::string_view otherwise);

}  // namespace glassbox::hub
