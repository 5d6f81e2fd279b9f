#include "base/quote.h"

namespace glassbox {

std::string quote(std::string_view text) {
  constexpr size_t kLongest = 120;
  if (text.size() <= kLongest) return dump_json(Json(std::string(text)));
  size_t size = kLongest;  // of whole characters
  while (size > kLongest - 3 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  return dump_json(Json(std::string(text.substr(0, size)))) + "...";
}

std::string brief(const Json& value) {
  constexpr size_t kLongest = 8;
  if (value.is_string()) return quote(value.get_ref<const std::string&>());
  if (!value.is_structured()) return dump_json(value);
  if (value.is_object()) return value.empty() ? "{}" : "an object";
  if (value.size() > kLongest) return "a list of " + std::to_string(value.size());
  std::string text = "[";
  for (const Json& part : value) {
    if (text.size() > 1) text += ',';
    text += part.is_structured() ? std::string("...") : brief(part);
  }
  text += ']';
  return text;
}

}  // namespace glassbox
