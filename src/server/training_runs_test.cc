#include "server/training_runs.h"

#include <gmock/gmock.h>

#include <chrono>

#include "base/file.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using ::testing::HasSubstr;

TEST(TrainingRuns, NewestFirstThenTheKnown) {
  testing::TemporaryFolder folder;
  auto write = [&](const std::string& name, std::string_view text, int age) {
    std::filesystem::create_directory(folder / name);
    auto file = folder / (name + "/loss.json");
    write_file(file, text);
    std::filesystem::last_write_time(file, std::filesystem::file_time_type::clock::now() - std::chrono::seconds(age));
  };
  write(
      "old",
      R"({"name": "first", "status": "done", "recipe": {"z": 1, "a": 2}, "points": [{"step": 1, "loss": 3.5}], "evaluations": []})",
      100);
  write("new", R"({"status": "running", "recipe": {}, "points": []})", 1);
  write("half", R"({"points": [{"ste)", 50);
  write("other", R"({"points": 5})", 60);
  std::filesystem::create_directory(folder / "empty");
  OrderedJson runs =
      training_runs(folder.path(), {{"shipped", R"({"name": "s", "points": []})"}, {"none", ""}})["runs"];
  ASSERT_EQ(runs.size(), 5u);
  EXPECT_EQ(runs[0]["name"], "new");  // the folder's name where the file has none
  EXPECT_EQ(runs[1]["name"], "half");
  EXPECT_EQ(runs[1]["status"], "unreadable");
  EXPECT_THAT(runs[1]["error"].get<std::string>(), HasSubstr("loss.json"));
  EXPECT_EQ(runs[2]["status"], "unreadable");
  EXPECT_EQ(runs[3]["name"], "first");
  EXPECT_EQ(runs[3]["points"][0]["loss"], 3.5);
  EXPECT_EQ(runs[3]["recipe"].dump(), R"({"z":1,"a":2})");
  EXPECT_EQ(runs[4]["name"], "s");
}

TEST(TrainingRuns, NoFolderIsNoRuns) {
  EXPECT_EQ(training_runs(std::nullopt, {}), OrderedJson::parse(R"({"runs": []})"));
  EXPECT_EQ(training_runs("/nonexistent", {}), OrderedJson::parse(R"({"runs": []})"));
}

}  // namespace
}  // namespace glassbox
