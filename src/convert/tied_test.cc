// Checkpoints of tied models that store their output matrix all the same: what transformers 5.24 and llama.cpp make of
// them. Equal to the table it is the table; other numbers are used, whatever config.json says; alone it is the table.
#include <gmock/gmock.h>

#include "base/error.h"
#include "convert/convert.h"
#include "convert/convert_testing.h"
#include "engine/model.h"
#include "nn/parameters.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::from_folder;
using testing::from_gguf;
using testing::golden;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::logits;
using testing::publish;
using testing::TemporaryFolder;

enum class Stored { copy, other, alone };

// The golden model as `folder`, with a head of its own. `tied`: what config.json says then.
void store_head(const std::string& name, const fs::path& folder, Stored stored, bool tied) {
  publish(name, folder);
  const Checkpoint published = Checkpoint::open(golden(name));
  std::vector<RawTensor> tensors;
  std::vector<std::byte> other;
  std::string head;
  for (const std::string_view tensor : published.names()) {
    RawTensor raw = *published.find(tensor);
    const bool table = raw.name.ends_with("model.embed_tokens.weight");
    if (!table || stored != Stored::alone) tensors.push_back(raw);
    if (!table) continue;
    head = raw.name;
    raw.name = head.replace(head.find("model.embed_tokens"), 18, "lm_head");
    if (stored == Stored::other) {  // the rows, last first
      const size_t row = raw.bytes.size() / static_cast<size_t>(raw.shape[0]);
      for (size_t at = raw.bytes.size(); at > 0; at -= row)
        other.insert(other.end(), raw.bytes.begin() + static_cast<ptrdiff_t>(at - row),
                     raw.bytes.begin() + static_cast<ptrdiff_t>(at));
      raw.bytes = other;
    }
    tensors.push_back(raw);
  }
  write_safetensors(folder / "model.safetensors", tensors);
  Json config = read_json(folder / "config.json");
  (config.contains("text_config") ? config["text_config"] : config)["tie_word_embeddings"] = tied;
  config["tie_word_embeddings"] = tied;
  write_file(folder / "config.json", dump_json(config));
}

class TiedWithAHead : public ::testing::TestWithParam<const char*> {};

TEST_P(TiedWithAHead, EqualToTheTableItIsTheTable) {
  TemporaryFolder folder;
  store_head(GetParam(), folder / "m", Stored::copy, true);
  const auto model = open_model((folder / "m").string());
  EXPECT_TRUE(model->network->shape().tied);
  EXPECT_THAT(model->warnings, IsEmpty());
  EXPECT_EQ(logits(*model->network), logits(*from_folder(golden(GetParam()))));
  convert((folder / "m").string(), (folder / "m.gguf").string(), {});
  EXPECT_FALSE(Gguf::open(folder / "m.gguf").tensor("output.weight"));
}

TEST_P(TiedWithAHead, WithOtherNumbersItIsUsedAndSaid) {
  TemporaryFolder folder;
  store_head(GetParam(), folder / "m", Stored::other, true);
  store_head(GetParam(), folder / "untied", Stored::other, false);
  const auto model = open_model((folder / "m").string());
  EXPECT_FALSE(model->network->shape().tied);
  const auto meant = logits(*from_folder(folder / "untied"));
  EXPECT_NE(meant, logits(*from_folder(golden(GetParam()))));
  EXPECT_EQ(logits(*model->network), meant);
  EXPECT_THAT(model->warnings, ElementsAre(HasSubstr("tie_word_embeddings: true, but the checkpoint has a ")));
  convert((folder / "m").string(), (folder / "m.gguf").string(), {});
  EXPECT_EQ(logits(*from_gguf(folder / "m.gguf")), meant);
  convert((folder / "m.gguf").string(), (folder / "back").string(), {});
  EXPECT_EQ(logits(*from_folder(folder / "back")), meant);
}

TEST_P(TiedWithAHead, AloneItIsTheTable) {
  TemporaryFolder folder;
  store_head(GetParam(), folder / "m", Stored::alone, true);
  const auto meant = logits(*from_folder(golden(GetParam())));
  EXPECT_EQ(logits(*from_folder(folder / "m")), meant);
  convert((folder / "m").string(), (folder / "m.gguf").string(), {});
  EXPECT_EQ(logits(*from_gguf(folder / "m.gguf")), meant);
  store_head(GetParam(), folder / "untied", Stored::alone, false);
  EXPECT_THROW(from_folder(folder / "untied"), Error);
}

INSTANTIATE_TEST_SUITE_P(Golden, TiedWithAHead,
                         ::testing::Values("llama32_tiny_bf16", "qwen3_tiny", "gemma2_tiny", "smollm3_tiny",
                                           "olmo_tiny"));

// Where the text is a part of the model, what the whole says of it counts.
TEST(TiedWithAHead, OfAModelWithPicturesTheWholeDecides) {
  TemporaryFolder folder;
  store_head("gemma3_tiny", folder / "m", Stored::other, true);
  Json config = read_json(folder / "m/config.json");
  config["text_config"]["tie_word_embeddings"] = false;
  write_file(folder / "m/config.json", dump_json(config));
  const auto model = from_folder(folder / "m");
  EXPECT_FALSE(model->shape().tied);
  config["text_config"]["tie_word_embeddings"] = true;
  config["tie_word_embeddings"] = false;
  write_file(folder / "m/config.json", dump_json(config));
  EXPECT_EQ(logits(*from_folder(folder / "m")), logits(*model));
  store_head("gemma3_tiny", folder / "copy", Stored::copy, true);
  config = read_json(folder / "copy/config.json");
  config["text_config"]["tie_word_embeddings"] = false;
  write_file(folder / "copy/config.json", dump_json(config));
  EXPECT_TRUE(from_folder(folder / "copy")->shape().tied);
}

TEST(TiedWithAHead, IsTrainedAsItComputes) {
  const auto names = [](const fs::path& folder) {
    Config config = Config::open(folder);
    Parameters parameters(DType::f32, Checkpoint::open(folder / "model.safetensors"));
    make_model(config, parameters);
    std::vector<std::string> heads;
    for (const Parameter& one : parameters.all())
      if (one.name.find("layers") == std::string::npos && one.shape.rank() == 2) heads.push_back(one.name);
    std::ranges::sort(heads);
    return heads;
  };
  TemporaryFolder folder;
  store_head("llama32_tiny", folder / "copy", Stored::copy, true);
  EXPECT_THAT(names(folder / "copy"), ElementsAre("model.embed_tokens.weight"));
  store_head("llama32_tiny", folder / "other", Stored::other, true);
  EXPECT_THAT(names(folder / "other"), ElementsAre("lm_head.weight", "model.embed_tokens.weight"));
  store_head("llama32_tiny", folder / "alone", Stored::alone, true);
  EXPECT_THAT(names(folder / "alone"), ElementsAre("model.embed_tokens.weight"));
}

}  // namespace
}  // namespace glassbox
