// glassbox push: a folder, sent to a hub.
#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/command.h"
#include "cli/transfer_line.h"

namespace glassbox {
namespace {

struct Options {
  hub::PushRequest push;
  std::string hub;
  bool dataset = false, json = false;
};

int run(const Options& given) {
  hub::PushRequest push = given.push;
  if (given.dataset) push.kind = hub::RepositoryKind::dataset;
  TransferLine line;
  const hub::Pushed pushed = hub::Client(hub::ClientOptions::of_environment(given.hub)).push(push, line.progress());
  line.clear();
  for (const std::string& warning : pushed.warnings) fmt::print(stderr, "README.md: {}\n", quote(warning));
  if (given.json)
    fmt::print("{}\n", dump_ordered_json({{"repository", push.repository},
                                          {"revision", push.revision},
                                          {"commit", pushed.commit},
                                          {"url", pushed.url},
                                          {"files", pushed.files},
                                          {"changed", pushed.changed},
                                          {"sent_bytes", pushed.sent}}));
  else
    fmt::print("{}: {}, commit {}\n", pushed.url,
               pushed.changed == 0 ? std::string("nothing changed")
                                   : fmt::format("{} of {} files changed", pushed.changed, pushed.files),
               pushed.commit);
  return 0;
}

}  // namespace

void add_push_command(Commands& commands) {
  auto options = std::make_shared<Options>();
  const Command command =
      commands.add("push", "Send a folder to a hub in one commit; what the hub has is not sent again",
                   "glassbox push runs/prism/model me/my-model --message 'After 3 epochs'", options, run);
  command.option("FOLDER", &options->push.folder, "What is in it becomes the repository's files").required();
  command.option("OWNER/NAME", &options->push.repository, "The repository; made if it is missing").required();
  command.option("--revision", &options->push.revision, "A branch; made from main if it is missing").shows_default();
  command.option("--message", &options->push.message, "The commit's first line");
  command.flag("--private", &options->push.is_private, "A repository that is made is seen by its owner alone");
  command.flag("--dataset", &options->dataset, "A dataset, not a model");
  command.option("--hub", &options->hub,
                 "The hub's address (default: HF_ENDPOINT, else http://127.0.0.1:8080); HF_TOKEN is sent to it");
  command.flag("--json", &options->json, "One JSON object, for programs");
}

}  // namespace glassbox
