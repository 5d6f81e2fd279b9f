#include "jinja/value.h"

#include <algorithm>
#include <cmath>

#include "jinja/numbers.h"
#include "jinja/text.h"
#include "unicode/python_text.h"
#include "unicode/utf8.h"

namespace glassbox::jinja {
namespace {

thread_local Meter* current_meter = nullptr;

// A list, tuple or range, by index: Python's list iterators are no generators, but nothing here can tell.
class SequenceIterator final : public Iterator {
 public:
  explicit SequenceIterator(const Value& value) : Iterator(sizeof(SequenceIterator)), value_(value) { enclose(value); }
  bool next(Value& item) override {
    spend_items(1);
    if (value_.is(Type::range)) {
      if (at_ >= static_cast<size_t>(value_.range().length)) return false;
      item = value_.range().at(static_cast<int64_t>(at_++));
      return true;
    }
    if (at_ >= value_.items().size()) return false;
    item = value_.items()[at_++];
    return true;
  }

 private:
  Value value_;
  size_t at_ = 0;
};

class KeyIterator final : public Iterator {
 public:
  explicit KeyIterator(const Value& value) : Iterator(sizeof(KeyIterator)), value_(value) { enclose(value); }
  bool next(Value& item) override {
    spend_items(1);
    if (at_ >= value_.dict().entries.size()) return false;
    item = value_.dict().entries[at_++].first;
    return true;
  }

 private:
  Value value_;
  size_t at_ = 0;
};

class CharacterIterator final : public Iterator {
 public:
  explicit CharacterIterator(const Value& value) : Iterator(sizeof(CharacterIterator)), value_(value) {
    enclose(value);
  }
  bool next(Value& item) override {
    spend_items(1);
    const std::string& text = value_.text();
    if (at_ >= text.size()) return false;
    size_t start = at_;
    unicode::next_valid(text, at_);
    item = Value::string(value_.mixed().part(start, at_));
    return true;
  }

 private:
  Value value_;
  size_t at_ = 0;
};

class NothingIterator final : public Iterator {
 public:
  NothingIterator() : Iterator(sizeof(NothingIterator)) {}
  bool next(Value&) override { return false; }
};

template <class T>
int three_way(T a, T b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

// Exact, as Python compares an int with a float.
int compare_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return three_way(a.integer(), b.integer());
  if (a.is_integral() != b.is_integral()) {
    int64_t whole = a.is_integral() ? a.integer() : b.integer();
    double real = a.is_integral() ? b.number() : a.number();
    int sign = a.is_integral() ? 1 : -1;
    if (real >= 9223372036854775808.0) return -sign;
    if (real < -9223372036854775808.0) return sign;
    double floor = std::floor(real);
    if (int by_whole = three_way(whole, static_cast<int64_t>(floor))) return sign * by_whole;
    return real > floor ? -sign : 0;
  }
  return three_way(a.number(), b.number());
}

bool is_nan(const Value& value) { return value.is(Type::floating) && std::isnan(value.number()); }

size_t text_key_index_from = 8;  // entries: below, a scan is as fast

// Writes a repr. Punctuation is held to be a stranger's until it is known that none of the text is.
class Printer {
 public:
  void print(const Value& value) {
    // Values are bounded in depth, except that a namespace may hold itself: Python then runs out of stack too.
    static thread_local int depth = 0;
    struct Deeper {
      Deeper() {
        if (depth >= 2000) raise("maximum recursion depth exceeded while printing a value");
        ++depth;
      }
      ~Deeper() { --depth; }
    } deeper;
    switch (value.type()) {
      case Type::undefined:
        return plain("Undefined");
      case Type::none:
        return plain("None");
      case Type::boolean:
        return plain(value.boolean() ? "True" : "False");
      case Type::integer:
        return plain(std::to_string(value.integer()));
      case Type::floating:
        return plain(float_repr(value.number()));
      case Type::string:
        return text(value);
      case Type::list:
        plain("[");
        items(value.items());
        return plain("]");
      case Type::tuple:
        plain("(");
        items(value.items());
        return plain(value.items().size() == 1 ? ",)" : ")");
      case Type::dict: {
        plain("{");
        bool first = true;
        for (const auto& [key, item] : value.dict().entries) {
          if (!std::exchange(first, false)) plain(", ");
          print(key);
          plain(": ");
          print(item);
          check_string_size(out_.size());
        }
        return plain("}");
      }
      case Type::range: {
        const Range& range = value.range();
        std::string step = range.step == 1 ? "" : fmt::format(", {}", range.step);
        return plain(fmt::format("range({}, {}{})", range.start, range.stop, step));
      }
      case Type::other:
        strange_ = true;  // what a namespace or a view holds is anyone's
        return plain(value.other().print());
    }
  }

