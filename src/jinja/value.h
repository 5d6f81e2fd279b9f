// The values of a template: what Python would hold while Jinja2 renders, and Python's own rules for them.
//
// Values are immutable once made (the sandbox forbids changing lists and dicts), so copies share; the exceptions,
// namespaces and iterators, belong to one render. Every object knows how deep it nests, and deeper than the meter
// allows is an error: nothing here recurses without bound, destructors included.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "unicode/mixed_text.h"

namespace glassbox::jinja {

class Renderer;  // render.h: what filters and calls run in
class Value;

// Something a template did that Python or Jinja2 would raise for, or a limit. The renderer adds template and line.
struct Failure : std::runtime_error {
  Failure(ErrorKind kind, const std::string& what) : std::runtime_error(what), kind(kind) {}
  ErrorKind kind;
};

template <class... Args>
[[noreturn]] void raise(fmt::format_string<Args...> format, Args&&... args) {
  throw Failure(ErrorKind::bad_request, fmt::format(format, std::forward<Args>(args)...));
}

// What Python has and this does not: refused by name.
template <class... Args>
[[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) {
  throw Failure(ErrorKind::unsupported, fmt::format(format, std::forward<Args>(args)...));
}

// Counts what a render uses. One render, one thread: `current()` is that thread's, null while a template is parsed.
class Meter {
 public:
  Meter(uint64_t steps, size_t bytes, size_t longest, size_t depth);
  ~Meter();
  Meter(const Meter&) = delete;
  Meter& operator=(const Meter&) = delete;
  static Meter* current();

  void spend(uint64_t steps) {
    if (steps > steps_) out_of_steps();
    steps_ -= steps;
  }
  void take(size_t bytes) {
    if (bytes > bytes_) out_of_memory();
    bytes_ -= bytes;
  }
  void give_back(size_t bytes) { bytes_ += bytes; }
  size_t longest() const { return longest_; }  // of a string, in bytes
  size_t depth() const { return depth_; }      // of values within values

 private:
  [[noreturn]] void out_of_steps() const;
  [[noreturn]] void out_of_memory() const;
  uint64_t steps_, granted_;
  size_t bytes_, longest_, depth_;
  Meter* outer_;
};

// While it lives, values are made outside of any render: for what outlives it.
class Unmetered {
 public:
  Unmetered();
  ~Unmetered();
  Unmetered(const Unmetered&) = delete;
  Unmetered& operator=(const Unmetered&) = delete;

 private:
  Meter* outer_;
};

// Charges the current meter, if there is one: for `items` handled one by one, or `bytes` copied.
void spend_items(size_t items);
void spend_bytes(size_t bytes);
// Refuses a string of this many bytes before it is made.
void check_string_size(size_t bytes, size_t times = 1);

enum class Type : uint8_t { undefined, none, boolean, integer, floating, string, list, tuple, dict, range, other };

// What values point to. The count is atomic because a template's constants are shared by the threads that render it.
class Object {
 public:
  explicit Object(Type type, size_t bytes);
  virtual ~Object();
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  const Type type;
  uint16_t height = 1;  // of values within values

 protected:
  void enclose(const Value& inner);  // height is more than the inner value's
  void charge(size_t bytes);         // to the meter it was made under

 private:
  template <class T>
  friend class Ref;
  friend class Value;
  mutable std::atomic<uint32_t> uses_{0};
  Meter* meter_;
  size_t charged_ = 0;
};

template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) { take(); }
  Ref(const Ref& other) : object_(other.object_) { take(); }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ && object_->uses_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete object_;
  }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  T* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  bool alone() const { return object_->uses_.load(std::memory_order_acquire) == 1; }

 private:
  void take() {
    if (object_) object_->uses_.fetch_add(1, std::memory_order_relaxed);
  }
  T* object_ = nullptr;
};

struct Str;
struct Sequence;
struct Dict;
struct Range;
struct Undefined;
class Other;
class Iterator;

