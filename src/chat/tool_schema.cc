#include "chat/tool_schema.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include "base/large_integer.h"
#include "chat/calls/json_calls.h"
#include "chat/calls/python_calls.h"
#include "chat/calls/scan.h"

namespace glassbox {
namespace {

constexpr int kMostDepth = 32;     // of schemas within schemas; what is deeper allows anything
constexpr int kMostSchemas = 500;  // looked at for one parameter: branches may refer to each other without end

enum : unsigned {
  kString = 1,
  kInteger = 2,
  kNumber = 4,
  kBoolean = 8,
  kArray = 16,
  kObject = 32,
  kNull = 64,
  kAny = 127,
};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

const OrderedJson* field(const OrderedJson& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(name);
  return at == object.end() ? nullptr : &*at;
}

// JSON Schema's names, Gemini's capitals, and what people write instead.
unsigned type_of_name(const std::string& name) {
  const std::string type = lower(name);
  if (type == "string" || type == "str" || type == "text") return kString;
  if (type == "integer" || type == "int" || type == "long") return kInteger;
  if (type == "number" || type == "float" || type == "double") return kNumber | kInteger;
  if (type == "boolean" || type == "bool") return kBoolean;
  if (type == "array" || type == "list" || type == "tuple") return kArray;
  if (type == "object" || type == "dict" || type == "map") return kObject;
  if (type == "null" || type == "none") return kNull;
  return kAny;
}

unsigned type_of_value(const OrderedJson& value) {
  switch (value.type()) {
    case OrderedJson::value_t::null:
      return kNull;
    case OrderedJson::value_t::boolean:
      return kBoolean;
    case OrderedJson::value_t::string:
      return kString;
    case OrderedJson::value_t::array:
      return kArray;
    case OrderedJson::value_t::object:
      return kObject;
    case OrderedJson::value_t::number_float: {
      const double number = value.get<double>();
      return number == static_cast<double>(static_cast<int64_t>(std::clamp(number, -9e15, 9e15))) ? kNumber | kInteger
                                                                                                  : kNumber;
    }
    default:
      return kNumber | kInteger;
  }
}

class Schema {
 public:
  // `root`: what "#" in a reference means.
  explicit Schema(const OrderedJson& root) : root_(root) {}

  // The types that `schema` allows, and the values it lists.
  unsigned types(const OrderedJson& schema, std::vector<const OrderedJson*>& values, int depth = 0) {
    if (schema.is_boolean()) return schema.get<bool>() ? kAny : 0u;
    if (!schema.is_object() || depth > kMostDepth || ++looked_at_ > kMostSchemas) return kAny;
    unsigned allowed = kAny;
    bool says = false;
    if (const OrderedJson* reference = field(schema, "$ref"))
      if (const OrderedJson* there = resolve(*reference)) {
        allowed &= types(*there, values, depth + 1);
        says = true;
      }
    if (const OrderedJson* type = field(schema, "type")) {
      unsigned named = 0;
      if (type->is_string()) named = type_of_name(type->get<std::string>());
      if (type->is_array())
        for (const OrderedJson& one : *type) named |= one.is_string() ? type_of_name(one.get<std::string>()) : kAny;
      if (named != 0) {
        allowed &= named;
        says = true;
      }
    }
    if (const OrderedJson* list = field(schema, "enum"); list && list->is_array() && !list->empty()) {
      unsigned listed = 0;
      for (const OrderedJson& one : *list) {
        listed |= type_of_value(one);
        values.push_back(&one);
      }
      allowed &= listed;
      says = true;
    }
    if (const OrderedJson* only = field(schema, "const")) {
      allowed &= type_of_value(*only);
      values.push_back(only);
      says = true;
    }
    for (const char* name : {"anyOf", "oneOf"})
      if (const OrderedJson* branches = field(schema, name); branches && branches->is_array() && !branches->empty()) {
        unsigned any = 0;
        for (const OrderedJson& branch : *branches) any |= types(branch, values, depth + 1);
        allowed &= any;
        says = true;
      }
    if (const OrderedJson* parts = field(schema, "allOf"); parts && parts->is_array())
      for (const OrderedJson& part : *parts) {
        allowed &= types(part, values, depth + 1);
        says = true;
      }
    if (!says) allowed = implied(schema);
    if (const OrderedJson* null = field(schema, "nullable"); null && null->is_boolean() && null->get<bool>())
      allowed |= kNull;
    return allowed == 0 ? kAny : allowed;
  }

 private:
  // Schemas that leave the type out, and speak of one only.
  static unsigned implied(const OrderedJson& schema) {
    const auto has = [&](std::initializer_list<const char*> names) {
      return std::any_of(names.begin(), names.end(), [&](const char* name) { return field(schema, name) != nullptr; });
    };
    unsigned types = 0;
    if (has({"properties", "additionalProperties", "required", "patternProperties"})) types |= kObject;
    if (has({"items", "prefixItems", "minItems", "maxItems"})) types |= kArray;
    if (has({"pattern", "minLength", "maxLength", "format"})) types |= kString;
    if (has({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})) types |= kNumber | kInteger;
    return types == 0 ? kAny : types;
  }

