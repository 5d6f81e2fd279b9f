#include "chat/calls/python_calls.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <utility>

#include "base/large_integer.h"
#include "chat/calls/json_calls.h"
#include "chat/calls/scan.h"
#include "chat/tool_schema.h"
#include "unicode/utf8.h"

namespace glassbox {
namespace {

constexpr int kMostDepth = 64;
constexpr std::string_view kPrint = "print(";

// Python's literals and calls with keywords, as far as models write them.
class Python {
 public:
  explicit Python(std::string_view text) : text_(text) {}

  bool call(ToolCall& out) {
    space();
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_' ||
                                  text_[at_] == '.' || text_[at_] == '-'))
      ++at_;
    out.name = text_.substr(begin, at_ - begin);
    if (out.name.empty() || (!std::isalpha(static_cast<unsigned char>(out.name[0])) && out.name[0] != '_') ||
        !sees('('))
      return false;
    OrderedJson arguments = OrderedJson::object();
    while (!sees(')')) {
      space();
      const size_t name = at_;
      while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
      const std::string key(text_.substr(name, at_ - name));
      if (key.empty() || arguments.contains(key) || !sees('=')) return false;
      auto given = value(0);
      if (!given) return false;
      arguments[key] = std::move(*given);
      if (sees(',')) continue;
      if (!sees(')')) return false;
      break;
    }
    out.arguments = dump_ordered_json(arguments);
    return true;
  }

  bool sees(char c) {  // and takes it
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool done() {
    space();
    return at_ == text_.size();
  }

  std::optional<OrderedJson> value() { return value(0); }
  size_t at() const { return at_; }

 private:
  void space() {
    while (at_ < text_.size() && kSpace.find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool word(std::string_view name) {
    if (text_.substr(at_, name.size()) != name) return false;
    const size_t after = at_ + name.size();
    if (after < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[after])) || text_[after] == '_'))
      return false;
    at_ = after;
    return true;
  }

  std::optional<OrderedJson> value(int depth) {
    if (depth > kMostDepth) return std::nullopt;
    space();
    if (at_ >= text_.size()) return std::nullopt;
    const char c = text_[at_];
    if (c == '"' || c == '\'') return text();
    if (sees('[')) return list(']', depth);
    if (sees('(')) return list(')', depth);
    if (sees('{')) return object(depth);
    if (word("True") || word("true")) return true;
    if (word("False") || word("false")) return false;
    if (word("None") || word("null")) return OrderedJson();
    return number();
  }

  std::optional<OrderedJson> list(char close, int depth) {
    OrderedJson out = OrderedJson::array();
    while (!sees(close)) {
      auto item = value(depth + 1);
      if (!item) return std::nullopt;
      out.push_back(std::move(*item));
      if (sees(',')) continue;
      if (!sees(close)) return std::nullopt;
      break;
    }
    return out;
  }

