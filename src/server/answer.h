// An answer in the making, in no vendor's words: what a model says, read as it comes into reasoning, text and calls.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "chat/chat_syntax.h"
#include "engine/engine.h"

namespace glassbox::api {

// What a token, or the end, added to a choice. Calls come whole, and each has an id.
struct Said {
  std::string reasoning, text;
  std::vector<ToolCall> calls;
  const TokenEvent* token = nullptr;  // that said it, while the caller has it; null at the end
};

// Why a choice ended: by itself or at a stop text, at its limit of tokens, or to have its calls made.
enum class Finish { stop, length, calls };

// One choice of an answer. It takes what the engine says of it, in order. One thread at a time.
class Choice {
 public:
  // How the answer to a conversation is read.
  struct Reading {
    ChatSyntax syntax;                // the marks of reasoning and calls
    OrderedJson tools;                // what may be called
    std::vector<std::string> silent;  // special tokens that are marks, as AnswerParser's
    std::string prompt;               // rendered; its end may have opened the reasoning
    std::string begun;                // how the answer begins that the prompt already holds: a continued message
    bool one_call = false;            // it ends with its first call
  };
  explicit Choice(const Reading& reading);
  // Text that is continued, and nothing else; it begins with `echo`.
  explicit Choice(std::string echo);

  // What there is to tell. Nothing, once there is enough().
  Said token(const TokenEvent& event);
  Said finished(const Finished& finished);

  // It has said all that was asked for, though the engine has not finished: it may be cancelled, and what finished()
  // then says of it counts as its own end.
  bool enough() const { return one_call_ && !calls_.empty(); }
  bool done() const { return finished_.has_value(); }

  // So far.
  const std::string& text() const { return text_; }
  const std::string& reasoning() const { return reasoning_; }
  const std::vector<ToolCall>& calls() const { return calls_; }

  // REQUIRE: done().
  Finish finish() const;
  const Finished& engine_finished() const { return *finished_; }
  int64_t reasoning_tokens() const { return reasoning_.empty() ? 0 : reasoning_tokens_; }

 private:
  Said add(AnswerParser::Delta delta);

  std::optional<AnswerParser> parser_;  // none: all is text
  bool one_call_ = false;
  bool short_ids_ = false;  // for calls
  std::string text_, reasoning_;
  std::vector<ToolCall> calls_;
  int64_t reasoning_tokens_ = 0;  // until the answer proper began
  std::optional<Finished> finished_;
};

// Tokens and speed of all choices, n for each prompt, in order. REQUIRES: all are done.
struct Usage {
  int64_t prompt = 0, cached = 0;  // a prompt with n answers counts once
  int64_t completion = 0, reasoning = 0;
  // Tokens read in all the reading time; tokens said after each choice's first while the longest spoke. Nothing where
  // it was not measured.
  std::optional<double> prefill_tokens_per_s, decode_tokens_per_s;
};
Usage usage_of(std::span<const Choice> choices, size_t n);

// An id nobody has had: the prefix, and so many letters and digits.
std::string new_id(std::string_view prefix, size_t length = 24);

}  // namespace glassbox::api
