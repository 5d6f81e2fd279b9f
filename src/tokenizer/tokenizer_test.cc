#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "tests/testing.h"
#include "unicode/utf8.h"

namespace glassbox {
namespace {

using Ids = std::vector<int32_t>;

// Small tokenizers and what Hugging Face's tokenizers makes of texts (tests/reference/tokenizer_fixtures.py).
class Fixture : public ::testing::TestWithParam<const char*> {
 protected:
  Fixture()
      : file_(read_json(testing::fixture(std::string("tokenizers/") + GetParam() + ".json"))),
        tokenizer_(Tokenizer::from_json(dump_json(file_["tokenizer"]), GetParam())) {}
  Json file_;
  Tokenizer tokenizer_;
};

TEST_P(Fixture, EncodesLikeTheReference) {
  for (const Json& one : file_["cases"]) {
    if (!one.contains("text")) continue;
    const auto text = one["text"].get<std::string>();
    const auto plain = one["ids"].get<Ids>();
    EXPECT_EQ(tokenizer_.encode(text, false), plain) << one["text"];
    EXPECT_EQ(tokenizer_.encode(text, true), one.value("with_special", plain)) << one["text"];
    EXPECT_EQ(tokenizer_.encode_plain(text), one.value("untrusted", plain)) << one["text"];
  }
}

TEST_P(Fixture, DecodesLikeTheReference) {
  for (const Json& one : file_["cases"]) {
    const auto ids =
        one.contains("ids_only") ? one["ids_only"].get<Ids>() : one.value("with_special", one["ids"].get<Ids>());
    EXPECT_EQ(tokenizer_.decode(ids, false), one["decoded"].get<std::string>()) << Json(ids);
    EXPECT_EQ(tokenizer_.decode(ids, true), one["skipped"].get<std::string>()) << Json(ids);
  }
}

TEST_P(Fixture, StreamsTheSameText) {
  for (const Json& one : file_["cases"]) {
    const auto ids =
        one.contains("ids_only") ? one["ids_only"].get<Ids>() : one.value("with_special", one["ids"].get<Ids>());
    for (bool skip : {false, true}) {
      StreamDecoder stream(tokenizer_, false, skip);
      std::string text;
      for (int32_t id : ids) {
        const std::string part = stream.push(id);
        EXPECT_EQ(unicode::valid_prefix(part), part.size());
        text += part;
      }
      text += stream.finish();
      // Runs of broken byte tokens are the one place where a stream cannot know what the whole text will say.
      const std::string bytes = tokenizer_.decode_bytes(ids, skip);
      EXPECT_EQ(text, unicode::replace_broken(bytes)) << Json(ids);
      if (unicode::valid_prefix(bytes) == bytes.size()) { EXPECT_EQ(text, tokenizer_.decode(ids, skip)); }
    }
  }
}

TEST_P(Fixture, NamesLeadBack) {
  size_t defined = 0;
  for (int32_t id = 0; id < static_cast<int32_t>(tokenizer_.size()); ++id) {
    if (tokenizer_.token(id).empty()) continue;
    EXPECT_EQ(tokenizer_.id_of(tokenizer_.token(id)), id);
    ++defined;
  }
  EXPECT_GE(defined, file_["tokenizer"]["model"]["vocab"].size());
  EXPECT_EQ(tokenizer_.id_of("no such token"), std::nullopt);
}

TEST_P(Fixture, IsTheSameWrittenAndReadAgain) {
  if (file_["tokenizer"]["model"]["type"] == "Unigram") {
    EXPECT_THROW(tokenizer_.to_json(), Error);
    EXPECT_THROW(tokenizer_.to_gguf(100000), Error);
    return;
  }
  std::vector<Tokenizer> again{Tokenizer::from_json(tokenizer_.to_json(), "json")};
  const std::string name = GetParam();
  // GGUF cannot say that gpt2 puts a space before texts, that llama2 finds "▁▁▁" before spaces become marks, or that
  // metaspace_always and _never keep unknown characters apart.
  const bool has_name = name == "llama3" || name == "crossing" || name == "nfc" || name == "metaspace_first";
  try {
    const auto size = static_cast<int64_t>(tokenizer_.size());
    EXPECT_THROW(tokenizer_.to_gguf(size / 2), Error);
    std::vector<GgufEntry> entries = tokenizer_.to_gguf(size + 3);
    EXPECT_TRUE(has_name) << name;
    entries.push_back({"tokenizer.huggingface.json", GgufValue::of(tokenizer_.to_json())});
    again.push_back(Tokenizer::from_gguf(Gguf::planned(entries, {}, "gguf")));
  } catch (const Error& error) {
    EXPECT_FALSE(has_name) << error.what();
    EXPECT_EQ(error.kind(), ErrorKind::unsupported) << error.what();
  }
  for (const Tokenizer& one : again)
    for (const Json& example : file_["cases"]) {
      if (!example.contains("text")) continue;
      const auto text = example["text"].get<std::string>();
      for (const bool special : {false, true}) {
        EXPECT_EQ(one.encode(text, special), tokenizer_.encode(text, special)) << example["text"];
        const Ids ids = tokenizer_.encode(text, special);
        EXPECT_EQ(one.decode(ids, true), tokenizer_.decode(ids, true)) << example["text"];
      }
      EXPECT_EQ(one.encode_plain(text), tokenizer_.encode_plain(text)) << example["text"];
    }
}

INSTANTIATE_TEST_SUITE_P(Tokenizer, Fixture,
                         ::testing::Values("gpt2", "llama3", "llama2", "crossing", "metaspace_first",
                                           "metaspace_always", "metaspace_never", "nfc", "nfkc", "splits", "bert",
                                           "bert_cased", "unigram", "unigram_bytes", "clip", "words"),
                         [](const auto& info) { return std::string(info.param); });

Tokenizer fixture_tokenizer(const std::string& name) {
  return Tokenizer::from_json(dump_json(read_json(testing::fixture("tokenizers/" + name + ".json"))["tokenizer"]),
                              name);
}

std::string random_text(std::mt19937_64& random, size_t characters) {
  std::string text;
  for (size_t i = 0; i < characters; ++i) {
    char32_t c = random() % 3 ? static_cast<char32_t>(" etaoinshr\n.'1"[random() % 14])
                              : static_cast<char32_t>(random() % 0x110000);
    if (c >= 0xD800 && c < 0xE000) c = 0x2581;
    unicode::append(text, c);
  }
  return text;
}

TEST(Tokenizer, AnyTextComesBack) {
  std::mt19937_64 random(3);
  for (const char* name : {"gpt2", "llama3", "splits", "llama2"}) {
    const Tokenizer tokenizer = fixture_tokenizer(name);
    for (int round = 0; round < 300; ++round) {
      std::string text = random_text(random, random() % 80);
      std::erase(text, '~');  // removed by a step of "splits"
      std::erase(text, '`');
      const bool marks = text.find("\xE2\x96\x81") != std::string::npos;  // a mark is a space, once encoded
      if (std::string(name) == "llama2" && marks) continue;
      std::string back = tokenizer.decode(tokenizer.encode_plain(text));
      if (std::string(name) == "gpt2" && !text.empty() && text[0] != ' ') back.erase(0, 1);  // add_prefix_space
      EXPECT_EQ(back, text) << name;
    }
  }
}

TEST(Tokenizer, BrokenUtf8ComesBack) {
  std::mt19937_64 random(4);
  for (const char* name : {"llama3", "llama2", "splits"}) {
    const Tokenizer tokenizer = fixture_tokenizer(name);
    for (int round = 0; round < 300; ++round) {
      std::string text;
      for (size_t i = 0, n = random() % 40; i < n; ++i) {
        const auto byte = static_cast<char>(random() % 256);
        if (byte != '~' && byte != '`') text += byte;
      }
      if (text.find("\xE2\x96\x81") != std::string::npos) continue;
      EXPECT_EQ(tokenizer.decode_bytes(tokenizer.encode_plain(text)), text) << name;
    }
  }
}

TEST(Tokenizer, ALongWordIsEncodedAsAWhole) {
  // Past 32 KiB words are merged a window at a time; here they are merged at once, by a text that lets them be cut.
  std::mt19937_64 random(5);
  for (const char* name : {"llama3", "llama2", "crossing"}) {
    const Tokenizer tokenizer = fixture_tokenizer(name);
    for (const std::string& unit :
         {std::string("a"), std::string("ab"), std::string("the"), std::string("=:/-"), std::string("\u6CB3a")}) {
      if (std::string(name) == "crossing" && unit.size() > 3) continue;  // unknown there, and fused
      std::string word;
      while (word.size() < 100'000) word += random() % 50 ? unit : unit.substr(0, 1);
      if (unicode::valid_prefix(word) != word.size()) word = unicode::replace_broken(word);
      const Ids ids = tokenizer.encode(word, false);
      EXPECT_EQ(tokenizer.decode(ids), word);
      // Wherever two tokens meet, they must stay apart when encoded alone: that is what makes the whole right.
      size_t wrong = 0;
      for (size_t i = 1; i + 2 < ids.size(); ++i) {
        const std::string both = std::string(tokenizer.piece(ids[i])) + std::string(tokenizer.piece(ids[i + 1]));
        if (unicode::valid_prefix(both) != both.size() || std::string(name) == "llama2") continue;
        wrong += tokenizer.encode_plain(both) != Ids{ids[i], ids[i + 1]};
      }
      EXPECT_EQ(wrong, 0u) << name << " " << unit;
    }
  }
}

TEST(Tokenizer, HostileTextTakesLinearTime) {
  for (const char* name : {"llama3", "llama2", "crossing"}) {
    const Tokenizer tokenizer = fixture_tokenizer(name);
    for (const std::string& unit :
         {std::string("a"), std::string(" "), std::string("\n"), std::string("<|"), std::string("<s")}) {
      std::string text;
      while (text.size() < 400'000) text += unit;
      EXPECT_FALSE(tokenizer.encode(text).empty());  // the test's time limit is the measure
    }
  }
}

TEST(Tokenizer, ThreadsShareOne) {
  const Tokenizer tokenizer = fixture_tokenizer("llama3");
  std::mt19937_64 random(6);
  std::vector<std::string> texts;
  for (int i = 0; i < 200; ++i) texts.push_back(random_text(random, 50));
  std::vector<std::vector<Ids>> out(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : out)
      threads.emplace_back([&] {
        for (const std::string& text : texts) mine.push_back(tokenizer.encode(text));
      });
  }
  for (const auto& mine : out) EXPECT_EQ(mine, out[0]);
}

TEST(Tokenizer, StreamsContinueATextOrBeginOne) {
  const Tokenizer tokenizer = fixture_tokenizer("llama2");
  const Ids ids = tokenizer.encode("the fox", false);
  auto streamed = [&](bool continues) {
    StreamDecoder stream(tokenizer, continues);
    std::string text;
    for (int32_t id : ids) text += stream.push(id);
    return text + stream.finish();
  };
  EXPECT_EQ(streamed(false), "the fox");
  EXPECT_EQ(streamed(true), " the fox");
}

TEST(Tokenizer, StreamsWholeCharactersOnly) {
  const Tokenizer tokenizer = fixture_tokenizer("llama2");
  auto byte = [&](int b) { return *tokenizer.id_of(fmt::format("<0x{:02X}>", b)); };
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.push(byte(0xF0)), "");
  EXPECT_EQ(stream.push(byte(0x9F)), "");
  EXPECT_EQ(stream.push(byte(0x99)), "");
  EXPECT_EQ(stream.push(byte(0x82)), "🙂");
  EXPECT_EQ(stream.push(byte(0xE2)), "");
  EXPECT_EQ(stream.push(byte(0x41)), "\uFFFDA");
  EXPECT_EQ(stream.push(byte(0xC3)), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_THROW(stream.push(-1), Error);
  EXPECT_THROW(stream.push(static_cast<int32_t>(tokenizer.size())), Error);
}

TEST(Tokenizer, ConfigurationNamesAndAdds) {
  const std::string json = dump_json(read_json(testing::fixture("tokenizers/llama3.json"))["tokenizer"]);
  const Tokenizer plain = Tokenizer::from_json(json, "plain");
  EXPECT_EQ(plain.bos(), plain.id_of("<|begin_of_text|>"));
  EXPECT_TRUE(plain.adds_bos());
  EXPECT_EQ(plain.eos(), std::nullopt);

  const auto next = static_cast<int32_t>(plain.size());
  const Tokenizer tokenizer =
      Tokenizer::from_json(json, "test",
                           fmt::format(R"({{"bos_token": null, "eos_token": {{"content": "<|eot_id|>"}},
    "add_bos_token": false, "pad_token": "never defined", "additional_special_tokens": ["Ġlantern"],
    "added_tokens_decoder": {{"{}": {{"content": "<new>", "special": true, "lstrip": true}}}}}})",
                                       next));
  EXPECT_EQ(tokenizer.bos(), std::nullopt);
  EXPECT_FALSE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.eos(), tokenizer.id_of("<|eot_id|>"));
  EXPECT_EQ(tokenizer.pad(), std::nullopt);
  EXPECT_EQ(tokenizer.encode("  <new>", false), Ids{next});
  EXPECT_EQ(tokenizer.encode_plain("<new>").size(), 5u);
  EXPECT_TRUE(tokenizer.is_special(next));
  EXPECT_TRUE(tokenizer.is_special(*tokenizer.id_of("Ġlantern")));
  EXPECT_FALSE(tokenizer.is_special(next + 1));
  EXPECT_NE(tokenizer.describe().find("byte-level BPE"), std::string::npos);
}

