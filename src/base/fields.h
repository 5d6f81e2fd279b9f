// Fields of objects from outside (a request, config.json, a recipe): the one place where their types and ranges are
// checked.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/json.h"

namespace glassbox {

// What is wrong with a field, beside what it holds.
struct Fault {
  enum class Kind { type, value };  // of another type than expected; of that type, and out of range
  Kind kind;
  std::string_view type;              // "a whole number", "true or false"
  std::string least = {}, most = {};  // of numbers in a range; the latter is empty where there is no end

  std::string expected() const;          // "a whole number", and where only the range is wrong "1 to 16"
  std::string expected_in_full() const;  // "a whole number from 1 to 16", whichever is wrong
};

// An object whose fields are ticked off as they are read, so that none is overlooked. A field that is null counts as
// absent. Whoever owns the object derives from this and says what a fault becomes. `J`: Json or OrderedJson.
template <class J>
class FieldReader {
  using Integer = std::numeric_limits<int64_t>;
  using Real = std::numeric_limits<double>;

 public:
  std::string path(std::string_view name) const;  // "stream_options.include_usage"

  bool has(std::string_view name) const { return FieldReader::peek(name); }  // does not count as reading it
  bool is_read(std::string_view name) const { return read_.contains(name); }
  std::optional<std::string> first_unread() const;

  // All that follows counts as reading a field, whatever it holds. Nothing where it is absent.
  const J* find(std::string_view name);
  const J* object(std::string_view name) { return typed(name, &J::is_object, "an object"); }
  const J* list(std::string_view name) { return typed(name, &J::is_array, "a list"); }
  std::optional<bool> boolean(std::string_view name);
  std::optional<std::string> text(std::string_view name);
  std::optional<int64_t> integer(std::string_view name, int64_t least = Integer::min(), int64_t most = Integer::max());
  std::optional<double> number(std::string_view name, double least = -Real::infinity(), double most = Real::infinity());
  std::optional<std::vector<std::string>> texts(std::string_view name);
  std::optional<std::vector<int64_t>> integers(std::string_view name);
  std::optional<std::vector<double>> numbers(std::string_view name, double least, double most);

 protected:
  // 1.0 is an integer only where it is `meant` as one: some clients' languages have no other kind.
  enum class Integers { written, meant };
  // `object` outlives this, and has no field if it is none. `path` is its own, empty for the outermost.
  FieldReader(const J& object, std::string path, Integers integers = Integers::written)
      : object_(object), path_(std::move(path)), integers_(integers) {}
  ~FieldReader() = default;

  // What reading a field finds; null where it is absent.
  virtual const J* peek(std::string_view name) const;
  // `got`: the field's value, or what is wrong in a list.
  [[noreturn]] virtual void refuse(std::string_view name, const Fault& fault, const J& got) const = 0;

  void tick(std::string_view name) { read_.emplace(name); }
  const J& object_;
  const std::string path_;

 private:
  const J* typed(std::string_view name, bool (J::*is)() const noexcept, std::string_view type);
  std::string text_of(std::string_view name, const J& value, std::string_view type) const;
  int64_t integer_of(std::string_view name, const J& value, std::string_view type, int64_t least, int64_t most) const;
  double number_of(std::string_view name, const J& value, std::string_view type, double least, double most) const;

  Integers integers_;
  std::set<std::string, std::less<>> read_;
};

extern template class FieldReader<Json>;
extern template class FieldReader<OrderedJson>;

}  // namespace glassbox
