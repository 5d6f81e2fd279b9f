#include "formats/json_fields.h"

#include "base/error.h"
#include "base/quote.h"

namespace glassbox {

namespace {

const Json& field(const Json& object, const char* key, std::string_view source, std::string_view place,
                  Json::value_t type) {
  if (!object.is_object())
    fail(ErrorKind::bad_file, "{}: {}: expected an object, got {}", source, place, object.type_name());
  auto found = object.find(key);
  if (found == object.end()) fail(ErrorKind::bad_file, "{}: {}: {} is missing", source, place, quote(key));
  if (found->type() != type)
    fail(ErrorKind::bad_file, "{}: {}: {} is expected to be {}, got {}", source, place, quote(key),
         Json(type).type_name(), found->type_name());
  return *found;
}

bool absent(const Json& object, const char* key, std::string_view source, std::string_view place) {
  if (!object.is_object())
    fail(ErrorKind::bad_file, "{}: {}: expected an object, got {}", source, place, object.type_name());
  auto found = object.find(key);
  return found == object.end() || found->is_null();
}

}  // namespace

std::string json_string(const Json& object, const char* key, std::string_view source, std::string_view place) {
  return field(object, key, source, place, Json::value_t::string).get<std::string>();
}

const Json& json_array(const Json& object, const char* key, std::string_view source, std::string_view place) {
  return field(object, key, source, place, Json::value_t::array);
}

const Json& json_object(const Json& object, const char* key, std::string_view source, std::string_view place) {
  return field(object, key, source, place, Json::value_t::object);
}

bool json_bool(const Json& object, const char* key, bool otherwise, std::string_view source, std::string_view place) {
  return absent(object, key, source, place) ? otherwise
                                            : field(object, key, source, place, Json::value_t::boolean).get<bool>();
}

std::string json_string_or(const Json& object, const char* key, std::string_view otherwise, std::string_view source,
                           std::string_view place) {
  return absent(object, key, source, place) ? std::string(otherwise) : json_string(object, key, source, place);
}

std::optional<int64_t> json_integer(const Json& value) {
  if (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) return std::nullopt;
  if (!value.is_number_integer()) return std::nullopt;
  return value.get<int64_t>();
}

}  // namespace glassbox
