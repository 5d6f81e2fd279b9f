// A refusal in the words every dialect has for it: how bad, what, where, and a code for programs.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/error.h"

namespace glassbox {

class ApiError : public std::runtime_error {
 public:
  // `subject` is the field at fault ("messages[2].content"), empty for none; the message names it, too.
  ApiError(int status, const std::string& message, std::string code, std::string subject = {})
      : std::runtime_error(message), status(status), code(std::move(code)), subject(std::move(subject)) {}

  // Of what went wrong within the server: its words, which may name files of it, are for the log alone.
  static ApiError hidden(std::string log) {
    return hidden(500, "the server failed; its log says how", "server_error", std::move(log));
  }
  static ApiError hidden(int status, const std::string& message, std::string code, std::string log) {
    ApiError error(status, message, std::move(code));
    error.log = std::move(log);
    return error;
  }

  int status;  // of HTTP
  std::string code, subject;
  std::string log;  // what the log says instead of what(), if anything

  const char* for_log() const { return log.empty() ? what() : log.c_str(); }
};

// What any exception is to a client. Of what it asks for, `full` is its own affair: a prompt too long.
ApiError error_of(std::exception_ptr thrown);
// What ended an answer in the making (Finished::failure): there `full` is the server's.
ApiError error_of_failure(const Error& failure);

}  // namespace glassbox
