#include "server/http_connection.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "server/http_response.h"

namespace glassbox::http {

using namespace asio::experimental::awaitable_operators;  // (a || b): both at once, the first to end cancels the other

namespace {

constexpr size_t kPiece = size_t{64} << 10;   // read at a time, and read ahead of an answer
constexpr size_t kDiscard = size_t{1} << 30;  // of a refused body, so that its sender lives to read why
constexpr auto kLinger = std::chrono::milliseconds(10'000);
constexpr auto kLingerStopping = std::chrono::milliseconds(200);

std::string text_of(const tcp::endpoint& peer) {
  std::string address = peer.address().to_string();
  return fmt::format("{}:{}", peer.address().is_v6() ? "[" + address + "]" : address, peer.port());
}

}  // namespace

Connection::Connection(Shared& shared, tcp::socket socket)
    : shared_(shared), socket_(std::move(socket)), timer_(socket_.get_executor()), wake_(socket_.get_executor()) {
  error_code ignored;
  peer_ = text_of(socket_.remote_endpoint(ignored));
  socket_.set_option(tcp::no_delay(true), ignored);  // a token must not wait for the acknowledgement of the last
  wake_.expires_at(Clock::time_point::max());
}

asio::awaitable<void> Connection::run() {
  for (bool more = true; more;) more = co_await serve_one();  // gcc 12 miscompiles: while (co_await serve_one()) {}
  co_await linger();
}

asio::awaitable<void> Connection::refuse_connection() {
  co_await refuse(503, "too many connections");
  co_await linger();
}

void Connection::stop() {
  error_code ignored;
  if (idle_ || lingering_) socket_.cancel(ignored);
}

void Connection::drop() {
  if (exchange_) exchange_->leave();
  error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  wake_.cancel();
}

asio::awaitable<bool> Connection::serve_one() {
  if (in_.size() == 0) {
    if (shared_.stopping) co_return false;
    idle_ = true;
    arm(shared_.options.idle_timeout);
    bool came = co_await read_some();
    idle_ = false;
    if (!came) {
      lingers_ = false;  // the client said nothing that a goodbye would answer
      co_return false;
    }
  }
  begin_record();
  RequestReader reader(shared_.options, peer_);
  bool has_head = co_await read_head(reader);
  if (!has_head) co_return false;
  if (auto refusal = shared_.site->admit(reader.request())) {
    // A body would stay unread, and be taken for the next request.
    bool keep_alive = reader.keeps_connection() && !reader.has_body() && !shared_.stopping;
    bool more = co_await answer_at_once(std::move(*refusal), keep_alive);
    co_return more;
  }
  bool has_body = co_await read_body(reader);
  if (!has_body) co_return false;
  bool more = co_await answer(reader);
  co_return more;
}

asio::awaitable<bool> Connection::read_head(RequestReader& reader) {
  arm(shared_.options.header_timeout);
  for (;;) {
    bool whole = reader.take_head(in_);
    served_.method = reader.request().method;
    served_.path = reader.request().path;
    if (whole) break;
    if (const auto& refusal = reader.refusal()) {
      co_await refuse(refusal->status, refusal->message);
      co_return false;
    }
    bool came = co_await read_some();
    if (!came) {
      if (timed_out_) co_await refuse(408, "the request's head did not arrive in time");
      co_return false;
    }
  }
  began_ = Clock::now();
  co_return true;
}

asio::awaitable<bool> Connection::read_body(RequestReader& reader) {
  if (reader.wants_continue()) {
    bool sent = co_await write_all("HTTP/1.1 100 Continue\r\n\r\n");
    if (!sent) co_return false;
  }
  auto deadline = Clock::now() + shared_.options.body_timeout;
  while (!reader.take_body(in_)) {
    if (const auto& refusal = reader.refusal()) {
      co_await refuse(refusal->status, refusal->message);
      co_return false;
    }
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    arm(std::max(std::chrono::milliseconds(1), std::min(shared_.options.stall_timeout, left)));
    bool came = co_await read_some();
    if (!came) {
      if (timed_out_) co_await refuse(408, "the request's body did not arrive in time");
      co_return false;
    }
  }
  disarm();
  co_return true;
}

asio::awaitable<bool> Connection::answer_at_once(Response response, bool keep_alive) {
  served_.status = response.status;
  std::string text = head_text(response, Framing::counted, keep_alive);
  if (served_.method != "HEAD") text += response.body;
  bool sent = co_await write_all(text);
  served_.gone = !sent;
  end_record();
  co_return sent&& keep_alive;
}

asio::awaitable<void> Connection::refuse(int status, std::string_view message) {
  co_await answer_at_once(shared_.site->failure(status, message), false);
}

asio::awaitable<bool> Connection::answer(RequestReader& reader) {
  exchange_ = std::make_shared<ResponseStream::Exchange>(shared_, [self = weak_from_this(), executor = executor()] {
    asio::post(executor, [self] {
      if (auto connection = self.lock()) connection->wake_.cancel();
    });
  });
  Request request = reader.take_request();
  served_.received = request.body.size();
  {
    auto stream = std::make_shared<ResponseStream>(exchange_);
    exchange_->post([site = shared_.site, stream = std::move(stream), request = std::move(request)]() mutable {
      // A copy of `stream`: this lambda's own must outlive the handler, so that what it throws comes before "dropped".
      site->handle(std::move(request), stream);
    });
  }
  bool keep_alive = reader.keeps_connection();
  auto ended = co_await (try_send(*exchange_, reader.is_version_1_1(), keep_alive) || watch());
  bool complete = ended.index() == 0 && std::get<0>(ended);
  exchange_->detach();
  exchange_.reset();
  served_.gone = !complete;
  if (served_.status == 0) served_.status = 499;
  end_record();
  if (!complete) lingers_ = false;
  co_return complete&& keep_alive;
}

// send(), for ||: that waits for the other side when one throws.
asio::awaitable<bool> Connection::try_send(ResponseStream::Exchange& exchange, bool version_1_1, bool& keep_alive) {
  try {
    bool sent = co_await send(exchange, version_1_1, keep_alive);
    co_return sent;
  } catch (const boost::system::system_error&) {  // watch() saw the client leave
  } catch (const std::exception& error) { spdlog::error("sending an answer ended by {}", error.what()); }
  co_return false;
}

asio::awaitable<bool> Connection::send(ResponseStream::Exchange& exchange, bool version_1_1, bool& keep_alive) {
  bool head_only = served_.method == "HEAD";
  bool chunks = false;
  for (;;) {
    ResponseStream::Exchange::Output output = exchange.take();
    if (output.broken) co_return false;
    if (output.empty()) {
      co_await wake_.async_wait(kResult);
      continue;
    }
    std::string out;
    if (output.head) {
      Framing framing = !output.streamed ? Framing::counted : version_1_1 ? Framing::chunked : Framing::until_close;
      keep_alive = keep_alive && framing != Framing::until_close && !shared_.stopping;
      chunks = framing == Framing::chunked && !head_only;
      served_.status = output.head->status;
      out = head_text(*output.head, framing, keep_alive);
      if (!head_only) out += output.head->body;
    }
    if (!head_only && !output.pieces.empty())
      out += chunks ? fmt::format("{:x}\r\n{}\r\n", output.pieces.size(), output.pieces) : output.pieces;
    if (chunks && output.last) out += "0\r\n\r\n";
    bool sent = co_await write_all(out);
    if (!sent) co_return false;
    if (output.last) co_return true;
  }
}

// Returns when the client is gone; until then it reads ahead what the client pipelines.
asio::awaitable<void> Connection::watch() {
  asio::steady_timer forever(executor(), Clock::time_point::max());
  for (;;) {
    // A client that pipelines more than this is not watched: its absence shows when something is sent to it.
    if (in_.size() >= kPiece) {
      co_await forever.async_wait(kResult);
    } else {
      bool came = co_await read_some();
      if (!came) co_return;
    }
  }
}

asio::awaitable<bool> Connection::read_some() {
  auto [ec, n] = co_await socket_.async_read_some(in_.prepare(kPiece), kResult);
  in_.commit(n);
  co_return !ec;
}

asio::awaitable<bool> Connection::write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    arm(shared_.options.stall_timeout);
    auto [ec, n] = co_await socket_.async_write_some(asio::buffer(bytes.data(), bytes.size()), kResult);
    if (ec) co_return false;
    served_.sent += n;
    bytes.remove_prefix(n);
  }
  disarm();
  co_return true;
}

void Connection::arm(std::chrono::milliseconds time) {
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

void Connection::disarm() { timer_.cancel(); }

asio::awaitable<void> Connection::linger() {
  error_code ec;
  if (lingers_ && socket_.is_open()) {
    socket_.shutdown(tcp::socket::shutdown_send, ec);
    in_.consume(in_.size());
    lingering_ = true;
    arm(shared_.stopping ? kLingerStopping : kLinger);
    for (size_t discarded = 0; !ec && discarded < kDiscard && !timed_out_;) {
      bool came = co_await read_some();
      if (!came) break;
      discarded += in_.size();
      in_.consume(in_.size());
    }
  }
  disarm();
  socket_.close(ec);
}

void Connection::begin_record() {
  served_ = Served{};
  served_.peer = peer_;
  began_ = Clock::now();
}

void Connection::end_record() {
  served_.seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  shared_.site->served(served_);
}

}  // namespace glassbox::http