  MixedText take() {
    if (!strange_) return {std::move(out_).take(), true};
    return std::move(out_);
  }

 private:
  void plain(std::string_view text) { out_.append(text, false); }

  void text(const Value& value) {
    spend_bytes(value.text().size());
    const bool trusted = value.mixed().trusted();
    strange_ |= !trusted;
    if (value.str().markup) plain("Markup(");
    out_.append(python::repr(value.text()), trusted);
    if (value.str().markup) plain(")");
  }

  void items(const std::vector<Value>& items) {
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) plain(", ");
      print(items[i]);
      check_string_size(out_.size());
    }
  }

  MixedText out_;
  bool strange_ = false;
};

}  // namespace

// ---- Meter ----

Meter::Meter(uint64_t steps, size_t bytes, size_t longest, size_t depth)
    : steps_(steps), granted_(steps), bytes_(bytes), longest_(longest), depth_(depth), outer_(current_meter) {
  current_meter = this;
}
Meter::~Meter() { current_meter = outer_; }
Meter* Meter::current() { return current_meter; }

Unmetered::Unmetered() : outer_(std::exchange(current_meter, nullptr)) {}
Unmetered::~Unmetered() { current_meter = outer_; }

void Meter::out_of_steps() const {
  throw Failure(ErrorKind::bad_request, fmt::format("the template ran for more than {} steps", granted_));
}
void Meter::out_of_memory() const {
  throw Failure(ErrorKind::bad_request, "the template's values need more memory than it may use");
}

void spend_items(size_t items) {
  if (current_meter) current_meter->spend(items);
}

// A copied byte costs far less than a node: a step is a few hundred of them.
void spend_bytes(size_t bytes) {
  if (current_meter) current_meter->spend(bytes / 256);
}

void check_string_size(size_t bytes, size_t times) {
  size_t longest = current_meter ? current_meter->longest() : size_t{1} << 30;
  size_t total = 0;
  if (__builtin_mul_overflow(bytes, times, &total) || total > longest) raise("a string of more than {} bytes", longest);
}

// ---- Objects ----

Object::Object(Type type, size_t bytes) : type(type), meter_(current_meter) { charge(bytes); }
Object::~Object() {
  if (meter_) meter_->give_back(charged_);
}

void Object::charge(size_t bytes) {
  if (!meter_) return;
  meter_->take(bytes);
  charged_ += bytes;
}

void Object::enclose(const Value& inner) {
  size_t outer = inner.height() + 1;
  size_t limit = current_meter ? current_meter->depth() : 1000;
  if (outer > limit) raise("values nested deeper than {}", limit);
  height = std::max<uint16_t>(height, static_cast<uint16_t>(outer));
}

Str::Str(MixedText value, bool markup)
    : Object(Type::string, sizeof(Str)),
      text(std::move(value)),
      length(unicode::count_code_points(text.text())),
      markup(markup) {
  check_string_size(text.size());
  charge(text.size() + (text.runs() - 1) * sizeof(size_t));
  spend_bytes(text.size());
}

Sequence::Sequence(Type type, std::vector<Value> values) : Object(type, sizeof(Sequence)), items(std::move(values)) {
  charge(items.size() * sizeof(Value));
  spend_items(items.size() / 4);
  for (const Value& item : items) enclose(item);
}

std::optional<size_t> Dict::place(const Value& key) const {
  if (key.is_string() && !index_.empty()) {
    auto found = index_.find(key.text());
    return found == index_.end() ? std::nullopt : std::optional(found->second);
  }
  for (size_t i = 0; i < entries.size(); ++i)
    if (equal(entries[i].first, key)) return i;
  if (entries.size() > text_key_index_from) spend_items(entries.size());
  return std::nullopt;
}

void Dict::set(const Value& key, Value value) {
  need_hashable(key);
  enclose(key);
  enclose(value);
  if (auto at = place(key)) {
    entries[*at].second = std::move(value);
    return;
  }
  charge(2 * sizeof(Value) + 48);
  spend_items(1);
  entries.emplace_back(key, std::move(value));
  if (entries.size() < text_key_index_from) return;
  if (entries.size() == text_key_index_from) {
    for (size_t i = 0; i < entries.size(); ++i)
      if (entries[i].first.is_string()) index_.emplace(entries[i].first.text(), i);
  } else if (key.is_string()) {
    index_.emplace(entries.back().first.text(), entries.size() - 1);
  }
}

