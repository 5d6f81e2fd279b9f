#include "server/http.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <condition_variable>
#include <csignal>
#include <ctime>
#include <mutex>
#include <thread>
#include <unordered_map>

namespace glassbox::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using namespace asio::experimental::awaitable_operators;  // (a || b): both at once, the first to end cancels
                                                          // the other

namespace {

constexpr auto kResult = asio::as_tuple(asio::use_awaitable);
constexpr size_t kPiece = size_t{64} << 10;   // read at a time, and read ahead of an answer
constexpr size_t kDiscard = size_t{1} << 30;  // of a refused body, so that its sender lives to read why
constexpr auto kLinger = std::chrono::seconds(10);
constexpr auto kAcceptPause = std::chrono::milliseconds(100);  // after EMFILE and the like

// Grows with what arrives: Beast's string_body would reserve what Content-Length merely claims.
struct GrowingBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool isRequest, class Fields>
    reader(beast::http::header<isRequest, Fields>&, value_type& body) : body_(body) {}
    void init(const boost::optional<uint64_t>&, error_code& ec) { ec = {}; }
    template <class Buffers>
    size_t put(const Buffers& buffers, error_code& ec) {
      ec = {};
      size_t size = 0;
      for (auto i = asio::buffer_sequence_begin(buffers); i != asio::buffer_sequence_end(buffers); ++i) {
        asio::const_buffer piece(*i);
        body_.append(static_cast<const char*>(piece.data()), piece.size());
        size += piece.size();
      }
      return size;
    }
    void finish(error_code& ec) { ec = {}; }

   private:
    value_type& body_;
  };
};

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::string date_now() {
  std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[64];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return text;
}

enum class Framing { counted, chunked, until_close };

std::string head_text(const Response& response, Framing framing, bool keep_alive) {
  std::string text = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
  for (const Header& header : response.headers) text += fmt::format("{}: {}\r\n", header.name, header.value);
  bool bodiless = response.status == 204 || response.status == 304;
  if (framing == Framing::counted && !bodiless) text += fmt::format("Content-Length: {}\r\n", response.body.size());
  if (framing == Framing::chunked) text += "Transfer-Encoding: chunked\r\n";
  text += fmt::format("Connection: {}\r\nDate: {}\r\nServer: glassbox\r\n\r\n", keep_alive ? "keep-alive" : "close",
                      date_now());
  return text;
}

// A line break in a value would let whoever chose the value write headers of their own.
void check_headers(const Response& response) {
  for (const Header& header : response.headers)
    check(header.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos,
          "a header's value holds a line break");
}

class Connection;

}  // namespace

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const Header& header : headers)
    if (equal_ignoring_case(header.name, name)) return header.value;
  return std::nullopt;
}

std::optional<Response> Site::admit(const Request&) { return std::nullopt; }
void Site::served(const Served&) {}

Response Site::failure(int status, std::string_view message) {
  return Response{status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::string(message) + "\n"};
}

Response Site::thrown(std::exception_ptr what) {
  try {
    std::rethrow_exception(what);
  } catch (const std::exception& error) { return failure(500, error.what()); } catch (...) {
    return failure(500, "unknown exception");
  }
}

struct Server::State {
  explicit State(Options given)
      : options(std::move(given)),
        io(std::max(1, options.io_threads)),
        pool(static_cast<size_t>(std::max(1, options.workers))),
        acceptor(asio::make_strand(io)),
        grace(acceptor.get_executor()),
        signals(acceptor.get_executor()) {}

  Options options;
  Site* site = nullptr;  // set by run(), before anything is accepted
  asio::io_context io;
  asio::thread_pool pool;
  tcp::acceptor acceptor;
  asio::steady_timer grace;
  asio::signal_set signals;
  uint16_t port = 0;
  bool finished = false;  // stopped, and every connection has ended; on the acceptor's strand

