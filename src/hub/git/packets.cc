#include "hub/git/packets.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/error.h"
#include "base/quote.h"
#include "hub/refusal.h"

namespace glassbox::hub::git {
namespace {

constexpr size_t kDigits = 4;

// Nothing for what is no hexadecimal digit.
std::optional<size_t> hex_length(std::string_view digits) {
  size_t length = 0;
  for (const char c : digits) {
    const int value = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (value < 0) return std::nullopt;
    length = length * 16 + static_cast<size_t>(value);
  }
  return length;
}

}  // namespace

std::string_view Packet::line() const { return data.ends_with('\n') ? data.substr(0, data.size() - 1) : data; }

std::optional<Packet> PacketReader::next() {
  if (rest_.empty()) return std::nullopt;
  const std::string_view digits = rest_.substr(0, kDigits);
  const auto length = digits.size() == kDigits ? hex_length(digits) : std::nullopt;
  if (!length) refuse(Refused::bad_value, "git packet: expected a length of four digits, got {}", quote(digits));
  if (*length == 3) refuse(Refused::bad_value, "git packet: a length of 3 means nothing");
  if (*length > kMostPacketData + kDigits)
    refuse(Refused::bad_value, "git packet: a length of {}, expected at most {}", *length, kMostPacketData + kDigits);
  const size_t size = std::max(*length, kDigits);
  if (size > rest_.size())
    refuse(Refused::bad_value, "git packet: cut off after {} of {} bytes", rest_.size(), *length);
  Packet packet;
  packet.data = rest_.substr(kDigits, size - kDigits);
  if (*length == 0) packet.kind = Packet::Kind::flush;
  if (*length == 1) packet.kind = Packet::Kind::delimiter;
  if (*length == 2) packet.kind = Packet::Kind::response_end;
  rest_.remove_prefix(size);
  return packet;
}

void append_packet(std::string& out, std::string_view data) {
  check(data.size() <= kMostPacketData, "a git packet has room for its data");
  fmt::format_to(std::back_inserter(out), "{:04x}", data.size() + kDigits);
  out += data;
}

}  // namespace glassbox::hub::git
