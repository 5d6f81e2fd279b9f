// Models as people name them, and what happens to one, and to its neighbours, when its files change on disk while it is
// used.
#include <gmock/gmock.h>

#include <future>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "engine/engine.h"
#include "formats/model_reference.h"
#include "formats/safetensors.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TemporaryFolder;

// The shipped model as it was published.
std::filesystem::path copy_to(const std::filesystem::path& folder) {
  std::filesystem::copy("models/prism/weights", folder);
  return folder;
}

GenerationRequest ask(int64_t max_tokens = 12) {
  GenerationRequest request;
  request.prompt = {1, 2, 3, 4};
  request.max_tokens = max_tokens;
  request.sampling.seed = 1;
  request.ignore_eos = true;
  return request;
}

std::string error_of(Engine& engine, GenerationRequest request, const Engine::OnToken& on_token = {}) {
  try {
    engine.generate(std::move(request), on_token);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::io);
    return error.what();
  }
  return "";
}

class ModelFiles : public ::testing::Test {
 protected:
  TemporaryFolder folder;
};

TEST_F(ModelFiles, ACutFileIsAFailureOfItsOwnKind) {
  const auto cut = copy_to(folder / "cut");
  std::optional<Error> failure;
  {
    Engine engine(open_model(cut.string()), {.threads = 1});
    std::promise<void> done;
    int told = 0;
    engine.submit(
        ask(200),
        [&](const TokenEvent&) {
          if (++told == 3) std::filesystem::resize_file(cut / "model.safetensors", 4096);
        },
        [&](const Finished& finished) {
          failure = finished.failure;
          done.set_value();
        });
    done.get_future().wait();
  }
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->kind(), ErrorKind::io) << failure->what();
}

TEST_F(ModelFiles, AModelWhoseFileIsCutFailsAndTheOthersGoOn) {
  const auto cut = copy_to(folder / "cut"), whole = copy_to(folder / "whole");
  const auto first = open_model(cut.string()), second = open_model(whole.string());
  Engine one(first, {.threads = 2}), two(second, {.threads = 2});
  const std::string expected = two.generate(ask()).text;
  EXPECT_EQ(one.generate(ask()).text, expected);

  const std::string shorter = "cut: model.safetensors became shorter while it was used";
  int told = 0;
  EXPECT_EQ(error_of(one, ask(200),
                     [&](const TokenEvent&) {
                       if (++told == 3) std::filesystem::resize_file(cut / "model.safetensors", 4096);
                     }),
            shorter);
  EXPECT_EQ(told, 3);  // nothing that was computed from zeros is told
  EXPECT_EQ(error_of(one, ask()), shorter);
  EXPECT_EQ(two.generate(ask()).text, expected);
}

TEST_F(ModelFiles, AFileThatIsReplacedGoesOnAsItWas) {
  const auto path = copy_to(folder / "model");
  const auto model = open_model(path.string());
  Engine engine(model, {.threads = 2});
  const std::string expected = engine.generate(ask()).text;
  EXPECT_EQ(model->mapped.change(), "");
  write_file(path / "model.safetensors", "something else");
  EXPECT_EQ(model->mapped.change(), (path / "model.safetensors").string() + " was replaced");
  EXPECT_EQ(engine.generate(ask()).text, expected);
}

TEST_F(ModelFiles, AnAdapterThatIsCutFailsItsOwnRequests) {
  const auto model = open_model(copy_to(folder / "model").string());
  const auto adapter_folder = folder / "adapter";
  std::filesystem::create_directory(adapter_folder);
  write_file(adapter_folder / "adapter_config.json",
             R"({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "bias": "none"})");
  const auto width = SafeTensors::open(folder / "model/model.safetensors")
                         .find("model.layers.0.self_attn.q_proj.weight")
                         .value()
                         .shape;
  std::vector<float> a(static_cast<size_t>(2 * width[1]), 0.01f), b(static_cast<size_t>(2 * width[0]), 0.02f);
  const std::string module = "base_model.model.model.layers.0.self_attn.q_proj.lora_";
  const std::string name_a = module + "A.weight", name_b = module + "B.weight";
  const std::vector<RawTensor> tensors = {{name_a, DType::f32, {2, width[1]}, std::as_bytes(std::span(a)), nullptr},
                                          {name_b, DType::f32, {width[0], 2}, std::as_bytes(std::span(b)), nullptr}};
  write_safetensors(adapter_folder / "adapter_model.safetensors", tensors);

  Engine engine(model, {.threads = 2});
  GenerationRequest adapted = ask(200);
  adapted.adapter = open_adapter(adapter_folder, *model);
  const auto plain = engine.generate(ask(60));
  std::promise<Finished> with, without;
  std::string text;
  int told = 0;
  engine.submit(
      ask(60), [&](const TokenEvent& event) { text += event.text; },
      [&](const Finished& finished) {
        text += finished.text;
        without.set_value(finished);
      });
  engine.submit(
      adapted,
      [&](const TokenEvent&) {
        if (++told == 3) std::filesystem::resize_file(adapter_folder / "adapter_model.safetensors", 100);
      },
      [&](const Finished& finished) { with.set_value(finished); });
  EXPECT_STREQ(with.get_future().get().failure.value().what(),
               "the adapter: adapter_model.safetensors became shorter while it was used");
  EXPECT_EQ(told, 3);
  EXPECT_FALSE(without.get_future().get().failure);
  EXPECT_EQ(text, plain.text);
  EXPECT_THROW(engine.submit(adapted, {}, {}), Error);
}

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
              AllOf(HasSubstr("Owner/Some-Model-7B: no such folder"), HasSubstr("not in the cache"),
                    HasSubstr("glassbox pull Owner/Some-Model-7B"), HasSubstr("glassbox/prism is shipped")));
  EXPECT_THAT(refusal("llama3.2:1b"), AllOf(HasSubstr("other programs' libraries"), HasSubstr(".gguf")));
  EXPECT_THAT(refusal("mistral"), HasSubstr("other programs' libraries"));
  EXPECT_THAT(refusal("https://example.org/model"), HasSubstr("an address, not a model"));
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
