// Reading a request's JSON object field by field: types and ranges named precisely, nothing left unread.
#pragma once

#include <string>
#include <string_view>

#include "base/fields.h"
#include "server/api_error.h"

namespace glassbox {

// "a string", "null", "the number 3.5": what an error says it got.
std::string described(const OrderedJson& value);

[[noreturn]] void refuse_type(const std::string& path, std::string_view expected, const OrderedJson& got);
[[noreturn]] void refuse_value(const std::string& path, std::string_view expected, const OrderedJson& got);
[[noreturn]] void refuse_unsupported(const std::string& path, std::string_view why);

// Every reader throws ApiError(400) with the field's path for a wrong type or value. A field that is null
// counts as absent: clients send null for what they leave open.
class Fields final : public FieldReader<OrderedJson> {
 public:
  // `object` outlives this. `path` is its own, empty for the body.
  Fields(const OrderedJson& object, const std::string& path);

  [[noreturn]] void missing(std::string_view name) const;
  // Throws for the first field nobody asked about that says anything.
  void finish() const;

 private:
  [[noreturn]] void refuse(std::string_view name, const Fault& fault, const OrderedJson& got) const override;
};

}  // namespace glassbox
