#include "convert/model_card.h"

#include <gmock/gmock.h>

namespace glassbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::string_view kCard =
    "---\nlicense: apache-2.0\nlanguage:\n- en\n- 'de'\nbase_model:\n- org/base\ntags: [chat, \"small\"]\n"
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

TEST(ModelCard, FrontMatterIsYaml) {
  const std::string_view card =
      "---\nlanguage: [en, no, 'de, at']  # three\nlicense_name: >-\n  of\n  two lines\nmodel-index:\n- name: x\n  "
      "results:\n  - base_model: [1]\ntags:\n- 1.5\n-\n- {a: b}\n---\ntext\n";
  EXPECT_THAT(front_matter(card, "language"), ElementsAre("en", "no", "de, at"));
  EXPECT_THAT(front_matter(card, "license_name"), ElementsAre("of two lines"));
  EXPECT_THAT(front_matter(card, "tags"), ElementsAre("1.5"));
  EXPECT_THAT(front_matter(card, "base_model"), IsEmpty());
  EXPECT_THAT(front_matter(card, "name"), IsEmpty());
}

// What is not changed stays as it stands, to the byte; what cannot be read stays as text.
TEST(ModelCard, KeepsWhatItDoesNotKnow) {
  const auto quantized = [](std::string_view card) {
    return card_of(
        file_of({{"general.name", GgufValue::of("m")}, {std::string(kOwnCard), GgufValue::of(card)}}, DType::q4_k), "");
  };
  const std::string added = "base_model: \"m\"\nbase_model_relation: quantized\n---\n";
  const std::string results = "model-index:  # ours\n- results:\n  - {a: 1}\n\n", note = "note: |\n  base_model: x\n";
  EXPECT_EQ(quantized("---\n" + results + "base_model:\n  - a\n  - b\n" + note + "---\ntext"),
            "---\n" + results + note + added + "text");
  EXPECT_EQ(quantized("---\n{license: mit, base_model: x}\n---\ntext"), "---\n\"license\": \"mit\"\n" + added + "text");
  EXPECT_EQ(quantized("---\n# a note\n---\ntext"), "---\n# a note\n" + added + "text");
  const std::string broken = "---\nlicense: [mit\n---\ntext";
  EXPECT_EQ(quantized(broken), "---\n" + added + broken);
  EXPECT_THAT(front_matter(broken, "license"), IsEmpty());
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
