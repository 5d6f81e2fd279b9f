// Deflate (RFC 1951) by zlib, as git's packs and its requests use it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace glassbox::hub::git {

// Zlib streams (RFC 1950), one after another. For one thread.
class Deflater {
 public:
  Deflater();
  ~Deflater();
  // What of the stream is ready is put behind `out`.
  void append(std::string_view bytes, std::string& out);
  void end(std::string& out);  // the next append() begins a new stream

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// The bytes of a gzip file (RFC 1952). Refuses (bad_value) what is none, is cut off, has something behind its end, or
// holds more than `most` bytes.
std::string inflated_gzip(std::string_view bytes, size_t most);

}  // namespace glassbox::hub::git
