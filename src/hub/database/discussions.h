// Discussions and proposed changes (pull requests) of repositories, and who asks for gated files, in the database.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/database/database.h"
#include "hub/repository.h"

namespace glassbox::hub {

struct Discussion {
  enum class Status { open = 0, closed = 1, merged = 2, draft = 3 };
  int64_t id = 0, number = 0;
  std::string title, author;
  int64_t author_id = 0, created = 0;
  Status status = Status::open;
  std::optional<std::string> base;  // the branch that it proposes a change to; none: it is only talk
  std::optional<ObjectId> merged;   // the commit by which the change got there
  bool is_proposal() const { return base.has_value(); }
  // "refs/pr/1"
  std::string reference() const { return "refs/pr/" + std::to_string(number); }
};

// "open", "closed", "merged", "draft"; nothing for any other text.
std::string_view name_of(Discussion::Status status);
std::optional<Discussion::Status> discussion_status(std::string_view name);

struct Event {
  enum class Kind { comment = 0, status = 1, title = 2, commit = 3 };
  int64_t id = 0;
  Kind kind = Kind::comment;
  std::string author;
  int64_t author_id = 0, created = 0;
  std::string text;    // of a comment; the new status; the old title; a commit's summary
  std::string second;  // the new title; a commit's name
  int64_t edits = 0, edited = 0;
  bool hidden = false;
};

struct DiscussionQuery {
  std::optional<bool> proposals;  // those alone, or none of them
  std::optional<bool> open;       // drafts count as open
  std::optional<std::string> author;
  int64_t from = 0, most = 50;
};

struct AccessRequest {
  enum class Status { pending = 0, accepted = 1, rejected = 2 };
  int64_t id = 0;
  std::string user;
  Status status = Status::pending;
  int64_t time = 0;
};
std::string_view name_of(AccessRequest::Status status);
std::optional<AccessRequest::Status> access_status(std::string_view name);

// Over a connection in a transaction, and as long-lived as it.
class Discussions {
 public:
  explicit Discussions(Connection& connection) : connection_(connection) {}

  // The next number of the repository.
  Discussion add(const Repository& repository, std::string_view title, int64_t author, Discussion::Status status,
                 const std::optional<std::string>& base);
  std::optional<Discussion> find(const Repository& repository, int64_t number);
  std::vector<Discussion> list(const Repository& repository, const DiscussionQuery& query);  // the newest first
  int64_t count(const Repository& repository, const DiscussionQuery& query);
  void set_title(const Discussion& discussion, std::string_view title);
  void set_status(const Discussion& discussion, Discussion::Status status, const std::optional<ObjectId>& merged = {});

  Event add_event(const Discussion& discussion, Event::Kind kind, int64_t author, std::string_view text,
                  std::string_view second = "");
  std::vector<Event> events(const Discussion& discussion);
  std::optional<Event> event(const Discussion& discussion, int64_t id);
  void edit(const Event& event, std::string_view text);
  void hide(const Event& event);

  // Of gated repositories.
  std::vector<AccessRequest> access_requests(const Repository& repository, AccessRequest::Status status);
  std::optional<AccessRequest> access_of(const Repository& repository, int64_t account);
  void set_access(const Repository& repository, int64_t account, AccessRequest::Status status);

 private:
  Connection& connection_;
};

}  // namespace glassbox::hub
