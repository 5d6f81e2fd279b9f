// What the tests of OpenAI's dialect share: models, and bodies of requests.
#pragma once

#include <string_view>

#include "server/openai/request.h"
#include "server/prompt.h"
#include "server/responses.h"

namespace glassbox::openai {

inline ModelCard card() {
  ModelCard card;
  card.id = "glassbox/prism";
  card.created = 1'700'000'000;
  card.context = 1024;
  card.vocabulary = 2000;
  card.has_template = true;
  card.template_source = "{% for m in messages %}...{% endfor %} tool_calls enable_thinking";
  return card;
}

inline OrderedJson json(std::string_view text) { return OrderedJson::parse(text); }

// A chat's body: these fields beside a model and a message.
inline OrderedJson chat(std::string_view fields = "{}") {
  OrderedJson body = json(R"({"model": "m", "messages": [{"role": "user", "content": "hi"}]})");
  body.update(json(fields));
  return body;
}
inline OrderedJson completion(std::string_view fields = "{}") {
  OrderedJson body = json(R"({"model": "m", "prompt": "Once"})");
  body.update(json(fields));
  return body;
}

inline Request parsed(std::string_view fields) { return parse_chat(chat(fields), card()); }

inline const api::Conversation& conversation(const Request& request) {
  return std::get<api::Conversation>(request.input);
}
inline const api::Texts& texts(const Request& request) { return std::get<api::Texts>(request.input); }
inline OrderedJson context(const Request& request, const ModelCard& model = card()) {
  return api::template_context(conversation(request), model);
}
inline Rendered render_prompt(const Request& request, const api::Render& render) {
  return api::render_prompt(conversation(request), card(), render);
}

inline ModelCard tool_card() {
  ModelCard with = card();
  with.template_source = "{{ tools }} tool_calls <tool_call>";
  return with;
}

inline constexpr const char* kTool =
    R"("tools": [{"type": "function", "function": {"name": "add", "description": "d", "parameters": {"type": "object"}, "strict": false}}])";

}  // namespace glassbox::openai
