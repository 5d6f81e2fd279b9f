#include "hub/attributes.h"

#include <gtest/gtest.h>

namespace glassbox::hub {
namespace {

bool is_large(std::string_view pattern, std::string_view path) {
  return Attributes(std::string(pattern) + " filter=lfs diff=lfs merge=lfs -text\n").is_large(path);
}

TEST(Attributes, PatternsFitAsGitSays) {
  struct Case {
    const char *pattern, *path;
    bool fits;
  };
  for (const Case& c : std::initializer_list<Case>{{"*.bin", "a.bin", true},
                                                   {"*.bin", "x/y/a.bin", true},
                                                   {"*.bin", "a.binary", false},
                                                   {"*.gguf*", "m.gguf.part1", true},
                                                   {"*tfevents*", "runs/events.out.tfevents.1", true},
                                                   {"saved_model/**/*", "saved_model/v/x", true},
                                                   {"saved_model/**/*", "saved_model/x", true},
                                                   {"saved_model/**/*", "other/saved_model/x", false},
                                                   {"**/x", "a/b/x", true},
                                                   {"**/x", "x", true},
                                                   {"a/**", "a/b/c", true},
                                                   {"a/**", "b/a/c", false},
                                                   {"/a.bin", "a.bin", true},
                                                   {"/a.bin", "x/a.bin", false},
                                                   {"a/*.bin", "a/x.bin", true},
                                                   {"a/*.bin", "a/b/x.bin", false},
                                                   {"a?c", "abc", true},
                                                   {"a?c", "ac", false},
                                                   {"[a-c]x", "bx", true},
                                                   {"[!a-c]x", "bx", false},
                                                   {"[!a-c]x", "dx", true},
                                                   {"a[", "a[", true}})
    EXPECT_EQ(is_large(c.pattern, c.path), c.fits) << c.pattern << " of " << c.path;
}

TEST(Attributes, TheLastLineThatSaysSomethingCounts) {
  const Attributes rules("# all of them\n*.bin filter=lfs -text\r\nsmall.bin -filter\n\nkeep.bin text\n");
  EXPECT_TRUE(rules.is_large("a.bin"));
  EXPECT_FALSE(rules.is_large("x/small.bin"));
  EXPECT_TRUE(rules.is_large("keep.bin"));  // "text" says nothing of the filter
}

// One that goes back to every star would not end before the test's time is over.
TEST(Attributes, HostilePatternsEndSoon) {
  std::string pattern, path;
  for (int i = 0; i < 60; ++i) {
    pattern += "**/*a*a*a*a*a*a*b/";
    path += std::string(100, 'a') + "/";
  }
  EXPECT_FALSE(is_large(pattern + "x", path + "y"));
}

}  // namespace
}  // namespace glassbox::hub
