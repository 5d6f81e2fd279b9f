// A rendered conversation to the ids of its prompt, so that nobody in it can write a token that controls the model.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "chat/chat_template.h"
#include "tokenizer/tokenizer.h"

namespace glassbox {

// Control tokens are found in the template's own text only, and whole: none begins in it and ends in a client's. In a
// client's text their spelling is text, encoded as any other. They are
// - the tokens that the tokenizer marks special;
// - of its other added tokens those that the template writes itself, or compares with, unless they are white space
//   (<think>, <tool_call>); or where tokenizer_config.json lists "chat_control_tokens", those, as transformers has it;
// - the family's marks of reasoning and calls (own_marks.h), and what is spelled <|...|>, <｜...｜> or <unused...>.
// All other added tokens (white space, tags of HTML) are found everywhere, as transformers' split_special_tokens does.
// A plain value: copies share, any number of threads may use one.
class PromptEncoder {
 public:
  PromptEncoder(Tokenizer tokenizer, const std::optional<ChatTemplate>& chat_template);

  // With the BOS that the tokenizer adds, unless the template wrote one: never two.
  std::vector<int32_t> encode(std::string_view text, const TrustedSpans& trusted) const;
  std::vector<int32_t> encode(const Rendered& prompt) const { return encode(prompt.text, prompt.trusted); }

  bool is_control(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < control_->size() && (*control_)[static_cast<size_t>(id)];
  }
  // The first control token that text alone would be read to have and this prompt has not: where, and its spelling.
  struct Forged {
    size_t byte;
    std::string token;
  };
  std::optional<Forged> forged(const Rendered& prompt) const;

 private:
  Tokenizer tokenizer_;
  std::shared_ptr<const std::vector<bool>> control_;  // by id
};

}  // namespace glassbox
