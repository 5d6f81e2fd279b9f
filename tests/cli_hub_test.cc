// The program's client against the program's hub.
#include <gmock/gmock.h>
#include <signal.h>

#include <chrono>
#include <thread>

#include "tests/adapter.h"
#include "tests/program.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;
using testing::answer_of;
using testing::glassbox;
using ::testing::HasSubstr;
using testing::kProgram;
using testing::Ran;
using testing::shell;
using testing::TemporaryFolder;

// A server with a hub of its own; what the program is told of hubs leads to it and to an empty cache.
class Hub : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("GLASSBOX_HOME", (folder_ / "home").c_str(), 1);
    const std::string out = (folder_ / "out").string();
    write_file(out, "");
    const Ran begun = shell(kProgram + " serve --port 0 --quiet > " + out + " 2>&1 & echo $!");
    server_ = std::stoi(begun.out);
    std::string url;
    for (int i = 0; i < 600 && url.empty(); ++i) {
      const std::string said = read_file(out);
      if (const size_t at = said.find("http://"); at != std::string::npos && said.find('\n', at) != std::string::npos)
        url = said.substr(at, said.find('\n', at) - at);
      else
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    ASSERT_FALSE(url.empty()) << read_file(out);
    ::setenv("HF_ENDPOINT", url.c_str(), 1);
    ::setenv("HF_HUB_CACHE", (folder_ / "cache").c_str(), 1);
  }
  void TearDown() override {
    for (const char* variable : {"GLASSBOX_HOME", "HF_ENDPOINT", "HF_HUB_CACHE", "HF_HUB_OFFLINE"})
      ::unsetenv(variable);
    if (server_ > 0) ::kill(server_, SIGTERM);
  }

  TemporaryFolder folder_;
  pid_t server_ = 0;
};

TEST_F(Hub, AModelGoesThereAndComesBack) {
  const std::string model = (folder_ / "model").string();
  ASSERT_EQ(glassbox("convert glassbox/prism " + model).status, 0);
  const Json pushed = answer_of(glassbox("push " + model + " me/prism --message First --json"));
  EXPECT_EQ(pushed["files"], pushed["changed"]);
  EXPECT_EQ(pushed["sent_bytes"], 0) << "its weights are glassbox/prism's, which the hub has";
  const Json again = answer_of(glassbox("push " + model + " me/prism --json"));
  EXPECT_EQ(again["changed"], 0);
  EXPECT_EQ(again["commit"], pushed["commit"]);
  EXPECT_THAT(glassbox("search PRIS me/").out, HasSubstr("me/prism"));

  const Json would = answer_of(glassbox("pull me/prism --dry-run --json"));
  EXPECT_EQ(would["commit"], pushed["commit"]);
  EXPECT_FALSE(fs::exists(folder_ / "cache"));
  const auto said_by = [](const std::string& reference) {
    return answer_of(glassbox("run " + reference + " 'Mia has a red' --raw --temperature 0 --max-tokens 5 --json"));
  };
  const Json said = said_by("me/prism");  // fetched first
  EXPECT_EQ(said["text"], said_by(model)["text"]);
  const Json pulled = answer_of(glassbox("pull me/prism --json"));
  EXPECT_EQ(pulled["commit"], pushed["commit"]);
  const Ran again_pulled = glassbox("pull me/prism");
  EXPECT_EQ(again_pulled.out, pulled["snapshot"].get<std::string>() + "\n");
  EXPECT_EQ(again_pulled.err, "") << "no progress where nobody looks";
  EXPECT_EQ(read_file(fs::path(pulled["snapshot"].get<std::string>()) / "model.safetensors"),
            read_file(fs::path(model) / "model.safetensors"));
  const Json listed = answer_of(glassbox("list --json"));
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0]["repository"], "me/prism");
  EXPECT_EQ(listed[0]["commits"][0]["revisions"], Json::array({"main"}));

  EXPECT_EQ(glassbox("rm me/prism --from-hub --yes").status, 0);
  const Ran gone = glassbox("pull me/prism");
  EXPECT_EQ(gone.status, 1);
  EXPECT_THAT(gone.err, HasSubstr("me/prism"));
  EXPECT_EQ(said_by("me/prism")["text"], said["text"]) << "the cache still has it";
  EXPECT_EQ(answer_of(glassbox("rm me/prism --json"))["freed_bytes"], listed[0]["bytes"]);
  EXPECT_EQ(glassbox("rm me/prism").status, 1);
  EXPECT_THAT(glassbox("run me/prism hi").err, HasSubstr("answered 404"));
}

TEST_F(Hub, AnAdapterIsFetchedByItsName) {
  const fs::path folder = testing::write_adapter(folder_ / "adapter");
  write_file(folder / "README.md", "---\nlicense: mit\nbase_model: glassbox/prism\n---\n# Small\n");
  ASSERT_EQ(glassbox("push " + folder.string() + " me/small").status, 0);
  const auto mean = [](const std::string& adapter) {
    return answer_of(
        glassbox("trace glassbox/prism 'What is 2 + 3?' --taps logits --json --adapter " + adapter))["mean"];
  };
  const Json looked = mean("me/small");
  EXPECT_EQ(looked, mean(folder.string()));
  EXPECT_NE(looked, answer_of(glassbox("trace glassbox/prism 'What is 2 + 3?' --taps logits --json"))["mean"]);
  EXPECT_EQ(answer_of(glassbox("list --json"))[0]["commits"][0]["files"], 2) << "what it is made of, and no more";
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  EXPECT_EQ(mean("me/small"), looked) << "from the cache";
  EXPECT_THAT(glassbox("run glassbox/prism hi --adapter me/absent").err, HasSubstr("me/absent"));
}

TEST_F(Hub, OneGgufFileOfSeveral) {
  fs::create_directories(folder_ / "quantized");
  for (const std::string type : {"Q8_0", "Q4_0"})
    ASSERT_EQ(glassbox("quantize glassbox/prism " + type + " --output " +
                       (folder_ / ("quantized/prism-" + type + ".gguf")).string())
                  .status,
              0);
  ASSERT_EQ(glassbox("push " + (folder_ / "quantized").string() + " me/prism-GGUF").status, 0);
  EXPECT_THAT(glassbox("inspect me/prism-GGUF").err, HasSubstr("which of its GGUF files?"));
  EXPECT_THAT(glassbox("inspect me/prism-GGUF:Q4_0").out, HasSubstr("GGUF"));
  const Json listed = answer_of(glassbox("list --json"));
  EXPECT_EQ(listed[0]["commits"][0]["files"], 1) << "the other was not fetched";
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  EXPECT_EQ(glassbox("inspect me/prism-GGUF:Q4_0").status, 0);
  EXPECT_THAT(glassbox("inspect me/prism-GGUF:Q8_0").err, HasSubstr("not all of it is in the cache"));
}

}  // namespace
}  // namespace glassbox
