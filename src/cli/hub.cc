// glassbox hub users, tokens, organizations: who may use this machine's hub, and with what. They work on the store
// itself, also while it is served.
#include <fmt/chrono.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "base/json.h"
#include "cli/command.h"
#include "hub/home.h"
#include "hub/people.h"

namespace glassbox {
namespace {

using hub::AccountKind;

struct HubOptions {
  std::string name, repository, label = "token", role = "write", add, remove;
  bool json = false, administers = false, token = false, none = false;
  int64_t id = 0;
};

hub::PeopleOfStore open_store() { return hub::PeopleOfStore(hub::home() / "hub"); }

std::string date(int64_t milliseconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(milliseconds / 1000)));
}

OrderedJson account_json(const hub::Account& account) {
  OrderedJson told{{"name", account.name}, {"created", date(account.created)}};
  if (account.kind == AccountKind::person) {
    told["admin"] = account.administers;
    told["password"] = account.has_password;
  }
  return told;
}

OrderedJson token_json(const hub::Token& token) {
  OrderedJson told{{"id", token.id},
                   {"user", token.account},
                   {"name", token.label},
                   {"role", token.writes ? "write" : "read"},
                   {"created", date(token.created)}};
  if (token.repository_id) told["repository"] = token.repository;
  return told;
}

void print_json(const OrderedJson& json) { fmt::print("{}\n", dump_ordered_json(json)); }

// Said on standard error, so that the token stands alone on standard output.
void print_token(const hub::NewToken& made) {
  fmt::print(stderr, "This token is shown once; programs send it as HF_TOKEN:\n");
  fmt::print("{}\n", made.text);
}

int add_user(const HubOptions& options) {
  auto store = open_store();
  const bool is_first = !store.people().any();
  OrderedJson told = account_json(store.people().add_person(options.name, options.administers));
  std::optional<hub::NewToken> token;
  if (options.token) token = store.people().add_token(options.name, options.label, true, std::nullopt);
  if (token) told["token"] = token->text;
  if (options.json) {
    print_json(told);
    return 0;
  }
  fmt::print(stderr, "{} may use the hub{}\n", options.name, options.administers ? ", and administers it" : "");
  if (is_first)
    fmt::print(stderr, "From now on the hub asks for tokens: without one, only what is public can be read\n");
  if (token) print_token(*token);
  return 0;
}

int list_users(const HubOptions& options) {
  auto store = open_store();
  OrderedJson all = OrderedJson::array();
  for (const hub::Account& account : store.people().all(AccountKind::person)) {
    OrderedJson told = account_json(account);
    told["organizations"] = OrderedJson::array();
    for (const hub::Membership& of : store.people().organizations(account.name))
      told["organizations"].push_back({{"name", of.account.name}, {"role", name_of(of.role)}});
    all.push_back(std::move(told));
  }
  if (options.json) {
    print_json(all);
    return 0;
  }
  for (const OrderedJson& one : all) {
    std::string also = one["admin"] == true ? "  administers the hub" : "";
    for (const OrderedJson& of : one["organizations"])
      also += fmt::format("  {} ({})", of["name"].get<std::string>(), of["role"].get<std::string>());
    fmt::print("{:<24}{}{}\n", one["name"].get<std::string>(), one["created"].get<std::string>(), also);
  }
  if (all.empty()) fmt::print(stderr, "There are no users: who is at this machine is the hub's owner\n");
  return 0;
}

int done(const HubOptions& options, const OrderedJson& told, const std::string& said) {
  if (options.json)
    print_json(told);
  else
    fmt::print(stderr, "{}\n", said);
  return 0;
}

int remove_user(const HubOptions& options) {
  auto store = open_store();
  store.people().remove(AccountKind::person, options.name);
  return done(options, {{"name", options.name}, {"removed", true}},
              fmt::format("{} may not use the hub any more; what is under that name stays", options.name));
}

// A line of standard input; a terminal does not show it.
std::string read_password() {
  termios usual{};
  const bool hides = ::isatty(STDIN_FILENO) == 1 && ::tcgetattr(STDIN_FILENO, &usual) == 0;
  if (hides) {
    fmt::print(stderr, "Password: ");
    termios hidden = usual;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
  }
  std::string line;
  std::getline(std::cin, line);
  if (hides) {
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &usual);
    fmt::print(stderr, "\n");
  }
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

int set_password(const HubOptions& options) {
  auto store = open_store();
  store.people().set_password(options.name, options.none ? std::nullopt : std::optional(read_password()));
  return done(options, {{"name", options.name}, {"password", !options.none}},
              fmt::format("{} {} a password", options.name, options.none ? "has no" : "has"));
}

int add_token(const HubOptions& options) {
  auto store = open_store();
  const auto only = options.repository.empty() ? std::nullopt : std::optional(options.repository);
  const hub::NewToken made = store.people().add_token(options.name, options.label, options.role == "write", only);
  if (!options.json) {
    print_token(made);
    return 0;
  }
  OrderedJson told = token_json(made.record);
  told["token"] = made.text;
  print_json(told);
  return 0;
}