  std::mutex mutex;
  std::condition_variable let_go;
  std::unordered_map<Connection*, std::weak_ptr<Connection>> connections;
  int64_t streams = 0;    // ResponseStreams alive
  bool stopping = false;  // set once by stop(), read by connections

  bool is_stopping() {
    std::lock_guard lock(mutex);
    return stopping;
  }
  void listen();
  asio::awaitable<void> accept();
  asio::awaitable<void> wait_for_signals();
  void stop_now();  // on the acceptor's strand
  void drop_connections();
};

// Between a connection (one strand of sockets) and whoever answers (any thread).
struct ResponseStream::Exchange : std::enable_shared_from_this<Exchange> {
  explicit Exchange(Server::State* server_) : server(server_), work(asio::make_strand(server_->pool)) {}

  Server::State* const server;
  asio::strand<asio::thread_pool::executor_type> work;

  mutable std::mutex mutex;
  std::function<void()> wake;    // tells the connection to look again; empty once it no longer cares
  std::optional<Response> head;  // set when the answer is known (respond) or begins (begin)
  std::string pending;           // of a streamed answer, not yet handed to the socket
  bool streamed = false, ended = false, broken = false, gone = false, woken = false;
  std::function<void()> on_gone;

  // REQUIRES: mutex is held.
  void notify() {
    if (!wake || woken) return;
    woken = true;
    wake();
  }

  void post(std::function<void()> task) {
    asio::post(work, [self = shared_from_this(), task = std::move(task)] {
      try {
        task();
      } catch (...) { self->fail(std::current_exception()); }
    });
  }

  void fail(std::exception_ptr what) {
    Response response = server->site->thrown(what);
    std::lock_guard lock(mutex);
    if (ended) return;
    if (!head) {
      head = std::move(response);
      ended = true;
    } else {
      broken = ended = true;
    }
    on_gone = nullptr;
    notify();
  }

  void abandon() {
    std::lock_guard lock(mutex);
    if (ended) return;
    if (head)
      broken = true;
    else if (!gone)
      head = server->site->failure(500, "the request was dropped without an answer");
    ended = true;
    notify();
  }

  // The client left, or must.
  void leave() {
    std::function<void()> callback;
    {
      std::lock_guard lock(mutex);
      if (gone) return;
      gone = true;
      pending.clear();
      pending.shrink_to_fit();
      if (!ended) callback = std::move(on_gone);
      on_gone = nullptr;
      notify();
    }
    if (callback) post(std::move(callback));
  }
};

