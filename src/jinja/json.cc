#include "jinja/json.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/large_integer.h"
#include "jinja/numbers.h"
#include "unicode/utf8.h"

namespace glassbox::jinja {
namespace {

const std::string& checked_text(const std::string& text) {
  if (size_t good = unicode::valid_prefix(text); good != text.size())
    raise("text of the context is not UTF-8 at byte {}", good);
  return text;
}

void check_depth(size_t depth) {
  size_t deepest = Meter::current() ? Meter::current()->depth() : 1000;
  if (depth > deepest) raise("values nested deeper than {}", deepest);
}

Value convert(const nlohmann::ordered_json& json, size_t depth, bool trusted) {
  using Kind = nlohmann::ordered_json::value_t;
  check_depth(depth);
  switch (json.type()) {
    case Kind::null:
      return Value();
    case Kind::boolean:
      return Value(json.get<bool>());
    case Kind::number_integer:
      return Value(json.get<int64_t>());
    case Kind::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX))
        return Value::of(new LargeInteger(std::to_string(json.get<uint64_t>())));
      return Value(json.get<int64_t>());
    case Kind::number_float:
      return Value(json.get<double>());
    case Kind::string:
      return Value::string({checked_text(json.get_ref<const std::string&>()), trusted});
    case Kind::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const auto& item : json) items.push_back(convert(item, depth + 1, trusted));
      return Value::list(std::move(items));
    }
    case Kind::object: {
      auto* dict = new Dict();
      Value value = Value::of(dict);
      for (const auto& [key, item] : json.items())
        dict->set(Value::string({checked_text(key), trusted}), convert(item, depth + 1, trusted));
      return value;
    }
    case Kind::binary:
      if (is_large_integer(json)) return Value::of(new LargeInteger(digits_of(json)));
      [[fallthrough]];
    default:
      raise("a context of something that JSON does not have");
  }
}

// A message, its depth in the context 2.
class Message {
 public:
  Message(const nlohmann::ordered_json& message, const OwnWords& own) : message_(message), own_(own) {
    const auto role = message.find("role");
    assistant_ = role != message.end() && *role == "assistant";
  }

  Value convert() const {
    check_depth(2);
    auto* dict = new Dict();
    Value value = Value::of(dict);
    for (const auto& [key, item] : message_.items()) {
      Value name = Value::string({checked_text(key), false});
      if (key == "role" && item.is_string() && own_.is_role(item.get_ref<const std::string&>()))
        dict->set(name, jinja::from_json(item, true));
      else if (key == "content" && assistant_)
        dict->set(name, content(item, 3));
      else
        dict->set(name, jinja::convert(item, 3, false));
    }
    return value;
  }

 private:
  // A text, or a list of parts whose text it is.
  Value content(const nlohmann::ordered_json& json, size_t depth) const {
    if (json.is_string()) return Value::string(with_marks(checked_text(json.get_ref<const std::string&>())));
    if (!json.is_array() || depth > 3) return jinja::convert(json, depth, false);
    std::vector<Value> parts;
    for (const auto& part : json) {
      check_depth(depth + 1);
      if (!part.is_object()) {
        parts.push_back(content(part, depth + 1));
        continue;
      }
      auto* dict = new Dict();
      parts.push_back(Value::of(dict));
      for (const auto& [key, item] : part.items())
        dict->set(Value::string({checked_text(key), false}), key == "text" && item.is_string()
                                                                 ? content(item, depth + 2)
                                                                 : jinja::convert(item, depth + 2, false));
    }
    return Value::list(std::move(parts));
  }

  MixedText with_marks(std::string_view text) const {
    MixedText out;
    spend_bytes(text.size() * own_.own_marks.size());
    // Where each mark comes next; npos where it does not.
    std::vector<size_t> next;
    for (const std::string& mark : own_.own_marks) next.push_back(text.find(mark));
    for (size_t at = 0;;) {
      size_t first = text.npos, which = 0;
      for (size_t i = 0; i < next.size(); ++i) {
        if (next[i] != text.npos && next[i] < at) next[i] = text.find(own_.own_marks[i], at);
        if (next[i] < first) first = next[i], which = i;
      }
      if (first == text.npos) {
        out.append(text.substr(at), false);
        return out;
      }
      out.append(text.substr(at, first - at), false);
      out.append(own_.own_marks[which], true);
      at = first + own_.own_marks[which].size();
    }
  }

  const nlohmann::ordered_json& message_;
  const OwnWords& own_;
  bool assistant_;
};

class Writer {
 public:
  explicit Writer(const JsonStyle& style) : style_(style) {}

