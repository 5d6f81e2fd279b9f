// Who may do what, in SQL: conditions on a row `r` of the table repository and the row `me` of whoever asks. They are
// written here and nowhere else.
#pragma once

#include <string>

#include "hub/repository.h"

namespace glassbox::hub {

// What a statement begins with whose FROM names `me`. Its question marks are account_of(caller), owns_machine,
// may_write and sole_repository.
inline const std::string kMe = "WITH me(account, owns, writes, sole) AS (SELECT ?, ?, ?, ?) ";

// A token for one repository lets nobody in elsewhere.
inline const std::string kActs = "(me.sole IS NULL OR r.id = me.sole)";
// Its owner, and members of the organisation that owns it.
inline const std::string kBelongs =
    "(" + kActs +
    " AND (me.owns OR r.owner = me.account OR EXISTS (SELECT 1 FROM member m WHERE m.organization = r.owner AND "
    "m.account = me.account)))";
// Right::know or more.
inline const std::string kKnown = "(r.visibility = 0 OR " + kBelongs + ")";
// Right::read or more. Whom the owner let into a gated repository is a stranger to it once it is private.
inline const std::string kReadable =
    "(" + kBelongs + " OR (r.visibility = 0 AND (r.gated = 0 OR (" + kActs +
    " AND EXISTS (SELECT 1 FROM access x WHERE x.repository = r.id AND x.account = me.account AND x.status = 1)))))";
// Right::write.
inline const std::string kWritable =
    "(me.writes AND " + kActs +
    " AND (me.owns OR r.owner = me.account OR EXISTS (SELECT 1 FROM member m WHERE m.organization = r.owner AND "
    "m.account = me.account AND m.role >= 1)))";

// Of a stranger, none that there is.
inline int64_t account_of(const Caller& caller) { return caller.account.value_or(-1); }

}  // namespace glassbox::hub
