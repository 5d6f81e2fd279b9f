// From bytes to a Request: one message of HTTP/1.x, within limits, without a socket. Private to the transport.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/system/error_code.hpp>
#include <memory>
#include <optional>
#include <string>

#include "server/http/http.h"

namespace glassbox::http {

bool equal_ignoring_case(std::string_view a, std::string_view b);

class RequestReader {
 public:
  // Why a request is not answered, in a status and one line. Where the next one would begin is then unknown.
  struct Refusal {
    int status;
    std::string message;
  };

  // Reads options.header_limit.
  RequestReader(const Options& options, std::string peer);
  ~RequestReader();

  // Each takes what is its own from the front of `in`, and is true once it has all of it. If not, call it again with
  // more bytes, unless there is a refusal().
  bool take_head(boost::beast::flat_buffer& in);
  bool take_body(boost::beast::flat_buffer& in);  // REQUIRES: limit_body() was true
  // What a body may have. False, with a refusal(), if it says that it has more. REQUIRES: take_head() was true.
  bool limit_body(uint64_t bytes);
  const std::optional<Refusal>& refusal() const { return refusal_; }

  // What was read so far: after a refusal perhaps no more than a method.
  const Request& request() const { return request_; }
  Request take_request();    // REQUIRES: take_head() was true; with the body's bytes as far as they were taken
  std::string take_piece();  // those bytes alone: whoever streams

  // Known with the head.
  bool has_body() const;  // or may have: chunks have not said yet
  bool wants_continue() const;
  bool is_version_1_1() const;  // else 1.0
  bool keeps_connection() const;
  size_t body_size() const;  // taken, and not given away

 private:
  class Parser;

  bool refuse(int status, std::string message);  // false
  bool refuse_too_large();
  bool refuse_malformed(boost::system::error_code ec);
  void read_start_line();
  bool check_head();

  const size_t header_limit_;
  uint64_t body_limit_ = 0;
  std::unique_ptr<Parser> parser_;
  Request request_;
  std::optional<Refusal> refusal_;
};

}  // namespace glassbox::http