class Value {
 public:
  Value() : Value(Type::none) {}
  Value(bool value) : type_(Type::boolean) { bits_.boolean = value; }
  Value(int64_t value) : type_(Type::integer) { bits_.integer = value; }
  Value(double value) : type_(Type::floating) { bits_.floating = value; }
  Value(const char*) = delete;  // would become a bool
  Value(const Value& other) : type_(other.type_), bits_(other.bits_) { take(); }
  Value(Value&& other) noexcept : type_(other.type_), bits_(other.bits_) { other.type_ = Type::none; }
  Value& operator=(Value other) noexcept {
    std::swap(type_, other.type_);
    std::swap(bits_, other.bits_);
    return *this;
  }
  ~Value() {
    if (has_object() && bits_.object->uses_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete bits_.object;
  }

  static Value string(MixedText text, bool markup = false);
  // Text that the engine makes, or that the template itself writes: trusted.
  static Value ours(std::string text, bool markup = false);
  static Value list(std::vector<Value> items);
  static Value tuple(std::vector<Value> items);
  static Value size(size_t count) { return Value(static_cast<int64_t>(count)); }
  // What a name, key or attribute that is not there evaluates to; using it says `'name' is undefined`, or
  // `'dict object' has no attribute 'name'` with an owner, or the hint.
  static Value undefined(std::string_view name);
  static Value missing(const Value& owner, const Value& name);
  static Value undefined_hint(std::string hint);
  // Owns a new Str, Sequence, Dict, Range, Undefined or Other.
  static Value of(Object* object);

  Type type() const { return type_; }
  bool is(Type type) const { return type_ == type; }
  bool is_undefined() const { return type_ == Type::undefined; }
  bool is_none() const { return type_ == Type::none; }
  bool is_string() const { return type_ == Type::string; }
  bool is_integral() const { return type_ == Type::boolean || type_ == Type::integer; }  // Python's int
  bool is_number() const { return is_integral() || type_ == Type::floating; }
  bool is_sequence() const { return type_ == Type::list || type_ == Type::tuple; }

  bool boolean() const { return bits_.boolean; }
  int64_t integer() const { return type_ == Type::boolean ? int64_t{bits_.boolean} : bits_.integer; }
  double number() const { return type_ == Type::floating ? bits_.floating : static_cast<double>(integer()); }
  const Str& str() const;
  const std::string& text() const;
  const MixedText& mixed() const;           // of a string: its text, and which of it is trusted
  const std::vector<Value>& items() const;  // of a list or tuple
  const Dict& dict() const;
  const Range& range() const;
  const Undefined& unknown() const;
  Other& other() const;
  template <class T>
  T* as() const {  // an Other of this class, else null
    return type_ == Type::other ? dynamic_cast<T*>(bits_.object) : nullptr;
  }
  const Object* object() const { return has_object() ? bits_.object : nullptr; }
  bool same(const Value& that) const;  // Python's `is`
  size_t height() const { return has_object() ? bits_.object->height : 0; }

 private:
  explicit Value(Type type) : type_(type) { bits_.object = nullptr; }
  bool has_object() const { return type_ >= Type::string || (type_ == Type::undefined && bits_.object != nullptr); }
  void take() {
    if (has_object()) bits_.object->uses_.fetch_add(1, std::memory_order_relaxed);
  }

  Type type_;
  union {
    bool boolean;
    int64_t integer;
    double floating;
    Object* object;
  } bits_;
};

// UTF-8, counted in code points as Python counts. `markup`: what |safe makes of it (MarkupSafe's Markup), which
// escapes plain text that is added to it.
struct Str final : Object {
  Str(MixedText text, bool markup);
  MixedText text;
  size_t length;
  bool markup;
  bool ascii() const { return length == text.size(); }
};

struct Sequence final : Object {  // list and tuple
  Sequence(Type type, std::vector<Value> items);
  std::vector<Value> items;
  bool group = false;  // what |groupby makes: a tuple whose items are called grouper and list too
};

// In the order of insertion. Keys as Python has them: 1, 1.0 and True are one key.
struct Dict final : Object {
  Dict() : Object(Type::dict, sizeof(Dict)) {}
  // A key given again keeps its place and takes the new value. Fails if the key cannot be hashed.
  void set(const Value& key, Value value);
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  std::vector<std::pair<Value, Value>> entries;

