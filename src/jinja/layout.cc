// The filters that lay text out: lines of a width (Python's textwrap), values over several lines (its pprint), sizes of
// files, attributes of HTML.
#include <algorithm>
#include <cmath>
#include <optional>

#include "jinja/filters.h"
#include "jinja/numbers.h"
#include "jinja/objects.h"
#include "jinja/operators.h"
#include "jinja/text.h"
#include "unicode/python_text.h"
#include "unicode/utf8.h"

namespace glassbox::jinja {
namespace {

// ---- wordwrap ----

// What textwrap takes for white space: ASCII's alone.
bool breaks_line(char32_t c) { return c == ' ' || (c >= 0x09 && c <= 0x0d); }
bool is_word(char32_t c) {
  return python::is_alphabetic(c) || python::is_numeric(c) || python::is_digit(c) || python::is_decimal(c) || c == '_';
}
bool is_letter(char32_t c) { return is_word(c) && !python::is_decimal(c); }  // as regular expressions have [^\d\W]
bool is_word_or_mark(char32_t c) {
  return is_word(c) || (c < 0x80 && std::string_view("!\"'&.,?").find(static_cast<char>(c)) != std::string_view::npos);
}

struct Piece {
  size_t begin, end;  // characters of the line
};

// Where textwrap may break a line: its pieces, white space, words, parts of hyphenated words and dashes, in order.
class LinePieces {
 public:
  explicit LinePieces(const std::vector<char32_t>& line) : line_(line) {}

  std::vector<Piece> find(bool at_hyphens) const {
    std::vector<Piece> pieces;
    for (size_t at = 0; at < line_.size();) {
      size_t end = at + 1;
      if (breaks_line(line_[at])) {
        while (end < line_.size() && breaks_line(line_[end])) ++end;
      } else if (!at_hyphens) {
        while (end < line_.size() && !breaks_line(line_[end])) ++end;
      } else if (dash_at(at)) {
        end = dashes_from(at);
      } else {
        end = word_end(at);
      }
      pieces.push_back({at, end});
      at = end;
    }
    spend_items(line_.size() / 8 + pieces.size());
    return pieces;
  }

 private:
  bool at(size_t i, bool (*is)(char32_t)) const { return i < line_.size() && is(line_[i]); }
  size_t dashes_from(size_t at) const {
    while (at < line_.size() && line_[at] == '-') ++at;
    return at;
  }
  // Two or more dashes between words: they may stand alone.
  bool dash_at(size_t at) const {
    if (at == 0 || !is_word_or_mark(line_[at - 1])) return false;
    const size_t end = dashes_from(at);
    return end - at >= 2 && this->at(end, is_word);
  }
  // A hyphen at `at` ends a part of a word: two letters, perhaps with a hyphen between them, before it; and so after
  // it.
  bool hyphen_at(size_t at) const {
    if (line_[at] != '-' || at < 2) return false;
    const bool before = (is_letter(line_[at - 1]) && is_letter(line_[at - 2])) ||
                        (at >= 3 && is_letter(line_[at - 1]) && line_[at - 2] == '-' && is_letter(line_[at - 3]));
    if (!before || !this->at(at + 1, is_letter)) return false;
    return this->at(at + 2, is_letter) ||
           (at + 2 < line_.size() && line_[at + 2] == '-' && this->at(at + 3, is_letter));
  }
  size_t word_end(size_t begin) const {
    for (size_t end = begin + 1;; ++end) {
      if (end == line_.size() || breaks_line(line_[end])) return end;
      if (hyphen_at(end)) return end + 1;
      if (line_[end] == '-' && dash_at(end)) return end;
    }
  }