// As AutoTokenizer of transformers 5.24 has it, whichever class tokenizer_config.json names.
TEST(Tokenizer, ThePostProcessorAloneAddsBos) {
  Json json = read_json(testing::fixture("tokenizers/llama3.json"))["tokenizer"];
  const Json with_bos = json["post_processor"];
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", false}, {"use_regex", true}};
  const Json both = {{"type", "Sequence"}, {"processors", {bytes, with_bos}}};
  for (const auto& [post, adds] :
       {std::pair(Json(), false), std::pair(with_bos, true), std::pair(bytes, false), std::pair(both, true)})
    for (const char* kind : {"PreTrainedTokenizerFast", "LlamaTokenizerFast", "TokenizersBackend"})
      for (const char* said : {"", R"("add_bos_token":true,)", R"("add_bos_token":false,"add_eos_token":true,)"}) {
        json["post_processor"] = post;
        const Tokenizer tokenizer = Tokenizer::from_json(
            dump_json(json), "test",
            fmt::format(R"({{{}"bos_token":"<|begin_of_text|>","eos_token":"<|eot_id|>","tokenizer_class":"{}"}})",
                        said, kind));
        EXPECT_EQ(tokenizer.adds_bos(), adds) << dump_json(post) << said << kind;
        Ids expected = tokenizer.encode("hi", false);
        if (adds) expected.insert(expected.begin(), *tokenizer.bos());
        EXPECT_EQ(tokenizer.encode("hi"), expected) << dump_json(post) << said << kind;
      }
}

