// A refusal in the words every dialect has for it: how bad, what, where, and a code for programs.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace glassbox {

class ApiError : public std::runtime_error {
 public:
  // `param` names the field at fault ("messages[2].content"), empty for none; so does the message.
  ApiError(int status, const std::string& message, std::string code, std::string param = {})
      : std::runtime_error(message), status(status), code(std::move(code)), param(std::move(param)) {}

  int status;  // of HTTP
  std::string code, param;
};

}  // namespace glassbox