  const std::vector<char32_t>& line_;
};

struct Wrapping {
  int64_t width = 79;
  bool breaks_words = true, at_hyphens = true;
};

bool all_space(const std::vector<char32_t>& line, const Piece& piece) {
  return std::all_of(line.begin() + static_cast<long>(piece.begin), line.begin() + static_cast<long>(piece.end),
                     python::is_space);
}

// The lines that textwrap.wrap makes of one, as characters of it.
std::vector<Piece> wrapped(const std::vector<char32_t>& line, const Wrapping& how) {
  if (how.width <= 0) raise("wordwrap: expected a width > 0, got {}", how.width);
  const auto width = static_cast<size_t>(how.width);
  std::vector<Piece> pieces = LinePieces(line).find(how.at_hyphens), lines;
  const auto length = [](const Piece& piece) { return piece.end - piece.begin; };
  for (size_t at = 0; at < pieces.size();) {
    spend_items(1);
    if (!lines.empty() && all_space(line, pieces[at])) ++at;
    std::vector<Piece> taken;
    size_t used = 0;
    while (at < pieces.size() && used + length(pieces[at]) <= width) {
      used += length(pieces[at]);
      taken.push_back(pieces[at++]);
    }
    if (at < pieces.size() && length(pieces[at]) > width) {  // too long for any line
      if (how.breaks_words) {
        const size_t begin = pieces[at].begin;
        size_t part = width - used;
        const auto is_dash = [&](size_t i) { return line[begin + i] == '-'; };
        if (how.at_hyphens) {
          // After the last hyphen that fits, if more than hyphens are before it.
          size_t last = part, first = 0;
          while (last > 0 && !is_dash(last - 1)) --last;
          while (first + 1 < last && is_dash(first)) ++first;
          if (last > 1 && first + 1 < last) part = last;
        }
        taken.push_back({begin, begin + part});
        pieces[at].begin += part;
      } else if (taken.empty()) {
        taken.push_back(pieces[at++]);
      }
    }
    if (!taken.empty() && all_space(line, taken.back())) taken.pop_back();
    if (!taken.empty()) lines.push_back({taken.front().begin, taken.back().end});
  }
  return lines;
}

Value filter_word_wrap(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("wordwrap", arguments, {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
  const std::string& text = need_text(input, "wordwrap");
  Wrapping how;
  if (given[0]) how.width = need_integer(*given[0], "wordwrap");
  if (given[1]) how.breaks_words = truth(*given[1]);
  if (given[3]) how.at_hyphens = truth(*given[3]);
  MixedText between("\n", true), out;
  if (given[2] && !given[2]->is_none()) {
    need_text(*given[2], "wordwrap");
    between = given[2]->mixed();
  }
  bool first = true;
  for (std::string_view line : split_lines(text, false)) {
    if (!first) out.append(between);
    first = false;
    std::vector<char32_t> characters;
    std::vector<size_t> bytes;  // where each begins, and the end
    for (size_t at = 0; at < line.size();) {
      bytes.push_back(at);
      characters.push_back(unicode::next_valid(line, at));
    }
    bytes.push_back(line.size());
    const auto lines = wrapped(characters, how);
    for (size_t i = 0; i < lines.size(); ++i) {
      if (i > 0) out.append(between);
      const size_t begin = bytes[lines[i].begin];
      out.append(input.mixed().part(line.substr(begin, bytes[lines[i].end] - begin)));
      check_string_size(out.size());
    }
  }
  return Value::string(std::move(out));
}

// ---- pprint ----

// Values as pprint.pformat writes them: on one line where 80 characters are enough, keys sorted.
class PrettyPrinter {
 public:
  std::string print(const Value& value) {
    format(value, 0, 0, 0);
    return std::move(out_);
  }

 private:
  using Entries = std::vector<std::pair<Value, Value>>;
  static constexpr int64_t kWidth = 80;

  static int64_t width_of(const std::string& text) { return static_cast<int64_t>(unicode::count_code_points(text)); }
  static bool is_plain_text(const Value& value) { return value.is_string() && !value.str().markup; }
  // Python's own lists and tuples; a group has a repr of its own, which is not taken apart.
  static bool is_plain_sequence(const Value& value) {
    return value.is_sequence() && !static_cast<const Sequence*>(value.object())->group;
  }

  // As Python orders what has no order: by the names of the types.
  static bool before(const Value& a, const Value& b) {
    spend_items(1);
    try {
      return order(a, b, "<") < 0;
    } catch (const Failure& failure) {
      if (failure.kind != ErrorKind::bad_request) throw;
      return std::string_view(type_name(a)) < type_name(b);
    }
  }
  static Entries sorted(const Dict& dict) {
    Entries entries = dict.entries;
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto& a, const auto& b) { return before(a.first, b.first); });
    return entries;
  }

  // The whole on one line.
  static std::string one_line_of(const Value& value) {
    if (value.is(Type::dict)) {
      std::string out = "{";
      for (const auto& [key, item] : sorted(value.dict())) {
        if (out.size() > 1) out += ", ";
        out += one_line_of(key) + ": " + one_line_of(item);
        check_string_size(out.size());
      }
      return out + "}";
    }
    if (!is_plain_sequence(value)) return repr(value);
    std::string out = value.is(Type::list) ? "[" : "(";
    for (const Value& item : value.items()) {
      if (out.size() > 1) out += ", ";
      out += one_line_of(item);
      check_string_size(out.size());
    }
    if (value.is(Type::list)) return out + "]";
    return out + (value.items().size() == 1 ? ",)" : ")");
  }

  // `indent`: the column it begins in; `allowance`: the columns that what closes after it needs.
  void format(const Value& value, int64_t indent, int64_t allowance, int level) {
    std::string whole = one_line_of(value);
    spend_bytes(whole.size());
    const bool fits = width_of(whole) <= kWidth - indent - allowance;
    if (fits || !(is_plain_text(value) || is_plain_sequence(value) || value.is(Type::dict))) {
      out_ += whole;
    } else if (value.is_string()) {
      text(value, indent, allowance, level + 1);
    } else if (value.is(Type::dict)) {
      out_ += '{';
      const Entries entries = sorted(value.dict());
      for (size_t i = 0; i < entries.size(); ++i) {
        const std::string key = one_line_of(entries[i].first);
        if (i > 0) new_line(",", indent + 1);
        out_ += key + ": ";
        format(entries[i].second, indent + 1 + width_of(key) + 2, i + 1 < entries.size() ? 1 : allowance + 1,
               level + 1);
      }
      out_ += '}';
    } else {
      const bool list = value.is(Type::list);
      const std::string close = list ? "]" : value.items().size() == 1 ? ",)" : ")";
      out_ += list ? '[' : '(';
      const auto& items = value.items();
      for (size_t i = 0; i < items.size(); ++i) {
        if (i > 0) new_line(",", indent + 1);
        format(items[i], indent + 1, i + 1 < items.size() ? 1 : allowance + static_cast<int64_t>(close.size()),
               level + 1);
      }
      out_ += close;
    }
    check_string_size(out_.size());
  }

  void new_line(const char* after, int64_t indent) {
    out_ += after;
    out_ += '\n';
    out_.append(static_cast<size_t>(indent), ' ');
    check_string_size(out_.size());
  }

  // A text too long for its line: several literals, cut after lines and words; in brackets where nothing else is
  // around.
  void text(const Value& value, int64_t indent, int64_t allowance, int level) {
    if (level == 1) ++indent, ++allowance;
    const int64_t width = kWidth - indent;
    std::vector<std::string> parts;
    const auto lines = split_lines(value.text(), true);
    for (size_t i = 0; i < lines.size(); ++i) {
      const bool last_line = i + 1 == lines.size();
      std::string whole = python::repr(lines[i]);
      if (width_of(whole) <= width - (last_line ? allowance : 0)) {
        parts.push_back(std::move(whole));
        continue;
      }
      std::string_view begun = lines[i].substr(0, 0);
      const auto words = words_of(lines[i]);
      for (size_t j = 0; j < words.size(); ++j) {
        const std::string_view longer(begun.data(), begun.size() + words[j].size());
        const int64_t room = width - (last_line && j + 1 == words.size() ? allowance : 0);
        spend_bytes(longer.size());
        if (width_of(python::repr(longer)) > room) {
          if (!begun.empty()) parts.push_back(python::repr(begun));
          begun = words[j];
        } else {
          begun = longer;
        }
      }
      if (!begun.empty()) parts.push_back(python::repr(begun));
    }
    const bool brackets = level == 1 && parts.size() > 1;
    if (brackets) out_ += '(';
    for (size_t i = 0; i < parts.size(); ++i) {
      if (i > 0) new_line("", indent);
      out_ += parts[i];
    }
    if (brackets) out_ += ')';
  }

  // Words, each with the white space after it.
  static std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    for (size_t at = 0; at < line.size();) {
      const size_t begin = at;
      bool space = false;
      while (at < line.size()) {
        size_t next = at;
        const bool is = python::is_space(unicode::next_valid(line, next));
        if (space && !is) break;
        space = is;
        at = next;
      }
      words.push_back(line.substr(begin, at - begin));
      spend_items(1);
    }
    return words;
  }

