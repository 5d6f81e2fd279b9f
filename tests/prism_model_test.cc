// The model we ship, asked 200 prompts that training never saw, greedily: what its model card promises, it must keep.
#include <gtest/gtest.h>

#include <future>
#include <vector>

#include "engine/engine.h"
#include "formats/shipped.h"
#include "prism/judge.h"

namespace glassbox {
namespace {

// Answers to all prompts, as a batch.
std::map<int, std::string> answers_to(Engine& engine, const std::vector<prism::Prompt>& prompts) {
  std::vector<std::promise<void>> done(prompts.size());
  std::vector<std::string> texts(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    OrderedJson context = {{"messages", OrderedJson::parse(prism::to_json(prompts[i].messages).dump())},
                           {"add_generation_prompt", true}};
    GenerationRequest request;
    request.prompt = engine.model().encode_prompt(engine.model().render(context));
    request.sampling.temperature = 0;
    request.max_tokens = 400;
    engine.submit(
        std::move(request), [&texts, i](const TokenEvent& event) { texts[i] += event.text; },
        [&texts, &done, i](const Finished& finished) {
          texts[i] += finished.text;
          done[i].set_value();
        });
  }
  std::map<int, std::string> answers;
  for (size_t i = 0; i < prompts.size(); ++i) {
    done[i].get_future().wait();
    answers[prompts[i].id] = texts[i];
  }
  return answers;
}

TEST(Prism, KeepsWhatItsCardPromises) {
  if (!shipped_model("glassbox/prism")) GTEST_SKIP() << "this build ships no model";
  Engine engine(open_model("glassbox/prism"), {});
  const auto prompts = prism::make_prompts(200, 7);
  const auto answers = answers_to(engine, prompts);
  std::map<prism::Kind, int> asked, right;
  int sentences = 0, accepted = 0;
  for (const prism::Prompt& prompt : prompts) {
    const prism::Verdict verdict = prism::judge(prompt, answers.at(prompt.id));
    ++asked[prompt.kind];
    right[prompt.kind] += verdict.right;
    sentences += verdict.sentences;
    accepted += verdict.accepted;
  }
  const auto rate = [&](prism::Kind kind) { return static_cast<double>(right[kind]) / asked[kind]; };
  EXPECT_GE(rate(prism::Kind::sum), 0.90);
  EXPECT_GE(rate(prism::Kind::passage), 0.85);
  EXPECT_GE(static_cast<double>(accepted) / sentences, 0.95);
  EXPECT_GE(rate(prism::Kind::story), 0.90);
}

TEST(Prism, ReasonsAboutTheSumInTheReadme) {
  if (!shipped_model("glassbox/prism")) GTEST_SKIP() << "this build ships no model";
  const auto model = open_model("glassbox/prism");
  Engine engine(model, {});
  GenerationRequest request;
  request.prompt = model->encode_prompt(model->render(
      {{"messages", {{{"role", "user"}, {"content", "What is 17 + 25?"}}}}, {"add_generation_prompt", true}}));
  request.sampling.temperature = 0;
  const auto answer = engine.generate(request);
  EXPECT_TRUE(answer.text.starts_with("<think>")) << answer.text;
  EXPECT_NE(answer.text.find("42", answer.text.find("</think>")), std::string::npos) << answer.text;
}

}  // namespace
}  // namespace glassbox
