#include "server/fields.h"

#include "base/large_integer.h"
#include "base/quote.h"

namespace glassbox {
namespace {

constexpr size_t kShown = 60;

}  // namespace

std::string described(const OrderedJson& value) {
  switch (value.type()) {
    case OrderedJson::value_t::null:
      return "null";
    case OrderedJson::value_t::boolean:
      return value.get<bool>() ? "true" : "false";
    case OrderedJson::value_t::string:
      return "the string " + quote(value.get_ref<const std::string&>());
    case OrderedJson::value_t::array:
      return value.empty() ? "an empty list" : "a list";
    case OrderedJson::value_t::object:
      return "an object";
    default:
      return "the number " + (is_large_integer(value) ? digits_of(value).substr(0, kShown) : value.dump());
  }
}

void refuse_type(const std::string& path, std::string_view expected, const OrderedJson& got) {
  throw ApiError(400, fmt::format("{}: expected {}, got {}", path, expected, described(got)), "invalid_type", path);
}

void refuse_value(const std::string& path, std::string_view expected, const OrderedJson& got) {
  throw ApiError(400, fmt::format("{}: expected {}, got {}", path, expected, described(got)), "invalid_value", path);
}

void refuse_unsupported(const std::string& path, std::string_view why) {
  throw ApiError(400, fmt::format("{}: {}", path, why), "unsupported_parameter", path);
}

Fields::Fields(const OrderedJson& object, const std::string& path) : FieldReader(object, path, Integers::meant) {
  if (!object.is_object()) refuse_type(path.empty() ? "the request's body" : path, "an object", object);
}

void Fields::refuse(std::string_view name, const Fault& fault, const OrderedJson& got) const {
  if (fault.kind == Fault::Kind::type) refuse_type(path(name), fault.expected_in_full(), got);
  refuse_value(path(name), fault.expected_in_full(), got);
}

void Fields::missing(std::string_view name) const {
  throw ApiError(400, fmt::format("{}: required, and missing", path(name)), "missing_required_parameter", path(name));
}

void Fields::finish() const {
  if (const auto name = first_unread()) {
    const std::string field = path(name->substr(0, kShown));
    throw ApiError(400, fmt::format("{}: unknown field", quote(field)), "unknown_parameter", field);
  }
}

}  // namespace glassbox
