// A conversation as OpenAI's clients write it, and keep it, for a chat template.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/generator.h"

namespace glassbox::openai {

inline constexpr int kMostDepth = 64;  // of a request's JSON

// True if the model's template has this word: what it never names it cannot read.
bool mentions(const ModelCard& card, std::string_view word);
// True if it has it other than as a field of something or a text: `thinking`, not `message.thinking` or "thinking".
bool has_variable(const ModelCard& card, std::string_view word);

// One of a request's "messages", as templates want them: text for content, a call's arguments as an object, reasoning
// under the name this template reads. What clients keep of an answer beside that (a stream's "index", "parsed" twins,
// empty and null fields) is taken and left out. Throws ApiError(400) naming the field.
OrderedJson read_message(const OrderedJson& given, const std::string& path, const ModelCard& card);

// One of a request's "tools", as the template prints it. What is accepted and not kept to the letter is added to
// `notes`. Throws ApiError(400) naming the field.
OrderedJson read_tool(const OrderedJson& given, const std::string& path, std::vector<std::string>& notes);

}  // namespace glassbox::openai
