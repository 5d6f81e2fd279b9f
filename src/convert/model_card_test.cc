#include "convert/model_card.h"

#include <gmock/gmock.h>

namespace glassbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::string_view kCard =
    "---\nlicense: apache-2.0\nlanguage:\n- en\n  - 'de'\nbase_model:\n- org/base\ntags: [chat, \"small\"]\n"
    "base_model_relation: finetune\npipeline_tag: text-generation\n---\n# Title\n\nbase_model: of the text, not of the "
    "front\n";

Gguf file_of(std::vector<GgufEntry> entries, DType dtype) {
  const TensorPlan tensor{"token_embd.weight", dtype, {2, 256}};
  return Gguf::planned(entries, std::span(&tensor, 1), "file");
}

TEST(ModelCard, FrontMatterIsRead) {
  EXPECT_THAT(front_matter(kCard, "license"), ElementsAre("apache-2.0"));
  EXPECT_THAT(front_matter(kCard, "language"), ElementsAre("en", "de"));
  EXPECT_THAT(front_matter(kCard, "tags"), ElementsAre("chat", "small"));
  EXPECT_THAT(front_matter(kCard, "base_model"), ElementsAre("org/base"));
  for (const char* other :
       {"", "---", "---\n", "---\nlicense: x\n", "# Title\nlicense: x\n---\n", "\n---\nlicense: x\n---\n"})
    EXPECT_THAT(front_matter(other, "license"), IsEmpty()) << other;
  EXPECT_THAT(front_matter("---\nlicense:\n---", "license"), IsEmpty());
  EXPECT_THAT(front_matter("---\r\nlicense: mit\r\n---\r\n", "license"), ElementsAre("mit"));
}

TEST(ModelCard, GoesIntoMetadataAndBack) {
  const Gguf plain = file_of(card_metadata(kCard), DType::f32);
  EXPECT_EQ(plain.string("general.license"), "apache-2.0");
  EXPECT_EQ(plain.string("general.base_model.0.organization"), "org");
  EXPECT_EQ(plain.string("general.base_model.0.name"), "base");
  EXPECT_EQ(plain.integer("general.base_model.count"), 1);
  EXPECT_EQ(card_of(plain, "# Another"), kCard);
}

TEST(ModelCard, SaysOfWhatAModelIsAQuantization) {
  std::vector<GgufEntry> entries = card_metadata(kCard);
  for (GgufEntry& entry : entries)
    if (entry.key == "general.base_model.0.name") entry.value = GgufValue::of("model");
  const std::string card = card_of(file_of(entries, DType::q4_k), "");
  EXPECT_THAT(front_matter(card, "base_model"), ElementsAre("org/model"));
  EXPECT_THAT(front_matter(card, "base_model_relation"), ElementsAre("quantized"));
  EXPECT_THAT(front_matter(card, "license"), ElementsAre("apache-2.0"));
  EXPECT_THAT(front_matter(card, "pipeline_tag"), ElementsAre("text-generation"));
  EXPECT_THAT(card, HasSubstr("\n---\n# Title\n\nbase_model: of the text"));
  EXPECT_THAT(card, Not(HasSubstr("finetune")));

  // Without a card of its own: the one that lies there, else a new one.
  const std::vector<GgufEntry> bare = {{"general.name", GgufValue::of("Small \"one\"")},
                                       {"general.license", GgufValue::of("mit")}};
  const std::string there = card_of(file_of(bare, DType::q4_k), "# Mine\n");
  EXPECT_THAT(there,
              HasSubstr("---\nbase_model: \"Small \\\"one\\\"\"\nbase_model_relation: quantized\n---\n# Mine\n"));
  const std::string fresh = card_of(file_of(bare, DType::q4_k), "");
  EXPECT_THAT(front_matter(fresh, "license"), ElementsAre("mit"));
  EXPECT_THAT(front_matter(fresh, "base_model_relation"), ElementsAre("quantized"));
}

}  // namespace
}  // namespace glassbox
