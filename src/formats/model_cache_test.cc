#include "formats/model_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "base/file.h"
#include "formats/file_set.h"
#include "formats/model_reference.h"
#include "tests/environment.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Paths = std::vector<std::string>;
const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

TEST(ModelCache, NamesOfHubs) {
  const auto model = parse_hub_name("Owner/Model-7B.v2");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->owner, "Owner");
  EXPECT_EQ(model->name, "Model-7B.v2");
  EXPECT_EQ(model->quant, "");
  EXPECT_EQ(parse_hub_name("a/b:Q4_K_M")->quant, "Q4_K_M");
  EXPECT_EQ(parse_hub_name("a/b:Q4_K_M")->repository(), "a/b");
  for (const char* other : {"", "a", "a/", "/b", "a/b/c", "./a", "../a", "a/..", "~/a", "a/b:", "a/b:c/d", "a/b c",
                            "http://a/b", "a/b.git", "a--b/c", "-a/b"})
    EXPECT_FALSE(parse_hub_name(other)) << other;
}

TEST(ModelCache, FilesOfAModel) {
  const Paths published = {"README.md",
                           "config.json",
                           "consolidated.safetensors",
                           "model.safetensors",
                           "onnx/model.onnx",
                           "pytorch_model.bin",
                           "sub/model.safetensors",
                           "tokenizer.json",
                           "additional_chat_templates/tools.jinja"};
  EXPECT_THAT(files_of_model(published, ""), ElementsAre("README.md", "config.json", "model.safetensors",
                                                         "tokenizer.json", "additional_chat_templates/tools.jinja"));
  EXPECT_THAT(files_of_model(published, "Q8_0"), IsEmpty());

  const Paths quantized = {"README.md",
                           "config.json",
                           "m-Q2_K.gguf",
                           "m-q4_k_m.gguf",
                           "m-IQ4_K_M.gguf",
                           "mmproj-m-Q8_0.gguf",
                           "big/m-Q8_0-00002-of-00002.gguf",
                           "big/m-Q8_0-00001-of-00002.gguf"};
  EXPECT_THAT(files_of_model(quantized, ""), ElementsAre("m-q4_k_m.gguf"));
  EXPECT_THAT(files_of_model(quantized, "q2_k"), ElementsAre("m-Q2_K.gguf"));
  EXPECT_THAT(files_of_model(quantized, "Q8_0"),
              ElementsAre("big/m-Q8_0-00001-of-00002.gguf", "big/m-Q8_0-00002-of-00002.gguf"));
  EXPECT_THAT(files_of_model(quantized, "Q6_K"), IsEmpty());
  EXPECT_THAT(files_of_model(Paths{"a-Q8_0.gguf", "README.md"}, ""), ElementsAre("a-Q8_0.gguf")) << "the only one";
  EXPECT_THAT(files_of_model(Paths{"a-Q8_0.gguf", "a-Q6_K.gguf"}, ""), IsEmpty()) << "which?";
  EXPECT_THAT(files_of_model(Paths{"README.md"}, ""), IsEmpty());
}

class Cached : public ::testing::Test {
 protected:
  // A file of me/m's snapshot.
  void put(const std::string& path, const std::string& bytes = "x") {
    fs::create_directories((snapshot() / path).parent_path());
    write_file(snapshot() / path, bytes);
  }
  void refer(const std::string& commit = kCommit) {
    fs::create_directories(repository() / "refs");
    write_file(repository() / "refs" / "main", commit);
  }
  void list(const Paths& paths) {
    Json files = Json::object();
    for (const std::string& path : paths) files[path] = {{"size", 1}, {"blob_id", kCommit}};
    fs::create_directories(repository() / "trees");
    write_file(repository() / "trees" / (kCommit + ".json"), Json{{"format_version", 1}, {"files", files}}.dump());
  }
  fs::path repository() const { return folder_ / "models--me--m"; }
  fs::path snapshot() const { return repository() / "snapshots" / kCommit; }

  testing::TemporaryFolder folder_;
  testing::Environment cache_{{"HF_HUB_CACHE", folder_.path().string()}};
};

TEST_F(Cached, AFolderIsFoundByTheHubsName) {
  EXPECT_EQ(hub_cache(), folder_.path());
  EXPECT_FALSE(FileSet::find("me/m"));
  put("config.json", R"({"a": 1})");
  put("model.safetensors");
  EXPECT_FALSE(FileSet::find("me/m")) << "no branch leads there";
  refer("main");
  EXPECT_FALSE(FileSet::find("me/m")) << "nor does what is no commit";
  refer(kCommit + "\n");
  const auto found = FileSet::find("me/m");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind(), FileSet::Kind::folder);
  EXPECT_EQ(found->path(), snapshot());
  EXPECT_EQ(found->name(), "me/m");
  EXPECT_EQ(found->source(), "me/m");
  EXPECT_EQ(found->json("config.json")["a"], 1);
  EXPECT_THAT(found->names(), ElementsAre("config.json", "model.safetensors"));
  EXPECT_FALSE(FileSet::find("me/other"));
  EXPECT_FALSE(FileSet::find("me/m:Q8_0"));
}

TEST_F(Cached, HalfAModelIsNone) {
  refer();
  put("config.json");
  put("model.safetensors.index.json");
  EXPECT_FALSE(FileSet::find("me/m"));
  put("model-00001-of-00002.safetensors");
  EXPECT_FALSE(FileSet::find("me/m"));
  EXPECT_THAT(why_no_model("me/m"), HasSubstr("not all of it is in the cache"));
  EXPECT_THAT(why_no_model("me/m"), HasSubstr("glassbox pull me/m"));
  EXPECT_THAT(why_no_model("me/none"), HasSubstr("not in the cache"));
  put("model-00002-of-00002.safetensors");
  EXPECT_TRUE(FileSet::find("me/m"));
  list({"config.json", "model-00001-of-00002.safetensors", "tokenizer.json", "pytorch_model.bin"});
  EXPECT_FALSE(FileSet::find("me/m")) << "the hub lists a tokenizer";
  put("tokenizer.json");
  EXPECT_TRUE(FileSet::find("me/m"));
}

TEST_F(Cached, OneGgufFileOfSeveral) {
  refer();
  put("m-Q8_0.gguf", "GGUF");
  list({"README.md", "m-Q8_0.gguf", "m-Q4_K_M.gguf"});
  EXPECT_FALSE(FileSet::find("me/m")) << "Q4_K_M is not here";
  const auto found = FileSet::find("me/m:Q8_0");
  ASSERT_TRUE(found);
  EXPECT_EQ(found->kind(), FileSet::Kind::gguf);
  EXPECT_EQ(found->path(), snapshot() / "m-Q8_0.gguf");
  EXPECT_EQ(found->name(), "m-Q8_0");
  put("m-Q4_K_M.gguf", "GGUF");
  EXPECT_EQ(FileSet::open("me/m").path(), snapshot() / "m-Q4_K_M.gguf");
}

TEST_F(Cached, AListThatLeadsOutsideIsNotFollowed) {
  refer();
  fs::create_directories(snapshot());
  write_file(folder_ / "x-Q8_0.gguf", "GGUF");
  list({"../../../x-Q8_0.gguf"});
  ASSERT_TRUE(fs::exists(snapshot() / "../../../x-Q8_0.gguf"));
  EXPECT_FALSE(FileSet::find("me/m"));
}

}  // namespace
}  // namespace glassbox