  // "#/$defs/Name": a JSON pointer into the tool's own schema. Null for any other.
  const OrderedJson* resolve(const OrderedJson& reference) const {
    if (!reference.is_string()) return nullptr;
    std::string_view pointer = reference.get_ref<const std::string&>();
    if (pointer.empty() || pointer[0] != '#') return nullptr;
    pointer.remove_prefix(1);
    const OrderedJson* at = &root_;
    while (!pointer.empty()) {
      if (pointer[0] != '/') return nullptr;
      pointer.remove_prefix(1);
      std::string_view part = pointer.substr(0, pointer.find('/'));
      pointer.remove_prefix(part.size());
      std::string name;
      for (size_t i = 0; i < part.size(); ++i) {
        const bool escape = part[i] == '~' && i + 1 < part.size() && (part[i + 1] == '0' || part[i + 1] == '1');
        name += escape ? (part[i + 1] == '0' ? '~' : '/') : part[i];
        i += escape;
      }
      if (at->is_array()) {
        if (name.empty() || name.size() > 6 || name.find_first_not_of("0123456789") != std::string::npos)
          return nullptr;
        const auto index = static_cast<size_t>(std::stoul(name));
        if (index >= at->size()) return nullptr;
        at = &(*at)[index];
        continue;
      }
      at = field(*at, name.c_str());
      if (!at) return nullptr;
    }
    return at;
  }

  const OrderedJson& root_;
  int looked_at_ = 0;
};

const OrderedJson* parameters_of(const OrderedJson* function) {
  return function ? field(*function, "parameters") : nullptr;
}

// The schema of one parameter: null where none is known of it.
const OrderedJson* schema_of(const OrderedJson* function, std::string_view name) {
  const OrderedJson* parameters = parameters_of(function);
  if (!parameters) return nullptr;
  if (const OrderedJson* all = field(*parameters, "properties"))
    if (const OrderedJson* one = field(*all, std::string(name).c_str())) return one;
  const OrderedJson* others = field(*parameters, "additionalProperties");
  return others && others->is_object() ? others : nullptr;
}

// JSON's numbers, and Python's ways to write them: +5, .5, 5.
std::optional<OrderedJson> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.size() > 5000 || text.find_first_not_of("0123456789+-.eE") != std::string_view::npos)
    return std::nullopt;
  std::string digits(text);
  if (const size_t point = digits.find('.'); point != std::string::npos) {
    if (point + 1 == digits.size() || !std::isdigit(static_cast<unsigned char>(digits[point + 1])))
      digits.insert(point + 1, "0");
    if (point == 0 || !std::isdigit(static_cast<unsigned char>(digits[point - 1]))) digits.insert(point, "0");
  }
  auto value = json_of_model(digits);
  return value && (value->is_number() || is_large_integer(*value)) ? value : std::nullopt;
}

// The value in `text` if it is of one of these types, which text itself is not.
std::optional<OrderedJson> typed(std::string_view text, unsigned types) {
  text = trim(text);
  if ((types & kNull) && (text == "null" || text == "None" || text == "NULL" || text == "Null")) return OrderedJson();
  if (types & kBoolean) {
    const std::string word = text.size() <= 5 ? lower(text) : "";
    if (word == "true") return OrderedJson(true);
    if (word == "false") return OrderedJson(false);
  }
  if (types & (kInteger | kNumber))
    if (auto number = number_of(text); number && (type_of_value(*number) & types)) return number;
  if ((types & (kArray | kObject)) && (text.starts_with('[') || text.starts_with('{') || text.starts_with('(')))
    if (auto value = literal_of_model(text); value && (type_of_value(*value) & types)) return value;
  return std::nullopt;
}

}  // namespace

const OrderedJson* tool_named(const OrderedJson& tools, std::string_view name) {
  if (!tools.is_array()) return nullptr;
  for (const OrderedJson& tool : tools) {
    const OrderedJson* inner = field(tool, "function");
    const OrderedJson& function = inner ? *inner : tool;
    if (const OrderedJson* called = field(function, "name"); called && called->is_string() && *called == name)
      return &function;
  }
  return nullptr;
}

bool lists_parameters(const OrderedJson* function) {
  const OrderedJson* parameters = parameters_of(function);
  const OrderedJson* all = parameters ? field(*parameters, "properties") : nullptr;
  return all && all->is_object() && !all->empty();
}

bool has_parameter(const OrderedJson* function, std::string_view name) {
  return lists_parameters(function) &&
         field(*field(*parameters_of(function), "properties"), std::string(name).c_str()) != nullptr;
}

OrderedJson read_parameter(std::string_view text, const OrderedJson* function, std::string_view name) {
  const OrderedJson* schema = schema_of(function, name);
  if (!schema) return std::string(text);
  std::vector<const OrderedJson*> values;
  const unsigned types = Schema(*parameters_of(function)).types(*schema, values);
  for (const OrderedJson* value : values) {
    if (value->is_string() ? (*value == text || *value == trim(text)) : typed(text, kAny) == *value) return *value;
  }
  if (auto value = typed(text, types)) return *value;
  if (types & kString) return std::string(text);
  // None of what the schema allows. Whoever reads the call will say so; JSON stays what it is.
  if (auto value = json_of_model(trim(text))) return *value;
  return std::string(text);
}

OrderedJson typed_argument(OrderedJson value, const OrderedJson* function, std::string_view name) {
  if (!value.is_string()) return value;
  const OrderedJson* schema = schema_of(function, name);
  if (!schema) return value;
  std::vector<const OrderedJson*> values;
  const unsigned types = Schema(*parameters_of(function)).types(*schema, values);
  if (types & kString) return value;
  if (auto read = typed(value.get_ref<const std::string&>(), types)) return *read;
  return value;
}

}  // namespace glassbox
