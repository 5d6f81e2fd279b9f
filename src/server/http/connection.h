// One socket and the requests that come over it, one after another. Private to the transport.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "server/http/exchange.h"
#include "server/http/request_reader.h"
#include "server/http/shared.h"

namespace glassbox::http {

// Everything runs on the socket's strand, which whoever calls must be on.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Shared& shared, tcp::socket socket);  // `socket` is of a strand of its own

  asio::any_io_executor executor() { return socket_.get_executor(); }

  // Each ends with the socket closed.
  asio::awaitable<void> run();
  asio::awaitable<void> refuse_connection();  // answers 503

  void stop();      // the server stops: an idle connection ends now, a busy one after its answer
  void drop();      // ends now
  void give_way();  // ends now, unless it is being answered

 private:
  // True if the connection may carry another request.
  asio::awaitable<bool> serve_one();
  // By the site's handler, which holds `share` while it has the body. `streams`: the body has not been read.
  asio::awaitable<bool> answer(RequestReader& reader, std::shared_ptr<BodyShare> share, bool streams);
  asio::awaitable<bool> answer_at_once(Response response, bool keep_alive);  // without one

  // True if it is whole; if not, the client was told why or has gone.
  asio::awaitable<bool> read_head(RequestReader& reader);
  asio::awaitable<bool> read_body(RequestReader& reader, BodyShare& share);
  // To the handler that receives it.
  enum class Fed {
    whole,
    unread,
    over
  };  // all of it; not all, since there is an answer; there will be none: see refuse()
  Fed leave_unanswered();  // the client did
  asio::awaitable<Fed> feed_body(RequestReader& reader, bool wants_continue);
  asio::awaitable<void> refuse(int status, std::string_view message);

  // True if the whole answer was sent. Lowers keep_alive where this answer must be the connection's last.
  asio::awaitable<bool> send(ResponseStream::Exchange& exchange, bool version_1_1, bool& keep_alive);
  asio::awaitable<bool> send_source(ResponseStream::Exchange& exchange, Response head, bool chunks);
  asio::awaitable<bool> try_send(ResponseStream::Exchange& exchange, bool version_1_1, bool& keep_alive);
  asio::awaitable<void> watch();

  asio::awaitable<bool> read_some();                        // false when nothing more will come: see ended_
  asio::awaitable<bool> write_all(std::string_view bytes);  // false when the client has gone, or reads nothing
  // A deadline for a body's next bytes: stall_timeout, or less where its pace so far, or `most` for all, leaves less.
  void arm_for_body(size_t received, Clock::duration spent, Clock::duration most);
  // Cancels what the socket is doing when the time is over, and sets timed_out_. A new deadline replaces the last.
  void arm(std::chrono::milliseconds time);
  void disarm();
  // Closes so that the client can still read the answer: closing with bytes unread would reset the connection.
  asio::awaitable<void> linger();

  void begin_record();
  void end_record();

  Shared& shared_;
  tcp::socket socket_;
  asio::steady_timer timer_, wake_;
  boost::beast::flat_buffer in_;  // came, and is not yet taken
  std::string peer_;
  // What is known of the request that is being read or answered.
  std::shared_ptr<const Request> head_ = std::make_shared<const Request>();
  std::shared_ptr<ResponseStream::Exchange> exchange_;  // of the request being answered
  Served served_;
  Clock::time_point began_;
  bool idle_ = false, lingering_ = false, timed_out_ = false;
  bool known_ = false;  // its last request was admitted
  bool ended_ = false;  // the client closed its side; it may still read
  bool probing_ = false;
  bool lingers_ = true;  // at the end: see linger()
};

}  // namespace glassbox::http
