// OpenAI's dialect: /v1/models, /v1/chat/completions, /v1/completions, as its own clients speak it.
//
// Pure translation: JSON to what an engine is asked, and what it said to JSON; no sockets. What is not done
// is refused by name with OpenAI's error object. Beyond OpenAI's fields a request may say top_k, min_p,
// repetition_penalty, ignore_eos, skip_special_tokens, and for chats continue_final_message, add_generation_prompt and
// chat_template_kwargs; an answer says the seed that repeats it ("seed"), its speed ("timings"), and what
// was reasoning (between <think> and </think>, or as the model's chat template marks it) apart
// ("reasoning_content"). Tools are offered to models whose template knows them, and what such a model calls comes as
// tool_calls: tool_choice is "auto" or "none", since to force a call would need a grammar.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "chat/chat_syntax.h"
#include "engine/engine.h"
#include "server/api_error.h"
#include "server/generator.h"

namespace glassbox::openai {

// A response's header with its request's notes, and its value: ASCII, of bounded length.
inline constexpr const char* kNotesHeader = "x-glassbox-note";
std::string notes_header(const std::vector<std::string>& notes);

// What both endpoints are asked.
struct Request {
  std::string model;
  GenerationRequest generation;  // all but prompt and choice; its seed is set: the request's, or drawn
  OrderedJson seed;              // as the request wrote it, or as drawn
  int n = 1;
  bool stream = false;
  bool include_usage = false;
  std::vector<std::string> notes;  // what was accepted and is not kept to the letter, a line each: for kNotesHeader
};

struct ChatRequest : Request {
  OrderedJson context;     // for the template: messages, tools, documents, add_generation_prompt and what was passed on
  bool continues = false;  // the answer goes on where the last message ends
  OrderedJson tools;       // what the model may call; null: nothing
  bool one_call = false;   // the answer ends with its first call
};

struct CompletionRequest : Request {
  std::vector<std::variant<std::string, std::vector<int32_t>>> prompts;
  bool echo = false;
};

// A request's body. Throws ApiError(400): not JSON, not an object, too deep or too large a tree.
OrderedJson parse_body(std::string_view body);
// The model it asks for. Throws ApiError(400) if it names none.
std::string model_of(const OrderedJson& body);
// The whole of it, for the model of this card. Throw ApiError(400) that names the field, what was expected
// and what was there.
ChatRequest parse_chat(const OrderedJson& body, const ModelCard& card);
CompletionRequest parse_completion(const OrderedJson& body, const ModelCard& card);

// What the model reads: rendered, and where the request continues its last message, cut right after that
// message's content, as transformers cuts it. Throws ApiError(400) where the template leaves that content
// out.
using Render = std::function<Rendered(const OrderedJson& context)>;
Rendered render_prompt(const ChatRequest& request, const Render& render);

// {"error": {"message", "type", "param", "code"}}.
OrderedJson error_json(const ApiError& error);
// What any exception is to a client.
ApiError error_of(std::exception_ptr thrown);

OrderedJson model_json(const ModelCard& card);
OrderedJson models_json(const std::vector<const ModelCard*>& cards);

// An answer in the making: it takes what the engine says of each choice, in any interleaving, and gives the
// events of a stream, or when all are done the whole. One thread at a time.
class Answer {
 public:
  struct Options {
    std::string id;       // "chatcmpl-..."
    int64_t created = 0;  // seconds since 1970
    bool chat = true;
    std::set<int32_t> textless;       // completions: tokens that add no text
    std::vector<std::string> echoes;  // completions: what each prompt's answers begin with
    std::string begun;                // chat: how the answer begins that the prompt already holds: a continued message
    ChatSyntax syntax;                // chat: the marks of reasoning and calls
    OrderedJson tools;                // chat: what may be called
    std::vector<std::string> silent;  // chat: special tokens that are marks, as AnswerParser's
    bool one_call = false;            // chat: ends with the first call
    std::string prompt;               // chat: rendered; its end may have opened the reasoning
  };
  // `choices` in all: n for each prompt, in order. `piece` as Generator's, for logprobs.
  Answer(const Request& request, Options options, size_t choices, std::function<std::string_view(int32_t)> piece);

  // Server-sent events, whole ones ("data: ...\n\n"), possibly several, possibly none; never any where the
  // request asked for no stream.
  std::string begin();
  std::string token(size_t choice, const TokenEvent& event);
  std::string finished(size_t choice, const Finished& finished);  // the last one's ends with [DONE]
  // In the middle of a stream: the engine failed.
  static std::string failed(const ApiError& error);

  // A choice that has said all that was asked for, though the engine has not finished: it may be cancelled, and what
  // finished() then says of it counts as its own end.
  bool enough(size_t choice) const { return options_.one_call && !choices_[choice].calls.empty(); }

  bool done() const { return done_ == choices_.size(); }
  // REQUIRES: done().
  OrderedJson whole() const;

  // Of those that are done; a prompt with n answers counts once.
  int64_t prompt_tokens() const;
  int64_t cached_tokens() const;
  int64_t completion_tokens() const;

 private:
  struct Choice {
    AnswerParser parser;
    std::string content, reasoning;
    std::vector<ToolCall> calls;
    OrderedJson logprobs;  // chat: {"content": [...]}; completions: an object of lists; null: not asked for
    int64_t reasoning_tokens = 0;
    size_t offset = 0;  // completions: characters before the next token
    Finished finished;
  };

  OrderedJson head(std::string_view object) const;
  OrderedJson chunk(size_t choice, OrderedJson delta, OrderedJson logprobs, OrderedJson finish_reason) const;
  std::string said(size_t choice, AnswerParser::Delta delta, OrderedJson logprobs);
  OrderedJson calls_json(size_t choice, size_t first, bool indexed) const;
  std::string_view reason_of(const Choice& choice) const;
  std::string content_event(size_t choice, std::string_view field, const std::string& text, OrderedJson logprobs) const;
  OrderedJson chat_logprob(const TokenEvent& event) const;
  OrderedJson completion_logprobs(Choice& choice, const TokenEvent& event) const;
  OrderedJson usage() const;
  OrderedJson timings() const;
  void append(OrderedJson& all, const OrderedJson& more) const;

  const Options options_;
  const std::string model_;
  const OrderedJson seed_;
  const size_t n_;
  const bool logprobs_;
  const bool stream_, include_usage_;
  const std::function<std::string_view(int32_t)> piece_;
  std::vector<Choice> choices_;
  size_t done_ = 0;
};

// An id nobody has had: "chatcmpl-" and 24 letters and digits.
std::string new_id(std::string_view prefix);

}  // namespace glassbox::openai