int list_tokens(const HubOptions& options) {
  auto store = open_store();
  const auto tokens = store.people().tokens(options.name.empty() ? std::nullopt : std::optional(options.name));
  OrderedJson all = OrderedJson::array();
  for (const hub::Token& token : tokens) all.push_back(token_json(token));
  if (options.json) {
    print_json(all);
    return 0;
  }
  for (const hub::Token& token : tokens)
    fmt::print("{:>4}  {:<20}  {:<20}  {:<5}  {}{}\n", token.id, token.account, token.label,
               token.writes ? "write" : "read", date(token.created),
               token.repository_id ? "  only " + token.repository : "");
  return 0;
}

int revoke_token(const HubOptions& options) {
  auto store = open_store();
  store.people().revoke_token(options.id);
  return done(options, {{"id", options.id}, {"revoked", true}}, fmt::format("token {} is good no more", options.id));
}

int add_organization(const HubOptions& options) {
  auto store = open_store();
  return done(options, account_json(store.people().add_organization(options.name)),
              fmt::format("{0} is there: `glassbox hub organizations members {0} --add USER`", options.name));
}

int list_organizations(const HubOptions& options) {
  auto store = open_store();
  OrderedJson all = OrderedJson::array();
  for (const hub::Account& account : store.people().all(AccountKind::organization))
    all.push_back(account_json(account));
  if (options.json) {
    print_json(all);
    return 0;
  }
  for (const OrderedJson& one : all)
    fmt::print("{:<24}{}\n", one["name"].get<std::string>(), one["created"].get<std::string>());
  return 0;
}

int remove_organization(const HubOptions& options) {
  auto store = open_store();
  store.people().remove(AccountKind::organization, options.name);
  return done(options, {{"name", options.name}, {"removed", true}},
              fmt::format("{} is no organization any more; what is under that name stays", options.name));
}

int members(const HubOptions& options) {
  auto store = open_store();
  hub::People& people = store.people();
  if (!options.add.empty()) people.set_member(options.name, options.add, *hub::role_of(options.role));
  if (!options.remove.empty()) people.remove_member(options.name, options.remove);
  const auto all = people.members(options.name);
  if (options.json) {
    OrderedJson told = OrderedJson::array();
    for (const hub::Membership& one : all) told.push_back({{"name", one.account.name}, {"role", name_of(one.role)}});
    print_json(told);
    return 0;
  }
  for (const hub::Membership& one : all) fmt::print("{:<24}{}\n", one.account.name, name_of(one.role));
  return 0;
}

// A command with options of its own.
struct Added {
  Command command;
  std::shared_ptr<HubOptions> options;

  Added& name(const std::string& what) {
    command.option("NAME", &options->name, what).required();
    return *this;
  }
  Option role(const std::string& what, std::vector<std::string> roles) {
    return command.option("--role", &options->role, what).one_of(std::move(roles)).shows_default();
  }
};

Added add(Commands& commands, const std::string& name, const std::string& what, const std::string& example,
          int (*run)(const HubOptions&)) {
  const auto options = std::make_shared<HubOptions>();
  const Command command = commands.add(name, what, "glassbox " + name + example, options, run);
  command.flag("--json", &options->json, "JSON on standard output, for programs");
  return {command, options};
}

void add_user_commands(Commands& commands) {
  Added made = add(commands, "hub users add", "A new user", " alice --token", add_user);
  made.name("Letters, digits, '-', '_' and '.'");
  made.command.flag("--admin", &made.options->administers, "May do everything, also with what is others'");
  made.command.flag("--token", &made.options->token, "Make a token to write with, and print it");
  add(commands, "hub users list", "Who there is", " --json", list_users);
  add(commands, "hub users remove", "Nobody by this name any more; repositories under it stay", " alice", remove_user)
      .name("A user");
  made = add(commands, "hub users password", "Set a password, read from the terminal or a line of standard input",
             " alice", set_password);
  made.name("A user").command.flag("--none", &made.options->none, "Take the password away");
}

void add_token_commands(Commands& commands) {
  Added made = add(commands, "hub tokens add", "A new token, printed once", " alice --role read", add_token);
  made.name("Whose it is").role("What it lets do", {"read", "write"});
  made.command.option("--repository", &made.options->repository,
                      "The only repository it is for: alice/model, datasets/alice/texts");
  made.command.option("--name", &made.options->label, "What it is called, to tell it from others").shows_default();
  made = add(commands, "hub tokens list", "Tokens, without what is secret", "", list_tokens);
  made.command.option("NAME", &made.options->name, "Only this user's");
  made = add(commands, "hub tokens revoke", "A token that is good no more", " 3", revoke_token);
  made.command.option("ID", &made.options->id, "Its number in the list").required();
}

void add_organization_commands(Commands& commands) {
  add(commands, "hub organizations add", "A new organization", " acme", add_organization)
      .name("Letters, digits, '-', '_' and '.'");
  add(commands, "hub organizations list", "Which there are", "", list_organizations);
  add(commands, "hub organizations remove", "No organization any more; repositories under its name stay", " acme",
      remove_organization)
      .name("An organization");
  Added made = add(commands, "hub organizations members", "Who is in it, changed first where that is asked for",
                   " acme --add alice --role admin", members);
  made.name("An organization");
  const Option added = made.command.option("--add", &made.options->add, "A user to take in, or whose role to change");
  made.command.option("--remove", &made.options->remove, "A user to let go");
  made.role("Of who is added: reads, writes, or administers it", {"read", "write", "admin"}).needs(added);
}

}  // namespace

void add_people_commands(Commands& commands) {
  add_user_commands(commands);
  add_token_commands(commands);
  add_organization_commands(commands);
}

}  // namespace glassbox
