// glassbox hub fsck, glassbox hub gc: the hub's store, proved and swept.
#include <unistd.h>

#include <cstdio>
#include <limits>

#include "base/json.h"
#include "cli/command.h"
#include "cli/figures.h"
#include "hub/collect.h"
#include "hub/database/repositories.h"
#include "hub/fsck.h"
#include "hub/home.h"
#include "hub/hub.h"

namespace glassbox {
namespace {

struct Options {
  bool json = false;
  bool now = false;
};

std::filesystem::path store() { return hub::home() / "hub"; }

int fsck(const Options& options) {
  const bool shown = ::isatty(STDERR_FILENO) == 1;
  const hub::Proof proof = hub::check_store(store(), [&](int64_t done, int64_t all) {
    if (shown) fmt::print(stderr, "\r{} of {} xorbs", done + 1, all);
  });
  if (shown && proof.xorbs > 0) fmt::print(stderr, "\r\033[K");
  if (options.json) {
    fmt::print("{}\n", dump_json({{"ok", proof.problems.empty()},
                                  {"problems", proof.problems},
                                  {"xorbs", proof.xorbs},
                                  {"layouts", proof.layouts},
                                  {"contents", proof.contents},
                                  {"files", proof.files},
                                  {"objects", proof.objects},
                                  {"bytes", proof.bytes},
                                  {"leftovers", proof.leftovers}}));
  } else {
    for (const std::string& problem : proof.problems) fmt::print("{}\n", problem);
    fmt::print("{}: {} contents in {} bytes, {} files and {} trees and commits: {}\n", store().string(),
               with_commas(proof.contents), with_commas(static_cast<int64_t>(proof.bytes)), with_commas(proof.files),
               with_commas(proof.objects),
               proof.problems.empty() ? "every byte is proved" : fmt::format("{} problems", proof.problems.size()));
    if (proof.leftovers > 0)
      fmt::print("{} files are left over from what was interrupted: `glassbox hub gc` removes them\n", proof.leftovers);
  }
  return proof.problems.empty() ? 0 : 1;
}

int gc(const Options& options) {
  hub::Hub hub(store());
  const hub::Collected collected =
      hub::collect(hub.contents(), options.now ? std::numeric_limits<int64_t>::max() : hub::now_in_milliseconds());
  if (options.json)
    fmt::print("{}\n", dump_json({{"xorbs", collected.xorbs}, {"leftovers", collected.blobs}}));
  else
    fmt::print("{}: removed {} xorbs that nothing needs and {} files left over\n", store().string(), collected.xorbs,
               collected.blobs);
  return 0;
}

}  // namespace

void add_store_commands(Commands& commands) {
  auto checked = std::make_shared<Options>(), swept = std::make_shared<Options>();
  const Command prove = commands.add("hub fsck", "Read every byte of the hub's store and compute every name again",
                                     "glassbox hub fsck", checked, fsck);
  prove.flag("--json", &checked->json, "One object for programs");
  const Command sweep =
      commands.add("hub gc", "Remove what no repository needs, while no server runs", "glassbox hub gc", swept, gc);
  sweep.flag("--json", &swept->json, "One object for programs");
  sweep.flag(
      "--now", &swept->now,
      "Also what clients may remember that they uploaded, for three weeks; their next upload may then fail once");
}

}  // namespace glassbox
