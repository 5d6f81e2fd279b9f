#include "server/http/connection.h"

#include <netinet/tcp.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "server/http/response.h"

namespace glassbox::http {

using namespace asio::experimental::awaitable_operators;  // (a || b): both at once, the first to end cancels the other

namespace {

constexpr size_t kPiece = size_t{64} << 10;   // read at a time, and read ahead of an answer
constexpr size_t kSent = size_t{256} << 10;   // of a source, at a time
constexpr size_t kDiscard = size_t{1} << 30;  // of a refused body, so that its sender lives to read why
constexpr auto kProbeAfter = std::chrono::milliseconds(500);
constexpr auto kLinger = std::chrono::milliseconds(10'000);
constexpr auto kLingerStopping = std::chrono::milliseconds(200);

// A client that vanished while nothing is sent to it is found out by its system, or by its silence, in two minutes.
void keep_alive(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const auto set = [&](int option, int value) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
  };
  set(TCP_KEEPIDLE, 30);  // seconds
  set(TCP_KEEPINTVL, 10);
  set(TCP_KEEPCNT, 3);
}

std::string in_a_chunk(std::string_view bytes) { return fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes); }

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
  keep_alive(socket_);
  wake_.expires_at(Clock::time_point::max());
}

asio::awaitable<void> Connection::run() {
  for (bool more = true; more;) more = co_await serve_one();  // gcc 12 miscompiles: while (co_await serve_one()) {}
  co_await linger();
}

