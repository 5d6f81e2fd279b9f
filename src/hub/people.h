// Who there is: people and organisations, the tokens that let programs in, and passwords. It knows nothing of HTTP.
//
// While a hub was told of nobody, whoever is at its machine is its owner, and nothing is asked. Once there are people,
// a token says who asks.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/database/accounts.h"
#include "hub/database/database.h"

namespace glassbox::hub {

// A token as it is shown once: of what the store keeps nobody can make it again.
struct NewToken {
  std::string text;  // "hf_" and 40 letters and digits: some clients take no other form
  Token record;
};

// Any thread; several processes may have one over the same store. What is wrong with what is asked is a Refusal.
class People {
 public:
  explicit People(Database& database) : database_(database) {}

  bool any() const;  // people, apart from the machine's owner

  // Refuses bad_name, exists.
  Account add_person(const std::string& name, bool administers);
  Account add_organization(const std::string& name);
  // Repositories stay under its name; no token of it is good any more. Refuses bad_value where nobody is called so.
  void remove(AccountKind kind, std::string_view name);
  std::vector<Account> all(AccountKind kind) const;
  std::optional<Account> find(std::string_view name) const;

  // Refuses bad_value for fewer than kShortestPassword characters. None: nobody gets in by one.
  static constexpr size_t kShortestPassword = 8, kLongestPassword = 1024;
  void set_password(std::string_view name, const std::optional<std::string>& password);
  // Who signs in so; nothing where the name or the password is wrong, which takes the same time. Takes 64 MiB and a
  // tenth of a second, one at a time.
  std::optional<Caller> sign_in(std::string_view name, const std::string& password) const;

  void set_member(std::string_view organization, std::string_view member, Role role);
  void remove_member(std::string_view organization, std::string_view member);
  std::vector<Membership> members(std::string_view organization) const;
  std::vector<Membership> organizations(std::string_view member) const;

  // `repository`: "owner/name" of a model, "datasets/owner/name", "spaces/owner/name": the only one it is for.
  NewToken add_token(std::string_view name, const std::string& label, bool writes,
                     const std::optional<std::string>& repository);
  void revoke_token(int64_t id);
  std::vector<Token> tokens(const std::optional<std::string>& name) const;
  std::optional<Token> token(int64_t id) const;
  // Nothing for a token that is not good.
  std::optional<Caller> caller_with(std::string_view token) const;
  std::optional<Caller> caller_of(int64_t account) const;

 private:
  Account need(Connection& connection, std::string_view name, std::optional<AccountKind> kind) const;
  Database& database_;
  mutable std::mutex hashing_;
};

// The people of a store that another process may have open and serve.
class PeopleOfStore {
 public:
  // `folder`: as Hub's; made where there is none. Throws Error(io | bad_file | unsupported).
  explicit PeopleOfStore(const std::filesystem::path& folder);
  ~PeopleOfStore();
  People& people() { return *people_; }

 private:
  std::unique_ptr<Database> database_;
  std::unique_ptr<People> people_;
};

// The database of the store in this folder.
inline std::filesystem::path database_of(const std::filesystem::path& folder) { return folder / "hub.db"; }

}  // namespace glassbox::hub
