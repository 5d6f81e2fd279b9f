#include "hub/git/packets.h"

#include <gmock/gmock.h>

#include "hub/refusal.h"

namespace glassbox::hub::git {
namespace {

using Kind = Packet::Kind;

TEST(GitPackets, AreReadAsTheyWereWritten) {
  std::string bytes;
  append_packet(bytes, "hello\n");
  EXPECT_EQ(bytes, "000ahello\n");
  append_packet(bytes, "");
  bytes += kFlush;
  bytes += kDelimiter;
  bytes += "0002";
  append_packet(bytes, std::string(kMostPacketData, 'x'));
  PacketReader reader(bytes);
  const auto first = reader.next();
  EXPECT_EQ(first->data, "hello\n");
  EXPECT_EQ(first->line(), "hello");
  EXPECT_EQ(reader.next()->kind, Kind::data);
  EXPECT_EQ(reader.next()->kind, Kind::flush);
  EXPECT_EQ(reader.next()->kind, Kind::delimiter);
  EXPECT_EQ(reader.next()->kind, Kind::response_end);
  EXPECT_EQ(reader.next()->data.size(), kMostPacketData);
  EXPECT_FALSE(reader.next());
}

TEST(GitPackets, WhatIsNoneIsRefused) {
  for (const char* bytes :
       {"0", "000", "0003", "000g", "+00a", "zzzz", "0005", "fff1", "ffff", "000ahello", " 00a", "-001"})
    EXPECT_THROW(PacketReader(bytes).next(), Refusal) << bytes;
  // As long as may be, and longer.
  EXPECT_TRUE(PacketReader("fff0" + std::string(0xfff0 - 4, 'x')).next());
  EXPECT_THROW(PacketReader("fff1" + std::string(0xfff1 - 4, 'x')).next(), Refusal);
}

}  // namespace
}  // namespace glassbox::hub::git
