// What a request of OpenAI's dialect asks for.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "server/api_error.h"
#include "server/conversation.h"
#include "server/generator.h"

namespace glassbox::openai {

struct Request : api::Request {
  OrderedJson seed;  // as the request wrote it, or as drawn
  bool include_usage = false;
};

// A request's body. Throws ApiError(400): not JSON, not an object, too deep or too large a tree.
OrderedJson parse_body(std::string_view body);
// The model it asks for. Throws ApiError(400) if it names none.
std::string model_of(const OrderedJson& body);
// The whole of it, for the model of this card: a Conversation, or Texts. Throw ApiError(400) that names the field, what
// was expected and what was there.
Request parse_chat(const OrderedJson& body, const ModelCard& card);
Request parse_completion(const OrderedJson& body, const ModelCard& card);

}  // namespace glassbox::openai
