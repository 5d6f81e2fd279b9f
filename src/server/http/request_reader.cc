#include "server/http/request_reader.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <utility>

namespace glassbox::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

namespace {

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

bool is_fatal(error_code ec) { return ec && ec != beast::http::error::need_more; }

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string_view> Request::header(std::string_view name) const {
  for (const Header& header : headers)
    if (equal_ignoring_case(header.name, name)) return header.value;
  return std::nullopt;
}

class RequestReader::Parser : public beast::http::request_parser<GrowingBody> {};

RequestReader::RequestReader(const Options& options, std::string peer)
    : header_limit_(options.header_limit), parser_(std::make_unique<Parser>()) {
  request_.peer = std::move(peer);
  parser_->header_limit(static_cast<uint32_t>(header_limit_));
  parser_->body_limit(boost::none);  // whoever admits the request says it: see limit_body()
}

RequestReader::~RequestReader() = default;

bool RequestReader::take_head(beast::flat_buffer& in) {
  error_code ec;
  in.consume(parser_->put(in.data(), ec));
  if (is_fatal(ec)) return refuse_malformed(ec);
  if (!parser_->is_header_done()) return false;
  read_start_line();
  for (const auto& field : parser_->get())
    request_.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  return check_head();
}

bool RequestReader::take_body(beast::flat_buffer& in) {
  error_code ec;
  // The shortest body in chunks is a last chunk of five bytes. Beast 1.81 asserts that it is not asked again before it
  // is shown as many.
  const std::string_view shown(static_cast<const char*>(in.data().data()), in.size());
  if (parser_->chunked() && shown.size() < 5 && shown.starts_with('0')) return false;
  while (!parser_->is_done() && in.size() > 0 && !ec) in.consume(parser_->put(in.data(), ec));
  if (parser_->is_done()) return true;
  if (is_fatal(ec)) return refuse_malformed(ec);
  if (in.size() > header_limit_)  // of a chunk's head: a whole chunk would have been taken
    return refuse(400, "not an HTTP request: a chunk's head without an end");
  return false;
}

bool RequestReader::limit_body(uint64_t bytes) {
  body_limit_ = bytes;
  parser_->body_limit(bytes);  // of chunks, as they come
  if (const auto length = parser_->content_length(); length && *length > bytes) return refuse_too_large();
  return true;
}

Request RequestReader::take_request() {
  request_.body = take_piece();
  return std::move(request_);
}

std::string RequestReader::take_piece() { return std::exchange(parser_->get().body(), {}); }

bool RequestReader::has_body() const { return !parser_->is_done(); }
bool RequestReader::wants_continue() const { return has_body() && request_.header("Expect").has_value(); }
bool RequestReader::is_version_1_1() const { return parser_->get().version() >= 11; }
bool RequestReader::keeps_connection() const { return parser_->keep_alive(); }
size_t RequestReader::body_size() const { return parser_->get().body().size(); }

bool RequestReader::refuse(int status, std::string message) {
  refusal_ = Refusal{status, std::move(message)};
  return false;
}

bool RequestReader::refuse_too_large() {
  return refuse(413, fmt::format("the request's body is larger than {} bytes", body_limit_));
}

bool RequestReader::refuse_malformed(error_code ec) {
  if (request_.method.empty()) read_start_line();
  if (ec == beast::http::error::header_limit)
    return refuse(431, fmt::format("the request's head is larger than {} bytes", header_limit_));
  if (ec == beast::http::error::body_limit) return refuse_too_large();
  return refuse(400, fmt::format("not an HTTP request: {}", ec.message()));
}

void RequestReader::read_start_line() {
  const auto& message = parser_->get();
  request_.method = std::string(message.method_string());
  std::string_view target(message.target().data(), message.target().size());
  if (target.starts_with("http://") || target.starts_with("https://")) {  // as clients of proxies write it
    size_t path = target.find('/', target.find("//") + 2);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  target = target.substr(0, target.find('#'));
  size_t question = target.find('?');
  request_.path = std::string(target.substr(0, question));
  if (question != std::string_view::npos) request_.query = std::string(target.substr(question + 1));
}

bool RequestReader::check_head() {
  if (!request_.path.starts_with('/') && !(request_.method == "OPTIONS" && request_.path == "*"))
    return refuse(400, "the request's target: expected a path");
  auto count = [&](std::string_view name) {
    return std::count_if(request_.headers.begin(), request_.headers.end(),
                         [&](const Header& header) { return equal_ignoring_case(header.name, name); });
  };
  auto hosts = count("Host");
  if (hosts > 1 || (hosts == 0 && is_version_1_1()))
    return refuse(400, fmt::format("the Host header: expected one, got {}", hosts));
  // Where a body in any other coding ends is unknown: the rest of it would be taken for the next request.
  if (auto coding = request_.header("Transfer-Encoding")) {
    if (!is_version_1_1()) return refuse(400, "the Transfer-Encoding header: HTTP/1.0 has none");
    if (!equal_ignoring_case(*coding, "chunked") || count("Transfer-Encoding") > 1)
      return refuse(400, "the Transfer-Encoding header: only chunked is known");
  }
  auto expect = request_.header("Expect");
  if (expect && has_body() && !equal_ignoring_case(*expect, "100-continue"))
    return refuse(400, "the Expect header: only 100-continue is known");
  return true;
}

}  // namespace glassbox::http
