// Repositories, their references and who may read them, in the database.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "hub/database/database.h"
#include "hub/repository.h"

namespace glassbox::hub {

// Which repositories are listed, and in what order; all conditions must hold.
struct RepositoryQuery {
  RepositoryKind kind = RepositoryKind::model;
  std::optional<std::string> owner;
  std::vector<std::string> search;  // each is part of "owner/name", in any case
  std::vector<std::string> tags;
  enum class Order { created, modified, likes, downloads, trending, name } order = Order::trending;
  std::optional<std::string> after;  // where the page before it ended: the `position` of its last one
  int64_t most = 100;
};

struct Listed {
  Repository repository;
  double score = 0;      // what it was ordered by
  std::string position;  // opaque
};

struct Liked {
  Repository repository;
  int64_t time = 0;
};

// Over a connection in a transaction, and as long-lived as it.
class Repositories {
 public:
  explicit Repositories(Connection& connection) : connection_(connection) {}

  Right right(const Caller& caller, const Repository& repository);
  // By its name, or a former one, in any case. Nothing where there is none, or the caller may not know of it.
  std::optional<Repository> find(const Caller& caller, RepositoryKind kind, std::string_view full_name);
  // Nothing where the name is taken.
  std::optional<int64_t> add(const Repository& repository);
  void remove(const Repository& repository);
  // False where the new name is taken. The old one leads to it from now on.
  bool rename(const Repository& repository, std::string_view owner, std::string_view name);
  void set_access(const Repository& repository, bool is_private, Gate gate);
  void set_facts(const Repository& repository, const Json& facts, const std::vector<std::string>& tags);
  void touch(const Repository& repository);  // modified now
  std::vector<Listed> list(const Caller& caller, const RepositoryQuery& query);
  std::vector<std::string> tags(const Repository& repository);
  std::vector<std::string> all_tags(const Caller& caller, RepositoryKind kind);  // of those the caller may know

  std::vector<Reference> references(const Repository& repository);
  std::optional<ObjectId> reference(const Repository& repository, std::string_view name);
  void set_reference(const Repository& repository, std::string_view name, const ObjectId& target);
  bool remove_reference(const Repository& repository, std::string_view name);  // false where there was none
  void add_made(const Repository& repository, const ObjectId& commit);
  // The one commit made in it whose name begins so (at least 4 digits); nothing where there are none or several.
  std::optional<ObjectId> made(const Repository& repository, std::string_view prefix);

  // False where it changes nothing.
  bool like(const Repository& repository, int64_t account, bool liked);
  bool likes(const Repository& repository, int64_t account);
  // Names of who likes it, and what an account likes of what the caller may know; the latest first.
  std::vector<std::string> likers(const Repository& repository, int64_t from, int64_t most);
  std::vector<Liked> liked(const Caller& caller, int64_t account, int64_t from, int64_t most);
  // How many the caller may know of.
  int64_t count(const Caller& caller, int64_t owner, RepositoryKind kind);
  int64_t count_likes(const Caller& caller, int64_t account);
  // Counts once for each `who` and day.
  void count_download(const Repository& repository, std::string_view who);

 private:
  Connection& connection_;
};

int64_t now_in_milliseconds();

}  // namespace glassbox::hub