const Value* Dict::find(const Value& key) const {
  need_hashable(key);
  auto at = place(key);
  return at ? &entries[*at].second : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  if (!index_.empty()) {
    auto found = index_.find(key);
    return found == index_.end() ? nullptr : &entries[found->second].second;
  }
  for (const auto& [name, value] : entries)
    if (name.is_string() && name.text() == key) return &value;
  return nullptr;
}

std::string Undefined::message() const {
  if (!hint.empty()) return hint;
  if (!owner) return fmt::format("{} is undefined", name);
  if (element) return fmt::format("{} object has no element {}", owner, name);
  return fmt::format("'{}{}' has no attribute {}", owner, std::string_view(owner) == "None" ? "" : " object", name);
}

std::string Other::print() const { refuse("a {} has no text form here", type_name()); }
Value Other::call(Renderer&, Arguments&) const { raise("'{}' object is not callable", type_name()); }
Ref<Iterator> Other::iterate() const { return {}; }
Ref<Iterator> Iterator::iterate() const { return Ref<Iterator>(const_cast<Iterator*>(this)); }

// ---- Making values ----

Value Value::of(Object* object) {
  Value value(object->type);
  value.bits_.object = object;
  value.take();
  return value;
}

Value Value::string(MixedText text, bool markup) { return of(new Str(std::move(text), markup)); }
Value Value::ours(std::string text, bool markup) { return string({std::move(text), true}, markup); }
Value Value::list(std::vector<Value> items) { return of(new Sequence(Type::list, std::move(items))); }
Value Value::tuple(std::vector<Value> items) { return of(new Sequence(Type::tuple, std::move(items))); }

Value Value::undefined_hint(std::string hint) { return of(new Undefined(std::move(hint))); }

Value Value::undefined(std::string_view name) {
  auto* unknown = new Undefined("");
  unknown->name = python::repr(name);
  return of(unknown);
}

Value Value::missing(const Value& owner, const Value& name) {
  auto* unknown = new Undefined("");
  Value value = of(unknown);
  unknown->owner = owner.is_none() ? "None" : jinja::type_name(owner);
  unknown->element = !name.is_string();
  unknown->name = repr(name);
  return value;
}

bool Value::same(const Value& that) const {
  if (type_ != that.type_) return false;
  switch (type_) {
    case Type::none:
      return true;
    case Type::boolean:
      return boolean() == that.boolean();
    // CPython keeps one object for each of these.
    case Type::integer:
      return integer() == that.integer() && integer() >= -5 && integer() <= 256;
    case Type::floating:
      return false;
    default:
      return bits_.object == that.bits_.object;
  }
}

// ---- Python's rules ----

const char* type_name(const Value& value) {
  switch (value.type()) {
    case Type::undefined:
      return "Undefined";
    case Type::none:
      return "NoneType";
    case Type::boolean:
      return "bool";
    case Type::integer:
      return "int";
    case Type::floating:
      return "float";
    case Type::string:
      return value.str().markup ? "Markup" : "str";
    case Type::list:
      return "list";
    case Type::tuple:
      return "tuple";
    case Type::dict:
      return "dict";
    case Type::range:
      return "range";
    case Type::other:
      return value.other().type_name();
  }
  return "object";
}

bool truth(const Value& value) {
  switch (value.type()) {
    case Type::undefined:
    case Type::none:
      return false;
    case Type::boolean:
      return value.boolean();
    case Type::integer:
      return value.integer() != 0;
    case Type::floating:
      return value.number() != 0;
    case Type::string:
      return !value.text().empty();
    case Type::list:
    case Type::tuple:
      return !value.items().empty();
    case Type::dict:
      return !value.dict().entries.empty();
    case Type::range:
      return value.range().length != 0;
    case Type::other:
      return value.other().length().value_or(1) != 0;
  }
  return false;
}

bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return !is_nan(a) && !is_nan(b) && compare_numbers(a, b) == 0;
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case Type::string:
      spend_bytes(a.text().size());
      return a.text() == b.text();
    case Type::list:
    case Type::tuple: {
      const auto &x = a.items(), &y = b.items();
      spend_items(x.size() / 4);
      return a.same(b) || (x.size() == y.size() && std::equal(x.begin(), x.end(), y.begin(), equal));
    }
    case Type::dict: {
      const Dict &x = a.dict(), &y = b.dict();
      if (a.same(b)) return true;
      if (x.entries.size() != y.entries.size()) return false;
      spend_items(x.entries.size());
      return std::all_of(x.entries.begin(), x.entries.end(), [&](const auto& entry) {
        const Value* there = y.find(entry.first);
        return there && equal(entry.second, *there);
      });
    }
    case Type::range: {
      const Range &x = a.range(), &y = b.range();
      return x.length == y.length && (x.length == 0 || (x.start == y.start && (x.length == 1 || x.step == y.step)));
    }
    case Type::other:
      return a.other().equals(b.other());
    default:
      return true;  // None, Undefined
  }
}

