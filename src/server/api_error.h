// A refusal in the words every dialect has for it: how bad, what, where, and a code for programs.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace glassbox {

class ApiError : public std::runtime_error {
 public:
  // `param` names the field at fault ("messages[2].content"), empty for none; so does the message.
  ApiError(int status, const std::string& message, std::string code, std::string param = {})
      : std::runtime_error(message), status(status), code(std::move(code)), param(std::move(param)) {}

  // Of what went wrong within the server: its words, which may name files of it, are for the log alone.
  static ApiError hidden(std::string what) {
    ApiError error(500, "the server failed; its log says how", "server_error");
    error.log = std::move(what);
    return error;
  }

  int status;  // of HTTP
  std::string code, param;
  std::string log;  // what the log says instead of what(), if anything

  const char* for_log() const { return log.empty() ? what() : log.c_str(); }
};

// What any exception is to a client.
ApiError error_of(std::exception_ptr thrown);

}  // namespace glassbox
