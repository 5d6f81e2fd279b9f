// From a recipe and documents to a published model: what is learnt from which text, and that a run goes on where it
// ended.
#include "train/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "engine/model.h"
#include "formats/safetensors.h"
#include "tests/testing.h"
#include "tokenizer/bpe_trainer.h"
#include "train/publish.h"
#include "train/train_testing.h"

namespace glassbox {
namespace {

using ::testing::HasSubstr;

constexpr const char* kTemplate =
    "{{- bos_token -}}{%- for message in messages -%}{{- '<|' + message['role'] + '|>' -}}"
    "{%- if message['role'] == 'assistant' -%}{%- generation -%}{{- message['content'] + eos_token -}}{%- "
    "endgeneration -%}"
    "{%- else -%}{{- message['content'] + eos_token -}}{%- endif -%}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}";

constexpr const char* kEchoRecipe = R"(
name = "echo"
[model]
model_type = "llama"
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 2
num_key_value_heads = 1
intermediate_size = 64
max_position_embeddings = 64
rms_norm_eps = 1e-5
tie_word_embeddings = true
[tokenizer]
vocab_size = 300
special_tokens = ["<|begin|>", "<|end|>", "<|user|>", "<|assistant|>"]
bos = "<|begin|>"
eos = "<|end|>"
chat_template = "chat.jinja"
[data]
source = "echo"
documents = 60
[train]
steps = 9
batch_tokens = 256
micro_batch_tokens = 128
learning_rate = 1e-2
log_every = 2
[checkpoint]
every = 4
[evaluate]
every = 4
documents = 5
[publish.generation]
temperature = 0.5
)";

OrderedJson conversation(const std::string& question, const std::string& answer) {
  return {{"messages", {{{"role", "user"}, {"content", question}}, {{"role", "assistant"}, {"content", answer}}}}};
}

DocumentSource echo() {
  return {"echo", [](uint64_t seed, uint64_t index, bool held_out) {
            const std::string word = fmt::format("word {} of {}", index * 7 % 100, held_out ? seed + 50 : seed);
            return conversation("Say " + word, word);
          }};
}

struct RunFolder {
  testing::TemporaryFolder folder;
  RunOptions options;

  RunFolder() {
    std::ofstream(folder / "chat.jinja") << kTemplate;
    options.out = folder / "out";
    options.threads = 2;
    options.sources = {echo()};
  }
  Recipe recipe(const std::string& text = kEchoRecipe) const { return parse_recipe(text, "echo.toml", folder.path()); }
  std::string weights() const { return read_file(folder / "out" / "model" / "model.safetensors"); }
};

TEST(Run, EndsInAModelThatOpens) {
  RunFolder place;
  const Json curve = run_training(place.recipe(), place.options);
  EXPECT_EQ(curve["status"], "done");
  EXPECT_EQ(curve, read_json(place.options.out / "loss.json"));
  ASSERT_EQ(curve["points"].size(), 5u);  // steps 2, 4, 6, 8, 9
  EXPECT_EQ(curve["points"][4]["step"], 9);
  EXPECT_EQ(curve["points"][4]["tokens"], curve["tokens"]);
  EXPECT_LT(curve["points"][4]["loss"].get<double>(), 0.8 * curve["points"][0]["loss"].get<double>());
  ASSERT_EQ(curve["evaluations"].size(), 3u);  // steps 4, 8, 9
  EXPECT_EQ(read_json(place.options.out / "state.json")["step"], 9);
  size_t checkpoints = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(place.options.out / "checkpoints"))
    ++checkpoints;
  EXPECT_EQ(checkpoints, 2u);

  const auto model = open_model((place.options.out / "model").string());
  EXPECT_EQ(model->network->shape().hidden, 32);
  EXPECT_EQ(model->generation.temperature, 0.5);
  EXPECT_EQ(model->generation.eos, std::vector<int32_t>{1});
  EXPECT_EQ(
      model->render({{"messages", {{{"role", "user"}, {"content", "Hi"}}}}, {"add_generation_prompt", true}}).text,
      "<|begin|><|user|>Hi<|end|><|assistant|>");
  EXPECT_THAT(read_file(place.options.out / "model" / "README.md"), HasSubstr("| trained on | "));
}

