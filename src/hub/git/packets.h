// Git's lines that say how long they are (gitprotocol-common, "pkt-line format"): four hexadecimal digits count
// themselves and what follows; less than four of them mean something by themselves.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace glassbox::hub::git {

struct Packet {
  enum class Kind { data, flush, delimiter, response_end };
  Kind kind = Kind::data;
  std::string_view data;          // of the bytes that were read
  std::string_view line() const;  // without the newline that a line of text may end in
};

// Takes packets off bytes that outlive it and them.
class PacketReader {
 public:
  explicit PacketReader(std::string_view bytes) : rest_(bytes) {}
  // Nothing at the end. Refuses (bad_value) what is no packet, or is cut off.
  std::optional<Packet> next();

 private:
  std::string_view rest_;
};

constexpr size_t kMostPacketData = 65516;
constexpr std::string_view kFlush = "0000", kDelimiter = "0001";

// REQUIRES: at most kMostPacketData bytes.
void append_packet(std::string& out, std::string_view data);

}  // namespace glassbox::hub::git
