#include "server/http/request_reader.h"

#include <gmock/gmock.h>

#include <boost/asio/buffer.hpp>

namespace glassbox::http {
namespace {

void append(boost::beast::flat_buffer& in, std::string_view bytes) {
  in.commit(boost::asio::buffer_copy(in.prepare(bytes.size()), boost::asio::buffer(bytes.data(), bytes.size())));
}

// Reads what comes in pieces of `size` bytes. Nothing if that is no whole request; `rest` is what it leaves.
std::optional<Request> read(std::string_view bytes, size_t size, std::string& rest) {
  RequestReader reader({}, "peer");
  boost::beast::flat_buffer in;
  bool has_head = false, has_body = false;
  while (!has_body && !reader.refusal() && !bytes.empty()) {
    append(in, bytes.substr(0, size));
    bytes.remove_prefix(std::min(size, bytes.size()));
    has_head = has_head || (reader.take_head(in) && reader.limit_body(1000));
    has_body = has_head && reader.take_body(in);
  }
  if (!has_body) return std::nullopt;
  rest = std::string(static_cast<const char*>(in.data().data()), in.size()) + std::string(bytes);
  return reader.take_request();
}

TEST(RequestReader, PiecesOfAnySizeAreOneRequest) {
  const std::string counted =
      "POST http://localhost/a/b?c=%20#d HTTP/1.1\r\nHost: localhost\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nhello";
  const std::string chunked =
      "POST /a/b?c=%20 HTTP/1.1\r\nHost: localhost\r\nX-One: 1\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "2;x=y\r\nhe\r\n003\r\nllo\r\n0\r\nTrailer: t\r\n\r\n";
  for (const std::string& whole : {counted, chunked})
    for (size_t size = 1; size <= whole.size() + 5; ++size) {
      std::string rest;
      auto request = read(whole + "GET /", size, rest);
      ASSERT_TRUE(request) << size;
      EXPECT_EQ(request->method, "POST");
      EXPECT_EQ(request->path, "/a/b");
      EXPECT_EQ(request->query, "c=%20");
      EXPECT_EQ(request->header("x-one"), "1");
      EXPECT_EQ(request->body, "hello");
      EXPECT_EQ(request->peer, "peer");
      EXPECT_EQ(rest, "GET /") << size;
    }
}

TEST(RequestReader, HalfARequestIsNone) {
  const std::string whole = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello";
  std::string rest;
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(read(whole.substr(0, size), 7, rest)) << size;
}

TEST(RequestReader, ARefusalKeepsWhatWasRead) {
  RequestReader reader({}, "");
  boost::beast::flat_buffer in;
  append(in, "HEAD /p?q HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello");
  EXPECT_TRUE(reader.take_head(in));
  EXPECT_FALSE(reader.limit_body(4));
  ASSERT_TRUE(reader.refusal());
  EXPECT_EQ(reader.refusal()->status, 413);
  EXPECT_EQ(reader.refusal()->message, "the request's body is larger than 4 bytes");
  EXPECT_EQ(reader.request().method, "HEAD");
  EXPECT_EQ(reader.request().path, "/p");
}

}  // namespace
}  // namespace glassbox::http
