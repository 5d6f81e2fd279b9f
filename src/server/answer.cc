#include "server/answer.h"

#include <openssl/rand.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace glassbox::api {

Choice::Choice(const Reading& reading)
    : parser_(std::in_place, reading.syntax, reading.tools, reading.prompt, reading.silent),
      one_call_(reading.one_call),
      short_ids_(reading.syntax.calls && reading.syntax.calls->short_ids) {
  // Space at its end must not count as before a closing tag that the answer brings.
  std::string_view begun = reading.begun;
  begun = begun.substr(0, begun.find_last_not_of(" \t\r\n") + 1);
  if (!begun.empty()) parser_->push(begun);
}

Choice::Choice(std::string echo) : text_(std::move(echo)) {}

Said Choice::token(const TokenEvent& event) {
  if (enough()) return {};  // until the engine knows
  AnswerParser::Delta delta = AnswerParser::Delta::said(event.text);
  if (parser_) {
    const bool spoke = parser_->speaks();
    delta = parser_->push(event.text);
    if (!spoke && delta.content.empty()) ++reasoning_tokens_;
  }
  Said said = add(std::move(delta));
  said.token = &event;
  return said;
}

Said Choice::finished(const Finished& finished) {
  finished_ = finished;
  if (!parser_) return add(AnswerParser::Delta::said(finished.text));
  AnswerParser::Delta rest = parser_->push(finished.text);
  rest.add(parser_->finish());
  return add(std::move(rest));
}

Said Choice::add(AnswerParser::Delta delta) {
  if (enough()) return {};
  if (one_call_ && !delta.calls.empty()) {
    delta.calls.resize(1);
    delta.content.resize(delta.before_calls);
  }
  // Mistral's templates take nothing but nine letters and digits.
  for (ToolCall& call : delta.calls)
    if (call.id.empty()) call.id = short_ids_ ? new_id("", 9) : new_id("call_");
  reasoning_ += delta.reasoning;
  text_ += delta.content;
  calls_.insert(calls_.end(), delta.calls.begin(), delta.calls.end());
  return {std::move(delta.reasoning), std::move(delta.content), std::move(delta.calls)};
}

Finish Choice::finish() const {
  const FinishReason reason = finished_->reason;
  if (!calls_.empty() && (reason == FinishReason::stop || one_call_)) return Finish::calls;
  return reason == FinishReason::length ? Finish::length : Finish::stop;
}

Usage usage_of(std::span<const Choice> choices, size_t n) {
  Usage usage;
  int64_t read = 0, said = 0;
  double reading = 0, speaking = 0;
  for (size_t i = 0; i < choices.size(); ++i) {
    const Finished& f = choices[i].engine_finished();
    if (i % n == 0) {
      usage.prompt += f.prompt_tokens;
      usage.cached += f.cached_tokens;
    }
    usage.completion += f.completion_tokens;
    usage.reasoning += choices[i].reasoning_tokens();
    read += f.prompt_tokens - f.cached_tokens;
    reading += f.prefill_s;
    said += std::max<int64_t>(0, f.completion_tokens - 1);
    speaking = std::max(speaking, f.decode_s);
  }
  if (reading > 0) usage.prefill_tokens_per_s = static_cast<double>(read) / reading;
  if (speaking > 0) usage.decode_tokens_per_s = static_cast<double>(said) / speaking;
  return usage;
}

std::string new_id(std::string_view prefix, size_t length) {
  constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::vector<unsigned char> bytes(length);
  check(RAND_bytes(bytes.data(), static_cast<int>(length)) == 1, "no random bytes");
  std::string id(prefix);
  for (unsigned char byte : bytes) id += kLetters[byte % kLetters.size()];
  return id;
}

}  // namespace glassbox::api
