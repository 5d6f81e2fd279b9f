#include "hub/home.h"

#include <cstdlib>

#include "base/error.h"

namespace glassbox::hub {

std::filesystem::path home() {
  const auto variable = [](const char* name) -> std::filesystem::path {
    const char* value = std::getenv(name);
    return value ? value : "";
  };
  if (const auto own = variable("GLASSBOX_HOME"); !own.empty()) return own;
  if (const auto data = variable("XDG_DATA_HOME"); !data.empty()) return data / "glassbox";
  if (const auto user = variable("HOME"); !user.empty()) return user / ".local" / "share" / "glassbox";
  fail(ErrorKind::io, "neither GLASSBOX_HOME nor HOME says where to keep the hub");
}

}  // namespace glassbox::hub