TEST(Run, StoppedAndResumedGivesTheBitsOfAWholeRun) {
  RunFolder whole, cut;
  run_training(whole.recipe(), whole.options);

  std::atomic<bool> stop{false};
  cut.options.stop = &stop;
  cut.options.watcher.progress = [&](const RunProgress& p) { stop = p.step == 3; };
  EXPECT_EQ(run_training(cut.recipe(), cut.options)["status"], "stopped");
  EXPECT_EQ(read_json(cut.options.out / "state.json")["step"], 3);
  EXPECT_THROW(run_training(cut.recipe(), cut.options), Error) << "an old run is not overwritten by accident";

  stop = false;
  // An exception is as good as a kill: nothing is written on the way out, and step 4's checkpoint is the last.
  cut.options.resume = true;
  cut.options.watcher.progress = [&](const RunProgress& p) {
    if (p.step == 6) throw std::runtime_error("killed");
  };
  EXPECT_THROW(run_training(cut.recipe(), cut.options), std::runtime_error);
  EXPECT_EQ(read_json(cut.options.out / "state.json")["step"], 4);

  cut.options.watcher.progress = {};
  const Json curve = run_training(cut.recipe(), cut.options);
  EXPECT_EQ(curve["points"].back()["step"], 9);
  EXPECT_TRUE(cut.weights() == whole.weights());
}

TEST(Run, EndsWhereNumbersDoAndKeepsTheLastCheckpoint) {
  RunFolder place;
  std::atomic<bool> stop{false};
  place.options.stop = &stop;
  place.options.watcher.progress = [&](const RunProgress& p) { stop = p.step == 3; };
  run_training(place.recipe(), place.options);
  stop = false;
  place.options.watcher.progress = {};
  place.options.resume = true;
  // One number of a checkpoint is damaged: of the weights, so that the loss is NaN, or of what the optimizer keeps, so
  // that the step after is.
  const auto file = place.options.out / "checkpoints" / "step-00000003.safetensors";
  const std::string sound = read_file(file);
  for (const char* name : {"master.model.norm.weight", "first.model.norm.weight"}) {
    std::string damaged = sound;
    {
      const SafeTensors saved = SafeTensors::open(file);
      const TensorInfo& first = saved.tensors().front();
      const size_t at = damaged.size() - saved.total_bytes() +
                        static_cast<size_t>(saved.find(name)->bytes.data() - saved.find(first.name)->bytes.data());
      const float nan = NAN;
      std::memcpy(damaged.data() + at, &nan, sizeof nan);
    }
    write_file(file, damaged);
    const std::string weights = place.weights();
    try {
      run_training(place.recipe(), place.options);
      FAIL() << "a run goes on with NaN in " << name;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("step "));
      EXPECT_THAT(error.what(), HasSubstr("is nan"));
    }
    EXPECT_EQ(read_json(place.options.out / "loss.json")["status"], "failed") << name;
    EXPECT_EQ(read_json(place.options.out / "state.json")["step"], 3) << name;
    EXPECT_EQ(place.weights(), weights) << name;
    EXPECT_EQ(read_file(file), damaged) << name;
    write_file(file, sound);
  }
  EXPECT_EQ(run_training(place.recipe(), place.options)["status"], "done");
}

TEST(Run, ResumesOnlyWhatItBegan) {
  RunFolder place;
  std::atomic<bool> stop{false};
  place.options.stop = &stop;
  place.options.watcher.progress = [&](const RunProgress& p) { stop = p.step == 2; };
  run_training(place.recipe(), place.options);
  place.options.resume = true;
  stop = false;
  place.options.watcher.progress = {};
  const auto error_of = [&](const Recipe& recipe) -> std::string {
    try {
      run_training(recipe, place.options);
    } catch (const Error& error) { return error.what(); }
    return "no error";
  };
  EXPECT_THAT(error_of(place.recipe(testing::with(kEchoRecipe, "learning_rate = 1e-2", "learning_rate = 2e-2"))),
              HasSubstr("train.learning_rate differs"));
  place.options.sources[0].document = [](uint64_t, uint64_t, bool) { return conversation("Say something", "else"); };
  EXPECT_THAT(error_of(place.recipe()), HasSubstr("other documents"));
  place.options.sources = {echo()};
  EXPECT_EQ(error_of(place.recipe(testing::with(kEchoRecipe, "log_every = 2", "log_every = 1"))), "no error");
}

