// People, organisations and what lets them in, in the database.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/database/database.h"
#include "hub/digest.h"
#include "hub/repository.h"

namespace glassbox::hub {

enum class AccountKind {
  person = 0,
  organization = 1,
  name = 2  // that repositories have, and nobody yet
};

enum class Role { read = 0, write = 1, admin = 2 };

// "read", "write", "admin"; nothing for any other text.
std::string_view name_of(Role role);
std::optional<Role> role_of(std::string_view name);

struct Account {
  int64_t id = 0;
  AccountKind kind = AccountKind::person;
  std::string name, full_name;
  bool administers = false, has_password = false;
  int64_t created = 0;  // milliseconds since 1970
};

struct Membership {
  Account account;  // the member, or the organisation
  Role role = Role::read;
};

struct Token {
  int64_t id = 0;
  std::string account, label;
  bool writes = false;
  std::optional<int64_t> repository_id;
  std::string repository;  // the only one it is for: "owner/name"
  int64_t created = 0;
};

// Over a connection in a transaction, and as long-lived as it.
class Accounts {
 public:
  explicit Accounts(Connection& connection) : connection_(connection) {}

  // In any case. Nothing where nobody is called so.
  std::optional<Account> find(std::string_view name);
  std::optional<Account> find(int64_t id);
  // That of a name which repositories are to have; made where there is none.
  int64_t of_name(std::string_view name);
  // Nothing where somebody is called so; what only repositories are called becomes the new account's.
  std::optional<int64_t> add(AccountKind kind, std::string_view name, bool administers);
  // What belongs to it stays under its name; it is in no organisation any more, and no token of it is good.
  void remove(const Account& account);
  std::vector<Account> all(AccountKind kind);
  // Whether anybody but the machine's owner was ever told to this hub.
  bool has_people();
  void set_password(const Account& account, const std::optional<std::string>& encoded);
  std::optional<std::string> password(const Account& account);

  void set_member(const Account& organization, const Account& member, Role role);
  bool remove_member(const Account& organization, const Account& member);  // false where it was none
  std::vector<Membership> members(const Account& organization);
  std::vector<Membership> organizations(const Account& member);
  // Whether the caller may make repositories under this owner's name.
  bool may_make(const Caller& caller, std::string_view owner);

  int64_t add_token(const Account& account, const Sha256& hash, std::string_view label, bool writes,
                    std::optional<int64_t> repository);
  bool remove_token(int64_t id);                                     // false where there was none
  std::vector<Token> tokens(const std::optional<int64_t>& account);  // all where none is given
  std::optional<Token> token(int64_t id);
  // Who shows the token with this hash.
  std::optional<Caller> caller_with(const Sha256& hash);
  // As the account itself, with all its rights.
  std::optional<Caller> caller_of(int64_t account);

 private:
  Connection& connection_;
};

}  // namespace glassbox::hub
