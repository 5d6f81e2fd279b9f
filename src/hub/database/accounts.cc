#include "hub/database/accounts.h"

#include <array>

#include "hub/database/repositories.h"
#include "hub/names.h"

namespace glassbox::hub {
namespace {

constexpr std::string_view kOwner = "local";  // of the machine: made with the store

Account read_account(const Row& row) {
  return {row.integer(0),      static_cast<AccountKind>(row.integer(1)),
          row.text(2),         row.text(3),
          row.integer(4) != 0, row.integer(5) != 0,
          row.integer(6)};
}

const std::string kAccount = "a.id, a.kind, a.name, a.full_name, a.administers, a.password IS NOT NULL, a.created";

Membership read_membership(const Row& row) { return {read_account(row), static_cast<Role>(row.integer(7))}; }

const std::string kToken =
    "SELECT t.id, a.name, t.label, t.writes, t.repository, o.name || '/' || r.name, t.created FROM token t "
    "JOIN account a ON a.id = t.account LEFT JOIN repository r ON r.id = t.repository "
    "LEFT JOIN account o ON o.id = r.owner";

Token read_token(const Row& row) {
  Token token{row.integer(0), row.text(1), row.text(2), row.integer(3) != 0, {}, row.text(5), row.integer(6)};
  if (!row.is_null(4)) token.repository_id = row.integer(4);
  return token;
}

constexpr std::array<std::string_view, 3> kRoles{"read", "write", "admin"};

}  // namespace

std::string_view name_of(Role role) { return kRoles[static_cast<size_t>(role)]; }

std::optional<Role> role_of(std::string_view name) {
  for (size_t i = 0; i < kRoles.size(); ++i)
    if (kRoles[i] == name) return static_cast<Role>(i);
  return std::nullopt;
}

std::optional<Account> Accounts::find(std::string_view name) {
  return connection_.first("SELECT " + kAccount + " FROM account a WHERE a.folded = ?", {folded(name)}, read_account);
}

std::optional<Account> Accounts::find(int64_t id) {
  return connection_.first("SELECT " + kAccount + " FROM account a WHERE a.id = ?", {id}, read_account);
}

int64_t Accounts::of_name(std::string_view name) {
  if (const auto known = find(name)) return known->id;
  connection_.run("INSERT INTO account (kind, name, folded, full_name, created) VALUES (?, ?, ?, ?, ?)",
                  {static_cast<int>(AccountKind::name), name, folded(name), name, now_in_milliseconds()});
  return connection_.last_row();
}

std::optional<int64_t> Accounts::add(AccountKind kind, std::string_view name, bool administers) {
  if (const auto known = find(name); known && known->kind != AccountKind::name) return std::nullopt;
  const int64_t id = of_name(name);
  connection_.run("UPDATE account SET kind = ?, name = ?, full_name = ?, administers = ?, created = ? WHERE id = ?",
                  {static_cast<int>(kind), name, name, administers, now_in_milliseconds(), id});
  return id;
}

void Accounts::remove(const Account& account) {
  connection_.run("DELETE FROM token WHERE account = ?", {account.id});
  connection_.run("DELETE FROM member WHERE account = ? OR organization = ?", {account.id, account.id});
  connection_.run("DELETE FROM access WHERE account = ?", {account.id});
  connection_.run("DELETE FROM uploaded WHERE account = ?", {account.id});
  connection_.run("UPDATE account SET kind = ?, administers = 0, password = NULL WHERE id = ?",
                  {static_cast<int>(AccountKind::name), account.id});
}

std::vector<Account> Accounts::all(AccountKind kind) {
  return connection_.all("SELECT " + kAccount + " FROM account a WHERE a.kind = ? ORDER BY a.folded",
                         {static_cast<int>(kind)}, read_account);
}

bool Accounts::has_people() {
  return connection_.integer("SELECT 1 FROM account WHERE kind = 0 AND folded <> ? LIMIT 1", {kOwner}).has_value();
}

void Accounts::set_password(const Account& account, const std::optional<std::string>& encoded) {
  connection_.run("UPDATE account SET password = ? WHERE id = ?", {encoded, account.id});
}

std::optional<std::string> Accounts::password(const Account& account) {
  return connection_.first("SELECT password FROM account WHERE id = ? AND password IS NOT NULL", {account.id},
                           [](const Row& row) { return row.text(0); });
}

void Accounts::set_member(const Account& organization, const Account& member, Role role) {
  connection_.run("INSERT OR REPLACE INTO member (organization, account, role) VALUES (?, ?, ?)",
                  {organization.id, member.id, static_cast<int>(role)});
}

bool Accounts::remove_member(const Account& organization, const Account& member) {
  return connection_.run("DELETE FROM member WHERE organization = ? AND account = ?", {organization.id, member.id}) > 0;
}

std::vector<Membership> Accounts::members(const Account& organization) {
  return connection_.all("SELECT " + kAccount +
                             ", m.role FROM member m JOIN account a ON a.id = m.account WHERE m.organization = ? "
                             "ORDER BY a.folded",
                         {organization.id}, read_membership);
}

std::vector<Membership> Accounts::organizations(const Account& member) {
  return connection_.all("SELECT " + kAccount +
                             ", m.role FROM member m JOIN account a ON a.id = m.organization WHERE m.account = ? "
                             "ORDER BY a.folded",
                         {member.id}, read_membership);
}

bool Accounts::may_make(const Caller& caller, std::string_view owner) {
  if (!caller.may_write || caller.sole_repository) return false;
  if (caller.owns_machine) return true;
  if (!caller.account) return false;
  return connection_
      .integer(
          "SELECT 1 FROM account a WHERE a.folded = ? AND (a.id = ? OR EXISTS (SELECT 1 FROM member m WHERE "
          "m.organization = a.id AND m.account = ? AND m.role >= 1))",
          {folded(owner), *caller.account, *caller.account})
      .has_value();
}

int64_t Accounts::add_token(const Account& account, const Sha256& hash, std::string_view label, bool writes,
                            std::optional<int64_t> repository) {
  connection_.run("INSERT INTO token (account, hash, label, writes, repository, created) VALUES (?, ?, ?, ?, ?, ?)",
                  {account.id, Blob{hash.view()}, label, writes, repository, now_in_milliseconds()});
  return connection_.last_row();
}

bool Accounts::remove_token(int64_t id) { return connection_.run("DELETE FROM token WHERE id = ?", {id}) > 0; }

std::vector<Token> Accounts::tokens(const std::optional<int64_t>& account) {
  return connection_.all(kToken + " WHERE ? IS NULL OR t.account = ? ORDER BY t.id", {account, account}, read_token);
}

std::optional<Token> Accounts::token(int64_t id) {
  return connection_.first(kToken + " WHERE t.id = ?", {id}, read_token);
}

std::optional<Caller> Accounts::caller_with(const Sha256& hash) {
  return connection_.first(
      "SELECT a.id, a.name, a.administers, t.writes, t.repository, t.id FROM token t JOIN account a ON a.id = "
      "t.account "
      "WHERE t.hash = ?",
      {Blob{hash.view()}}, [](const Row& row) {
        Caller caller{row.integer(0), row.text(1), row.integer(2) != 0, row.integer(3) != 0, {}, row.integer(5)};
        if (!row.is_null(4)) caller.sole_repository = row.integer(4);
        return caller;
      });
}

std::optional<Caller> Accounts::caller_of(int64_t account) {
  const auto found = find(account);
  if (!found || found->kind != AccountKind::person) return std::nullopt;
  // The machine's owner is one only while nobody else was told to the hub.
  const bool owns = found->administers || (found->name == kOwner && !has_people());
  return Caller{found->id, found->name, owns, true, {}, {}};
}

}  // namespace glassbox::hub