TEST(Run, LearnsFromFilesAndHoldsSomeOut) {
  RunFolder place;
  std::ofstream file(place.folder / "texts.jsonl");
  for (int i = 0; i < 40; ++i) file << dump_json({{"text", fmt::format("Line {} says nothing new.", i)}}) << "\n\n";
  file.close();
  const std::string text = testing::with(kEchoRecipe, "source = \"echo\"\ndocuments = 60", "files = [\"texts.jsonl\"]");
  std::vector<std::string> notes;
  place.options.watcher.note = [&](const std::string& note) { notes.push_back(note); };
  EXPECT_EQ(run_training(place.recipe(text), place.options)["status"], "done");
  EXPECT_THAT(notes, ::testing::Contains(HasSubstr("data: 35 documents")));
  EXPECT_THAT(notes, ::testing::Contains(HasSubstr("5 held out")));
}

TEST(Run, RefusesWhatItCannotLearnFrom) {
  RunFolder place;
  const auto error_of = [&](const std::string& text) -> std::string {
    std::filesystem::remove_all(place.options.out);
    try {
      run_training(place.recipe(text), place.options);
    } catch (const Error& error) { return error.what(); }
    return "no error";
  };
  EXPECT_THAT(error_of(testing::with(kEchoRecipe, "source = \"echo\"", "source = \"ecko\"")),
              HasSubstr("expected one of [echo], got \"ecko\""));
  EXPECT_THAT(error_of(testing::with(kEchoRecipe, "hidden_size = 32", "hidden_size = 32\nhidden_sise = 3")),
              HasSubstr("hidden_sise"));
  EXPECT_THAT(error_of(testing::with(kEchoRecipe, "max_position_embeddings = 64", "max_position_embeddings = 8")),
              HasSubstr("the model's context is 8"));
  EXPECT_THAT(error_of(testing::with(kEchoRecipe, "max_position_embeddings = 64",
                                     "max_position_embeddings = 64\nvocab_size = 100")),
              HasSubstr("vocab_size"));
  EXPECT_THAT(error_of(testing::with(kEchoRecipe, "chat_template = \"chat.jinja\"", "")),
              HasSubstr("no chat template"));
  std::ofstream(place.folder / "chat.jinja") << "{{ messages[0]['content'] }}";
  EXPECT_THAT(error_of(kEchoRecipe), HasSubstr("{% generation %}"));
  std::ofstream(place.folder / "bad.jsonl") << "{\"text\": \"fine\"}\n{\"words\": 3}\n";
  EXPECT_THAT(
      error_of(testing::with(testing::with(kEchoRecipe, "source = \"echo\"\ndocuments = 60", "files = [\"bad.jsonl\"]"),
                             "documents = 5", "documents = 0")),
      HasSubstr("expected \"messages\" or a string \"text\""));
}

TEST(DocumentEncoder, MarksWhatTheAssistantSaysToTheToken) {
  RunFolder place;
  run_training(place.recipe(), place.options);
  const PublishedTokenizer published = open_tokenizer(place.options.out / "model");
  const DocumentEncoder encoder(published.tokenizer, published.chat_template);
  const OrderedJson document = {{"messages",
                                 {{{"role", "user"}, {"content", "Say 12"}},
                                  {{"role", "assistant"}, {"content", "12, é!"}},
                                  {{"role", "user"}, {"content", "Thanks"}},
                                  {{"role", "assistant"}, {"content", ""}}}}};
  const Document example = encoder.encode(document, "here");
  std::string said, rest;
  for (size_t i = 0; i < example.tokens.size(); ++i)
    (example.loss_mask[i] ? said : rest) += published.tokenizer.piece(example.tokens[i]);
  EXPECT_EQ(said, "12, é!<|end|><|end|>");
  EXPECT_EQ(rest, "<|begin|><|user|>Say 12<|end|><|assistant|><|user|>Thanks<|end|><|assistant|>");
  EXPECT_EQ(published.tokenizer.decode(example.tokens),
            "<|begin|><|user|>Say 12<|end|><|assistant|>12, é!<|end|><|user|>Thanks<|end|><|assistant|><|end|>");

  const Document text = encoder.encode({{"text", "all of it"}}, "here");
  EXPECT_TRUE(std::ranges::all_of(text.loss_mask, [](uint8_t s) { return s == 1; }));
  EXPECT_EQ(text.tokens.back(), published.tokenizer.eos());
}

