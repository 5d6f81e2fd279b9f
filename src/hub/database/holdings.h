// Which contents a caller may have, in the database: those of repositories whose files they may read, and what they had
// in hand lately.
#pragma once

#include <cstdint>
#include <vector>

#include "hub/database/database.h"
#include "hub/digest.h"
#include "hub/repository.h"
#include "hub/xet/hash.h"

namespace glassbox::hub {

// Over a connection in a transaction, and as long-lived as it.
class Holdings {
 public:
  explicit Holdings(Connection& connection) : connection_(connection) {}

  void hold(int64_t repository, const Sha256& content);
  // A caller without an account is not remembered.
  void note_content(const Caller& caller, const Sha256& content, int64_t leased);
  void note_file(const Caller& caller, const xet::Hash& file_id, int64_t leased);
  void note_xorb(const Caller& caller, const xet::Hash& xorb, int64_t leased);

  bool may_have_content(const Caller& caller, const Sha256& content);
  bool may_have_file(const Caller& caller, const xet::Hash& file_id);
  // Of a xorb: whether they had it in hand, or may have every chunk of it as part of a file.
  bool may_have_xorb(const Caller& caller, const xet::Hash& xorb);

 private:
  void note(const Caller& caller, int kind, std::string_view hash, int64_t leased);
  bool was_noted(const Caller& caller, int kind, std::string_view hash);
  Connection& connection_;
};

}  // namespace glassbox::hub
