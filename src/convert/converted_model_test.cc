// Models as people have them: folders without a tokenizer, tokenizers with more tokens than the model has rows, keys
// that tools left behind, first words with a space.
#include "engine/model.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "convert/convert.h"
#include "convert/convert_testing.h"
#include "convert/quantize.h"
#include "engine/engine.h"

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

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "nothing";
}

GenerationRequest greedy(std::vector<int32_t> prompt, int64_t tokens, bool continues) {
  GenerationRequest request;
  request.prompt = std::move(prompt);
  request.max_tokens = tokens;
  request.sampling.temperature = 0;
  request.ignore_eos = true;
  request.continues = continues;
  return request;
}

TEST(Model, WithoutATokenizerDoesWhatNeedsNoText) {
  TemporaryFolder folder;
  fs::create_directories(folder / "m");
  for (const char* name : {"config.json", "model.safetensors"})
    fs::copy(golden("llama32_tiny") / name, folder / "m" / name);
  const auto model = open_model((folder / "m").string());
  EXPECT_THAT(model->warnings, ElementsAre(HasSubstr("m: no tokenizer here: expected tokenizer.json, ")));
  const auto meant = logits(*from_folder(golden("llama32_tiny")));
  EXPECT_EQ(logits(*model->network), meant);
  EXPECT_THAT(refusal([&] { model->tokenizer.encode("hi"); }), HasSubstr("no tokenizer here: expected tokenizer.json"));
  const std::string error = refusal([&] { model->encode_prompt({.text = "hi", .trusted = {}, .generation = {}}); });
  EXPECT_THAT(error, ::testing::StartsWith("m: no tokenizer here"));  // no place of the disk
  EXPECT_THAT(error, HasSubstr("text needs one"));

  Engine engine(model, {});
  const auto answer = engine.generate(greedy({3, 7, 11}, 4, true));
  EXPECT_EQ(answer.finished.completion_tokens, 4);

  // To GGUF and back: it stays a model without.
  convert((folder / "m").string(), (folder / "m.gguf").string(), {});
  const auto file = open_model((folder / "m.gguf").string());
  EXPECT_THAT(file->warnings, ElementsAre(HasSubstr("no tokenizer here: tokenizer.ggml.model says so")));
  EXPECT_EQ(logits(*file->network), meant);
  convert((folder / "m.gguf").string(), (folder / "back").string(), {});
  EXPECT_EQ(logits(*open_model((folder / "back").string())->network), meant);
  EXPECT_FALSE(fs::exists(folder / "back/tokenizer.json"));
  QuantizeOptions options;
  options.type = "Q8_0";
  EXPECT_FALSE(quantize_model((folder / "m").string(), (folder / "q.gguf").string(), options).empty());
  open_model((folder / "q.gguf").string());
}

TEST(Model, TokensBeyondItsRowsAreAnErrorWhereTheyOccur) {
  TemporaryFolder folder;
  publish("llama32_tiny", folder / "m");
  Json tokenizer = read_json(folder / "m/tokenizer.json");
  const int64_t rows = from_folder(golden("llama32_tiny"))->shape().vocabulary;
  tokenizer["added_tokens"].push_back({{"id", rows}, {"content", "[PAD]"}, {"special", true}});
  write_file(folder / "m/tokenizer.json", dump_json(tokenizer));
  const auto model = open_model((folder / "m").string());
  EXPECT_THAT(model->warnings, IsEmpty());
  Engine engine(model, {});
  EXPECT_EQ(engine.generate(greedy(model->tokenizer.encode("%&"), 3, true)).finished.completion_tokens, 3);
  EXPECT_EQ(refusal([&] { engine.generate(greedy(model->tokenizer.encode("%[PAD]"), 3, true)); }),
            fmt::format("prompt: expected token ids from 0 to {}, got {} (\"[PAD]\")", rows - 1, rows));
  // GGUF has a row for each of its tokens.
  convert((folder / "m").string(), (folder / "m.gguf").string(), {});
  const auto file = open_model((folder / "m.gguf").string());
  EXPECT_LE(file->tokenizer.size(), static_cast<size_t>(rows));
  EXPECT_EQ(file->tokenizer.encode("%&"), model->tokenizer.encode("%&"));
  EXPECT_EQ(logits(*file->network), logits(*model->network));
}

