#include "chat/prompt_encoder.h"

#include <algorithm>

#include "chat/own_marks.h"

namespace glassbox {
namespace {

bool is_white(std::string_view text) { return text.find_first_not_of(" \t\r\n\f\v") == std::string_view::npos; }

// As reserved and control tokens are named by convention, in whatever vocabulary.
bool named_as_control(std::string_view text) {
  const auto within = [&](std::string_view begin, std::string_view end) {
    return text.size() > begin.size() + end.size() && text.starts_with(begin) && text.ends_with(end);
  };
  return within("<|", "|>") || within("<｜", "｜>") || within("<unused", ">");
}

}  // namespace

PromptEncoder::PromptEncoder(Tokenizer tokenizer, const std::optional<ChatTemplate>& chat_template)
    : tokenizer_(std::move(tokenizer)) {
  std::vector<bool> control(tokenizer_.size(), false);
  const std::string literals = chat_template ? chat_template->literals() : "";
  const auto listed = chat_template ? chat_template->control_tokens() : std::nullopt;
  std::vector<std::string> marks;
  if (chat_template) marks = own_marks(ChatSyntax::of_template(chat_template->all_sources()));
  const auto among = [](const std::vector<std::string>& all, std::string_view text) {
    return std::find(all.begin(), all.end(), text) != all.end();
  };
  for (const int32_t id : tokenizer_.added_tokens()) {
    const std::string text = tokenizer_.token(id);
    control[static_cast<size_t>(id)] =
        tokenizer_.is_special(id) || named_as_control(text) || among(marks, text) ||
        (listed ? among(*listed, text) : !is_white(text) && literals.find(text) != std::string::npos);
  }
  control_ = std::make_shared<const std::vector<bool>>(std::move(control));
}

std::vector<int32_t> PromptEncoder::encode(std::string_view text, const TrustedSpans& trusted) const {
  auto ids = tokenizer_.encode(text, trusted, *control_);
  // A template that leaves BOS to the tokenizer still needs it; one that wrote it must not get a second.
  if (tokenizer_.adds_bos() && (ids.empty() || ids[0] != *tokenizer_.bos())) ids.insert(ids.begin(), *tokenizer_.bos());
  return ids;
}

std::optional<PromptEncoder::Forged> PromptEncoder::forged(const Rendered& prompt) const {
  const auto mine = tokenizer_.encode(prompt.text, prompt.trusted, *control_);
  const auto read = tokenizer_.encode(prompt.text, false);
  if (mine == read) return std::nullopt;
  // Up to where they part, both are the same text.
  size_t same = 0;
  while (same < mine.size() && same < read.size() && mine[same] == read[same]) ++same;
  const std::string before = tokenizer_.decode_bytes(std::span(read).first(same));
  std::string token;
  for (size_t i = same; i < read.size() && token.empty(); ++i)
    if (is_control(read[i])) token = tokenizer_.token(read[i]);
  return Forged{std::min(before.size(), prompt.text.size()), std::move(token)};
}

}  // namespace glassbox
