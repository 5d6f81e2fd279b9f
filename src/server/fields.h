// Reading a request's JSON object field by field: types and ranges named precisely, nothing left unread.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/json.h"
#include "server/api_error.h"

namespace glassbox {

// "a string", "null", "the number 3.5": what an error says it got.
std::string described(const OrderedJson& value);

[[noreturn]] void refuse_type(const std::string& path, std::string_view expected, const OrderedJson& got);
[[noreturn]] void refuse_value(const std::string& path, std::string_view expected, const OrderedJson& got);
[[noreturn]] void refuse_unsupported(const std::string& path, std::string_view why);

// Every reader throws ApiError(400) with the field's path for a wrong type or value. A field that is null
// counts as absent: clients send null for what they leave open.
class Fields {
 public:
  // `object` outlives this. `path` is its own, empty for the body.
  Fields(const OrderedJson& object, std::string path);

  std::string path(std::string_view name) const;
  // Nothing if it is absent or null.
  const OrderedJson* find(std::string_view name);

  std::optional<bool> boolean(std::string_view name);
  std::optional<int64_t> integer(std::string_view name, int64_t least, int64_t most);
  std::optional<double> number(std::string_view name, double least, double most);
  std::optional<std::string> text(std::string_view name);
  const OrderedJson* object(std::string_view name);
  const OrderedJson* list(std::string_view name);

  [[noreturn]] void missing(std::string_view name) const;
  // Throws for the first field nobody asked about that says anything.
  void finish() const;

 private:
  const OrderedJson& object_;
  std::string path_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace glassbox
