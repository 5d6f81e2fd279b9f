#include "hub/openness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "hub/testing.h"
#include "tests/testing.h"

namespace glassbox::hub {
namespace {

using ::testing::HasSubstr;

const std::string kText =
    "# A model\nIt answers questions about birds, in English, and about nothing else. What it says of other things is "
    "not to be relied on. It was made by three people in a winter, to learn how small a model that knows birds can be, "
    "and is kept by them.\n## Training data\nField notes of ten years.\n## Training details\nTwo epochs with AdamW.\n"
    "## Evaluation\n91 % of 400 questions.\n";

struct Given {
  Json card{{"license", "apache-2.0"}};
  std::string text = kText;
  std::vector<std::string> paths{"README.md", "config.json", "model.safetensors"};
  std::vector<std::string> references{"main"};
  Openness openness() const { return openness_of(card, "---\nlicense: x\n---\n" + text, paths, references); }
};

std::string found(const Openness& openness, std::string_view name) {
  const auto one = std::ranges::find(openness.components, name, &OpennessComponent::name);
  EXPECT_NE(one, openness.components.end()) << name;
  return one == openness.components.end() ? "" : one->found;
}

TEST(Openness, AnOpenModelHasEverythingOfItsClass) {
  const Openness openness = Given().openness();
  EXPECT_EQ(openness.reached, 3);
  EXPECT_EQ(openness.licence, "");
  EXPECT_EQ(found(openness, "Model architecture"), "config.json");
  EXPECT_EQ(found(openness, "Model parameters (final)"), "model.safetensors");
  EXPECT_EQ(found(openness, "Data card"), "README.md, \"training data\"");
  EXPECT_EQ(found(openness, "Training code"), "");
  EXPECT_THAT(openness.next, HasSubstr("library_name"));  // of four steps the cheapest
}

TEST(Openness, EachThingThatIsMissingIsTheNextStep) {
  Given given;
  given.paths = {"README.md", "model.safetensors"};
  EXPECT_EQ(given.openness().reached, 0);
  EXPECT_THAT(given.openness().next, HasSubstr("config.json"));
  given = {};
  given.text = "# A model\n";
  EXPECT_THAT(given.openness().next, HasSubstr("what the model is for"));
  given = {};
  given.text.replace(given.text.find("## Evaluation"), 13, "## Whatever  ");
  EXPECT_EQ(given.openness().reached, 0);
  EXPECT_THAT(given.openness().next, HasSubstr("\"Evaluation\""));
}

TEST(Openness, AHeadingWithoutTextIsNothing) {
  Given given;
  given.text.resize(given.text.find("91 %"));
  EXPECT_EQ(found(given.openness(), "Evaluation results"), "");
  given.text += "```\n## Evaluation\ncode\n```\n";
  EXPECT_EQ(found(given.openness(), "Evaluation results"), "README.md, \"evaluation\"") << "code below it is text";
  given = {};
  given.text.replace(given.text.find("## Evaluation"), 13, "```\n## Evaluation\n```");
  EXPECT_EQ(found(given.openness(), "Evaluation results"), "") << "in code it is no heading";
}

TEST(Openness, WithoutAnOpenLicenceItHasNoClass) {
  Given given;
  given.card = Json::object();
  EXPECT_EQ(given.openness().reached, 0);
  EXPECT_THAT(given.openness().licence, HasSubstr("no licence"));
  given.card = {{"license", "llama3"}};
  EXPECT_EQ(given.openness().reached, 0);
  EXPECT_THAT(given.openness().licence, HasSubstr("llama3"));
  EXPECT_THAT(given.openness().next, HasSubstr("open licence"));
  given.card = {{"license", {"other", "MIT"}}};
  EXPECT_EQ(given.openness().reached, 3);
}

TEST(Openness, ToolingAndScience) {
  Given given;
  given.card["library_name"] = "transformers";
  for (const char* path : {"code/train.py", "questions.jsonl", "code/prepare_notes.py", "eval/birds.py"})
    given.paths.push_back(path);
  EXPECT_EQ(found(given.openness(), "Evaluation code"), "eval/birds.py");
  EXPECT_EQ(found(given.openness(), "Evaluation data"), "") << "neither its name nor its place says so";
  EXPECT_EQ(given.openness().reached, 3);
  given.paths.push_back("eval/questions.jsonl");
  EXPECT_EQ(found(given.openness(), "Evaluation code"), "eval/birds.py");
  EXPECT_EQ(given.openness().reached, 2);
  EXPECT_EQ(found(given.openness(), "Training code"), "code/train.py");
  EXPECT_THAT(given.openness().next, HasSubstr("checkpoints"));
  given.references.push_back("step1000-tokens4B");
  given.card["datasets"] = {"me/notes"};
  EXPECT_THAT(given.openness().next, HasSubstr("paper"));
  given.text += "The paper: https://arxiv.org/abs/2403.13784\n";
  EXPECT_EQ(given.openness().reached, 1);
  EXPECT_EQ(given.openness().next, "");
  const Json json = to_json(given.openness());
  EXPECT_EQ(json.at("class"), 1);
  EXPECT_EQ(json.at("components").size(), 17u);
  EXPECT_FALSE(json.contains("next"));
}

TEST(Openness, IsKnownOfEveryCommit) {
  const testing::TemporaryFolder folder;
  Hub hub(folder / "hub");
  const Caller me = hub.owner();
  hub.create(me, kModel, "local", "birds", false);
  const auto reached = [&](std::vector<Change> changes) {
    hub.commit(me, kModel, "local/birds", {std::string(kMainBranch), "files", "", {}, std::move(changes)});
    const Repository birds = hub.view(me, [](View& view) { return view.repository(kModel, "local/birds"); });
    return birds.facts.at("openness").at("class").get<int>();
  };
  const std::string card = "---\nlicense: mit\n---\n" + kText;
  EXPECT_EQ(reached({PutFile{"README.md", card}, PutFile{"config.json", "{}"}}), 0);
  EXPECT_EQ(reached({PutFile{"model.safetensors", "no weights at all, but their name"}}), 3);
  EXPECT_EQ(reached({RemoveFile{"config.json"}}), 0);
}

TEST(Openness, OfNothing) {
  const Openness openness = openness_of(Json::object(), "", {}, {});
  EXPECT_EQ(openness.reached, 0);
  for (const OpennessComponent& one : openness.components) EXPECT_EQ(one.found, "") << one.name;
}

}  // namespace
}  // namespace glassbox::hub
