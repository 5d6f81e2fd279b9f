#include "cli/history.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using Entries = std::vector<std::string>;

TEST(History, IsKept) {
  const testing::TemporaryFolder folder;
  const auto file = folder / "below/run.history";
  const Entries said = {"Größe 🙂", "two\nlines \\ and\ttabs", "\\101"};
  History first(file), second(file);
  for (const std::string& entry : said) first.add(entry);
  first.add("\\101");
  first.add("");
  second.add("of another program");
  EXPECT_EQ(first.entries(), said);
  Entries all = said;
  all.push_back("of another program");
  EXPECT_EQ(History(file).entries(), all);
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST(History, ReadsWhatLineEditorsWrote) {
  const testing::TemporaryFolder folder;
  write_file(folder / "h", "_HiStOrY_V2_\nHello\\040there\\\\n\n\nöä\n");
  EXPECT_EQ(History(folder / "h").entries(), (Entries{"Hello there\\n", "öä"}));
}

TEST(History, TheOldestGo) {
  const testing::TemporaryFolder folder;
  std::string lines;
  for (int i = 0; i < 1010; ++i) lines += std::to_string(i) + "\n";
  write_file(folder / "h", lines);
  EXPECT_EQ(History(folder / "h").entries().front(), "10");
  EXPECT_EQ(History(folder / "h").entries().size(), 1000u);
}

TEST(History, WithoutAPlaceThereIsNone) {
  History history("/dev/null/nowhere/run.history");
  history.add("one");
  EXPECT_EQ(history.entries(), (Entries{"one"}));
}

}  // namespace
}  // namespace glassbox
