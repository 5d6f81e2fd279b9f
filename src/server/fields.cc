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

Fields::Fields(const OrderedJson& object, std::string path) : object_(object), path_(std::move(path)) {
  if (!object_.is_object()) refuse_type(path_.empty() ? "the request's body" : path_, "an object", object_);
}

std::string Fields::path(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

const OrderedJson* Fields::find(std::string_view name) {
  asked_.emplace(name);
  auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<bool> Fields::boolean(std::string_view name) {
  const OrderedJson* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) refuse_type(path(name), "true or false", *value);
  return value->get<bool>();
}

std::optional<int64_t> Fields::integer(std::string_view name, int64_t least, int64_t most) {
  const OrderedJson* value = find(name);
  if (!value) return std::nullopt;
  std::string expected = most == std::numeric_limits<int64_t>::max()
                             ? fmt::format("a whole number from {}", least)
                             : fmt::format("a whole number from {} to {}", least, most);
  if (!value->is_number()) refuse_type(path(name), expected, *value);
  // 1.0 is a whole number too: some languages have no other kind.
  if (value->is_number_float()) {
    double real = value->get<double>();
    if (real != std::floor(real) || std::abs(real) > 9e15) refuse_value(path(name), expected, *value);
    if (real < static_cast<double>(least) || real > static_cast<double>(most))
      refuse_value(path(name), expected, *value);
    return static_cast<int64_t>(real);
  }
  if (value->is_number_unsigned() &&
      value->get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    refuse_value(path(name), expected, *value);
  int64_t whole = value->get<int64_t>();
  if (whole < least || whole > most) refuse_value(path(name), expected, *value);
  return whole;
}

std::optional<double> Fields::number(std::string_view name, double least, double most) {
  const OrderedJson* value = find(name);
  if (!value) return std::nullopt;
  std::string expected = fmt::format("a number from {} to {}", least, most);
  if (!value->is_number()) refuse_type(path(name), expected, *value);
  double real = value->get<double>();
  if (!(real >= least && real <= most)) refuse_value(path(name), expected, *value);
  return real;
}

std::optional<std::string> Fields::text(std::string_view name) {
  const OrderedJson* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) refuse_type(path(name), "a string", *value);
  return value->get<std::string>();
}

const OrderedJson* Fields::object(std::string_view name) {
  const OrderedJson* value = find(name);
  if (value && !value->is_object()) refuse_type(path(name), "an object", *value);
  return value;
}

const OrderedJson* Fields::list(std::string_view name) {
  const OrderedJson* value = find(name);
  if (value && !value->is_array()) refuse_type(path(name), "a list", *value);
  return value;
}

void Fields::missing(std::string_view name) const {
  throw ApiError(400, fmt::format("{}: required, and missing", path(name)), "missing_required_parameter", path(name));
}

void Fields::finish() const {
  for (const auto& [name, value] : object_.items())
    if (!asked_.contains(name) && !value.is_null()) {
      std::string field = path(name.substr(0, kShown));
      throw ApiError(400, fmt::format("{}: unknown field", quote(field)), "unknown_parameter", field);
    }
}

}  // namespace glassbox