  std::optional<OrderedJson> object(int depth) {
    OrderedJson out = OrderedJson::object();
    while (!sees('}')) {
      space();
      auto key = at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'') ? text() : std::nullopt;
      if (!key || out.contains(key->get<std::string>()) || !sees(':')) return std::nullopt;
      auto item = value(depth + 1);
      if (!item) return std::nullopt;
      out[key->get<std::string>()] = std::move(*item);
      if (sees(',')) continue;
      if (!sees('}')) return std::nullopt;
      break;
    }
    return out;
  }

  std::optional<OrderedJson> number() {
    const size_t begin = at_;
    while (at_ < text_.size() && (std::isdigit(static_cast<unsigned char>(text_[at_])) ||
                                  std::string_view("+-.eE").find(text_[at_]) != std::string_view::npos))
      ++at_;
    std::string_view digits = text_.substr(begin, at_ - begin);
    if (digits.starts_with("+")) digits.remove_prefix(1);
    auto parsed = json_of_model(digits);
    return parsed && (parsed->is_number() || is_large_integer(*parsed)) ? parsed : std::nullopt;
  }

  std::optional<OrderedJson> text() {
    const char quote = text_[at_++];
    std::string out;
    // Python's long texts: three quotes at either end.
    const std::string three(3, quote);
    const bool is_long = text_.substr(at_ - 1, 3) == three;
    if (is_long) at_ += 2;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote && (!is_long || text_.substr(at_ - 1, 3) == three)) {
        if (is_long) at_ += 2;
        if (unicode::valid_prefix(out) != out.size()) return std::nullopt;
        return OrderedJson(std::move(out));
      }
      if (c != '\\') {
        out += c;
        continue;
      }
      if (at_ >= text_.size()) break;
      const char escaped = text_[at_++];
      switch (escaped) {
        case 'n':
          out += '\n';
          break;
        case 't':
          out += '\t';
          break;
        case 'r':
          out += '\r';
          break;
        case 'b':
          out += '\b';
          break;
        case 'f':
          out += '\f';
          break;
        case '0':
          out += '\0';
          break;
        case '\n':
          break;
        case 'x':
          if (!hexadecimal(2, out)) return std::nullopt;
          break;
        case 'u':
          if (!hexadecimal(4, out)) return std::nullopt;
          break;
        case 'U':
          if (!hexadecimal(8, out)) return std::nullopt;
          break;
        case '\\':
        case '\'':
        case '"':
        case '/':
          out += escaped;
          break;
        default:  // Python keeps the backslash of what it does not know
          (out += '\\') += escaped;
      }
    }
    return std::nullopt;
  }

  bool hexadecimal(int digits, std::string& out) {
    auto read = [&](int count, uint32_t& code) {
      code = 0;
      for (int i = 0; i < count; ++i, ++at_) {
        if (at_ >= text_.size() || !std::isxdigit(static_cast<unsigned char>(text_[at_]))) return false;
        const char c = text_[at_];
        code = code * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
      }
      return true;
    };
    uint32_t code = 0, low = 0;
    if (!read(digits, code)) return false;
    if (digits == 4 && code >= 0xD800 && code < 0xDC00) {  // JSON's pairs
      if (text_.substr(at_, 2) != "\\u") return false;
      at_ += 2;
      if (!read(4, low) || low < 0xDC00 || low > 0xDFFF) return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    unicode::append(out, code);
    return true;
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::optional<OrderedJson> literal_of_model(std::string_view text) {
  if (auto json = json_of_model(text)) return json;
  Python reader(text);
  auto value = reader.value();
  return value && reader.done() ? value : std::nullopt;
}

std::optional<OrderedJson> leading_structure(std::string_view text, size_t& size) {
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos || (text[begin] != '{' && text[begin] != '[')) return std::nullopt;
  Python reader(text);
  auto value = reader.value();
  size = reader.at();
  return value;
}

std::optional<std::vector<ToolCall>> read_python_calls(std::string_view text, bool commas) {
  std::vector<ToolCall> calls;
  Python reader(text);
  while (!reader.done()) {
    ToolCall call;
    if (!reader.call(call)) return std::nullopt;
    calls.push_back(std::move(call));
    if (commas && !reader.sees(',') && !reader.done()) return std::nullopt;
  }
  if (calls.empty()) return std::nullopt;
  return calls;
}

std::optional<std::vector<ToolCall>> typed_python_calls(std::optional<std::vector<ToolCall>> calls,
                                                        const OrderedJson& tools) {
  if (!calls) return calls;
  for (ToolCall& call : *calls)
    if (tool_named(tools, call.name))
      if (auto text = arguments_of_model(call.arguments, call.name, tools, false)) call.arguments = std::move(*text);
  return calls;
}

std::optional<std::vector<ToolCall>> read_python_code(std::string_view code, const OrderedJson& tools) {
  code = trim(code);
  if (code.starts_with(kPrint) && code.ends_with(')')) {
    code.remove_prefix(kPrint.size());
    code.remove_suffix(1);
    code = trim(code);
  }
  if (code.starts_with('[') && code.ends_with(']')) code = code.substr(1, code.size() - 2);
  auto calls = read_python_calls(code, false);
  if (!calls) calls = read_python_calls(code, true);
  const auto known = [&](const ToolCall& call) { return tool_named(tools, call.name) != nullptr; };
  if (!calls || !std::ranges::all_of(*calls, known)) return std::nullopt;
  return typed_python_calls(std::move(calls), tools);
}

std::optional<bool> could_be_python_call(std::string_view text, const OrderedJson& tools) {
  size_t at = skip_space(text, text.starts_with('[') ? 1 : 0);
  const size_t begin = at;
  while (at < text.size() && is_tool_name(text.substr(at, 1)) && at - begin <= 256) ++at;
  const std::string_view name = text.substr(begin, at - begin);
  const size_t bracket = skip_space(text, at);
  if (bracket < text.size()) return text[bracket] == '(' && tool_named(tools, name) != nullptr;
  if (may_become_tool(name, tools)) return std::nullopt;
  return false;
}

std::optional<bool> could_be_python_code(std::string_view text, const OrderedJson& tools) {
  if (text.starts_with(kPrint)) return could_be_python_call(text.substr(kPrint.size()), tools);
  if (kPrint.starts_with(text)) return std::nullopt;
  return could_be_python_call(text, tools);
}

}  // namespace glassbox
