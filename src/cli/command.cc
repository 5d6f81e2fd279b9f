#include "cli/command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "convert/convert.h"

namespace glassbox {

namespace {

constexpr std::pair<std::string_view, const char*> kGroups[] = {
    {"hub", "The hub of this machine: its store, and who may use it"},
    {"users", "People who may use the hub; while there are none, who is at this machine is its owner"},
    {"tokens", "What programs show to be let in"},
    {"organizations", "Names that several people share"}};

}  // namespace

Command Commands::add(const std::string& name, const std::string& what, const std::string& example,
                      std::function<int()> run) {
  Command at = program;
  size_t begin = 0;
  for (size_t space = name.find(' '); space != std::string::npos; space = name.find(' ', begin)) {
    const std::string group = name.substr(begin, space - begin);
    begin = space + 1;
    const auto* told = std::ranges::find(kGroups, group, [](const auto& one) { return one.first; });
    check(told != std::end(kGroups), "a group of commands says what it is");
    at = at.group(group, told->second);
  }
  return at.add(name.substr(begin), what, example, [this, run = std::move(run)] { chosen = run; });
}

void add_threads_option(Command command, int* threads) {
  command.option("--threads", threads, "Threads to compute with (default: GLASSBOX_THREADS, else one a core)")
      .between(1, 1024);
}

void add_force_option(Command command, bool* force) {
  command.flag("--force", force, "Replace what is written if it is there already");
}

void say_beyond_gguf(const std::string& file) {
  const auto keys = beyond_gguf(file);
  if (keys.empty()) return;
  fmt::print(stderr, "{}: GGUF has no words for {}: only Glassbox finds this in the file, others compute without\n",
             file, fmt::join(keys, ", "));
}

}  // namespace glassbox
