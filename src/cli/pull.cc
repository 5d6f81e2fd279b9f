// glassbox pull: a repository of a hub, fetched into the cache.
#include "base/error.h"
#include "base/json.h"
#include "base/quote.h"
#include "cli/command.h"
#include "cli/fetch.h"
#include "cli/figures.h"
#include "cli/transfer_line.h"

namespace glassbox {
namespace {

struct Options {
  std::string repository, hub;
  hub::PullRequest pull;
  bool dataset = false, json = false;
};

OrderedJson file_json(const hub::ListedFile& file) {
  return {{"path", file.path}, {"bytes", file.size}, {"hash", file.etag()}};
}

int run(const Options& given) {
  const auto name = parse_hub_name(given.repository);
  if (!name) fail(ErrorKind::bad_request, "{}: expected OWNER/NAME, or OWNER/NAME:QUANT", quote(given.repository));
  hub::PullRequest wanted = given.pull;
  wanted.repository = name->repository();
  if (given.dataset) wanted.kind = hub::RepositoryKind::dataset;
  if (!name->quant.empty()) wanted.choose = choice_of(*name);
  TransferLine line;
  const hub::Pulled pulled = hub::Client(hub::ClientOptions::of_environment(given.hub)).pull(wanted, line.progress());
  line.clear();
  if (given.json) {
    OrderedJson result{{"repository", wanted.repository},
                       {"revision", wanted.revision},
                       {"commit", pulled.commit},
                       {"snapshot", pulled.snapshot.string()},
                       {"files", pulled.files.size()},
                       {"bytes", pulled.size},
                       {wanted.dry_run ? "would_fetch" : "fetched", OrderedJson::array()},
                       {wanted.dry_run ? "would_fetch_bytes" : "fetched_bytes", pulled.fetched_size}};
    for (const hub::ListedFile& file : pulled.fetched)
      result[wanted.dry_run ? "would_fetch" : "fetched"].push_back(file_json(file));
    fmt::print("{}\n", dump_ordered_json(result));
  } else if (wanted.dry_run) {
    for (const hub::ListedFile& file : pulled.fetched)
      fmt::print("{:>9}  {}\n", human_bytes(static_cast<double>(file.size)), file.path);
    fmt::print("{} of {} files to fetch, {} of {}\n", pulled.fetched.size(), pulled.files.size(),
               human_bytes(static_cast<double>(pulled.fetched_size)), human_bytes(static_cast<double>(pulled.size)));
  } else {
    fmt::print("{}\n", pulled.snapshot.string());
  }
  return 0;
}

}  // namespace

void add_pull_command(Commands& commands) {
  auto options = std::make_shared<Options>();
  const Command command = commands.add(
      "pull", "Fetch a model from a hub into the cache that its other clients share, and print its folder",
      "glassbox pull me/my-model\n  glassbox pull me/my-model --include '*.json' --hub http://127.0.0.1:8080", options,
      run);
  command.option("OWNER/NAME", &options->repository, "A repository; with :QUANT, one GGUF file of it").required();
  command.option("--revision", &options->pull.revision, "A branch, a tag or a commit").shows_default();
  command.repeated("--include", &options->pull.include,
                   "Only files that fit this pattern (* goes over slashes; may be given several times)");
  command.repeated("--exclude", &options->pull.exclude, "No files that fit this pattern");
  command.flag("--dataset", &options->dataset, "A dataset, not a model");
  command.option("--hub", &options->hub,
                 "The hub's address (default: HF_ENDPOINT, else http://127.0.0.1:8080); HF_TOKEN is sent to it");
  command.flag("--dry-run", &options->pull.dry_run, "Only say what would be fetched");
  command.flag("--json", &options->json, "One JSON object, for programs");
}

}  // namespace glassbox
