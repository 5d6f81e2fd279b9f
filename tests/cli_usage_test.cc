// Command lines as people get them wrong: each answered in one line that says what to type instead.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/program.h"

namespace glassbox {
namespace {

using ::testing::AllOf;
using testing::answer_of;
using testing::glassbox;
using ::testing::HasSubstr;
using testing::Ran;
using ::testing::StartsWith;
using testing::TemporaryFolder;

TEST(Usage, ErrorsSayWhatToType) {
  struct Case {
    std::string arguments, says;
  };
  const std::vector<Case> cases = {
      {"rnu glassbox/prism", "glassbox: rnu: no such command, did you mean run?; there are run, serve, inspect"},
      {"frobnicate", "glassbox: frobnicate: no such command; there are run, serve, inspect"},
      {"chat glassbox/prism", "glassbox: chat: no such command, did you mean run?"},
      {"download owner/model", "glassbox: download: no such command, did you mean pull?"},
      {"pull", "glassbox pull: expected OWNER/NAME"},
      {"pull model", "glassbox: \"model\": expected OWNER/NAME"},
      {"pull owner/model --hub nowhere", "glassbox: \"nowhere\": expected a hub's address"},
      {"push /nowhere owner/model", "glassbox: /nowhere: expected a folder"},
      {"rm owner/model --yes", "glassbox rm: --yes requires --from-hub"},
      {"rm owner/model --from-hub", "expected --yes where nobody can be asked"},
      {"run", "glassbox run: expected MODEL: glassbox/prism, a folder as published, a .gguf file, or OWNER/NAME"},
      {"run glassbox/prism hi --temp 0.5", "glassbox run: --temp: no such option, did you mean --temperature?"},
      {"run glassbox/prism hi --max_tokens 3", "--max_tokens: no such option, did you mean --max-tokens?"},
      {"run glassbox/prism hi --frob", "--frob: no such option (put -- before a text that begins with a dash)"},
      {"run glassbox/prism '-x marks it'", "\"-x marks it\" begins with a dash: put -- before a text that does"},
      {"run glassbox/prism What is 2", "\"is\" is one argument too many (a text of several words goes in quotes)"},
      {"run glassbox/prism hi --max-tokens 0", "--max-tokens: expected a positive number, got 0"},
      {"run glassbox/prism hi --max-tokens -3", "--max-tokens: expected a positive number, got -3"},
      {"run glassbox/prism hi --max-tokens three", "--max-tokens: expected a whole number, got three"},
      {"run glassbox/prism hi --max-tokens 2.5", "--max-tokens: expected a whole number, got 2.5"},
      {"run glassbox/prism hi --temperature hot", "--temperature: expected a number, got hot"},
      {"run glassbox/prism hi --temperature", "--temperature: expected a value"},
      {"run glassbox/prism hi --seed 1 --seed 2", "--seed: expected once, got it twice"},
      {"--temperature 1 run glassbox/prism hi",
       "--temperature: options come after their command: glassbox run --temperature ..."},
      {"run glassbox/prism hi --threads 0", "--threads"},
      {"run glassbox/prism -- hi --json", "--json: behind -- all is text: expected options before it"},
  };
  for (const Case& given : cases) {
    const Ran ran = glassbox(given.arguments);
    EXPECT_EQ(ran.status, 2) << given.arguments;
    EXPECT_THAT(ran.err, HasSubstr(given.says)) << given.arguments;
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
    EXPECT_EQ(ran.out, "") << given.arguments;
  }
  EXPECT_THAT(glassbox("run glassbox/prism hi --temperature -1").err, HasSubstr("temperature"));
}

TEST(Usage, HelpIsWhereItIsLookedFor) {
  const Ran bare = glassbox("");
  EXPECT_EQ(bare.status, 0);
  EXPECT_THAT(bare.out, HasSubstr("inspect"));
  EXPECT_EQ(bare.err, "");
  EXPECT_EQ(glassbox("help").out, bare.out);
  EXPECT_EQ(glassbox("help run").out, glassbox("run --help").out);
  EXPECT_THAT(glassbox("--version").out, StartsWith("glassbox "));
}

std::string text(const std::string& arguments, const std::string& in = "") {
  return answer_of(glassbox(arguments + " --json --temperature 0 --max-tokens 8", in))["text"];
}

TEST(Usage, OptionsStandWhereTheyLike) {
  const std::string told = text("run glassbox/prism 'Mia has a red' --raw");
  EXPECT_EQ(text("run --raw glassbox/prism 'Mia has a red'"), told);
  EXPECT_EQ(text("run glassbox/prism --raw --seed 3 'Mia has a red'"), told);
  EXPECT_EQ(text("run --stop QQQ glassbox/prism --raw 'Mia has a red'"), told) << "a value, not all that follows";
  EXPECT_EQ(text("run glassbox/prism --stop QQQ --stop WWW 'Mia has a red' --raw"), told);
  EXPECT_EQ(
      answer_of(glassbox("run glassbox/prism --json --max-tokens 2 -- '--help is'"))["usage"]["completion_tokens"], 2);
  EXPECT_EQ(answer_of(glassbox(
                "run glassbox/prism hi --json --max-tokens=2 --presence-penalty -0.5"))["usage"]["completion_tokens"],
            2);
}

TEST(Usage, SumsAreNoOptions) {
  EXPECT_EQ(text("run glassbox/prism '-5 + 3'"), text("run glassbox/prism --threads 1 '-5 + 3'"));
}

TEST(Usage, AnArgumentAndAPipeAreJoined) {
  const auto asked = [](const std::string& prompt, const std::string& in) {
    return answer_of(glassbox("run glassbox/prism " + prompt + " --json --temperature 0 --max-tokens 3", in));
  };
  const Json joined = asked("'What is it?'", "Mia has a red ball.\n\n"),
             one = asked("", "Mia has a red ball.\n\nWhat is it?");
  EXPECT_EQ(joined["text"], one["text"]);
  EXPECT_EQ(joined["usage"], one["usage"]);
  EXPECT_NE(joined["usage"], asked("'What is it?'", "")["usage"]);
  EXPECT_EQ(asked("'What is it?'", "")["usage"], asked("'What is it?'", " \n")["usage"]);
}

TEST(Usage, ErrorsAboutModelsSayWhatToDo) {
  const auto refused = [](const std::string& model) {
    const Ran ran = glassbox("run " + model + " hi");
    EXPECT_EQ(ran.status, 1) << ran.err;
    EXPECT_EQ(std::ranges::count(ran.err, '\n'), 1) << ran.err;
    return ran.err;
  };
  // A hub that is not there, and a cache with nothing in it.
  const TemporaryFolder cache;
  ::setenv("HF_HUB_CACHE", cache.path().c_str(), 1);
  ::setenv("HF_ENDPOINT", "http://127.0.0.1:1", 1);
  EXPECT_THAT(refused("Owner/Model-7B"),
              AllOf(HasSubstr("Owner/Model-7B: no such folder, not in the cache (" + cache.path().string()),
                    HasSubstr("http://127.0.0.1:1")));
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  EXPECT_THAT(refused("Owner/Model-7B"), HasSubstr("`glassbox pull Owner/Model-7B` fetches it"));
  EXPECT_THAT(refused("llama3.2:1b"), HasSubstr("other programs' libraries"));
  const TemporaryFolder folder;
  write_file(folder / "pytorch_model.bin", "x");
  EXPECT_THAT(refused(folder.path().string()), HasSubstr("no config.json"));
  write_file(folder / "config.json", "{}");
  EXPECT_THAT(refused(folder.path().string()), HasSubstr("pickles"));
  for (const char* command : {"inspect Owner/Model-7B", "serve Owner/Model-7B", "convert Owner/Model-7B x.gguf",
                              "quantize Owner/Model-7B Q8_0", "trace Owner/Model-7B hi --taps logits"})
    EXPECT_THAT(glassbox(command).err, HasSubstr("not in the cache")) << command;
  for (const char* variable : {"HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE"}) ::unsetenv(variable);
}

}  // namespace
}  // namespace glassbox