  void write(const Value& value, size_t depth) {
    spend_items(1);
    switch (value.type()) {
      case Type::none:
        out_ += "null";
        break;
      case Type::boolean:
        out_ += value.boolean() ? "true" : "false";
        break;
      case Type::integer:
        out_ += std::to_string(value.integer());
        break;
      case Type::floating:
        number(value.number());
        break;
      case Type::string:
        text(value.text(), value.mixed());
        break;
      case Type::list:
      case Type::tuple:
        list(value.items(), depth);
        break;
      case Type::dict:
        dict(value.dict(), depth);
        break;
      default:
        if (const LargeInteger* large = large_integer(value)) {
          out_ += large->digits();
          break;
        }
        raise("Object of type {} is not JSON serializable", type_name(value));
    }
    check_string_size(out_.size());
  }

  MixedText take() {
    if (!strange_) return {std::move(out_), true};
    return {std::move(out_), trusted_};
  }

 private:
  void number(double value) {
    if (std::isnan(value))
      out_ += "NaN";
    else if (std::isinf(value))
      out_ += value < 0 ? "-Infinity" : "Infinity";
    else
      out_ += float_repr(value);
  }

  // A text in its quotes. Where it is mixed, all of it is a stranger's: escapes move its bytes.
  void text(std::string_view text, const MixedText& mixed) {
    const size_t begin = out_.size();
    write_text(text);
    if (!mixed.trusted())
      strange_ = true;
    else if (!trusted_.empty() && trusted_.back().second == begin)
      trusted_.back().second = out_.size();
    else
      trusted_.emplace_back(begin, out_.size());
  }

  void write_text(std::string_view text) {
    spend_bytes(text.size());
    out_ += '"';
    for (size_t at = 0; at < text.size();) {
      size_t start = at;
      uint32_t c = unicode::next_valid(text, at);
      switch (c) {
        case '"':
          out_ += "\\\"";
          break;
        case '\\':
          out_ += "\\\\";
          break;
        case '\n':
          out_ += "\\n";
          break;
        case '\r':
          out_ += "\\r";
          break;
        case '\t':
          out_ += "\\t";
          break;
        case '\f':
          out_ += "\\f";
          break;
        case '\b':
          out_ += "\\b";
          break;
        default:
          if (c < 0x20 || (style_.ascii && c >= 0x7f && c < 0x10000)) {
            out_ += fmt::format("\\u{:04x}", c);
          } else if (style_.ascii && c >= 0x10000) {
            out_ += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
          } else {
            out_ += text.substr(start, at - start);
          }
      }
    }
    out_ += '"';
  }

  void line(size_t depth) {
    if (!style_.lines) return;
    check_string_size(style_.indent.size(), depth);
    out_ += '\n';
    for (size_t i = 0; i < depth; ++i) out_ += style_.indent;
  }

  void list(const std::vector<Value>& items, size_t depth) {
    if (items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      line(depth + 1);
      write(items[i], depth + 1);
    }
    line(depth);
    out_ += ']';
  }

  static std::string key_text(const Value& key) {
    switch (key.type()) {
      case Type::none:
        return "null";
      case Type::boolean:
        return key.boolean() ? "true" : "false";
      case Type::integer:
        return std::to_string(key.integer());
      case Type::floating: {
        Writer writer({});
        writer.number(key.number());
        return std::move(writer.out_);
      }
      default:
        raise("keys must be str, int, float, bool or None, not {}", type_name(key));
    }
  }

  void dict(const Dict& dict, size_t depth) {
    if (dict.entries.empty()) {
      out_ += "{}";
      return;
    }
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sorted)
      std::stable_sort(entries.begin(), entries.end(),
                       [](auto* a, auto* b) { return order(a->first, b->first, "<") < 0; });
    out_ += '{';
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      line(depth + 1);
      const Value& key = entries[i]->first;
      if (key.is_string())
        text(key.text(), key.mixed());
      else
        write_text(key_text(key));
      out_ += style_.key_separator;
      write(entries[i]->second, depth + 1);
    }
    line(depth);
    out_ += '}';
  }

  const JsonStyle style_;
  std::string out_;
  TrustedSpans trusted_;  // texts
  bool strange_ = false;  // a text that is not
};

}  // namespace

Value from_json(const nlohmann::ordered_json& json, bool trusted) { return convert(json, 1, trusted); }

Value from_messages(const nlohmann::ordered_json& messages, const OwnWords& own) {
  if (!messages.is_array()) return from_json(messages, false);
  std::vector<Value> items;
  items.reserve(messages.size());
  for (const auto& message : messages)
    items.push_back(message.is_object() ? Message(message, own).convert() : convert(message, 2, false));
  return Value::list(std::move(items));
}

MixedText dump_json(const Value& value, const JsonStyle& style) {
  Writer writer(style);
  writer.write(value, 0);
  return writer.take();
}

}  // namespace glassbox::jinja
