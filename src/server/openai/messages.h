// A conversation as OpenAI's clients write it, and keep it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/conversation.h"
#include "server/generator.h"

namespace glassbox::openai {

inline constexpr int kMostDepth = 64;  // of a request's JSON

// One of a request's "messages". What clients keep of an answer beside what was said (a stream's "index", "parsed"
// twins, empty and null fields) is taken and left out. Throws ApiError(400) naming the field.
api::Message read_message(const OrderedJson& given, const std::string& path, const ModelCard& card);

// One of a request's "tools", as the template prints it. What is accepted and not kept to the letter is added to
// `notes`. Throws ApiError(400) naming the field.
OrderedJson read_tool(const OrderedJson& given, const std::string& path, std::vector<std::string>& notes);

}  // namespace glassbox::openai