ResponseStream::ResponseStream(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {
  std::lock_guard lock(exchange_->server->mutex);
  ++exchange_->server->streams;
}

ResponseStream::~ResponseStream() {
  Server::State* server = exchange_->server;
  exchange_->abandon();
  exchange_.reset();  // its strand belongs to the pool, which run() may destroy once nobody is counted
  std::lock_guard lock(server->mutex);
  --server->streams;
  server->let_go.notify_all();
}

void ResponseStream::respond(Response response) {
  check_headers(response);
  std::lock_guard lock(exchange_->mutex);
  if (exchange_->ended) return;  // by what other work of this request threw
  check(!exchange_->head, "a request is answered once");
  exchange_->head = std::move(response);
  exchange_->ended = true;
  exchange_->on_gone = nullptr;
  exchange_->notify();
}

void ResponseStream::begin(Response head) {
  check_headers(head);
  std::lock_guard lock(exchange_->mutex);
  if (exchange_->ended) return;
  check(!exchange_->head, "a request is answered once");
  if (!exchange_->gone) exchange_->pending = std::move(head.body);
  head.body.clear();
  exchange_->head = std::move(head);
  exchange_->streamed = true;
  exchange_->notify();
}

bool ResponseStream::write(std::string_view piece) {
  bool over = false;
  {
    std::lock_guard lock(exchange_->mutex);
    if (exchange_->gone || exchange_->ended) return false;
    check(exchange_->streamed, "write() comes after begin()");
    exchange_->pending += piece;
    over = exchange_->pending.size() > exchange_->server->options.unread_limit;
    if (!over) exchange_->notify();
  }
  if (over) exchange_->leave();
  return !over;
}

void ResponseStream::end() {
  std::lock_guard lock(exchange_->mutex);
  if (exchange_->ended) return;
  check(exchange_->streamed, "end() comes after begin()");
  exchange_->ended = true;
  exchange_->on_gone = nullptr;
  exchange_->notify();
}

void ResponseStream::post(std::function<void()> work) { exchange_->post(std::move(work)); }

void ResponseStream::on_gone(std::function<void()> callback) {
  {
    std::lock_guard lock(exchange_->mutex);
    if (exchange_->ended) return;
    if (!exchange_->gone) {
      exchange_->on_gone = std::move(callback);
      return;
    }
  }
  exchange_->post(std::move(callback));
}

bool ResponseStream::gone() const {
  std::lock_guard lock(exchange_->mutex);
  return exchange_->gone;
}

namespace {

// One socket and what comes over it, request after request. Everything runs on the socket's strand.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Server::State& server, tcp::socket socket)
      : server_(server), socket_(std::move(socket)), timer_(socket_.get_executor()), wake_(socket_.get_executor()) {
    error_code ignored;
    auto peer = socket_.remote_endpoint(ignored);
    std::string address = peer.address().to_string();
    peer_ = fmt::format("{}:{}", peer.address().is_v6() ? "[" + address + "]" : address, peer.port());
    socket_.set_option(tcp::no_delay(true),
                       ignored);  // a token must not wait for the acknowledgement of the last
    wake_.expires_at(Clock::time_point::max());
  }

  asio::any_io_executor executor() { return socket_.get_executor(); }

  asio::awaitable<void> run() {
    for (bool more = true; more;) more = co_await serve_one();  // gcc 12 miscompiles: while (co_await serve_one()) {}
    co_await linger();
  }

  asio::awaitable<void> refuse_connection() {
    co_await refuse(503, "too many connections");
    co_await linger();
  }

  // The server stops: an idle connection ends now, a busy one after its answer.
  void stop() {
    error_code ignored;
    if (idle_ || lingering_) socket_.cancel(ignored);
  }

  void drop() {
    if (exchange_) exchange_->leave();
    error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
    wake_.cancel();
  }

 private:
  using Parser = beast::http::request_parser<GrowingBody>;

  // Cancels what the socket is doing when the time is over. One deadline at a time; a new one replaces it.
  void arm(std::chrono::milliseconds time) {
    timed_out_ = false;
    timer_.expires_after(time);
    timer_.async_wait([self = weak_from_this()](error_code ec) {
      auto connection = self.lock();
      // A deadline that ran out just before it was replaced still comes here, without an error.
      if (ec || !connection || connection->timer_.expiry() > Clock::now()) return;
      connection->timed_out_ = true;
      error_code ignored;
      connection->socket_.cancel(ignored);
    });
  }
  void disarm() { timer_.cancel(); }

  // False when nothing more will come (or not in time: timed_out_).
  asio::awaitable<bool> read_some() {
    auto [ec, n] = co_await socket_.async_read_some(in_.prepare(kPiece), kResult);
    in_.commit(n);
    co_return !ec;
  }

  asio::awaitable<bool> write_all(std::string_view bytes) {
    while (!bytes.empty()) {
      arm(server_.options.stall_timeout);
      auto [ec, n] = co_await socket_.async_write_some(asio::buffer(bytes.data(), bytes.size()), kResult);
      if (ec) co_return false;
      served_.sent += n;
      bytes.remove_prefix(n);
    }
    disarm();
    co_return true;
  }

  void begin_record() {
    served_ = Served{};
    served_.peer = peer_;
    began_ = Clock::now();
  }
  void end_record() {
    served_.seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    server_.site->served(served_);
  }

  // Answers without a handler, and without reading what else the client may say.
  asio::awaitable<void> refuse(Response response) {
    served_.status = response.status;
    std::string text = head_text(response, Framing::counted, false);
    if (served_.method != "HEAD") text += response.body;
    served_.gone = !co_await write_all(text);
    end_record();
  }
  asio::awaitable<void> refuse(int status, std::string_view message) {
    return refuse(server_.site->failure(status, message));
  }

  static std::string_view target_of(const Parser& parser) {
    auto target = parser.get().target();
    return {target.data(), target.size()};
  }

  void take_head(const Parser& parser, Request& request) const {
    const auto& message = parser.get();
    request.method = std::string(message.method_string());
    std::string_view target = target_of(parser);
    if (target.starts_with("http://") || target.starts_with("https://")) {  // as clients of proxies write it
      size_t path = target.find('/', target.find("//") + 2);
      target = path == std::string_view::npos ? "/" : target.substr(path);
    }
    target = target.substr(0, target.find('#'));
    size_t question = target.find('?');
    request.path = std::string(target.substr(0, question));
    if (question != std::string_view::npos) request.query = std::string(target.substr(question + 1));
    for (const auto& field : message)
      request.headers.push_back({std::string(field.name_string()), std::string(field.value())});
    request.peer = peer_;
  }

  // Reads and answers one request. True if the connection may carry another.
  asio::awaitable<bool> serve_one() {
    idle_ = true;
    if (in_.size() == 0) {
      if (server_.is_stopping()) co_return false;
      arm(server_.options.idle_timeout);
      if (!co_await read_some()) {
        lingers_ = false;  // the client said nothing that a goodbye would answer
        co_return false;
      }
    }
    idle_ = false;
    begin_record();

    Parser parser;
    parser.header_limit(static_cast<uint32_t>(server_.options.header_limit));
    parser.body_limit(server_.options.body_limit);
    error_code ec;

    arm(server_.options.header_timeout);
    while (!parser.is_header_done()) {
      in_.consume(parser.put(in_.data(), ec));
      if (parser.is_header_done()) break;
      if (ec && ec != beast::http::error::need_more) {
        co_await refuse_malformed(parser, ec);
        co_return false;
      }
      if (!co_await read_some()) {
        if (timed_out_) co_await refuse(408, "the request's head did not arrive in time");
        co_return false;
      }
    }
    if (ec && ec != beast::http::error::need_more) {  // a body declared too long is known with the head
      co_await refuse_malformed(parser, ec);
      co_return false;
    }
    began_ = Clock::now();

    Request request;
    take_head(parser, request);
    served_.method = request.method;
    served_.path = request.path;
    bool version_1_1 = parser.get().version() >= 11;
    if (!request.path.starts_with('/') && !(request.method == "OPTIONS" && request.path == "*")) {
      co_await refuse(400, "the request's target: expected a path");
      co_return false;
    }
    auto hosts = std::count_if(request.headers.begin(), request.headers.end(),
                               [](const Header& header) { return equal_ignoring_case(header.name, "Host"); });
    if (hosts > 1 || (hosts == 0 && version_1_1)) {
      co_await refuse(400, fmt::format("the Host header: expected one, got {}", hosts));
      co_return false;
    }
    if (auto refusal = server_.site->admit(request)) {
      // Its body is unread: without one the connection can go on.
      bool go_on = parser.is_done() && parser.keep_alive() && !server_.is_stopping();
      if (!go_on) {
        co_await refuse(std::move(*refusal));
        co_return false;
      }
      served_.status = refusal->status;
      std::string text = head_text(*refusal, Framing::counted, true);
      if (request.method != "HEAD") text += refusal->body;
      served_.gone = !co_await write_all(text);
      end_record();
      co_return !served_.gone;
    }

    if (auto expect = request.header("Expect"); expect && !parser.is_done()) {
      if (!equal_ignoring_case(*expect, "100-continue")) {
        co_await refuse(400, "the Expect header: only 100-continue is known");
        co_return false;
      }
      if (!co_await write_all("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
    }

    auto body_deadline = Clock::now() + server_.options.body_timeout;
    while (!parser.is_done()) {
      if (in_.size() > 0) in_.consume(parser.put(in_.data(), ec));
      if (parser.is_done()) break;
      if (in_.size() > 0 && !ec) continue;
      if (ec && ec != beast::http::error::need_more) {
        co_await refuse_malformed(parser, ec);
        co_return false;
      }
      if (in_.size() > server_.options.header_limit) {  // of a chunk's head: a whole chunk would have been taken
        co_await refuse(400, "not an HTTP request: a chunk's head without an end");
        co_return false;
      }
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(body_deadline - Clock::now());
      arm(std::max(std::chrono::milliseconds(1), std::min(server_.options.stall_timeout, left)));
      if (!co_await read_some()) {
        if (timed_out_) co_await refuse(408, "the request's body did not arrive in time");
        co_return false;
      }
    }
    disarm();
    bool keep_alive = parser.keep_alive();
    request.body = std::move(parser.get().body());
    served_.received = request.body.size();
    bool answered = co_await answer(std::move(request), version_1_1, keep_alive);
    co_return answered;
  }

  asio::awaitable<void> refuse_malformed(const Parser& parser, error_code ec) {
    served_.method = std::string(parser.get().method_string());
    served_.path = std::string(target_of(parser).substr(0, target_of(parser).find('?')));
    if (ec == beast::http::error::header_limit)
      return refuse(431, fmt::format("the request's head is larger than {} bytes", server_.options.header_limit));
    if (ec == beast::http::error::body_limit)
      return refuse(413, fmt::format("the request's body is larger than {} bytes", server_.options.body_limit));
    return refuse(400, fmt::format("not an HTTP request: {}", ec.message()));
  }

  asio::awaitable<bool> answer(Request request, bool version_1_1, bool keep_alive) {
    auto exchange = std::make_shared<ResponseStream::Exchange>(&server_);
    exchange_ = exchange;
    exchange->wake = [self = weak_from_this(), executor = executor()] {
      asio::post(executor, [self] {
        if (auto connection = self.lock()) connection->wake_.cancel();
      });
    };
    {
      auto stream = std::make_shared<ResponseStream>(exchange);
      exchange->post([site = server_.site, stream = std::move(stream), request = std::move(request)]() mutable {
        // A copy: this lambda's own must outlive the handler, so that what it throws comes before
        // "dropped".
        site->handle(std::move(request), stream);
      });
    }
    bool head_only = served_.method == "HEAD";
    auto ended = co_await (try_send(*exchange, head_only, version_1_1, keep_alive) || watch());
    bool complete = ended.index() == 0 && std::get<0>(ended);
    exchange->leave();
    {
      std::lock_guard lock(exchange->mutex);
      exchange->wake = nullptr;
    }
    exchange_.reset();
    served_.gone = !complete;
    if (served_.status == 0) served_.status = 499;
    end_record();
    if (!complete) lingers_ = false;
    co_return complete&& keep_alive;
  }

  // send(), for ||: that waits for the other side when one throws.
  asio::awaitable<bool> try_send(ResponseStream::Exchange& exchange, bool head_only, bool version_1_1,
                                 bool& keep_alive) {
    try {
      bool sent = co_await send(exchange, head_only, version_1_1, keep_alive);
      co_return sent;
    } catch (const boost::system::system_error&) {  // watch() saw the client leave
    } catch (const std::exception& error) { spdlog::error("sending an answer ended by {}", error.what()); }
    co_return false;
  }

  // True if the whole answer was sent. Lowers keep_alive where this answer must be the connection's last.
  asio::awaitable<bool> send(ResponseStream::Exchange& exchange, bool head_only, bool version_1_1, bool& keep_alive) {
    bool head_sent = false, chunked = false;
    for (;;) {
      std::string out;
      bool ended = false, waits = false;
      {
        std::lock_guard lock(exchange.mutex);
        exchange.woken = false;
        if (exchange.gone || exchange.broken) co_return false;
        if (!exchange.head || (head_sent && exchange.pending.empty() && !exchange.ended)) {
          waits = true;
        } else {
          if (!head_sent) {
            keep_alive = keep_alive && !server_.is_stopping() && (!exchange.streamed || version_1_1);
            chunked = exchange.streamed && version_1_1 && !head_only;
            Framing framing = !exchange.streamed ? Framing::counted
                              : version_1_1      ? Framing::chunked
                                                 : Framing::until_close;
            out = head_text(*exchange.head, framing, keep_alive);
            if (!exchange.streamed && !head_only) out += exchange.head->body;
            served_.status = exchange.head->status;
            head_sent = true;
          }
          if (!head_only && !exchange.pending.empty()) {
            if (chunked) out += fmt::format("{:x}\r\n", exchange.pending.size());
            out += exchange.pending;
            if (chunked) out += "\r\n";
          }
          exchange.pending.clear();
          ended = exchange.ended;
          if (ended && chunked) out += "0\r\n\r\n";
        }
      }
      if (waits) {
        co_await wake_.async_wait(kResult);
        continue;
      }
      if (!co_await write_all(out)) co_return false;
      if (ended) co_return true;
    }
  }

  // Returns when the client is gone; until then it reads ahead what the client pipelines.
  asio::awaitable<void> watch() {
    asio::steady_timer forever(executor(), Clock::time_point::max());
    for (;;) {
      // A client that pipelines more than this is not watched: its absence shows when something is sent to
      // it.
      if (in_.size() >= kPiece)
        co_await forever.async_wait(kResult);
      else if (!co_await read_some())
        co_return;
    }
  }

  // Closes so that the client can still read the answer: closing with bytes unread would reset the
  // connection.
  asio::awaitable<void> linger() {
    error_code ec;
    if (lingers_ && socket_.is_open()) {
      socket_.shutdown(tcp::socket::shutdown_send, ec);
      in_.consume(in_.size());
      lingering_ = true;
      arm(server_.is_stopping() ? std::chrono::milliseconds(200) : std::chrono::milliseconds(kLinger));
      for (size_t discarded = 0; !ec && discarded < kDiscard && !timed_out_;) {
        if (!co_await read_some()) break;
        discarded += in_.size();
        in_.consume(in_.size());
      }
    }
    disarm();
    socket_.close(ec);
  }

  Server::State& server_;
  tcp::socket socket_;
  asio::steady_timer timer_, wake_;
  beast::flat_buffer in_;
  std::string peer_;
  std::shared_ptr<ResponseStream::Exchange> exchange_;  // of the request being answered
  Served served_;
  Clock::time_point began_;
  bool idle_ = false, lingering_ = false, timed_out_ = false;
  bool lingers_ = true;  // at the end: see linger()
};

}  // namespace

void Server::State::listen() {
  auto refuse = [&](std::string_view why) {
    glassbox::fail(ErrorKind::io, "cannot listen on {} port {}: {}", options.address, options.port, why);
  };
  error_code ec;
  auto address = asio::ip::make_address(options.address == "localhost" ? "127.0.0.1" : options.address, ec);
  if (ec) refuse("not an IP address");
  tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), ec);
  if (ec) refuse(ec.message());
  acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
  if (acceptor.bind(endpoint, ec); ec) refuse(ec == asio::error::address_in_use ? "already in use" : ec.message());
  if (acceptor.listen(asio::socket_base::max_listen_connections, ec); ec) refuse(ec.message());
  port = acceptor.local_endpoint().port();
}

