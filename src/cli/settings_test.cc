#include "cli/settings.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "cli/nearest.h"

namespace glassbox {
namespace {

using ::testing::HasSubstr;

TEST(Settings, SetAndTakenBack) {
  Settings settings;
  settings.set("temperature", "0.7");
  settings.set("top-k", "5");
  settings.set("seed", "18446744073709551615");
  settings.set("max_tokens", "20");
  settings.set("stop", "END OF IT");
  settings.set("system", "Be brief.");
  EXPECT_EQ(settings.to_json().dump(),
            R"({"temperature":0.7,"top_k":5,"seed":18446744073709551615,"max_tokens":20,"stop":["END OF IT"],)"
            R"("system":"Be brief."})");
  EXPECT_EQ(Settings::from_json(settings.to_json()).to_json(), settings.to_json());
  for (const std::string_view name : Settings::names()) settings.set(name, "default");
  EXPECT_EQ(settings.to_json().dump(), "{}");
}

TEST(Settings, WhatIsWrongChangesNothing) {
  const auto refusal = [](std::string_view name, std::string_view value) -> std::string {
    Settings settings;
    settings.set("top_p", "0.5");
    try {
      settings.set(name, value);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_request);
      EXPECT_EQ(settings.to_json().dump(), R"({"top_p":0.5})");
      return error.what();
    }
    return "taken";
  };
  EXPECT_EQ(refusal("temperature", "warm"), "temperature: expected a number, got \"warm\"");
  EXPECT_EQ(refusal("temperature", "nan"), "temperature: expected a number, got \"nan\"");
  EXPECT_EQ(refusal("temperature", "0.7x"), "temperature: expected a number, got \"0.7x\"");
  EXPECT_EQ(refusal("seed", "-1"), "seed: expected a whole number from 0, got \"-1\"");
  EXPECT_EQ(refusal("top_k", "2.5"), "top_k: expected a whole number, got \"2.5\"");
  EXPECT_EQ(refusal("max_tokens", "-4"), "max_tokens: expected a positive number, got -4");
  EXPECT_THAT(refusal("top_p", "1.5"), HasSubstr("top_p"));
  EXPECT_THAT(refusal("temprature", "1"), HasSubstr("did you mean temperature?"));
}

TEST(Settings, SaysWhoseEachIs) {
  Settings settings;
  settings.set("top_k", "7");
  GenerationConfig published;
  published.temperature = 0.3;
  const std::string told = settings.show(sampling_defaults(published));
  EXPECT_THAT(told, HasSubstr("  temperature          0.3 (the model's own)\n"));
  EXPECT_THAT(told, HasSubstr("  top_k                7 (set here)\n"));
  EXPECT_THAT(told, HasSubstr("  min_p                0 (Glassbox's default)\n"));
  EXPECT_THAT(told, HasSubstr("  max_tokens           (not set: until the context is full)\n"));
}

TEST(Nearest, FindsWhatWasMeant) {
  const std::vector<std::string_view> names = {"run", "serve", "inspect", "--temperature", "--top-k", "--top-p"};
  EXPECT_EQ(nearest("rnu", names), "run");
  EXPECT_EQ(nearest("srve", names), "serve");
  EXPECT_EQ(nearest("insp", names), "inspect") << "a beginning";
  EXPECT_EQ(nearest("--temp", names), "--temperature");
  EXPECT_EQ(nearest("--topk", names), "--top-k");
  EXPECT_EQ(nearest("frobnicate", names), std::nullopt);
  EXPECT_EQ(nearest("x", names), std::nullopt);
}

}  // namespace
}  // namespace glassbox
