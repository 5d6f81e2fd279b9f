#include "formats/gguf_keys.h"

#include <algorithm>

#include "base/error.h"
#include "base/quote.h"

namespace glassbox {

double shortest(double value) {
  const auto narrow = static_cast<float>(value);
  if (static_cast<double>(narrow) != value) return value;
  return std::stod(fmt::format("{}", narrow));
}

GgufKeys::GgufKeys(const Gguf& file, std::string_view architecture)
    : file_(file), prefix_(std::string(architecture) + ".") {}

const std::string& GgufKeys::named(std::string_view key) { return *used_.insert(prefix_ + std::string(key)).first; }

std::string GgufKeys::where(std::string_view key) const {
  return fmt::format("{}: {}{}", file_.source(), prefix_, key);
}

template <class T>
std::optional<T> GgufKeys::same_in_every_layer(std::string_view key,
                                               std::optional<T> (Gguf::*one)(std::string_view) const,
                                               std::optional<std::vector<T>> (Gguf::*all)(std::string_view) const) {
  const std::string& name = named(key);
  const GgufValue* value = file_.find(name);
  if (!value || value->type() != GgufType::array) return (file_.*one)(name);
  const std::vector<T> each = *(file_.*all)(name);
  const auto layers = file_.integer(prefix_ + "block_count");
  if (each.empty() || static_cast<int64_t>(each.size()) != layers)
    fail(ErrorKind::bad_file, "{}: {}: expected a number, or one for each of the {} layers, got {}", file_.source(),
         name, layers.value_or(0), each.size());
  if (const auto other = std::ranges::find_if(each, [&](const T& v) { return !(v == each[0]); }); other != each.end())
    fail(ErrorKind::unsupported, "{}: {}: {} in layer 0 and {} in layer {}: layers that differ in it are not supported",
         file_.source(), name, each[0], *other, other - each.begin());
  return each[0];
}

std::optional<int64_t> GgufKeys::integer(std::string_view key) {
  constexpr int64_t kMost = int64_t{1} << 40;  // sums and products of two stay within 64 bits
  const auto value = same_in_every_layer(key, &Gguf::integer, &Gguf::integers);
  if (value && (*value < 0 || *value > kMost))
    fail(ErrorKind::bad_file, "{}: expected 0 to {}, got {}", where(key), kMost, *value);
  return value;
}

std::optional<double> GgufKeys::real(std::string_view key) {
  const auto value = same_in_every_layer(key, &Gguf::number, &Gguf::numbers);
  return value ? std::optional(shortest(*value)) : std::nullopt;
}

std::optional<bool> GgufKeys::boolean(std::string_view key) { return file_.boolean(named(key)); }
std::optional<std::string> GgufKeys::string(std::string_view key) { return file_.string(named(key)); }

int64_t GgufKeys::needed(std::string_view key) {
  if (const auto found = integer(key)) return *found;
  fail(ErrorKind::bad_file, "{}: expected a key {}{}, found none", file_.source(), prefix_, key);
}

void GgufKeys::same(std::string_view key, int64_t expected) {
  if (const auto found = integer(key); found && *found != expected)
    fail(ErrorKind::unsupported, "{}: expected {}, got {}", where(key), expected, *found);
}

Json GgufKeys::layer_types(int64_t layers, GgufWindows windows) {
  Json types = Json::array();
  std::vector<bool> local;
  if (const GgufValue* pattern = file_.find(named("attention.sliding_window_pattern"))) {
    if (const auto parts = pattern->parts()) {
      for (const GgufValue& part : *parts) local.push_back(part.boolean().value_or(part.integer().value_or(0) != 0));
    } else if (const auto number = pattern->integer(); number && *number > 0) {
      windows.period = *number;
      windows.full = *number - 1;
    }
  }
  for (int64_t i = 0; i < layers; ++i) {
    const bool is_local =
        static_cast<size_t>(i) < local.size() ? local[static_cast<size_t>(i)] : i % windows.period != windows.full;
    types.push_back(is_local ? windows.kind : "full_attention");
  }
  return types;
}

void GgufKeys::finish() const {
  for (const auto& [key, value] : file_.metadata()) {
    if (!key.starts_with(prefix_) || used_.contains(key)) continue;
    if (value.number() == 0.0 || value.boolean() == false || value.string() == "") continue;
    fail(ErrorKind::unsupported, "{}: {}: {} is not supported", file_.source(), quote(key), value.text());
  }
}

}  // namespace glassbox