TEST(Tokenizer, AnAddedTokenBeyondTheModelsRowsIsNotWritten) {
  Json json = read_json(testing::fixture("tokenizers/llama3.json"))["tokenizer"];
  const auto rows = static_cast<int64_t>(Tokenizer::from_json(dump_json(json), "test").size());
  json["added_tokens"].push_back({{"id", rows}, {"content", "[PAD]"}, {"special", true}});
  const Tokenizer tokenizer = Tokenizer::from_json(dump_json(json), "test", R"({"pad_token":"[PAD]"})");
  EXPECT_EQ(tokenizer.pad(), rows);
  std::vector<GgufEntry> entries = tokenizer.to_gguf(rows);
  entries.push_back({"tokenizer.huggingface.json", GgufValue::of(dump_json(json))});
  const Tokenizer again = Tokenizer::from_gguf(Gguf::planned(entries, {}, "gguf"));
  EXPECT_EQ(again.size(), static_cast<size_t>(rows));
  EXPECT_EQ(again.encode("hi there"), tokenizer.encode("hi there"));
  EXPECT_THROW(tokenizer.to_gguf(rows / 2), Error);
}

TEST(Tokenizer, NoneHasNoText) {
  const Tokenizer none = Tokenizer::none("m: no tokenizer here");
  EXPECT_EQ(none.size(), 0u);
  EXPECT_EQ(none.eos(), std::nullopt);
  EXPECT_FALSE(none.adds_bos());
  EXPECT_FALSE(none.is_special(3));
  const auto refusal = [](const auto& act) -> std::string {
    try {
      act();
    } catch (const Error& error) { return error.what(); }
    return "nothing";
  };
  const std::string why = "m: no tokenizer here: text needs one";
  EXPECT_EQ(refusal([&] { none.encode("hi"); }), why);
  EXPECT_EQ(refusal([&] { none.encode_plain(""); }), why);
  EXPECT_EQ(refusal([&] { none.decode(Ids{3}); }), why);
  EXPECT_EQ(refusal([&] { none.piece(3); }), why);
  EXPECT_EQ(refusal([&] { none.to_json(); }), why);
  EXPECT_EQ(refusal([&] { none.to_gguf(100); }), why);
}

TEST(Tokenizer, AddedTokensDecodeToWhatTheySay) {
  // Hugging Face's tokenizers reads é as the byte 0xE9 here, and decodes U+FFFD.
  Json json = read_json(testing::fixture("tokenizers/llama3.json"))["tokenizer"];
  const auto id = json["model"]["vocab"].size() + json["added_tokens"].size();
  json["added_tokens"].push_back({{"id", id}, {"content", "<é>"}, {"special", true}});
  const Tokenizer tokenizer = Tokenizer::from_json(dump_json(json), "test");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("a<é>b", false)), "a<é>b");
}

}  // namespace
}  // namespace glassbox
