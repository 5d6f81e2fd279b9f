#include "hub/people.h"

#include <argon2.h>

#include "base/quote.h"
#include "hub/database/repositories.h"
#include "hub/database/schema.h"
#include "hub/drawn.h"
#include "hub/names.h"
#include "hub/refusal.h"

namespace glassbox::hub {
namespace {

constexpr std::string_view kOwner = "local";
// RFC 9106, the second of its recommended choices.
constexpr uint32_t kPasses = 3, kKibibytes = 64 << 10, kLanes = 1;
constexpr size_t kSaltBytes = 16, kHashBytes = 32, kTokenLetters = 40;

// 238 bits.
std::string drawn_token() {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  std::string text = "hf_";
  while (text.size() < 3 + kTokenLetters)
    for (const char byte : drawn_bytes(64)) {
      // Of 256 values 248 are 62 letters four times over: the others would make the first letters likelier.
      const auto value = static_cast<uint8_t>(byte);
      if (value < 4 * kLetters.size() && text.size() < 3 + kTokenLetters) text += kLetters[value % kLetters.size()];
    }
  return text;
}

std::string hashed(const std::string& password) {
  const std::string salt = drawn_bytes(kSaltBytes);
  std::string encoded(argon2_encodedlen(kPasses, kKibibytes, kLanes, kSaltBytes, kHashBytes, Argon2_id), '\0');
  const int code = argon2id_hash_encoded(kPasses, kKibibytes, kLanes, password.data(), password.size(), salt.data(),
                                         salt.size(), kHashBytes, encoded.data(), encoded.size());
  if (code != ARGON2_OK) fail(ErrorKind::internal, "a password could not be hashed: {}", argon2_error_message(code));
  encoded.resize(encoded.find('\0') == std::string::npos ? encoded.size() : encoded.find('\0'));
  return encoded;
}

bool fits(const std::string& encoded, const std::string& password) {
  return argon2id_verify(encoded.c_str(), password.data(), password.size()) == ARGON2_OK;
}

}  // namespace

Account People::need(Connection& connection, std::string_view name, std::optional<AccountKind> kind) const {
  auto found = Accounts(connection).find(name);
  const bool is_there = found && (kind ? found->kind == *kind : found->kind != AccountKind::name);
  if (!is_there)
    refuse(Refused::bad_value, "{}: there is no {} of this name", quote(name),
           kind == AccountKind::organization ? "organization" : "user");
  return *std::move(found);
}

bool People::any() const {
  return database_.read([](Connection& connection) { return Accounts(connection).has_people(); });
}

Account People::add_person(const std::string& name, bool administers) {
  check_owner_name("user", name);
  if (folded(name) == kOwner) refuse(Refused::bad_name, "user {}: the name is the machine's owner's", quote(name));
  return database_.write([&](Connection& connection) {
    const auto added = Accounts(connection).add(AccountKind::person, name, administers);
    if (!added) refuse(Refused::exists, "{}: a user or organization has this name", quote(name));
    return *Accounts(connection).find(*added);
  });
}

Account People::add_organization(const std::string& name) {
  check_owner_name("organization", name);
  return database_.write([&](Connection& connection) {
    const auto added = Accounts(connection).add(AccountKind::organization, name, false);
    if (!added) refuse(Refused::exists, "{}: a user or organization has this name", quote(name));
    return *Accounts(connection).find(*added);
  });
}

void People::remove(AccountKind kind, std::string_view name) {
  database_.write([&](Connection& connection) {
    const Account account = need(connection, name, kind);
    if (folded(name) == kOwner) refuse(Refused::bad_value, "the machine's owner stays");
    Accounts(connection).remove(account);
  });
}

std::vector<Account> People::all(AccountKind kind) const {
  return database_.read([&](Connection& connection) {
    auto found = Accounts(connection).all(kind);
    std::erase_if(found, [](const Account& account) { return account.name == kOwner; });
    return found;
  });
}

std::optional<Account> People::find(std::string_view name) const {
  return database_.read([&](Connection& connection) { return Accounts(connection).find(name); });
}

void People::set_password(std::string_view name, const std::optional<std::string>& password) {
  if (password && (password->size() < kShortestPassword || password->size() > kLongestPassword))
    refuse(Refused::bad_value, "a password: expected {} to {} bytes, got {}", kShortestPassword, kLongestPassword,
           password->size());
  const auto encoded = password ? std::optional(hashed(*password)) : std::nullopt;
  database_.write([&](Connection& connection) {
    Accounts(connection).set_password(need(connection, name, AccountKind::person), encoded);
  });
}

std::optional<Caller> People::sign_in(std::string_view name, const std::string& password) const {
  if (password.size() > kLongestPassword) return std::nullopt;
  std::optional<Account> account;
  const auto encoded = database_.read([&](Connection& connection) -> std::optional<std::string> {
    account = Accounts(connection).find(name);
    return account ? Accounts(connection).password(*account) : std::nullopt;
  });
  const std::lock_guard lock(hashing_);
  // A name without a password takes as long as one with another.
  static const std::string nobodys = hashed(drawn_bytes(kHashBytes));
  if (!fits(encoded.value_or(nobodys), password) || !encoded) return std::nullopt;
  return caller_of(account->id);
}

void People::set_member(std::string_view organization, std::string_view member, Role role) {
  database_.write([&](Connection& connection) {
    const Account of = need(connection, organization, AccountKind::organization),
                  who = need(connection, member, AccountKind::person);
    Accounts(connection).set_member(of, who, role);
  });
}

void People::remove_member(std::string_view organization, std::string_view member) {
  database_.write([&](Connection& connection) {
    const Account of = need(connection, organization, AccountKind::organization),
                  who = need(connection, member, AccountKind::person);
    if (!Accounts(connection).remove_member(of, who))
      refuse(Refused::bad_value, "{} is no member of {}", who.name, of.name);
  });
}

std::vector<Membership> People::members(std::string_view organization) const {
  return database_.read([&](Connection& connection) {
    return Accounts(connection).members(need(connection, organization, AccountKind::organization));
  });
}

std::vector<Membership> People::organizations(std::string_view member) const {
  return database_.read([&](Connection& connection) {
    return Accounts(connection).organizations(need(connection, member, AccountKind::person));
  });
}

NewToken People::add_token(std::string_view name, const std::string& label, bool writes,
                           const std::optional<std::string>& repository) {
  NewToken made{drawn_token(), {}};
  made.record = database_.write([&](Connection& connection) {
    const Account account = need(connection, name, AccountKind::person);
    std::optional<int64_t> only;
    if (repository) {
      std::string_view full_name = *repository;
      RepositoryKind kind = RepositoryKind::model;
      for (const auto& [prefix, of] : {std::pair{std::string_view("datasets/"), RepositoryKind::dataset},
                                       std::pair{std::string_view("spaces/"), RepositoryKind::space}})
        if (full_name.starts_with(prefix)) {
          kind = of;
          full_name.remove_prefix(prefix.size());
        }
      const Caller as{account.id, account.name, account.administers, true, {}, {}};
      const auto found = Repositories(connection).find(as, kind, full_name);
      if (!found) refuse(Refused::no_repository, "{} {}: not found", name_of(kind), quote(full_name));
      only = found->id;
    }
    Accounts accounts(connection);
    return *accounts.token(accounts.add_token(account, digest_of<Sha256>(made.text), label, writes, only));
  });
  return made;
}

void People::revoke_token(int64_t id) {
  database_.write([&](Connection& connection) {
    if (!Accounts(connection).remove_token(id)) refuse(Refused::bad_value, "there is no token {}", id);
  });
}

std::vector<Token> People::tokens(const std::optional<std::string>& name) const {
  return database_.read([&](Connection& connection) {
    const auto account =
        name ? std::optional(need(connection, *name, AccountKind::person).id) : std::optional<int64_t>();
    return Accounts(connection).tokens(account);
  });
}

std::optional<Token> People::token(int64_t id) const {
  return database_.read([&](Connection& connection) { return Accounts(connection).token(id); });
}

std::optional<Caller> People::caller_with(std::string_view token) const {
  const Sha256 hash = digest_of<Sha256>(token);
  return database_.read([&](Connection& connection) { return Accounts(connection).caller_with(hash); });
}

std::optional<Caller> People::caller_of(int64_t account) const {
  return database_.read([&](Connection& connection) { return Accounts(connection).caller_of(account); });
}

PeopleOfStore::PeopleOfStore(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  database_ = std::make_unique<Database>(database_of(folder));
  prepare_schema(*database_);
  people_ = std::make_unique<People>(*database_);
}
PeopleOfStore::~PeopleOfStore() = default;

}  // namespace glassbox::hub