int order(const Value& a, const Value& b, const char* symbol) {
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if ((large_integer(a) && (large_integer(b) || b.is_number())) || (a.is_number() && large_integer(b)))
    return compare_large(a, b);
  need_defined(a);
  need_defined(b);
  if (a.is_string() && b.is_string()) {
    spend_bytes(a.text().size());
    return a.text().compare(b.text());  // UTF-8 sorts as its code points do
  }
  if (a.is_sequence() && a.type() == b.type()) {
    const auto &x = a.items(), &y = b.items();
    for (size_t i = 0; i < x.size() && i < y.size(); ++i) {
      spend_items(1);
      if (!equal(x[i], y[i])) return order(x[i], y[i], symbol);
    }
    return three_way(x.size(), y.size());
  }
  raise("'{}' not supported between instances of '{}' and '{}'", symbol, type_name(a), type_name(b));
}

MixedText mixed_repr(const Value& value) {
  Printer printer;
  printer.print(value);
  return printer.take();
}

MixedText to_mixed(const Value& value) {
  if (value.is_string()) return value.mixed();
  if (value.is_undefined()) return {};
  spend_items(1);
  MixedText text = mixed_repr(value);
  spend_bytes(text.size());
  return text;
}

std::optional<size_t> length(const Value& value) {
  switch (value.type()) {
    case Type::undefined:
      return 0;
    case Type::string:
      return value.str().length;
    case Type::list:
    case Type::tuple:
      return value.items().size();
    case Type::dict:
      return value.dict().entries.size();
    case Type::range:
      return static_cast<size_t>(value.range().length);
    case Type::other:
      return value.other().length();
    default:
      return std::nullopt;
  }
}

size_t need_length(const Value& value) {
  auto size = length(value);
  if (!size) raise("object of type '{}' has no len()", type_name(value));
  return *size;
}

Ref<Iterator> try_iterate(const Value& value) {
  switch (value.type()) {
    case Type::undefined:
      return Ref<Iterator>(new NothingIterator());
    case Type::string:
      return Ref<Iterator>(new CharacterIterator(value));
    case Type::list:
    case Type::tuple:
    case Type::range:
      return Ref<Iterator>(new SequenceIterator(value));
    case Type::dict:
      return Ref<Iterator>(new KeyIterator(value));
    case Type::other:
      return value.other().iterate();
    default:
      return {};
  }
}

Ref<Iterator> iterate(const Value& value) {
  auto iterator = try_iterate(value);
  if (!iterator) raise("'{}' object is not iterable", type_name(value));
  return iterator;
}

std::vector<Value> collect(const Value& value) {
  if (value.is_sequence()) {
    spend_items(value.items().size() / 4);
    return value.items();
  }
  std::vector<Value> items;
  auto iterator = iterate(value);
  for (Value item; iterator->next(item);) items.push_back(item);
  return items;
}

bool contains(const Value& container, const Value& item) {
  if (container.is_string()) {
    if (!item.is_string()) {
      need_defined(item);
      raise("'in <string>' requires string as left operand, not {}", type_name(item));
    }
    spend_bytes(container.text().size());
    return find_text(container.text(), item.text()) != std::string::npos;
  }
  if (container.is(Type::dict)) return container.dict().find(item) != nullptr;
  auto iterator = try_iterate(container);
  if (!iterator) raise("argument of type '{}' is not iterable", type_name(container));
  for (Value each; iterator->next(each);)
    if (each.same(item) || equal(each, item)) return true;
  return false;
}

void need_hashable(const Value& value) {
  if (value.is(Type::list) || value.is(Type::dict)) raise("unhashable type: '{}'", type_name(value));
  if (value.is(Type::tuple))
    for (const Value& item : value.items()) need_hashable(item);
}

void fail_undefined(const Value& value) { raise("{}", value.unknown().message()); }

void need_defined(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
}

int64_t need_integer(const Value& value, const char* what) {
  need_defined(value);
  if (!value.is_integral()) raise("{}: '{}' object cannot be interpreted as an integer", what, type_name(value));
  return value.integer();
}

const std::string& need_text(const Value& value, const char* what) {
  need_defined(value);
  if (!value.is_string()) raise("{}: expected a string, got {}", what, type_name(value));
  return value.text();
}

}  // namespace glassbox::jinja
