// Variables of the environment that are other ones for the length of a test.
#pragma once

#include <cstdlib>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace glassbox::testing {

class Environment {
 public:
  using Value = std::optional<std::string>;  // nothing: not set
  explicit Environment(std::initializer_list<std::pair<const char*, Value>> variables) {
    for (const auto& [name, value] : variables) {
      const char* was = std::getenv(name);
      before_[name] = was ? Value(was) : std::nullopt;
      put(name, value);
    }
  }
  ~Environment() {
    for (const auto& [name, value] : before_) put(name, value);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  static void put(const std::string& name, const Value& value) {
    if (value)
      ::setenv(name.c_str(), value->c_str(), 1);
    else
      ::unsetenv(name.c_str());
  }

  std::map<std::string, Value> before_;
};

}  // namespace glassbox::testing
