// HTTP/1.1 over TCP: connections, limits, timeouts and streams, without a word about what is served.
//
// A request is read whole (within limits), then handed to the handler together with the ResponseStream that answers it.
// Handlers run on worker threads; sockets are served by others, so a slow handler delays nobody's bytes. A client may
// close its side once it has asked (shutdown(SHUT_WR)): it gets its answer.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace glassbox::http {

struct Header {
  std::string name, value;
};

struct Request {
  std::string method;           // "GET"; HEAD arrives as it is, and its answer's body is counted but not sent
  std::string path, query;      // of the target, not percent-decoded; the query without its '?'
  std::vector<Header> headers;  // in the order they came
  std::string body;
  std::string peer;  // "127.0.0.1:51234"

  // The first header of this name, in any case.
  std::optional<std::string_view> header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::vector<Header> headers;  // Content-Length, Connection, Date and Server are the transport's
  std::string body;

  // Of what admit() refuses: the transport lets so much time pass before it sends it. No thread waits meanwhile.
  std::chrono::milliseconds delay{0};
  // Of a streamed answer: what may stand between its pieces and means nothing. The transport sends it to a client that
  // closed its side, to learn whether there is still somebody who reads.
  std::string filler{};

  Response& with(std::string name, std::string value) {
    headers.push_back({std::move(name), std::move(value)});
    return *this;
  }
};

// How one request is answered: with respond(), or with begin(), any number of write() and end(). Every
// function may be called from any thread and none blocks. Let go without an answer, or unfinished, it answers
// 500 or breaks the connection off, so that no client takes half an answer for a whole one.
class ResponseStream {
 public:
  struct Exchange;  // the transport's side of it
  explicit ResponseStream(std::shared_ptr<Exchange> exchange);
  ~ResponseStream();
  ResponseStream(const ResponseStream&) = delete;
  ResponseStream& operator=(const ResponseStream&) = delete;

  void respond(Response response);

  // The head of a streamed answer (its body is the first piece); pieces go out as they come, joined while the
  // client is slower than they are. False once the client has gone: it closed its side, read nothing for too
  // long, or left more than Options::unread_limit unread. What is written then is dropped.
  void begin(Response head);
  bool write(std::string_view piece);
  void end();

  // Runs `work` on a worker thread: one at a time for this request, in order, the handler itself being the
  // first. What it throws is answered by Site::thrown, as are the handler's own exceptions; an answer
  // already begun breaks off.
  void post(std::function<void()> work);
  // Posts `callback` once if the client goes (or the server stops) before the answer is complete. Replaces an
  // earlier one.
  void on_gone(std::function<void()> callback);
  bool gone() const;

 private:
  std::shared_ptr<Exchange> exchange_;
};

// What became of a request, for logs and figures.
struct Served {
  std::string method, path, peer;
  int status = 0;       // 499: the client left before it had an answer
  size_t received = 0;  // bytes of the body
  size_t sent = 0;      // bytes, heads included
  bool gone = false;    // the client left before the answer was complete
  double seconds = 0;   // from the head's last byte to the answer's
};

struct Options {
  std::string address = "127.0.0.1";
  uint16_t port = 8080;  // 0: the system chooses
  int io_threads = 1;
  int workers = 4;

  size_t body_limit = size_t{32} << 20;
  size_t header_limit = size_t{32} << 10;
  // Larger bodies are handled one after another, on a thread of their own, and are in memory together up to
  // body_memory: what comes beyond it is answered 503. Small ones always find room.
  size_t large_body = size_t{128} << 10;
  size_t body_memory = size_t{256} << 20;
  // Who has waited longest gives way to who comes, first those of whom no request was admitted yet; those may hold
  // stranger_limit of the seats. What is being answered never gives way.
  size_t connection_limit = 1024;
  size_t stranger_limit = 512;
  size_t unread_limit = size_t{4} << 20;

  std::chrono::milliseconds idle_timeout{75'000};      // between requests of one connection
  std::chrono::milliseconds stranger_timeout{10'000};  // the same before one was admitted, and after one was refused
  std::chrono::milliseconds header_timeout{10'000};    // from a head's first byte to its last
  std::chrono::milliseconds stall_timeout{30'000};     // of a body or an answer of which no byte moves
  std::chrono::milliseconds body_timeout{300'000};     // from a body's first byte to its last
  size_t slowest_body = size_t{16} << 10;              // bytes a second, on average, after stall_timeout
  std::chrono::milliseconds grace{5'000};              // what is being answered when stop() is called has this long

  bool stop_on_signals = false;  // SIGINT and SIGTERM call stop(); a second one ends the grace
};

// What is served. Everything but handle() must be quick; all of it is called by several threads at once.
class Site {
 public:
  virtual ~Site() = default;

  // Takes a request that was read whole and answers it through `stream`, now or later. On a worker thread.
  virtual void handle(Request request, std::shared_ptr<ResponseStream> stream) = 0;
  // True for requests that handle() answers in no time: they have a thread to themselves, so that they never wait for
  // the others. Asked with the head alone.
  virtual bool quick(const Request& head);

  // Asked with the head alone, before the body is read: an answer refuses the request.
  virtual std::optional<Response> admit(const Request& head);
  // Makes the transport's own refusals: 400, 408, 413, 431, 500, 503. Plain text unless overridden.
  virtual Response failure(int status, std::string_view message);
  // Makes the answer to what handle() or posted work threw: failure(500) unless overridden.
  virtual Response thrown(std::exception_ptr what);
  virtual void served(const Served& served);
};

class Server {
 public:
  // Binds and listens. Throws Error(io) naming address, port and reason.
  explicit Server(Options options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const;

  // Serves until stop(): once. Returns when every connection is closed and every ResponseStream was let go.
  // Who connects before it waits.
  void run(Site& site);
  // Any thread. Accepts no more, closes idle connections, lets answers finish for Options::grace, then drops
  // them (their on_gone is called). A second call ends the grace.
  void stop();

  struct State;  // not for callers

 private:
  std::unique_ptr<State> state_;
};

// The reason phrase: "Not Found".
std::string_view reason(int status);

}  // namespace glassbox::http
