#include "formats/model_reference.h"

#include <gmock/gmock.h>

#include "base/file.h"
#include "engine/model.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TemporaryFolder;

// What open_model says.
std::string refusal(const std::string& reference) {
  try {
    open_model(reference);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), Not(HasSubstr("\n")));
    return error.what();
  }
  ADD_FAILURE() << reference << " was opened";
  return "";
}

TEST(ModelReference, NamesOfElsewhere) {
  EXPECT_THAT(refusal("Owner/Some-Model-7B"),
              AllOf(HasSubstr("Owner/Some-Model-7B: no such folder"), HasSubstr("downloading is not here yet"),
                    HasSubstr("config.json"), HasSubstr("glassbox/prism is shipped")));
  EXPECT_THAT(refusal("llama3.2:1b"), AllOf(HasSubstr("other programs' libraries"), HasSubstr(".gguf")));
  EXPECT_THAT(refusal("mistral"), HasSubstr("other programs' libraries"));
  EXPECT_THAT(refusal("https://example.org/model"), HasSubstr("downloading is not here yet"));
  EXPECT_THAT(refusal("glassbox/prisn"), HasSubstr("glassbox/prism is shipped"));
  EXPECT_THAT(refusal("./no/such/folder"), AllOf(HasSubstr("no such model"), HasSubstr("expected a folder")));
  EXPECT_THAT(refusal(""), HasSubstr("expected a folder"));
}

TEST(ModelReference, FilesOfAModel) {
  const TemporaryFolder folder;
  for (const char* name : {"model.safetensors", "config.json", "pytorch_model.bin", "notes.txt", "a.gguf", "b.gguf"})
    write_file(folder / name, "x");
  EXPECT_THAT(refusal((folder / "model.safetensors").string()),
              HasSubstr("one file of a model: give its folder, " + folder.path().string()));
  EXPECT_THAT(refusal((folder / "pytorch_model.bin").string()), HasSubstr("pickle"));
  EXPECT_THAT(refusal((folder / "notes.txt").string()), HasSubstr("neither a folder nor a GGUF file"));
  EXPECT_THAT(refusal((folder / "c.gguf").string()), HasSubstr("no such file: in its folder there are a.gguf, b.gguf"));
}

TEST(ModelReference, Folders) {
  const TemporaryFolder folder;
  const auto with = [&](const std::string& name, const std::vector<std::string>& files,
                        const std::string& bytes = "x") {
    for (const std::string& file : files) {
      std::filesystem::create_directories((folder / name / file).parent_path());
      write_file(folder / name / file, bytes);
    }
    return refusal((folder / name).string());
  };
  EXPECT_THAT(with("empty", {"README.md"}), AllOf(HasSubstr("no config.json"), HasSubstr("*.safetensors")));
  EXPECT_THAT(with("gguf", {"README.md", "m-Q4.gguf"}), HasSubstr("give " + (folder / "gguf/m-Q4.gguf").string()));
  EXPECT_THAT(with("cache", {"refs/main", "snapshots/0123/config.json"}),
              HasSubstr("a model lies deeper, in " + (folder / "cache/snapshots/0123").string()));
  EXPECT_THAT(with("adapter", {"adapter_config.json", "adapter_model.safetensors"}), HasSubstr("--adapter"));
  EXPECT_THAT(with("pickles", {"config.json", "pytorch_model-00001-of-00002.bin"}),
              AllOf(HasSubstr("pytorch_model-00001-of-00002.bin"), HasSubstr("expected *.safetensors")));
  EXPECT_THAT(with("bare", {"config.json", "tokenizer.json"}), HasSubstr("no weights"));
  EXPECT_THAT(with("both", {"config.json", "m.gguf"}), HasSubstr("give " + (folder / "both/m.gguf").string()));
  EXPECT_THAT(with("lfs", {"config.json", "model.safetensors"}, "version https://git-lfs\noid sha256:00\nsize 5\n"),
              HasSubstr("git lfs pull"));
}

}  // namespace
}  // namespace glassbox
