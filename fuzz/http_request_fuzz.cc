// Any bytes as a connection's requests: each is read, or refused in one line, and nothing depends on the pieces the
// bytes came in. The first byte says how large those are.
#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "server/http/request_reader.h"

namespace {

using namespace glassbox;

constexpr size_t kHeader = 1000, kBody = 500;

// The first request of `bytes`, come `size` at a time, as text. Empty where it did not come whole.
std::string first_request(std::string_view bytes, size_t size) {
  http::Options options;
  options.header_limit = kHeader;
  http::RequestReader reader(options, "peer");
  boost::beast::flat_buffer in;
  bool has_head = false, has_body = false;
  while (!has_body && !reader.refusal()) {
    if (bytes.empty()) return {};
    const std::string_view piece = bytes.substr(0, size);
    bytes.remove_prefix(piece.size());
    in.commit(boost::asio::buffer_copy(in.prepare(piece.size()), boost::asio::buffer(piece.data(), piece.size())));
    has_head = has_head || (reader.take_head(in) && reader.limit_body(kBody));
    has_body = has_head && reader.take_body(in);
  }
  if (const auto& refusal = reader.refusal()) {
    require(refusal->status >= 400 && refusal->status < 500);
    require(!refusal->message.empty() && refusal->message.size() < 200);
    require(refusal->message.find('\n') == std::string::npos);
    return {};  // in small pieces a head too long is refused before what is wrong further on
  }
  const bool keeps = reader.keeps_connection();
  const http::Request request = reader.take_request();
  require(!request.method.empty() && (request.path.starts_with('/') || request.path == "*"));
  require(request.body.size() <= kBody);
  std::string text = request.method + " " + request.path + "?" + request.query + (keeps ? "\n" : " close\n");
  for (const http::Header& header : request.headers) {
    require(header.name.find_first_of("\r\n") == std::string::npos);
    require(header.value.find_first_of("\r\n") == std::string::npos);
    text += header.name + ": " + header.value + "\n";
  }
  return text + "\n" + request.body;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = first_request(bytes, std::max<size_t>(1, bytes.size()));
  const std::string pieces = first_request(bytes, size_t{1} + data[0]);
  if (!whole.empty() && !pieces.empty()) require(whole == pieces);
  return 0;
}
