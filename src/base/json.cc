#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/large_integer.h"
#include "base/quote.h"

namespace glassbox {
namespace {

// What reads OrderedJson: its wider float lets an integer of thousands of digits through to the builder.
using WideJson =
    nlohmann::basic_json<nlohmann::ordered_map, std::vector, std::string, bool, int64_t, uint64_t, long double>;
static_assert(std::numeric_limits<long double>::max_exponent10 >= 4300, "integers as long as Python's");
constexpr size_t kMostDigits = 4300;

// Builds the value from the parser's events. The library's own way to watch a parse (a callback) walks the
// whole parent each time an object in it ends: a list of 100,000 objects took minutes.
// `Parser`: the library's type whose numbers are read.
template <class J, class Parser>
class Builder : public nlohmann::json_sax<Parser> {
 public:
  Builder(std::string_view source, ErrorKind kind, size_t max_depth, size_t max_values)
      : source_(source), kind_(kind), max_depth_(max_depth), values_left_(max_values), max_values_(max_values) {}
  J take() { return std::move(root_); }

  bool null() override { return place(nullptr); }
  bool boolean(bool value) override { return place(value); }
  bool number_integer(int64_t value) override { return place(value); }
  bool number_unsigned(uint64_t value) override { return place(value); }
  bool number_float(typename Parser::number_float_t value, const std::string& text) override {
    if constexpr (std::is_same_v<J, Parser>) {
      return place(value);
    } else {
      if (text.find_first_of(".eE") == std::string::npos) {
        if (text.size() > kMostDigits) fail(kind_, "{}: an integer of more than {} digits", source_, kMostDigits);
        return place(large_integer(text));
      }
      const double narrow = std::strtod(text.c_str(), nullptr);
      if (!std::isfinite(narrow))
        fail_not_json(std::out_of_range("number overflow parsing '" + text + "'"), source_, kind_);
      return place(narrow);
    }
  }
  bool string(std::string& value) override { return place(std::move(value)); }
  bool binary(typename Parser::binary_t&) override { return false; }  // JSON text has none
  bool start_object(size_t) override { return enter(J::object()); }
  bool start_array(size_t) override { return enter(J::array()); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }

  bool key(std::string& name) override {
    if (!keys_.back().insert(name).second) fail(kind_, "{}: key {} given twice in one object", source_, quote(name));
    auto& object = open_.back()->template get_ref<typename J::object_t&>();
    if constexpr (std::is_same_v<J, Json>) {
      value_ = &object.emplace(std::move(name), nullptr).first->second;
    } else {
      object.push_back({std::move(name), nullptr});  // its emplace would search all keys before
      value_ = &object.back().second;
    }
    return true;
  }

  bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
    fail_not_json(error, source_, kind_);
  }

 private:
  // Puts a value where the text has it. Pointers stay good: a container grows only when nothing in it is
  // open.
  template <class V>
  bool place(V&& value) {
    if (values_left_-- == 0) fail(kind_, "{}: more than {} values", source_, max_values_);
    if (open_.empty()) {
      root_ = std::forward<V>(value);
      value_ = &root_;
    } else if (open_.back()->is_array()) {
      open_.back()->push_back(J(std::forward<V>(value)));
      value_ = &open_.back()->back();
    } else {
      *value_ = std::forward<V>(value);
    }
    return true;
  }
  bool enter(J container) {
    if (open_.size() >= max_depth_) fail(kind_, "{}: JSON nested deeper than {}", source_, max_depth_);
    place(std::move(container));
    open_.push_back(value_);
    keys_.emplace_back();
    return true;
  }
  bool leave() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  std::string_view source_;
  ErrorKind kind_;
  size_t max_depth_, values_left_, max_values_;
  J root_;
  J* value_ = nullptr;                       // placed last, or to be placed after a key
  std::vector<J*> open_;                     // containers that have not ended, outermost first
  std::vector<std::set<std::string>> keys_;  // of each of them
};

template <class J, class Parser = J>
J parse(std::string_view text, std::string_view source, ErrorKind kind, int max_depth,
        size_t max_values = std::numeric_limits<size_t>::max()) {
  Builder<J, Parser> builder(source, kind, static_cast<size_t>(max_depth), max_values);
  Parser::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

bool has_large_integer(const OrderedJson& value) {
  if (value.is_structured())
    return std::any_of(value.begin(), value.end(), [](const OrderedJson& inner) { return has_large_integer(inner); });
  return is_large_integer(value);
}

// As the library writes it, with the digits of what it has no number for.
void write(const OrderedJson& value, int indent, int depth, std::string& out) {
  const auto line = [&](int deep) {
    if (indent >= 0) out.append(1, '\n').append(static_cast<size_t>(indent * deep), ' ');
  };
  if (is_large_integer(value)) {
    out += digits_of(value);
  } else if (value.empty() || !value.is_structured()) {
    out += value.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
  } else {
    const bool object = value.is_object();
    out += object ? '{' : '[';
    for (auto item = value.begin(); item != value.end(); ++item) {
      if (item != value.begin()) out += ',';
      line(depth + 1);
      if (object) {
        write(OrderedJson(item.key()), -1, 0, out);
        out += indent >= 0 ? ": " : ":";
      }
      write(*item, indent, depth + 1, out);
    }
    line(depth);
    out += object ? '}' : ']';
  }
}

}  // namespace

bool is_large_integer(const OrderedJson& value) { return value.is_binary(); }
std::string digits_of(const OrderedJson& large_integer) {
  const auto& bytes = large_integer.get_binary();
  return {bytes.begin(), bytes.end()};
}
OrderedJson large_integer(std::string_view digits) {
  return OrderedJson::binary(std::vector<uint8_t>(digits.begin(), digits.end()));
}

Json parse_json(std::string_view text, std::string_view source, ErrorKind kind, int max_depth) {
  return parse<Json>(text, source, kind, max_depth);
}

OrderedJson parse_ordered_json(std::string_view text, std::string_view source, ErrorKind kind, int max_depth,
                               size_t max_values) {
  return parse<OrderedJson, WideJson>(text, source, kind, max_depth, max_values);
}

void fail_not_json(const std::exception& error, std::string_view source, ErrorKind kind) {
  std::string what = error.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
  if (const auto bracket = what.find("] "); bracket != std::string::npos) what.erase(0, bracket + 2);
  // The end says what was expected, the start where; between is what was read, which may be long.
  if (what.size() > 300) what = what.substr(0, 200) + " ... " + what.substr(what.size() - 80);
  fail(kind, "{}: not JSON: {}", source, what);
}

Json read_json(const std::filesystem::path& file, size_t limit) {
  return parse_json(read_file(file, limit), file.string());
}

std::string dump_json(const Json& value, int indent) {
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}
std::string dump_ordered_json(const OrderedJson& value, int indent) {
  if (has_large_integer(value)) {
    std::string out;
    write(value, indent, 0, out);
    return out;
  }
  return value.dump(indent, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace glassbox