// What is learnt is what is served: a conversation's control tokens are the template's, and a BOS is there either way.
TEST(DocumentEncoder, EncodesConversationsAsTheyAreServed) {
  for (const std::string bos_in_template : {"{{ bos_token }}", ""}) {
    SCOPED_TRACE(bos_in_template);
    Json file =
        Json::parse(train_bpe({}, {.vocab_size = 260, .special_tokens = {"<s>", "<|user|>", "<|end|>", "<|bot|>"}}));
    file["post_processor"] = Json::parse(
        R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}})");
    const auto tokenizer =
        Tokenizer::from_json(dump_json(file), "test", R"({"bos_token": "<s>", "eos_token": "<|end|>"})");
    ASSERT_TRUE(tokenizer.adds_bos());
    const auto chat =
        ChatTemplate::parse(
            bos_in_template +
                "{% for m in messages %}{% if m.role == 'user' %}<|user|>{{ m.content }}<|end|>{% else %}<|bot|>"
                "{% generation %}{{ m.content }}<|end|>{% endgeneration %}{% endif %}{% endfor %}",
            "chat")
            .with_variables({{"bos_token", "<s>"}});
    const OrderedJson document = {
        {"messages",
         {{{"role", "user"}, {"content", "a<|end|><s>"}}, {{"role", "assistant"}, {"content", "b<|end|><|bot|>"}}}}};
    const Document example = DocumentEncoder(tokenizer, chat).encode(document, "here");
    EXPECT_EQ(example.tokens, PromptEncoder(tokenizer, chat).encode(chat.render(document)));
    EXPECT_EQ(std::ranges::count(example.tokens, 0), 1);
    EXPECT_EQ(std::ranges::count(example.tokens, 2), 2);
    ASSERT_EQ(example.loss_mask.size(), example.tokens.size());
    std::string said, rest;
    for (size_t i = 0; i < example.tokens.size(); ++i)
      (example.loss_mask[i] ? said : rest) += tokenizer.piece(example.tokens[i]);
    EXPECT_EQ(said, "b<|end|><|bot|><|end|>");
    EXPECT_EQ(rest, "<s><|user|>a<|end|><s><|end|><|bot|>");
  }
}

// A template writes tools as it finds them: training must show the order of keys that a server's request will have.
TEST(DocumentText, OffersToolsInTheOrderTheyAreWrittenIn) {
  testing::TemporaryFolder folder;
  const auto file = folder / "chats.jsonl";
  std::ofstream(file)
      << R"({"tools": [{"type": "function", "function": {"name": "f", "description": "d"}}], "messages": []})";
  const auto documents = read_documents({file});
  const auto chat = ChatTemplate::parse("{% generation %}{{ tools | tojson }}{% endgeneration %}", "chat");
  EXPECT_EQ(document_text(documents.at(0), "here", chat, "").text,
            R"([{"type": "function", "function": {"name": "f", "description": "d"}}])");
}

TEST(EncodeDocuments, LongOnesAreSkippedOrSplit) {
  RunFolder place;
  run_training(place.recipe(), place.options);
  const PublishedTokenizer published = open_tokenizer(place.options.out / "model");
  const DocumentEncoder encoder(published.tokenizer, published.chat_template);
  ThreadPool pool(2);
  const auto document = [](int64_t i) -> OrderedJson {
    return {{"text", i == 1 ? std::string(50, 'z') + "end" : "short"}};
  };
  const auto where = [](int64_t i) { return fmt::format("document {}", i); };
  const auto encode = [&](LongDocuments how) { return encode_documents(3, document, where, encoder, 20, how, pool); };
  EXPECT_THROW(encode(LongDocuments::refuse), Error);
  const Encoded skipped = encode(LongDocuments::skip), split = encode(LongDocuments::split);
  EXPECT_EQ(skipped.corpus.size(), 2u);
  EXPECT_EQ(skipped.skipped, 1);
  EXPECT_EQ(split.skipped, 0);
  EXPECT_GT(split.corpus.size(), 3u);
  std::string whole;
  for (size_t i = 1; i + 1 < split.corpus.size(); ++i) {
    const Sequence piece = split.corpus[i].front();
    EXPECT_LE(piece.tokens.size(), 20u);
    for (const int32_t id : piece.tokens) whole += published.tokenizer.piece(id);
  }
  EXPECT_EQ(whole, std::string(50, 'z') + "end<|end|>");
}

}  // namespace
}  // namespace glassbox
