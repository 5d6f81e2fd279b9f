// HTTP/1.1 over TCP: connections, limits, timeouts and streams, without a word about what is served.
//
// A request is read whole (within limits), then handed to the handler together with the ResponseStream that answers it;
// or, where the site says so, handed over with its head, and its body comes piece by piece. Handlers run on worker
// threads; sockets are served by others, so a slow handler delays nobody's bytes. A client may close its side once it
// has asked (shutdown(SHUT_WR)): it gets its answer.
//
// Large bodies hold little memory, whichever way they go: a piece of an upload is read when the one before it was
// taken, a piece of a download is asked for when the socket took the one before it. So whoever is slower sets the pace.
// What a model says cannot wait for its reader: it is kept up to a bound, and then the reader is let go (write()).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
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
  std::string body;             // empty where it streams (Intake)
  std::string peer;             // "127.0.0.1:51234"

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

  // Instead of `body`, for respond(): gives the next bytes of it, at most `most`, and none at its end. On a worker
  // thread, one at a time; what it waits for, a worker waits for. It is let go when the answer was sent, or its client
  // left. To throw, or to give more or fewer bytes than `size` says, ends the connection, so that nobody takes half a
  // body for a whole one.
  std::function<std::string(size_t most)> source = nullptr;
  std::optional<uint64_t> size = std::nullopt;  // of what the source gives, where it is known

  Response& with(std::string name, std::string value) {
    headers.push_back({std::move(name), std::move(value)});
    return *this;
  }

  // A file to whoever asks with GET or HEAD (RFC 9110): whole, the one range that is asked for (206; 416 if there is
  // nothing of it; several ranges are answered with the whole), or 304 where the client has it. If-None-Match and
  // If-Range are compared with `etag` ("\"...\""; empty: made of the file's number, size and time). Sent in pieces; a
  // file that changes meanwhile ends the connection. Throws Error(not_found | io | bad_file), as open_regular() does.
  static Response file(const std::filesystem::path& path, const Request& request, std::string content_type,
                       std::string etag = {});
  // The same of `size` bytes from anywhere: `open(begin, end)` makes the source of the part that is sent, and is called
  // only if there is one.
  static Response ranged(
      const Request& request, uint64_t size, std::string content_type, const std::string& etag,
      const std::function<std::function<std::string(size_t most)>(uint64_t begin, uint64_t end)>& open);
};

// How one request is answered: with respond(), or with begin(), any number of write() and end(). Every
// function may be called from any thread and none blocks. Let go without an answer, or unfinished, it answers
// 500 or breaks the connection off, so that no client takes half an answer for a whole one.
//
// Where the body streams, the handler asks for it with receive(), or answers without: what is not read of it then ends
// the connection.
class ResponseStream {
 public:
  struct Exchange;  // the transport's side of it
  explicit ResponseStream(std::shared_ptr<Exchange> exchange);
  ~ResponseStream();
  ResponseStream(const ResponseStream&) = delete;
  ResponseStream& operator=(const ResponseStream&) = delete;

  // Asks for the body, once, and tells a client that waits for it to go on (100-continue). `take` has each piece as it
  // comes, of at most 64 KiB; `end` is called after the last. Both are posted work (see post()): while one runs, the
  // client waits. A body that does not come whole (too long, malformed, or its client left) has no end: on_gone's
  // callback is called, and these are let go. An answer that begins before ends it as well.
  void receive(std::function<void(std::string_view piece)> take, std::function<void()> end);

  void respond(Response response);

  // The head of a streamed answer (its body is the first piece); pieces go out as they come, joined while the
  // client is slower than they are. False once the client has gone: it closed its side, read nothing for too
  // long, or left more than Options::unread_limit unread. What is written then is dropped. For what comes when it
  // comes; what can wait is better given as Response::source.
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
  std::chrono::milliseconds body_timeout{300'000};     // from a body's first byte to its last, unless it streams
  size_t slowest_body = size_t{16} << 10;              // bytes a second, on average, after stall_timeout
  std::chrono::milliseconds grace{5'000};              // what is being answered when stop() is called has this long

  bool stop_on_signals = false;  // SIGINT and SIGTERM call stop(); a second one ends the grace
};

// How an admitted request's body is taken.
struct Intake {
  bool streams = false;           // to handle()'s ResponseStream::receive(); else it is read before handle() is called
  std::optional<uint64_t> limit;  // in bytes; nothing: Options::body_limit
};

// Bytes of answers, and of bodies that stream in, between sockets and whoever gives or takes them.
struct Buffered {
  size_t now = 0, most = 0;
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
  // Asked with the head of what was admitted.
  virtual Intake intake(const Request& head);
  // Makes the transport's own refusals: 400, 408, 413, 431, 500, 503. Plain text unless overridden. `head` has what is
  // known of the request, which may be nothing.
  virtual Response failure(const Request& head, int status, std::string_view message);
  // Makes the answer to what handle() or posted work threw: failure(500) unless overridden.
  virtual Response thrown(const Request& head, std::exception_ptr what);
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
  Buffered buffered() const;

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