asio::awaitable<void> Server::State::accept() {
  while (!is_stopping()) {
    auto [ec, socket] = co_await acceptor.async_accept(asio::make_strand(io), kResult);
    if (ec == asio::error::operation_aborted) co_return;
    if (ec) {
      spdlog::warn("accepting a connection failed: {}", ec.message());
      asio::steady_timer pause(acceptor.get_executor(), kAcceptPause);
      co_await pause.async_wait(kResult);
      continue;
    }
    auto connection = std::make_shared<Connection>(*this, std::move(socket));
    bool room;
    {
      std::lock_guard lock(mutex);
      room = connections.size() < options.connection_limit;
      connections.emplace(connection.get(), connection);
    }
    asio::co_spawn(connection->executor(), room ? connection->run() : connection->refuse_connection(),
                   [this, connection](std::exception_ptr thrown) {
                     {
                       std::lock_guard lock(mutex);
                       connections.erase(connection.get());
                     }
                     if (!thrown) return;
                     try {
                       std::rethrow_exception(thrown);
                     } catch (const std::exception& error) { spdlog::error("a connection ended by {}", error.what()); }
                   });
  }
}

// On the acceptor's strand.
asio::awaitable<void> Server::State::wait_for_signals() {
  // With no connection open stop_now() finishes at once, and cancels a wait that has not begun.
  while (!finished) {
    auto [ec, number] = co_await signals.async_wait(kResult);
    if (ec) co_return;
    stop_now();
  }
}

