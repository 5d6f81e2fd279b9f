#include "server/training_runs.h"

#include <algorithm>

#include "base/file.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;
constexpr size_t kLargest = size_t{64} << 20;
constexpr size_t kMostRuns = 200, kMostValues = 5'000'000;

OrderedJson unreadable(const std::string& name, const std::string& why) {
  return {{"name", name},
          {"status", "unreadable"},
          {"error", why},
          {"recipe", OrderedJson::object()},
          {"points", OrderedJson::array()}};
}

OrderedJson read_run(std::string_view text, const std::string& name, const std::string& source) {
  OrderedJson run = parse_ordered_json(text, source, ErrorKind::bad_file, 32, kMostValues);
  if (!run.is_object() || !run.contains("points") || !run["points"].is_array())
    fail(ErrorKind::bad_file, "{}: expected an object with a list of points", source);
  if (!run.contains("name") || !run["name"].is_string()) run["name"] = name;
  return run;
}

}  // namespace

OrderedJson training_runs(const std::optional<fs::path>& folder, const std::vector<KnownRun>& known) {
  struct Found {
    fs::path file;
    fs::file_time_type time;
  };
  std::vector<Found> files;
  std::error_code ec;
  auto look = [&](const fs::path& file) {
    std::error_code none;
    if (fs::is_regular_file(file, none)) files.push_back({file, fs::last_write_time(file, none)});
  };
  if (folder) {
    look(*folder / "loss.json");
    for (fs::directory_iterator i(*folder, ec), end; !ec && i != end; i.increment(ec))
      if (i->is_directory(ec)) look(i->path() / "loss.json");
  }
  std::sort(files.begin(), files.end(),
            [](const Found& a, const Found& b) { return a.time != b.time ? a.time > b.time : a.file < b.file; });
  if (files.size() > kMostRuns) files.resize(kMostRuns);

  OrderedJson runs = OrderedJson::array();
  for (const Found& found : files) {
    std::string name = fs::absolute(found.file).parent_path().filename().string();
    const std::string source = name + "/loss.json";  // clients are not told where it is
    try {
      runs.push_back(read_run(read_file(found.file, kLargest), name, source));
    } catch (const Error& error) {
      std::string why = error.what();
      const std::string path = found.file.string();
      for (size_t at = 0; (at = why.find(path, at)) != std::string::npos; at += source.size())
        why.replace(at, path.size(), source);
      runs.push_back(unreadable(name, why));
    }
  }
  for (const KnownRun& run : known) {
    if (run.loss_json.empty()) continue;
    try {
      runs.push_back(read_run(run.loss_json, run.name, run.name));
    } catch (const Error& error) { runs.push_back(unreadable(run.name, error.what())); }
  }
  return {{"runs", std::move(runs)}};
}

}  // namespace glassbox
