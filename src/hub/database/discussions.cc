#include "hub/database/discussions.h"

#include <array>

#include "base/error.h"
#include "hub/database/repositories.h"
#include "hub/names.h"

namespace glassbox::hub {
namespace {

constexpr std::array<std::string_view, 4> kStatuses{"open", "closed", "merged", "draft"};
constexpr std::array<std::string_view, 3> kAccess{"pending", "accepted", "rejected"};

const std::string kDiscussion =
    "SELECT d.id, d.number, d.title, a.name, d.author, d.created, d.status, d.base, d.merged FROM discussion d JOIN "
    "account a ON a.id = d.author ";

Discussion read_discussion(const Row& row) {
  Discussion discussion;
  discussion.id = row.integer(0);
  discussion.number = row.integer(1);
  discussion.title = row.text(2);
  discussion.author = row.text(3);
  discussion.author_id = row.integer(4);
  discussion.created = row.integer(5);
  discussion.status = static_cast<Discussion::Status>(row.integer(6));
  if (!row.is_null(7)) discussion.base = row.text(7);
  if (!row.is_null(8)) discussion.merged = ObjectId::of_bytes(row.bytes(8));
  return discussion;
}

const std::string kEvent =
    "SELECT e.id, e.kind, a.name, e.author, e.created, e.text, e.second, e.edits, e.edited, e.hidden FROM event e JOIN "
    "account a ON a.id = e.author ";

Event read_event(const Row& row) {
  Event event;
  event.id = row.integer(0);
  event.kind = static_cast<Event::Kind>(row.integer(1));
  event.author = row.text(2);
  event.author_id = row.integer(3);
  event.created = row.integer(4);
  event.text = row.text(5);
  event.second = row.text(6);
  event.edits = row.integer(7);
  event.edited = row.integer(8);
  event.hidden = row.integer(9) != 0;
  return event;
}

// Its question marks: repository, proposals twice, open twice, author twice.
const std::string kAsked =
    "WHERE d.repository = ? AND (? IS NULL OR (d.base IS NOT NULL) = ?) AND (? IS NULL OR (d.status IN (0, 3)) = ?) "
    "AND (? IS NULL OR d.author = (SELECT id FROM account WHERE folded = ?)) ";

const std::string kRequest =
    "SELECT x.id, a.name, x.status, x.time FROM access x JOIN account a ON a.id = x.account WHERE x.repository = ? ";

AccessRequest read_request(const Row& row) {
  return {row.integer(0), row.text(1), static_cast<AccessRequest::Status>(row.integer(2)), row.integer(3)};
}

}  // namespace

std::string_view name_of(Discussion::Status status) { return kStatuses[static_cast<size_t>(status)]; }
std::optional<Discussion::Status> discussion_status(std::string_view name) {
  for (size_t i = 0; i < kStatuses.size(); ++i)
    if (kStatuses[i] == name) return static_cast<Discussion::Status>(i);
  return std::nullopt;
}

std::string_view name_of(AccessRequest::Status status) { return kAccess[static_cast<size_t>(status)]; }
std::optional<AccessRequest::Status> access_status(std::string_view name) {
  for (size_t i = 0; i < kAccess.size(); ++i)
    if (kAccess[i] == name) return static_cast<AccessRequest::Status>(i);
  return std::nullopt;
}

Discussion Discussions::add(const Repository& repository, std::string_view title, int64_t author,
                            Discussion::Status status, const std::optional<std::string>& base) {
  connection_.run(
      "INSERT INTO discussion (repository, number, title, author, created, status, base) SELECT ?, "
      "COALESCE(MAX(number), 0) + 1, ?, ?, ?, ?, ? FROM discussion WHERE repository = ?",
      {repository.id, title, author, now_in_milliseconds(), static_cast<int>(status), base, repository.id});
  return *connection_.first(kDiscussion + "WHERE d.id = ?", {connection_.last_row()}, read_discussion);
}

std::optional<Discussion> Discussions::find(const Repository& repository, int64_t number) {
  return connection_.first(kDiscussion + "WHERE d.repository = ? AND d.number = ?", {repository.id, number},
                           read_discussion);
}

std::vector<Discussion> Discussions::list(const Repository& repository, const DiscussionQuery& query) {
  const auto author = query.author ? std::optional(folded(*query.author)) : std::nullopt;
  return connection_.all(
      kDiscussion + kAsked + "ORDER BY d.number DESC LIMIT ? OFFSET ?",
      {repository.id, query.proposals, query.proposals, query.open, query.open, author, author, query.most, query.from},
      read_discussion);
}

int64_t Discussions::count(const Repository& repository, const DiscussionQuery& query) {
  const auto author = query.author ? std::optional(folded(*query.author)) : std::nullopt;
  return *connection_.integer(
      "SELECT COUNT(*) FROM discussion d " + kAsked,
      {repository.id, query.proposals, query.proposals, query.open, query.open, author, author});
}

void Discussions::set_title(const Discussion& discussion, std::string_view title) {
  connection_.run("UPDATE discussion SET title = ? WHERE id = ?", {title, discussion.id});
}

void Discussions::set_status(const Discussion& discussion, Discussion::Status status,
                             const std::optional<ObjectId>& merged) {
  connection_.run("UPDATE discussion SET status = ?, merged = ? WHERE id = ?",
                  {static_cast<int>(status), merged ? Value(Blob{merged->view()}) : Value(nullptr), discussion.id});
}

Event Discussions::add_event(const Discussion& discussion, Event::Kind kind, int64_t author, std::string_view text,
                             std::string_view second) {
  const int64_t now = now_in_milliseconds();
  connection_.run(
      "INSERT INTO event (discussion, kind, author, created, text, second, edited) VALUES (?, ?, ?, ?, ?, ?, ?)",
      {discussion.id, static_cast<int>(kind), author, now, text, second, now});
  return *event(discussion, connection_.last_row());
}

std::vector<Event> Discussions::events(const Discussion& discussion) {
  return connection_.all(kEvent + "WHERE e.discussion = ? ORDER BY e.id", {discussion.id}, read_event);
}

std::optional<Event> Discussions::event(const Discussion& discussion, int64_t id) {
  return connection_.first(kEvent + "WHERE e.discussion = ? AND e.id = ?", {discussion.id, id}, read_event);
}

void Discussions::edit(const Event& event, std::string_view text) {
  connection_.run("UPDATE event SET text = ?, edits = edits + 1, edited = ? WHERE id = ?",
                  {text, now_in_milliseconds(), event.id});
}

void Discussions::hide(const Event& event) {
  connection_.run("UPDATE event SET hidden = 1, edited = ? WHERE id = ?", {now_in_milliseconds(), event.id});
}

std::vector<AccessRequest> Discussions::access_requests(const Repository& repository, AccessRequest::Status status) {
  return connection_.all(kRequest + "AND x.status = ? ORDER BY x.time, x.id", {repository.id, static_cast<int>(status)},
                         read_request);
}

std::optional<AccessRequest> Discussions::access_of(const Repository& repository, int64_t account) {
  return connection_.first(kRequest + "AND x.account = ?", {repository.id, account}, read_request);
}

void Discussions::set_access(const Repository& repository, int64_t account, AccessRequest::Status status) {
  connection_.run(
      "INSERT INTO access (repository, account, status, time) VALUES (?, ?, ?, ?) ON CONFLICT (repository, account) DO "
      "UPDATE SET status = excluded.status, time = excluded.time",
      {repository.id, account, static_cast<int>(status), now_in_milliseconds()});
}

}  // namespace glassbox::hub
