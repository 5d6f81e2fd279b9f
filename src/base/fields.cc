#include "base/fields.h"

#include <cmath>
#include <utility>

namespace glassbox {
namespace {

template <class T>
Fault fault_of(Fault::Kind kind, std::string_view type, T least, T most) {
  using Limits = std::numeric_limits<T>;
  using Small = std::numeric_limits<int32_t>;
  if (kind == Fault::Kind::value && least == Small::min() && most == Small::max())
    return {kind, "a whole number of 32 bits"};
  const bool endless = most == (Limits::has_infinity ? Limits::infinity() : Limits::max());
  if (endless && least == (Limits::has_infinity ? -Limits::infinity() : Limits::min())) return {kind, type};
  return {kind, type, fmt::format("{}", least), endless ? "" : fmt::format("{}", most)};
}

// What `read` makes of a value that is there, and of a list's.
template <class J, class Read>
auto one(const J* value, Read read) {
  return value ? std::optional(read(*value)) : std::nullopt;
}
template <class J, class Read>
auto all(const J* list, Read read) {
  std::optional<std::vector<decltype(read(*list))>> values;
  if (!list) return values;
  values.emplace();
  for (const J& part : *list) values->push_back(read(part));
  return values;
}

}  // namespace

std::string Fault::expected() const {
  if (kind == Kind::type || least.empty()) return std::string(type);
  return most.empty() ? least + " or more" : least + " to " + most;
}

std::string Fault::expected_in_full() const {
  return fmt::format("{}{}{}{}{}", type, least.empty() ? "" : " from ", least, most.empty() ? "" : " to ", most);
}

template <class J>
std::string FieldReader<J>::path(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

template <class J>
const J* FieldReader<J>::peek(std::string_view name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

template <class J>
std::optional<std::string> FieldReader<J>::first_unread() const {
  for (const auto& [name, value] : object_.items())
    if (!is_read(name) && !value.is_null()) return name;
  return std::nullopt;
}

template <class J>
const J* FieldReader<J>::find(std::string_view name) {
  tick(name);
  return peek(name);
}

template <class J>
const J* FieldReader<J>::typed(std::string_view name, bool (J::*is)() const noexcept, std::string_view type) {
  const J* value = find(name);
  if (value && !(value->*is)()) refuse(name, {Fault::Kind::type, type}, *value);
  return value;
}

template <class J>
std::optional<bool> FieldReader<J>::boolean(std::string_view name) {
  return one(typed(name, &J::is_boolean, "true or false"), [](const J& value) { return value.template get<bool>(); });
}

template <class J>
std::optional<std::string> FieldReader<J>::text(std::string_view name) {
  return one(find(name), [&](const J& value) { return text_of(name, value, "a string"); });
}

template <class J>
std::optional<int64_t> FieldReader<J>::integer(std::string_view name, int64_t least, int64_t most) {
  return one(find(name), [&](const J& value) { return integer_of(name, value, "a whole number", least, most); });
}

template <class J>
std::optional<double> FieldReader<J>::number(std::string_view name, double least, double most) {
  return one(find(name), [&](const J& value) { return number_of(name, value, "a number", least, most); });
}

template <class J>
std::optional<std::vector<std::string>> FieldReader<J>::texts(std::string_view name) {
  return all(list(name), [&](const J& part) { return text_of(name, part, "strings"); });
}

template <class J>
std::optional<std::vector<int64_t>> FieldReader<J>::integers(std::string_view name) {
  return all(list(name),
             [&](const J& part) { return integer_of(name, part, "whole numbers", Integer::min(), Integer::max()); });
}

template <class J>
std::optional<std::vector<double>> FieldReader<J>::numbers(std::string_view name, double least, double most) {
  return all(list(name), [&](const J& part) { return number_of(name, part, "numbers", least, most); });
}

template <class J>
std::string FieldReader<J>::text_of(std::string_view name, const J& value, std::string_view type) const {
  if (!value.is_string()) refuse(name, {Fault::Kind::type, type}, value);
  return value.template get<std::string>();
}

template <class J>
int64_t FieldReader<J>::integer_of(std::string_view name, const J& value, std::string_view type, int64_t least,
                                   int64_t most) const {
  constexpr double kExact = 9e15;  // less than 2^53: up to there a float64 says which integer is meant
  const auto wrong = [&](Fault::Kind kind) { refuse(name, fault_of(kind, type, least, most), value); };
  if (value.is_number_float() && integers_ == Integers::meant) {
    const auto real = value.template get<double>();
    if (real != std::floor(real) || std::abs(real) > kExact) wrong(Fault::Kind::value);
  } else if (!value.is_number_integer()) {
    wrong(Fault::Kind::type);
  }
  if (value.is_number_unsigned() && !std::in_range<int64_t>(value.template get<uint64_t>())) wrong(Fault::Kind::value);
  const auto whole = value.template get<int64_t>();
  if (whole < least || whole > most) wrong(Fault::Kind::value);
  return whole;
}

template <class J>
double FieldReader<J>::number_of(std::string_view name, const J& value, std::string_view type, double least,
                                 double most) const {
  const auto wrong = [&](Fault::Kind kind) { refuse(name, fault_of(kind, type, least, most), value); };
  if (!value.is_number()) wrong(Fault::Kind::type);
  const auto real = value.template get<double>();
  if (!(real >= least && real <= most)) wrong(Fault::Kind::value);
  return real;
}

template class FieldReader<Json>;
template class FieldReader<OrderedJson>;

}  // namespace glassbox
