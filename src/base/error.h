// Errors: what was wrong, where, what was expected and what was there, in one line.
#pragma once

#include <fmt/format.h>

#include <exception>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <utility>

namespace glassbox {

enum class ErrorKind {
  bad_file,     // bytes from disk or network that do not hold what they claim
  bad_request,  // a request, option or argument used wrongly
  unsupported,  // well formed, but something this build does not do: refused by name
  not_found,    // a file, model or name that does not exist
  full,         // a limit was reached: context, memory, queue
  io,           // the operating system said no
  cancelled,    // whoever asked went away
  not_finite,   // a model's numbers, or its adapter's, became NaN or infinite
  internal,     // our own fault, as a worker tells it to whoever waits
};

// Someone else's fault: a file, a request, a machine. Our own faults are check() and assert(). Copies share their
// words, also across threads.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string what) : Error(kind, Words{std::move(what), {}}) {}
  // what() is "subject: message".
  Error(ErrorKind kind, std::string subject, const std::string& message)
      : Error(kind, Words{subject + ": " + message, std::move(subject)}) {}

  const char* what() const noexcept override { return words_->what.c_str(); }
  ErrorKind kind() const { return kind_; }
  // What is wrong, as whoever asked calls it: a request's field ("messages[2].content"), a file, a tensor. Empty where
  // it has no name.
  const std::string& subject() const { return words_->subject; }

 private:
  struct Words {
    std::string what, subject;
  };
  Error(ErrorKind kind, Words words) : kind_(kind), words_(std::make_shared<const Words>(std::move(words))) {}

  ErrorKind kind_;
  std::shared_ptr<const Words> words_;
};

// throw Error with a formatted message:  fail(ErrorKind::bad_file, "{}: tensor {}: ...", file, name);
template <class... Args>
[[noreturn]] void fail(ErrorKind kind, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, fmt::format(format, std::forward<Args>(args)...));
}

// The same with a subject, which the message does not repeat:  fail_at(ErrorKind::bad_request, "top_p", "expected
// ...").
template <class... Args>
[[noreturn]] void fail_at(ErrorKind kind, std::string subject, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(kind, std::move(subject), fmt::format(format, std::forward<Args>(args)...));
}

// Our own fault, at a boundary: throws std::logic_error naming the place.
void check(bool condition, const char* what, std::source_location where = std::source_location::current());

}  // namespace glassbox
