// Training runs, as the page shows them: the loss.json of every run in a folder, and of the models that are
// shipped.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace glassbox {

// A run that is not read from a folder.
struct KnownRun {
  std::string name;
  std::string_view loss_json;  // lives as long as the program
};

// {"runs": [...]}: the runs of `folder` (each DIR/*/loss.json, and DIR/loss.json itself), newest first, then
// the known ones. A file that cannot be read (it may be being written) is told as a run with "status":
// "unreadable" and "error".
OrderedJson training_runs(const std::optional<std::filesystem::path>& folder, const std::vector<KnownRun>& known);

}  // namespace glassbox
