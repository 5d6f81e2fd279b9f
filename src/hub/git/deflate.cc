#include "hub/git/deflate.h"

#include <zlib.h>

#include <algorithm>

#include "base/error.h"
#include "hub/refusal.h"

namespace glassbox::hub::git {
namespace {

constexpr size_t kStep = size_t{64} << 10;

Bytef* bytes_of(std::string_view bytes) { return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())); }

}  // namespace

struct Deflater::State {
  z_stream stream{};

  void run(std::string_view bytes, int flush, std::string& out) {
    stream.next_in = bytes_of(bytes);
    stream.avail_in = static_cast<uInt>(bytes.size());
    do {
      const size_t at = out.size();
      out.resize(at + kStep);
      stream.next_out = reinterpret_cast<Bytef*>(out.data() + at);
      stream.avail_out = static_cast<uInt>(kStep);
      const int code = deflate(&stream, flush);
      check(code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR, "deflate goes on");
      out.resize(out.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  }
};

// The fastest level: what is large in a repository lies outside of git, and texts shrink by nearly as much.
Deflater::Deflater() : state_(std::make_unique<State>()) {
  check(deflateInit(&state_->stream, Z_BEST_SPEED) == Z_OK, "zlib begins");
}
Deflater::~Deflater() { deflateEnd(&state_->stream); }

void Deflater::append(std::string_view bytes, std::string& out) {
  check(bytes.size() <= size_t{1} << 30, "zlib counts in 32 bits");
  state_->run(bytes, Z_NO_FLUSH, out);
}

void Deflater::end(std::string& out) {
  state_->run("", Z_FINISH, out);
  deflateReset(&state_->stream);
}

std::string inflated_gzip(std::string_view bytes, size_t most) {
  z_stream stream{};
  constexpr int kGzip = 16;
  check(inflateInit2(&stream, kGzip + MAX_WBITS) == Z_OK, "zlib begins");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  if (bytes.size() > size_t{1} << 30) refuse(Refused::bad_value, "gzip: {} bytes are too many", bytes.size());
  stream.next_in = bytes_of(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  int code = Z_OK;
  while (code == Z_OK) {
    const size_t at = out.size(), step = std::min(kStep, most + 1 - at);
    out.resize(at + step);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + at);
    stream.avail_out = static_cast<uInt>(step);
    code = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (out.size() > most) refuse(Refused::bad_value, "gzip: more than {} bytes", most);
  }
  if (code == Z_BUF_ERROR) refuse(Refused::bad_value, "gzip: cut off");
  if (code != Z_STREAM_END) refuse(Refused::bad_value, "gzip: {}", stream.msg ? stream.msg : "damaged");
  if (stream.avail_in != 0) refuse(Refused::bad_value, "gzip: {} bytes behind its end", stream.avail_in);
  return out;
}

}  // namespace glassbox::hub::git
