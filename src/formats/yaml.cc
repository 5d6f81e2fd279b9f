#include "formats/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/quote.h"
#include "unicode/utf8.h"

namespace glassbox {
namespace {

template <class Number>
std::optional<Number> whole_number(std::string_view digits, int base) {
  Number value;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return error == std::errc() && end == digits.data() + digits.size() ? std::optional(value) : std::nullopt;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_decimal(std::string_view text) {
  const auto sign = [&] {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  };
  const auto digits = [&] {
    const size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count > 0;
  };
  sign();
  const bool before = digits();
  bool after = false;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    after = digits();
  }
  if (!before && !after) return false;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    sign();
    if (!digits()) return false;
  }
  return text.empty();
}

// What a plain scalar is by the core schema (YAML 1.2.2, 10.3.2).
OrderedJson plain_value(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  const std::string_view digits(text);
  for (const auto& [prefix, base] : {std::pair{"0o", 8}, std::pair{"0x", 16}})
    if (digits.starts_with(prefix) && digits.size() > 2 && digits[2] != '-' && digits[2] != '+')
      if (const auto value = whole_number<uint64_t>(digits.substr(2), base)) return *value;
  if (!is_decimal(text)) return text;
  const std::string_view unsigned_digits = digits.starts_with('+') ? digits.substr(1) : digits;
  if (const auto value = whole_number<int64_t>(unsigned_digits, 10)) return *value;
  if (const auto value = whole_number<uint64_t>(unsigned_digits, 10)) return *value;
  if (text.find_first_of(".eE") == std::string::npos) return text;  // an integer of more than 64 bits
  double value = 0;
  const auto [end, error] =
      std::from_chars(unsigned_digits.data(), unsigned_digits.data() + unsigned_digits.size(), value);
  return error == std::errc() ? OrderedJson(value) : OrderedJson(text);
}

// Builds the value from the parser's events. They come before the parser goes deeper, so refusing one bounds how deep
// it recurses.
class Builder : public YAML::EventHandler {
 public:
  Builder(std::string_view source, const YamlLimits& limits) : source_(source), limits_(limits) {}

  Yaml take() { return std::move(yaml_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) malformed(mark, "expected one document, got another");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { put(mark, nullptr, "null"); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { unsupported(mark, "an alias"); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& value) override {
    check_tag(mark, tag);
    const bool plain = tag == "?" || tag.empty();
    if (plain && value == "<<") unsupported(mark, "a merge key (<<)");
    put(mark, plain ? plain_value(value) : OrderedJson(value), value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    begin(mark, tag, OrderedJson::array());
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    begin(mark, tag, OrderedJson::object());
  }
  void OnMapEnd() override { end(); }

 private:
  // A list or mapping that is not all there.
  struct Open {
    OrderedJson value;
    std::optional<std::string> key;  // whose value comes next
  };

  [[noreturn]] void malformed(const YAML::Mark& mark, std::string_view what) const {
    fail(ErrorKind::bad_file, "{}: line {}: {}", source_, mark.line + 1, what);
  }
  [[noreturn]] void unsupported(const YAML::Mark& mark, std::string_view what) const {
    fail(ErrorKind::unsupported, "{}: line {}: {} is not supported", source_, mark.line + 1, what);
  }
  void check_tag(const YAML::Mark& mark, const std::string& tag) const {
    if (!tag.empty() && tag != "?" && tag != "!") unsupported(mark, "the tag " + quote(tag));
  }
  void count(const YAML::Mark& mark) {
    if (++nodes_ > limits_.nodes) malformed(mark, fmt::format("more than {} values", limits_.nodes));
  }
  bool expects_key() const { return !open_.empty() && open_.back().value.is_object() && !open_.back().key; }

  void begin(const YAML::Mark& mark, const std::string& tag, OrderedJson empty) {
    check_tag(mark, tag);
    count(mark);
    if (expects_key()) unsupported(mark, "a key that is a list or a mapping");
    if (open_.size() >= static_cast<size_t>(limits_.depth))
      malformed(mark, fmt::format("nested deeper than {} levels", limits_.depth));
    open_.push_back({std::move(empty), {}});
  }
  void end() {
    OrderedJson value = std::move(open_.back().value);
    open_.pop_back();
    put_value(std::move(value));
  }
  // A scalar: a key as it is written, or a value.
  void put(const YAML::Mark& mark, OrderedJson value, const std::string& text) {
    count(mark);
    if (!expects_key()) return put_value(std::move(value));
    if (open_.back().value.contains(text)) malformed(mark, fmt::format("key {} is given twice", quote(text)));
    if (open_.size() == 1) yaml_.keys.emplace_back(text, static_cast<size_t>(mark.line));
    open_.back().value[text] = nullptr;
    open_.back().key = text;
  }
  void put_value(OrderedJson value) {
    if (open_.empty()) {
      yaml_.value = std::move(value);
    } else if (open_.back().value.is_array()) {
      open_.back().value.push_back(std::move(value));
    } else {
      open_.back().value[*open_.back().key] = std::move(value);
      open_.back().key.reset();
    }
  }

  std::string_view source_;
  const YamlLimits& limits_;
  Yaml yaml_;
  std::vector<Open> open_;
  size_t nodes_ = 0;
  int documents_ = 0;
};

}  // namespace

Yaml parse_yaml(std::string_view text, std::string_view source, const YamlLimits& limits) {
  if (text.size() > limits.bytes)
    fail(ErrorKind::bad_file, "{}: expected at most {} bytes of YAML, got {}", source, limits.bytes, text.size());
  if (const size_t good = unicode::valid_prefix(text); good < text.size() || text.find('\0') != text.npos)
    fail(ErrorKind::bad_file, "{}: byte {}: expected UTF-8 without zeros", source, std::min(good, text.find('\0')));
  Builder builder(source, limits);
  try {
    std::istringstream in{std::string(text)};
    YAML::Parser parser(in);
    while (parser.HandleNextDocument(builder)) {}
  } catch (const YAML::Exception& error) {
    fail(ErrorKind::bad_file, "{}: line {}: not YAML: {}", source, error.mark.line + 1, error.msg);
  }
  return builder.take();
}

}  // namespace glassbox