void Server::State::stop_now() {
  bool again;
  std::vector<std::shared_ptr<Connection>> open;
  {
    std::lock_guard lock(mutex);
    again = stopping;
    stopping = true;
    for (auto& [key, connection] : connections)
      if (auto alive = connection.lock()) open.push_back(std::move(alive));
  }
  if (again) return drop_connections();
  error_code ignored;
  acceptor.close(ignored);
  for (auto& connection : open) asio::post(connection->executor(), [connection] { connection->stop(); });
  grace.expires_after(options.grace);
  grace.async_wait([this](error_code ec) {
    if (!ec) drop_connections();
  });
  // Ends when the last connection does: the grace must not hold up a server with nothing left to do.
  asio::co_spawn(
      acceptor.get_executor(),
      [this]() -> asio::awaitable<void> {
        asio::steady_timer look(acceptor.get_executor());
        for (;;) {
          {
            std::lock_guard lock(mutex);
            if (connections.empty()) break;
          }
          look.expires_after(std::chrono::milliseconds(10));
          co_await look.async_wait(kResult);
        }
        finished = true;
        grace.cancel();
        signals.cancel();
      },
      asio::detached);
}

void Server::State::drop_connections() {
  std::lock_guard lock(mutex);
  for (auto& [key, connection] : connections)
    if (auto alive = connection.lock()) asio::post(alive->executor(), [alive] { alive->drop(); });
}

Server::Server(Options options) : state_(std::make_unique<State>(std::move(options))) { state_->listen(); }

Server::~Server() = default;

uint16_t Server::port() const { return state_->port; }

void Server::run(Site& site) {
  State& state = *state_;
  state.site = &site;
  if (state.options.stop_on_signals) {
    state.signals.add(SIGINT);
    state.signals.add(SIGTERM);
    asio::co_spawn(state.acceptor.get_executor(), state.wait_for_signals(), asio::detached);
  }
  asio::co_spawn(state.acceptor.get_executor(), state.accept(), asio::detached);
  {
    std::vector<std::jthread> threads;
    for (int i = 1; i < state.options.io_threads; ++i) threads.emplace_back([&] { state.io.run(); });
    state.io.run();
  }
  std::unique_lock lock(state.mutex);
  state.let_go.wait(lock, [&] { return state.streams == 0; });
  lock.unlock();
  state.pool.join();
}

void Server::stop() {
  asio::post(state_->acceptor.get_executor(), [state = state_.get()] { state->stop_now(); });
}

}  // namespace glassbox::http
