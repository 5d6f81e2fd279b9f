#include "base/error.h"

namespace glassbox {

void check(bool condition, const char* what, std::source_location where) {
  if (condition) return;
  throw std::logic_error(fmt::format("{}:{}: {}", where.file_name(), where.line(), what));
}

}  // namespace glassbox
