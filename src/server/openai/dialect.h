// OpenAI's dialect: /v1/models, /v1/chat/completions, /v1/completions, as its own clients speak it.
//
// What is not done is refused by name with OpenAI's error object. Beyond OpenAI's fields a request may say top_k,
// min_p, repetition_penalty, ignore_eos, skip_special_tokens, and for chats continue_final_message,
// add_generation_prompt and chat_template_kwargs; an answer says the seed that repeats it ("seed"), its speed
// ("timings"), and what was reasoning (between <think> and </think>, or as the model's chat template marks it) apart
// ("reasoning_content"). Tools are offered to models whose template knows them, and what such a model calls comes as
// tool_calls: tool_choice is "auto" or "none", since to force a call would need a grammar.
#pragma once

#include "base/json.h"
#include "server/dialect.h"

namespace glassbox::openai {

// Every request that is no other dialect's.
class Dialect : public api::Dialect {
 public:
  bool matches(const http::Request& head) const override;
  std::vector<api::Endpoint> endpoints() const override;
  std::string error(const ApiError& error) const override;
  std::string model(const Model& model) const override;
  std::string models(const std::vector<Model>& models) const override;
};

// A body of /v1/chat/completions, wherever it was sent. As Endpoint::read.
api::Asked read_chat(const http::Request& request, const Route::Parts& parts, const api::FindModel& find);

// {"error": {"message", "type", "param", "code"}}.
OrderedJson error_json(const ApiError& error);
OrderedJson model_json(const api::Dialect::Model& model);

}  // namespace glassbox::openai
