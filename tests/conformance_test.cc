// Real models through the whole of the engine, compared with what others computed.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "convert/convert.h"
#include "engine/engine.h"
#include "convert/quantize.h"
#include "eval/perplexity.h"
#include "tests/stories260k.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using testing::data_folder;

// llama2.c's own greedy text, in the first code block of stories260K.md that begins with "Once upon a time".
std::string documented_story(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  const size_t begin = text.find("Once upon a time"), end = text.find("\n```", begin);
  return text.substr(begin, end - begin);
}

TEST(RealModels, Stories260kTellsTheDocumentedStory) {
  GLASSBOX_NEEDS_DATA();
  const testing::TemporaryFolder folder;
  const auto data = data_folder() / "weights/stories260K";
  testing::write_stories260k(folder.path(), data);
  const auto model = open_model(folder.path().string());
  EXPECT_FALSE(model->chat_template.has_value());
  Engine engine(model, {.threads = 2});
  GenerationRequest request;
  request.prompt = model->tokenizer.encode("");
  request.sampling.temperature = 0;
  request.max_tokens = 256;
  request.ignore_eos = true;
  const auto answer = engine.generate(request);
  EXPECT_EQ(answer.tokens.size(), 256u);
  // The program that documented it drops the space before the first word.
  const std::string expected = documented_story(data / "stories260K.md");
  const size_t start = answer.text.starts_with(' ') ? 1 : 0;
  EXPECT_EQ(answer.text.substr(start, expected.size()), expected);
}

// SmolLM2-135M-Instruct as a published directory in f32, as scripts/smollm2 makes it. Greedy answers equal
// transformers', or differ first where its two best logits are within 1e-3.
TEST(RealModels, SmolLm2AnswersAsTransformersDoes) {
  const std::string folder = "local/smollm2-f32";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no SmolLM2: scripts/smollm2 fetches and converts it";
  const auto model = open_model(folder);
  Engine engine(model, {.threads = 2});
  const Json golden = read_json(testing::fixture("smollm2_greedy.json"));
  ASSERT_EQ(golden["cases"].size(), 10u);
  for (const Json& expected : golden["cases"]) {
    const Rendered rendered =
        model->render({{"messages", {{{"role", "user"}, {"content", expected["prompt"].get<std::string>()}}}},
                       {"add_generation_prompt", true}});
    EXPECT_EQ(rendered.text, expected["rendered"].get<std::string>());
    GenerationRequest request;
    request.prompt = model->encode_prompt(rendered);
    ASSERT_EQ(request.prompt, expected["prompt_ids"].get<std::vector<int32_t>>());
    request.sampling.temperature = 0;
    const auto ids = expected["ids"].get<std::vector<int32_t>>();
    request.max_tokens = static_cast<int64_t>(ids.size());
    request.ignore_eos = true;
    const auto answer = engine.generate(request);
    ASSERT_EQ(answer.tokens.size(), ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      if (answer.tokens[i].id == ids[i]) continue;
      EXPECT_LT(expected["gaps"][i].get<double>(), 1e-3) << expected["prompt"] << ", token " << i;
      break;  // what follows another word is another answer
    }
  }
}

// SmolLM2 as it lies in a GGUF file of Q4_1 (scripts/smollm2-gguf fetches it), through every format and back: what
// comes out still talks, and foretells a text about as well.
TEST(RealModels, SmolLm2GoesThroughEveryFormatAndStillTalks) {
  const std::string published = "local/SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!std::filesystem::exists(published)) GTEST_SKIP() << "no SmolLM2: scripts/smollm2-gguf fetches it";
  const testing::TemporaryFolder folder;
  const auto answer = [](const std::string& reference) {
    const auto model = open_model(reference);
    Engine engine(model, {.threads = 2});
    GenerationRequest request;
    request.prompt = model->encode_prompt(model->render(
        {{"messages", {{{"role", "user"}, {"content", "What is 2+2?"}}}}, {"add_generation_prompt", true}}));
    request.sampling.temperature = 0;
    request.max_tokens = 60;
    const auto generated = engine.generate(request);
    EXPECT_EQ(generated.finished.reason, FinishReason::stop) << reference << ": " << generated.text;
    return generated.text;
  };
  const std::string text = read_file("README.md");
  const auto perplexity = [&](const std::string& reference) {
    const auto model = open_model(reference);
    PerplexityOptions options;
    options.windows = 2;
    return measure_perplexity(*model, perplexity_tokens(model->tokenizer, text), options).perplexity;
  };
  EXPECT_NE(answer(published).find('4'), std::string::npos);
  const double first = perplexity(published);

  const std::string plain = (folder / "f32").string(), q8 = (folder / "q8.gguf").string(),
                    q4 = (folder / "q4.gguf").string(), back = (folder / "back").string();
  convert(published, plain, {});
  QuantizeOptions options;
  options.type = "Q8_0";
  quantize_model(plain, q8, options);
  options.type = "Q4_K_M";
  quantize_model(plain, q4, options);
  ConvertOptions bf16;
  bf16.dtype = DType::bf16;
  convert(q4, back, bf16);
  for (const auto& [reference, within] :
       {std::pair(plain, 0.02), std::pair(q8, 0.02), std::pair(q4, 0.15), std::pair(back, 0.15)}) {
    EXPECT_NEAR(perplexity(reference) / first, 1, within) << reference;
    EXPECT_NE(answer(reference).find('4'), std::string::npos) << reference;
  }
  // The tokenizer came along: the same ids for the same text.
  EXPECT_EQ(open_model(published)->tokenizer.encode(text), open_model(back)->tokenizer.encode(text));
}

}  // namespace
}  // namespace glassbox