asio::awaitable<void> Connection::refuse_connection() {
  shared_.seats.stand(this, Standing::leaving);
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

void Connection::give_way() {
  if (shared_.seats.must_go(this)) drop();
}

asio::awaitable<bool> Connection::serve_one() {
  const Options& options = shared_.options;
  shared_.seats.stand(this, known_ ? Standing::idle : Standing::stranger);
  if (in_.size() == 0) {
    if (shared_.stopping) co_return false;
    idle_ = true;
    arm(known_ ? options.idle_timeout : std::min(options.idle_timeout, options.stranger_timeout));
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
  auto refusal = shared_.site->admit(reader.request());
  known_ = !refusal;
  if (refusal) {
    shared_.seats.stand(this, Standing::stranger);
    // A body would stay unread, and be taken for the next request.
    bool keep_alive = reader.keeps_connection() && !reader.has_body() && !shared_.stopping;
    bool more = co_await answer_at_once(std::move(*refusal), keep_alive);
    co_return more;
  }
  const Intake intake = shared_.site->intake(reader.request());
  if (!reader.limit_body(intake.limit.value_or(options.body_limit))) {
    co_await refuse(reader.refusal()->status, reader.refusal()->message);
    co_return false;
  }
  if (intake.streams) {
    bool more = co_await answer(reader, nullptr, true);
    co_return more;
  }
  auto share = std::make_shared<BodyShare>(shared_.bodies, options.large_body);
  shared_.seats.stand(this, Standing::sending);
  bool has_body = co_await read_body(reader, *share);
  if (!has_body) co_return false;
  shared_.seats.stand(this, Standing::busy);
  bool more = co_await answer(reader, std::move(share), false);
  co_return more;
}

asio::awaitable<bool> Connection::read_head(RequestReader& reader) {
  arm(shared_.options.header_timeout);
  for (;;) {
    bool whole = reader.take_head(in_);
    if (whole || reader.refusal()) {
      head_ = std::make_shared<const Request>(reader.request());
      served_.method = head_->method;
      served_.path = head_->path;
    }
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

asio::awaitable<bool> Connection::read_body(RequestReader& reader, BodyShare& share) {
  const Options& options = shared_.options;
  if (reader.wants_continue()) {
    bool sent = co_await write_all("HTTP/1.1 100 Continue\r\n\r\n");
    if (!sent) co_return false;
  }
  const auto began = Clock::now();
  for (;;) {
    bool whole = reader.take_body(in_);
    if (const auto& refusal = reader.refusal()) {
      co_await refuse(refusal->status, refusal->message);
      co_return false;
    }
    if (!share.grow_to(reader.body_size())) {
      co_await refuse(503, "too many large requests at once: try again soon");
      co_return false;
    }
    if (whole) break;
    arm_for_body(reader.body_size(), Clock::now() - began, options.body_timeout);
    bool came = co_await read_some();
    if (!came) {
      if (timed_out_) co_await refuse(408, "the request's body did not arrive in time");
      co_return false;
    }
  }
  disarm();
  co_return true;
}

asio::awaitable<Connection::Fed> Connection::feed_body(RequestReader& reader, bool wants_continue) {
  Clock::duration spent{0};  // waiting for the client, not for who takes
  disarm();                  // the head has come
  for (;;) {
    const auto state = exchange_->intaking();
    if (state.answered) co_return Fed::unread;
    if (!state.wanted) {
      co_await wake_.async_wait(kResult);
      continue;
    }
    if (std::exchange(wants_continue, false)) {
      bool sent = co_await write_all("HTTP/1.1 100 Continue\r\n\r\n");
      if (!sent) co_return leave_unanswered();
    }
    const bool whole = reader.take_body(in_);
    if (const auto& refusal = reader.refusal()) {
      exchange_->detach();
      co_await refuse(refusal->status, refusal->message);
      co_return Fed::over;
    }
    std::string piece = reader.take_piece();
    const bool fed = !piece.empty();
    served_.received += piece.size();
    if (fed) exchange_->feed(std::move(piece));
    if (whole) {
      exchange_->feed_end();
      co_return Fed::whole;
    }
    if (fed) continue;
    arm_for_body(served_.received, spent, Clock::duration::max());
    const auto before = Clock::now();
    auto ended = co_await (read_some() || wake_.async_wait(kResult));  // the latter: an answer, before all was read
    spent += Clock::now() - before;
    const bool timed_out = timed_out_;
    disarm();
    if (ended.index() == 1 || std::get<0>(ended)) continue;
    if (!timed_out) co_return leave_unanswered();
    exchange_->detach();
    co_await refuse(408, "the request's body did not arrive in time");
    co_return Fed::over;
  }
}

Connection::Fed Connection::leave_unanswered() {
  exchange_->detach();
  served_.gone = true;
  served_.status = 499;
  end_record();
  lingers_ = false;
  return Fed::over;
}

asio::awaitable<bool> Connection::answer_at_once(Response response, bool keep_alive) {
  served_.status = response.status;
  if (response.delay.count() > 0) {
    wake_.expires_after(response.delay);
    co_await wake_.async_wait(kResult);
    wake_.expires_at(Clock::time_point::max());
  }
  std::string text = head_text(response, Framing::counted, keep_alive);
  if (served_.method != "HEAD") text += response.body;
  bool sent = co_await write_all(text);
  served_.gone = !sent;
  end_record();
  co_return sent&& keep_alive;
}

asio::awaitable<void> Connection::refuse(int status, std::string_view message) {
  co_await answer_at_once(shared_.site->failure(*head_, status, message), false);
}

asio::awaitable<bool> Connection::answer(RequestReader& reader, std::shared_ptr<BodyShare> share, bool streams) {
  const auto wake = [self = weak_from_this(), executor = executor()] {
    asio::post(executor, [self] {
      if (auto connection = self.lock()) connection->wake_.cancel();
    });
  };
  exchange_ = std::make_shared<ResponseStream::Exchange>(shared_, head_, wake);
  const bool wants_continue = reader.wants_continue();
  Request request = reader.take_request();
  served_.received = request.body.size();
  probing_ = false;
  asio::thread_pool& where = shared_.site->quick(request)                       ? shared_.quick
                             : request.body.size() > shared_.options.large_body ? shared_.large
                                                                                : shared_.workers;
  {
    auto stream = std::make_shared<ResponseStream>(exchange_);
    exchange_->post(
        [site = shared_.site, stream = std::move(stream), request = std::move(request),
         share = std::move(share)]() mutable {
          // A copy of `stream`: this lambda's own must outlive the handler, so that what it throws comes before
          // "dropped".
          site->handle(std::move(request), stream);
        },
        where);
  }
  bool keep_alive = reader.keeps_connection();
  if (streams) {
    shared_.seats.stand(this, Standing::sending);
    const Fed fed = co_await feed_body(reader, wants_continue);
    shared_.seats.stand(this, Standing::busy);
    if (fed == Fed::over) {
      exchange_.reset();
      co_return false;
    }
    keep_alive = keep_alive && fed == Fed::whole;
  }
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
  // What a client that closed its side is asked with whether it reads: before the answer an interim one, which every
  // client of HTTP/1.1 takes for what it is.
  std::string nothing = version_1_1 ? "HTTP/1.1 100 Continue\r\n\r\n" : "";
  for (;;) {
    ResponseStream::Exchange::Output output = exchange.take();
    if (output.broken) co_return false;
    if (output.empty()) {
      if (std::exchange(probing_, false)) {
        bool sent = co_await write_all(nothing);
        if (!sent) co_return false;
      } else {
        co_await wake_.async_wait(kResult);
      }
      continue;
    }
    std::string out;
    if (output.head) {
      const bool counted = output.head->source ? output.head->size.has_value() : !output.streamed;
      Framing framing = counted ? Framing::counted : version_1_1 ? Framing::chunked : Framing::until_close;
      keep_alive = keep_alive && framing != Framing::until_close && !shared_.stopping;
      chunks = framing == Framing::chunked && !head_only;
      served_.status = output.head->status;
      out = head_text(*output.head, framing, keep_alive);
      if (output.head->source && !head_only) {
        bool sent = co_await write_all(out);
        if (!sent) co_return false;
        sent = co_await send_source(exchange, std::move(*output.head), chunks);
        co_return sent;
      }
      if (!head_only) out += output.head->body;
      nothing = head_only || output.head->filler.empty() ? ""
                : chunks                                 ? in_a_chunk(output.head->filler)
                                                         : output.head->filler;
    }
    if (!head_only && !output.pieces.empty()) out += chunks ? in_a_chunk(output.pieces) : output.pieces;
    if (chunks && output.last) out += "0\r\n\r\n";
    bool sent = co_await write_all(out);
    if (!sent) co_return false;
    if (output.last) co_return true;
  }
}

// What a response's source gives, as fast as the socket takes it.
asio::awaitable<bool> Connection::send_source(ResponseStream::Exchange& exchange, Response head, bool chunks) {
  const auto source = std::make_shared<const std::function<std::string(size_t)>>(std::move(head.source));
  for (uint64_t sent_so_far = 0; !head.size || sent_so_far < *head.size;) {
    exchange.produce(source, head.size ? std::min<uint64_t>(kSent, *head.size - sent_so_far) : kSent);
    std::optional<std::string> piece;
    while (!(piece = exchange.produced())) {
      if (exchange.take().broken) co_return false;
      co_await wake_.async_wait(kResult);
    }
    if (piece->empty() && !head.size) break;
    sent_so_far += piece->size();
    if (piece->empty() || sent_so_far > head.size.value_or(sent_so_far)) {
      spdlog::error("{}: a body was to have {} bytes and has {}", served_.path, *head.size,
                    piece->empty() ? "fewer" : "more");
      co_return false;
    }
    if (chunks) *piece = in_a_chunk(*piece);
    bool sent = co_await write_all(*piece);
    if (!sent) co_return false;
  }
  if (!chunks) co_return true;
  bool sent = co_await write_all("0\r\n\r\n");
  co_return sent;
}

// Returns when the client is gone; until then it reads ahead what the client pipelines. A client that closed its side
// may have closed only that, and wait for its answer: whoever is gone answers what is sent next with a reset.
asio::awaitable<void> Connection::watch() {
  asio::steady_timer forever(executor(), Clock::time_point::max());
  for (;;) {
    // A client that pipelines more than this is not watched: its absence shows when something is sent to it.
    if (in_.size() >= kPiece) {
      co_await forever.async_wait(kResult);
    } else {
      bool came = co_await read_some();
      if (came) continue;
      if (!ended_) co_return;
      forever.expires_after(kProbeAfter);  // most answers come sooner
      co_await forever.async_wait(kResult);
      probing_ = true;
      wake_.cancel();
      co_await socket_.async_wait(tcp::socket::wait_error, kResult);
      co_return;
    }
  }
}

asio::awaitable<bool> Connection::read_some() {
  if (ended_) co_return false;  // asked again, Asio waits for an event that the end has had already
  auto [ec, n] = co_await socket_.async_read_some(in_.prepare(kPiece), kResult);
  in_.commit(n);
  ended_ = ec == asio::error::eof;
  co_return !ec;
}

void Connection::arm_for_body(size_t received, Clock::duration spent, Clock::duration most) {
  const Options& options = shared_.options;
  // Who sends a byte now and then does not stall, and must not stay either.
  const Clock::duration earned = std::chrono::milliseconds(received * 1000 / options.slowest_body);
  const auto left = std::min(most, options.stall_timeout + earned) - spent;
  arm(std::max(std::chrono::milliseconds(1), std::chrono::duration_cast<std::chrono::milliseconds>(
                                                 std::min<Clock::duration>(options.stall_timeout, left))));
}

asio::awaitable<bool> Connection::write_all(std::string_view bytes) {
  const HeldBytes::Hold hold(shared_.buffered, bytes.size());
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
  shared_.seats.stand(this, Standing::leaving);
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
  head_ = std::make_shared<const Request>();
  began_ = Clock::now();
}

void Connection::end_record() {
  served_.seconds = std::chrono::duration<double>(Clock::now() - began_).count();
  shared_.site->served(served_);
}

}  // namespace glassbox::http
