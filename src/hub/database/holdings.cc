#include "hub/database/holdings.h"

#include <algorithm>

#include "hub/database/layouts.h"
#include "hub/database/repositories.h"
#include "hub/database/rights.h"

namespace glassbox::hub {
namespace {

constexpr int kContent = 0, kFile = 1, kXorb = 2;
constexpr int64_t kMostFiles = 256;  // of a xorb, which are looked at

}  // namespace

void Holdings::hold(int64_t repository, const Sha256& content) {
  connection_.run("INSERT OR IGNORE INTO held (sha256, repository) VALUES (?, ?)", {Blob{content.view()}, repository});
}

void Holdings::note(const Caller& caller, int kind, std::string_view hash, int64_t leased) {
  if (!caller.account) return;
  connection_.run(
      "INSERT INTO uploaded (account, kind, hash, leased) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET leased = "
      "MAX(leased, excluded.leased)",
      {*caller.account, kind, Blob{hash}, leased});
}

void Holdings::note_content(const Caller& caller, const Sha256& content, int64_t leased) {
  note(caller, kContent, content.view(), leased);
}
void Holdings::note_file(const Caller& caller, const xet::Hash& file_id, int64_t leased) {
  note(caller, kFile, file_id.view(), leased);
}
void Holdings::note_xorb(const Caller& caller, const xet::Hash& xorb, int64_t leased) {
  note(caller, kXorb, xorb.view(), leased);
}

bool Holdings::was_noted(const Caller& caller, int kind, std::string_view hash) {
  return connection_
      .integer("SELECT 1 FROM uploaded WHERE account = ? AND kind = ? AND hash = ? AND leased >= ?",
               {account_of(caller), kind, Blob{hash}, now_in_milliseconds()})
      .has_value();
}

bool Holdings::may_have_content(const Caller& caller, const Sha256& content) {
  return was_noted(caller, kContent, content.view()) ||
         connection_
             .integer(kMe +
                          "SELECT 1 FROM me, held h JOIN repository r ON r.id = h.repository WHERE h.sha256 = ? AND " +
                          kReadable + " LIMIT 1",
                      {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository,
                       Blob{content.view()}})
             .has_value();
}

bool Holdings::may_have_file(const Caller& caller, const xet::Hash& file_id) {
  return was_noted(caller, kFile, file_id.view()) ||
         connection_
             .integer(kMe +
                          "SELECT 1 FROM me, content c JOIN held h ON h.sha256 = c.sha256 JOIN repository r ON r.id = "
                          "h.repository WHERE c.file_id = ? AND " +
                          kReadable + " LIMIT 1",
                      {account_of(caller), caller.owns_machine, caller.may_write, caller.sole_repository,
                       Blob{file_id.view()}})
             .has_value();
}

bool Holdings::may_have_xorb(const Caller& caller, const xet::Hash& xorb) {
  if (was_noted(caller, kXorb, xorb.view())) return true;
  Layouts layouts(connection_);
  const auto stored = layouts.xorb(xorb);
  if (!stored) return false;
  std::vector<std::pair<uint32_t, uint32_t>> runs;
  for (const xet::Hash& file : layouts.of_xorb(stored->id, kMostFiles)) {
    if (!may_have_file(caller, file)) continue;
    if (const auto layout = layouts.find(file))
      for (const LayoutTerm& term : layout->terms)
        if (term.xorb == stored->id) runs.emplace_back(term.first, term.end);
  }
  std::ranges::sort(runs);
  uint32_t end = 0;
  for (const auto& [first, last] : runs) {
    if (first > end) return false;
    end = std::max(end, last);
  }
  return end >= stored->table.chunks.size();
}

}  // namespace glassbox::hub