 private:
  std::optional<size_t> place(const Value& key) const;
  std::unordered_map<std::string_view, size_t> index_;  // of text keys, once there are more than a few
};

struct Range final : Object {
  Range(int64_t start, int64_t stop, int64_t step, int64_t length)
      : Object(Type::range, sizeof(Range)), start(start), stop(stop), step(step), length(length) {}
  Value at(int64_t i) const { return Value(start + i * step); }
  int64_t start, stop, step, length;
};

struct Undefined final : Object {
  explicit Undefined(std::string hint) : Object(Type::undefined, sizeof(Undefined)), hint(std::move(hint)) {}
  std::string hint;             // if not empty, the message
  std::string name;             // quoted as Python would
  const char* owner = nullptr;  // type of what it was looked up in, null for a variable
  bool element = false;         // looked up by something other than a string
  std::string message() const;
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> keyword;
};

// Everything else Python would have an object for: namespaces, macros, methods, loops, views, generators.
class Other : public Object {
 public:
  explicit Other(size_t bytes) : Object(Type::other, bytes) {}
  virtual const char* type_name() const = 0;
  virtual std::string print() const;  // str() and repr()
  virtual bool callable() const { return false; }
  virtual Value call(Renderer&, Arguments&) const;  // fails unless callable
  virtual std::optional<Value> attribute(std::string_view) const { return std::nullopt; }
  virtual std::optional<size_t> length() const { return std::nullopt; }  // None: Python's len() fails
  virtual Ref<Iterator> iterate() const;                                 // null: not iterable
  virtual bool equals(const Other& that) const { return this == &that; }
};

// A Python iterator: it is gone through once. As a value it is a generator.
class Iterator : public Other {
 public:
  using Other::Other;
  virtual bool next(Value& item) = 0;  // false at the end, and ever after
  const char* type_name() const override { return "generator"; }
  Ref<Iterator> iterate() const override;
};

// ---- Python's rules ----

const char* type_name(const Value& value);  // str, list, NoneType ...
bool truth(const Value& value);
bool equal(const Value& a, const Value& b);
// <0, 0, >0; fails where Python has no order. `symbol` is for the message.
int order(const Value& a, const Value& b, const char* symbol);
// str(value) and repr(value). What numbers, names of constants and the punctuation between them come to is trusted
// unless a stranger's text is among it; text keeps what it is, except where a repr has to escape a mixed one.
MixedText to_mixed(const Value& value);
MixedText mixed_repr(const Value& value);
inline std::string to_text(const Value& value) { return to_mixed(value).take(); }
inline std::string repr(const Value& value) { return mixed_repr(value).take(); }
std::optional<size_t> length(const Value& value);  // nothing where len() fails
size_t need_length(const Value& value);
Ref<Iterator> iterate(const Value& value);      // fails: not iterable
Ref<Iterator> try_iterate(const Value& value);  // null: not iterable
std::vector<Value> collect(const Value& value);
bool contains(const Value& container, const Value& item);
void need_hashable(const Value& value);
[[noreturn]] void fail_undefined(const Value& value);
void need_defined(const Value& value);  // fails if it is undefined
// An int, or something Python would take for one; `what` names the argument.
int64_t need_integer(const Value& value, const char* what);
const std::string& need_text(const Value& value, const char* what);

inline const MixedText& Value::mixed() const { return static_cast<const Str*>(bits_.object)->text; }
inline const std::string& Value::text() const { return mixed().text(); }
inline const Str& Value::str() const { return *static_cast<const Str*>(bits_.object); }
inline const std::vector<Value>& Value::items() const { return static_cast<const Sequence*>(bits_.object)->items; }
inline const Dict& Value::dict() const { return *static_cast<const Dict*>(bits_.object); }
inline const Range& Value::range() const { return *static_cast<const Range*>(bits_.object); }
inline const Undefined& Value::unknown() const { return *static_cast<const Undefined*>(bits_.object); }
inline Other& Value::other() const { return *static_cast<Other*>(bits_.object); }

}  // namespace glassbox::jinja
