#include "server/prompt.h"

#include <gmock/gmock.h>

#include "server/api_error.h"

namespace glassbox::api {
namespace {

using ::testing::HasSubstr;

OrderedJson json(std::string_view text) { return OrderedJson::parse(text); }

TEST(Prompt, TheContextOfAConversation) {
  Conversation conversation;
  conversation.messages = {
      {Role::system, {Text{"s"}}, {}},
      {Role::user, {Text{"a"}, Text{"b"}}, "Ann"},
      {Role::assistant, {Reasoning{"r"}, Call{"1", "f", {{"z", 1}, {"a", 2}}}}, {}},
      {Role::tool, {Result{"1", {Text{"x"}, Text{"y"}}}}, {}},
  };
  conversation.opens_answer = false;
  conversation.variables["enable_thinking"] = true;
  ModelCard card;
  card.template_source = "{{ m.reasoning }}";
  EXPECT_EQ(template_context(conversation, card), json(R"({"messages": [
      {"role": "system", "content": "s"}, {"role": "user", "content": "a\nb", "name": "Ann"},
      {"role": "assistant", "content": null, "tool_calls": [{"id": "1", "type": "function",
          "function": {"name": "f", "arguments": {"z": 1, "a": 2}}}], "reasoning_content": "r", "reasoning": "r"},
      {"role": "tool", "content": "x\ny", "tool_call_id": "1"}],
      "tools": null, "documents": null, "add_generation_prompt": false, "enable_thinking": true})"));
  EXPECT_EQ(text_of(conversation.messages[1]), "a\nb");
  EXPECT_EQ(text_of(conversation.messages[2]), "");
}

TEST(Prompt, ImagesAreRefusedByName) {
  Conversation conversation;
  conversation.messages = {{Role::user, {Text{"a"}}, {}}, {Role::user, {Image{"image/png", "..."}}, {}}};
  try {
    template_context(conversation, {});
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::unsupported);
    EXPECT_THAT(error.what(), HasSubstr("messages[1]: an image"));
  }
}

TEST(Prompt, SettingsThatContradictNameEachOther) {
  ModelCard card;
  card.template_source = "{{ enable_thinking }}";
  OrderedJson variables = OrderedJson::object();
  std::vector<std::string> notes;
  TemplateSettings settings(card, variables, notes);
  settings.think(true, "thinking.type");
  settings.think(true, "think");
  EXPECT_EQ(variables, json(R"({"enable_thinking": true})"));
  try {
    settings.effort("none", "effort");
    ADD_FAILURE();
  } catch (const ApiError& error) { EXPECT_STREQ(error.what(), "effort: thinking.type says otherwise"); }
}

}  // namespace
}  // namespace glassbox::api
