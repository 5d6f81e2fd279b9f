// SentencePiece models against SentencePiece itself, on models drawn at random.
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <cstring>
#include <random>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "tests/testing.h"
#include "tokenizer/tokenizer.h"

namespace glassbox {
namespace {

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
std::string number(int field, uint64_t value) { return varint(static_cast<uint64_t>(field) << 3) + varint(value); }
std::string bytes(int field, const std::string& value) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(value.size()) + value;
}
std::string real(int field, float value) {
  std::string out = varint(static_cast<uint64_t>(field) << 3 | 5);
  char raw[4];
  std::memcpy(raw, &value, 4);
  return out.append(raw, 4);
}

enum Type { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct SpmModel {
  struct Piece {
    std::string text;
    float score;
    Type type;
  };
  std::vector<Piece> pieces = {{"<unk>", 0, unknown}, {"<s>", 0, control}, {"</s>", 0, control}};
  int model_type = 2;
  bool byte_fallback = false, dummy_prefix = true, squeeze = false;
  std::string charsmap;

  void add_bytes() {
    byte_fallback = true;
    for (int b = 0; b < 256; ++b) pieces.push_back({fmt::format("<0x{:02X}>", b), 0, byte});
  }
  std::string serialized() const {
    std::string out;
    for (const Piece& piece : pieces)
      out += bytes(1, bytes(1, piece.text) + real(2, piece.score) + number(3, static_cast<uint64_t>(piece.type)));
    out += bytes(2, number(3, static_cast<uint64_t>(model_type)) + number(35, byte_fallback));
    out += bytes(3, bytes(1, "identity") + (charsmap.empty() ? "" : bytes(2, charsmap)) + number(3, dummy_prefix) +
                        number(4, squeeze) + number(5, 1));
    return out;
  }
};

Tokenizer open_bytes(const std::string& content, const char* name = "tokenizer.model") {
  const testing::TemporaryFolder folder;
  write_file(folder / name, content);
  return Tokenizer::open(folder / name);
}

const std::vector<std::string> kLetters = {"a", "b", "c", "d", "\u2581", "é", "日", "\n", "🙂"};

SpmModel draw_model(std::mt19937_64& random) {
  SpmModel model;
  model.dummy_prefix = random() % 3 != 0;
  model.squeeze = random() % 3 == 0;
  if (random() % 2) model.add_bytes();
  std::set<std::string> there;
  for (const std::string& letter : kLetters)
    if (random() % 6 && there.insert(letter).second)
      model.pieces.push_back({letter, -static_cast<float>(random() % 50), normal});
  for (int i = 0; i < 60; ++i) {
    std::string text;
    for (size_t n = 2 + random() % 4; n > 0; --n) text += kLetters[random() % (random() % 2 ? 5 : kLetters.size())];
    if (!there.insert(text).second) continue;
    // Few different scores, so that ties are common.
    model.pieces.push_back({text, -static_cast<float>(random() % 12), random() % 15 ? normal : user_defined});
  }
  return model;
}

TEST(SentencePiece, EqualsSentencePieceOnRandomModels) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 60; ++round) {
    const SpmModel model = draw_model(random);
    const std::string serialized = model.serialized();
    sentencepiece::SentencePieceProcessor reference;
    ASSERT_TRUE(reference.LoadFromSerializedProto(serialized).ok());
    const Tokenizer tokenizer = open_bytes(serialized);
    ASSERT_EQ(tokenizer.size(), model.pieces.size());
    for (int i = 0; i < 100; ++i) {
      std::string text;
      for (size_t n = random() % (i == 0 ? 3000 : 25); n > 0; --n) {
        const uint64_t k = random() % 20;
        if (k < 5)
          text += ' ';
        else if (k == 19)
          text += "x";
        else if (k == 18)
          text += "語";
        else
          text += kLetters[random() % kLetters.size()];
      }
      std::vector<int> expected;
      ASSERT_TRUE(reference.Encode(text, &expected).ok());
      ASSERT_EQ(tokenizer.encode_plain(text), expected) << "round " << round << ": \"" << text << "\"";
    }
  }
}

TEST(SentencePiece, ControlTokensBelongToTheSystem) {
  SpmModel model;
  model.add_bytes();
  for (const char* text : {"\u2581", "a", "<", "s", ">", "\u2581a"}) model.pieces.push_back({text, -1, normal});
  const Tokenizer tokenizer = open_bytes(model.serialized());
  const auto a = *tokenizer.id_of("\u2581a");
  EXPECT_EQ(tokenizer.encode("<s>a", false), (std::vector<int32_t>{1, a}));
  EXPECT_EQ(tokenizer.encode("a"), (std::vector<int32_t>{1, a}));
  EXPECT_EQ(tokenizer.encode_plain("<s>").size(), 4u);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode_plain("<s>")), "<s>");
  EXPECT_TRUE(tokenizer.is_special(2));
  const auto newline = *tokenizer.id_of("<0x0A>");
  EXPECT_EQ(tokenizer.token(newline), "<0x0A>");
  EXPECT_EQ(tokenizer.piece(newline), "\n");
  EXPECT_EQ(tokenizer.unk(), 0);
}

TEST(SentencePiece, WhatIsNotSupportedIsRefusedByName) {
  auto expect_refused = [](const SpmModel& model, const char* word) {
    try {
      open_bytes(model.serialized());
      ADD_FAILURE() << word;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unsupported);
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  };
  SpmModel words;
  words.model_type = 3;
  expect_refused(words, "word");
  SpmModel with_unused;
  with_unused.pieces.push_back({"zz", 0, unused});
  expect_refused(with_unused, "unused");
}

TEST(SentencePiece, BrokenFilesAreErrors) {
  std::mt19937_64 random(12);
  SpmModel model = draw_model(random);
  const std::string good = model.serialized();
  open_bytes(good);
  for (size_t n = 0; n < good.size(); ++n) {  // cut anywhere: an error, or a smaller model
    try {
      open_bytes(good.substr(0, n));
    } catch (const Error& error) { EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos); }
  }
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    for (size_t n = 1 + random() % 4; n > 0; --n) bad[random() % bad.size()] = static_cast<char>(random());
    try {
      open_bytes(bad).encode("abcd é");
    } catch (const Error&) {}
  }
  SpmModel twice = model;
  twice.pieces.push_back(model.pieces.back());
  EXPECT_THROW(open_bytes(twice.serialized()), Error);
  SpmModel broken;
  broken.pieces.push_back({"\xff", 0, normal});
  EXPECT_THROW(open_bytes(broken.serialized()), Error);
  SpmModel few_bytes;
  few_bytes.byte_fallback = true;
  EXPECT_THROW(open_bytes(few_bytes.serialized()), Error);
}

}  // namespace
}  // namespace glassbox
