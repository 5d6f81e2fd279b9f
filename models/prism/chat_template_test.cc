#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "prism/document.h"
#include "chat/chat_template.h"

namespace glassbox::prism {
namespace {

ChatTemplate shipped() {
  const std::string file = "models/prism/chat_template.jinja";
  return ChatTemplate::parse(read_file(file), file).with_variables({{"bos_token", "<|begin|>"}});
}

OrderedJson context(const std::string& messages, bool prompt) {
  return {{"messages", OrderedJson::parse(messages)}, {"add_generation_prompt", prompt}};
}

TEST(PrismTemplate, WritesAConversation) {
  EXPECT_EQ(
      shipped().render(context(R"([{"role":"system","content":"S"},{"role":"user","content":" Q\n"}])", true)).text,
      "<|begin|><|system|>S<|end|><|user|> Q\n<|end|><|assistant|>");
  EXPECT_EQ(shipped()
                .render(context(R"([{"role":"user","content":"Q"},{"role":"assistant","content":"<think>R</think>A"}])",
                                false))
                .text,
            "<|begin|><|user|>Q<|end|><|assistant|><think>R</think>A<|end|>");
  EXPECT_THROW(shipped().render(context(R"([{"role":"tool","content":"4"}])", true)), Error);
}

// What is learnt is what the assistant says and the token that ends it, and no answer marked as not to be learnt.
TEST(PrismTemplate, MarksWhatIsLearnt) {
  int unlearnt = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    Document document = make_document(1, i);
    std::string expected = "<|begin|>";
    GenerationSpans learnt;
    for (const Message& message : document.messages) {
      expected += fmt::format("<|{}|>", name(message.role));
      size_t begin = expected.size();
      expected += message.content + "<|end|>";
      if (message.role == Role::assistant && message.learn) learnt.emplace_back(begin, expected.size());
      unlearnt += !message.learn;
    }
    const Rendered rendered = shipped().render(context(dump_json(to_json(document.messages)), false));
    EXPECT_EQ(rendered.text, expected);
    EXPECT_EQ(rendered.generation, learnt);
  }
  EXPECT_GT(unlearnt, 5);
}

// What is shipped is a published folder, whole in itself: two files of it are copies, and stay so.
TEST(PrismTemplate, IsTheOneThatIsShipped) {
  for (const std::string name : {"chat_template.jinja", "README.md"})
    EXPECT_EQ(read_file("models/prism/weights/" + name), read_file("models/prism/" + name)) << name;
}

}  // namespace
}  // namespace glassbox::prism
