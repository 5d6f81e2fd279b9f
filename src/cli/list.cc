// glassbox list, search, rm: what was fetched, what a hub has, and taking either away.
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "base/error.h"
#include "base/json.h"
#include "cli/columns.h"
#include "cli/command.h"
#include "cli/figures.h"
#include "hub/client/client.h"

namespace glassbox {
namespace {

using hub::RepositoryKind;

struct ListOptions {
  bool json = false;
};

struct SearchOptions {
  std::vector<std::string> words;
  std::string hub;
  bool dataset = false, json = false;
};

struct RemoveOptions {
  std::string repository, hub;
  bool dataset = false, from_hub = false, yes = false, json = false;
};

std::string_view kind_of(RepositoryKind kind) {
  return kind == RepositoryKind::model ? "model" : kind == RepositoryKind::dataset ? "dataset" : "space";
}

// Of texts in columns, each as wide as its widest.
void print_rows(const std::vector<std::vector<std::string>>& rows) {
  std::vector<int> widths;
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], columns(row[i]));
    }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(static_cast<size_t>(widths[i] - columns(row[i])) + 2, ' ');
    }
    line.resize(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  }
}

int list(const ListOptions& options) {
  const auto found = hub::cached_repositories(hub::ClientOptions::of_environment().cache);
  if (options.json) {
    OrderedJson all = OrderedJson::array();
    for (const hub::CachedEntry& entry : found) {
      OrderedJson commits = OrderedJson::array();
      for (const hub::CachedCommit& commit : entry.commits)
        commits.push_back({{"commit", commit.commit},
                           {"revisions", commit.revisions},
                           {"files", commit.files},
                           {"bytes", commit.size},
                           {"snapshot", (entry.folder / "snapshots" / commit.commit).string()}});
      all.push_back({{"repository", entry.full_name},
                     {"type", kind_of(entry.kind)},
                     {"bytes", entry.size},
                     {"folder", entry.folder.string()},
                     {"commits", std::move(commits)}});
    }
    fmt::print("{}\n", dump_ordered_json(all));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const hub::CachedEntry& entry : found) {
    const std::string name = without_controls(
        (entry.kind == RepositoryKind::model ? "" : std::string(kind_of(entry.kind)) + " ") + entry.full_name);
    if (entry.commits.empty())
      rows.push_back({name, "nothing whole", "", human_bytes(static_cast<double>(entry.size))});
    for (const hub::CachedCommit& commit : entry.commits)
      rows.push_back({name, without_controls(fmt::format("{}", fmt::join(commit.revisions, ", "))),
                      without_controls(commit.commit.substr(0, 8)), human_bytes(static_cast<double>(commit.size))});
  }
  print_rows(rows);
  return 0;
}

int search(const SearchOptions& options) {
  const RepositoryKind kind = options.dataset ? RepositoryKind::dataset : RepositoryKind::model;
  const auto found = hub::Client(hub::ClientOptions::of_environment(options.hub)).search(kind, options.words);
  if (options.json) {
    OrderedJson all = OrderedJson::array();
    for (const hub::Found& one : found)
      all.push_back({{"repository", one.repository},
                     {"task", one.task.empty() ? OrderedJson() : OrderedJson(one.task)},
                     {"downloads", one.downloads},
                     {"likes", one.likes},
                     {"private", one.is_private},
                     {"modified", one.modified.empty() ? OrderedJson() : OrderedJson(one.modified)}});
    fmt::print("{}\n", dump_ordered_json(all));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const hub::Found& one : found)
    rows.push_back({without_controls(one.repository), without_controls(one.task),
                    fmt::format("{} downloads", with_commas(one.downloads)), one.is_private ? "private" : ""});
  print_rows(rows);
  return 0;
}

// Asks whoever sits at the terminal.
bool agreed(const std::string& what) {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0)
    fail(ErrorKind::bad_request, "{}: expected --yes where nobody can be asked", what);
  fmt::print(stderr, "{}? Type yes: ", what);
  std::string said;
  return std::getline(std::cin, said) && said == "yes";
}

int remove(const RemoveOptions& given) {
  const RepositoryKind kind = given.dataset ? RepositoryKind::dataset : RepositoryKind::model;
  const hub::ClientOptions options = hub::ClientOptions::of_environment(given.hub);
  const hub::CachedRepository cached(options.cache, kind, given.repository);
  if (!given.from_hub) {
    const uint64_t freed = hub::remove_from_cache(cached);
    if (given.json)
      fmt::print("{}\n", dump_ordered_json({{"removed", given.repository}, {"freed_bytes", freed}}));
    else
      fmt::print("{}: removed from the cache, {} free\n", given.repository, human_bytes(static_cast<double>(freed)));
    return 0;
  }
  if (!given.yes && !agreed(fmt::format("Remove {} with its history from {}", given.repository, options.endpoint))) {
    fmt::print(stderr, "glassbox: {} stays\n", given.repository);
    return 1;
  }
  hub::Client(options).remove(kind, given.repository);
  if (given.json)
    fmt::print("{}\n", dump_ordered_json({{"removed", given.repository}, {"hub", options.endpoint}}));
  else
    fmt::print("{}: removed from {}\n", given.repository, options.endpoint);
  return 0;
}

}  // namespace

void add_list_commands(Commands& commands) {
  auto listed = std::make_shared<ListOptions>();
  const Command list_command = commands.add("list", "What was fetched from hubs: repository, revisions, commit, size",
                                            "glassbox list", listed, list);
  list_command.flag("--json", &listed->json, "One JSON list, for programs");

  auto searched = std::make_shared<SearchOptions>();
  const Command search_command = commands.add("search", "Find repositories of a hub by their names",
                                              "glassbox search llama instruct", searched, search);
  search_command.option("WORDS", &searched->words, "All of them are in the name").required();
  search_command.flag("--dataset", &searched->dataset, "Datasets, not models");
  search_command.option("--hub", &searched->hub,
                        "The hub's address (default: HF_ENDPOINT, else http://127.0.0.1:8080)");
  search_command.flag("--json", &searched->json, "One JSON list, for programs");

  auto removed = std::make_shared<RemoveOptions>();
  const Command remove_command =
      commands.add("rm", "Remove what was fetched of a repository, or the repository itself",
                   "glassbox rm me/my-model\n  glassbox rm me/my-model --from-hub", removed, remove);
  remove_command.option("OWNER/NAME", &removed->repository, "The repository").required();
  remove_command.flag("--dataset", &removed->dataset, "A dataset, not a model");
  const Option from_hub = remove_command.flag("--from-hub", &removed->from_hub,
                                              "From the hub, with its history, not from the cache; asks first");
  remove_command.option("--hub", &removed->hub, "The hub's address (default: HF_ENDPOINT)").needs(from_hub);
  remove_command.flag("--yes", &removed->yes, "Do not ask").needs(from_hub);
  remove_command.flag("--json", &removed->json, "One JSON object, for programs");
}

}  // namespace glassbox