TEST(Model, OpensWithTheNotesOfTools) {
  TemporaryFolder folder;
  publish("llama32_tiny", folder / "m");
  Json config = read_json(folder / "m/config.json");
  config.update({{"_model_name_or_path", "x"}, {"unk_token_id", 0}, {"ep_size", 1}, {"notes", {{"loss", 1}}}});
  write_file(folder / "m/config.json", dump_json(config));
  write_file(folder / "m/generation_config.json", R"({"temperature":0.5,"trainer":"x"})");
  const auto model = open_model((folder / "m").string());
  EXPECT_THAT(model->warnings,
              ElementsAre(HasSubstr("config.json: \"_model_name_or_path\", \"ep_size\", \"notes\", \"unk_token_id\": "
                                    "read by nothing"),
                          HasSubstr("generation_config.json: \"trainer\": read by nothing")));
  EXPECT_EQ(logits(*model->network), logits(*from_folder(golden("llama32_tiny"))));
  convert((folder / "m").string(), (folder / "m.gguf").string(), {});  // nor do they stop, or travel
  EXPECT_EQ(logits(*from_gguf(folder / "m.gguf")), logits(*model->network));
  config["attention_multiplier"] = 0.5;
  write_file(folder / "m/config.json", dump_json(config));
  EXPECT_THAT(refusal([&] { open_model((folder / "m").string()); }),
              HasSubstr("\"attention_multiplier\": 0.5 of granite (--ignore-key NAME reads on without it)"));
  EXPECT_THAT(open_model((folder / "m").string(), {{"attention_multiplier"}})->warnings,
              ElementsAre(HasSubstr("unk_token_id"), HasSubstr("trainer")));
}

// SentencePiece's words begin with their space; the reference drops the one that begins a text.
TEST(Model, AFirstWordsSpaceIsThereWhereTheTextGoesOn) {
  TemporaryFolder folder;
  publish("llama32_tiny", folder / "m");
  Json vocabulary = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  const int64_t rows = from_folder(golden("llama32_tiny"))->shape().vocabulary;
  for (int64_t id = 3; id < rows; ++id) vocabulary[fmt::format("\u2581w{}", id)] = id;
  Json special = Json::array();
  for (const auto& [id, content] : {std::pair{0, "<unk>"}, {1, "<s>"}, {2, "</s>"}})
    special.push_back({{"id", id}, {"content", content}, {"special", true}});
  const Json mark = {{"String", "\u2581"}};
  const Json strip = {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}};
  const Json tokenizer = {
      {"version", "1.0"},
      {"added_tokens", special},
      {"normalizer",
       {{"type", "Sequence"},
        {"normalizers", Json::array({{{"type", "Prepend"}, {"prepend", "\u2581"}},
                                     {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}})}}},
      {"pre_tokenizer", nullptr},
      {"post_processor", nullptr},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders", Json::array({{{"type", "Replace"}, {"pattern", mark}, {"content", " "}},
                                  {{"type", "ByteFallback"}},
                                  {{"type", "Fuse"}},
                                  strip})}}},
      {"model",
       {{"type", "BPE"},
        {"unk_token", "<unk>"},
        {"fuse_unk", true},
        {"vocab", vocabulary},
        {"merges", Json::array()}}}};
  write_file(folder / "m/tokenizer.json", dump_json(tokenizer));
  for (const char* with_template : {"", R"("chat_template":"{{ messages[0].content }}",)"}) {
    write_file(folder / "m/tokenizer_config.json",
               fmt::format(R"({{{}"bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>"}})", with_template));
    const auto model = open_model((folder / "m").string());
    Engine engine(model, {});
    const auto text_of = [&](std::vector<int32_t> prompt, bool continues) {
      std::string text;
      std::vector<int32_t> ids;
      const auto finished = engine
                                .generate(greedy(std::move(prompt), 5, continues),
                                          [&](const TokenEvent& event) {
                                            text += event.text;
                                            ids.push_back(event.id);
                                          })
                                .finished;
      EXPECT_EQ(model->tokenizer.decode(ids), text[0] == ' ' ? text.substr(1) : text);  // the answer by itself
      return text + finished.text;
    };
    EXPECT_THAT(text_of({1, 5, 9}, true), ::testing::StartsWith(" "));                   // a completion goes on
    EXPECT_THAT(text_of({1, 5, 9}, false), ::testing::Not(::testing::StartsWith(" ")));  // a turn is a text of its own
    EXPECT_THAT(text_of({1}, true), ::testing::Not(::testing::StartsWith(" ")));         // nothing before it but BOS
  }
}

}  // namespace
}  // namespace glassbox