  std::string out_;
};

Value filter_pretty_print(Renderer&, const Value& input, Arguments& arguments) {
  need_positional("pprint", arguments, 0, 0);
  return Value::string(made_of(mixed_repr(input), PrettyPrinter().print(input)));
}

// ---- sizes and attributes ----

Value filter_file_size(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("filesizeformat", arguments, {"binary"});
  const bool binary = given[0] && truth(*given[0]);
  need_defined(input);
  std::optional<double> bytes;
  if (input.is_number()) bytes = input.number();
  if (input.is_string()) bytes = parse_float(input.text());
  if (!bytes) raise("filesizeformat: expected a number, got {}", type_name(input));
  const double base = binary ? 1024 : 1000;
  if (*bytes == 1) return Value::ours("1 Byte");
  if (*bytes < base) {
    if (std::isinf(*bytes)) raise("cannot convert float infinity to integer");
    return Value::ours(fmt::format("{} Bytes", truncate_float(*bytes)));
  }
  double unit = base * base;
  const std::string_view letters = binary ? "KMGTPEZY" : "kMGTPEZY";
  size_t i = 0;
  while (i + 1 < letters.size() && !(*bytes < unit)) unit *= base, ++i;
  return Value::ours(
      fmt::format("{} {}{}B", print_double("%.*f", 1, base * *bytes / unit), letters[i], binary ? "i" : ""));
}

Value filter_xml_attributes(Renderer&, const Value& input, Arguments& arguments) {
  auto given = bind("xmlattr", arguments, {"autospace"});
  const bool space = !given[0] || truth(*given[0]);
  need_defined(input);
  if (!input.is(Type::dict)) raise("'{}' object has no attribute 'items'", type_name(input));
  MixedText out;
  for (const auto& [key, value] : input.dict().entries) {
    if (value.is_none() || value.is_undefined()) continue;
    const std::string& name = need_text(key, "xmlattr");
    for (size_t at = 0; at < name.size();) {
      const char32_t c = unicode::next_valid(name, at);
      if (python::is_space(c) || c == '/' || c == '>' || c == '=')
        raise("Invalid character in attribute name: {}", python::repr(name));
    }
    if (space || !out.empty()) out.append(" ", true);
    out.append(escape(key).mixed());
    out.append("=\"", true);
    out.append(escape(value).mixed());
    out.append("\"", true);
    check_string_size(out.size());
  }
  return Value::string(std::move(out));
}

}  // namespace

const std::vector<FilterEntry> kLayoutFilters = {{"wordwrap", filter_word_wrap},
                                                 {"pprint", filter_pretty_print},
                                                 {"filesizeformat", filter_file_size},
                                                 {"xmlattr", filter_xml_attributes}};

}  // namespace glassbox::jinja
