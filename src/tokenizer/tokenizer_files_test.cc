// Files that are not what they claim: one line of error each, and no memory for what they only announce.
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "tests/testing.h"
#include "tokenizer/tokenizer.h"

namespace glassbox {
namespace {

constexpr const char* kTiny = R"({
  "added_tokens": [{"id": 7, "content": "<s>", "special": true}],
  "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
  "pre_tokenizer": null,
  "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [7], "tokens": ["<s>"]}}},
  "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
  "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "vocab": {"<unk>": 0, "a": 1, "b": 2, "▁": 3, "ab": 4, "▁ab": 5, "▁a": 6}, "merges": ["a b", ["▁", "ab"], ["▁", "a"]]}
})";

using Ids = std::vector<int32_t>;

TEST(TokenizerFiles, TinyOneWorks) {
  const Tokenizer tokenizer = Tokenizer::from_json(kTiny, "tiny");
  EXPECT_EQ(tokenizer.encode("ab a xyz"), (Ids{7, 5, 6, 3, 0}));
  EXPECT_EQ(tokenizer.decode(Ids{5, 6}), "ab a");
  EXPECT_EQ(tokenizer.size(), 8u);
  EXPECT_EQ(tokenizer.bos(), 7);
}

// Changes the tiny file and expects an error of this kind that says `word`.
void expect_error(ErrorKind kind, const std::string& word, const std::function<void(Json&)>& change) {
  Json file = Json::parse(kTiny);
  change(file);
  try {
    Tokenizer::from_json(dump_json(file), "tiny");
    ADD_FAILURE() << "no error that says " << word;
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_EQ(error.kind(), kind) << what;
    EXPECT_NE(what.find(word), std::string::npos) << what;
    EXPECT_NE(what.find("tiny"), std::string::npos) << what;
    EXPECT_EQ(what.find('\n'), std::string::npos) << what;
  }
}

TEST(TokenizerFiles, IdsMustBeIdsOfTheirOwn) {
  const auto bad = ErrorKind::bad_file;
  expect_error(bad, "-1", [](Json& f) { f["model"]["vocab"]["a"] = -1; });
  expect_error(bad, "2147483648", [](Json& f) { f["model"]["vocab"]["a"] = 2147483648; });
  expect_error(bad, "18446744073709551615", [](Json& f) { f["model"]["vocab"]["a"] = 18446744073709551615u; });
  expect_error(bad, "100000000", [](Json& f) { f["model"]["vocab"]["a"] = 100000000; });
  expect_error(bad, "1.5", [](Json& f) { f["model"]["vocab"]["a"] = 1.5; });
  expect_error(bad, "string", [](Json& f) { f["model"]["vocab"]["a"] = "1"; });
  expect_error(bad, "object", [](Json& f) { f["model"]["vocab"]["a"] = Json::object(); });
  expect_error(bad, "two tokens", [](Json& f) { f["model"]["vocab"]["a"] = 2; });
  expect_error(bad, "2147483648", [](Json& f) { f["added_tokens"][0]["id"] = 2147483648; });
  expect_error(bad, "-5", [](Json& f) { f["added_tokens"][0]["id"] = -5; });
  expect_error(bad, "no id", [](Json& f) { f["added_tokens"][0].erase("id"); });
  expect_error(bad, "in the vocabulary", [](Json& f) { f["added_tokens"][0]["content"] = "ab"; });
  expect_error(bad, "two added tokens", [](Json& f) { f["added_tokens"].push_back({{"id", 7}, {"content", "x"}}); });
  expect_error(bad, "ids", [](Json& f) { f["post_processor"]["special_tokens"]["<s>"].erase("ids"); });
  expect_error(bad, "99999999", [](Json& f) { f["post_processor"]["special_tokens"]["<s>"]["ids"][0] = 99999999; });
  expect_error(bad, "500", [](Json& f) { f["post_processor"]["special_tokens"]["<s>"]["ids"][0] = 500; });
}

TEST(TokenizerFiles, MergesMustBeOfTokens) {
  const auto bad = ErrorKind::bad_file;
  expect_error(bad, "\"x\"", [](Json& f) { f["model"]["merges"].push_back("x a"); });
  expect_error(bad, "\"aa\"", [](Json& f) { f["model"]["merges"].push_back("a a"); });
  expect_error(bad, "merge 3", [](Json& f) { f["model"]["merges"].push_back("ab"); });
  expect_error(bad, "merge 3", [](Json& f) { f["model"]["merges"].push_back("a b c"); });
  expect_error(bad, "merge 3", [](Json& f) { f["model"]["merges"].push_back(Json::array({"a"})); });
  expect_error(bad, "merge 3", [](Json& f) { f["model"]["merges"].push_back(Json::array({"a", "b", "c"})); });
  expect_error(bad, "merge 3", [](Json& f) { f["model"]["merges"].push_back(5); });
  expect_error(bad, "merges", [](Json& f) { f["model"]["merges"] = "a b"; });
  expect_error(bad, "merges", [](Json& f) { f["model"].erase("merges"); });
  expect_error(bad, "vocab", [](Json& f) { f["model"].erase("vocab"); });
  expect_error(bad, "vocab", [](Json& f) { f["model"]["vocab"] = Json::array(); });
  expect_error(bad, "<unk>", [](Json& f) { f["model"]["vocab"].erase("<unk>"); });
}

TEST(TokenizerFiles, WhatIsNotSupportedIsRefusedByName) {
  const auto no = ErrorKind::unsupported;
  expect_error(no, "WordLevel", [](Json& f) { f["model"]["type"] = "WordLevel"; });
  expect_error(no, "unk_id",
               [](Json& f) { f["model"] = {{"type", "Unigram"}, {"vocab", Json::parse("[[\"a\", -1]]")}}; });
  expect_error(no, "Unigram with ByteLevel", [](Json& f) {
    f["model"] = {{"type", "Unigram"}, {"vocab", Json::parse("[[\"a\", -1]]")}, {"unk_id", 0}};
    f["pre_tokenizer"] = {{"type", "ByteLevel"}};
  });
  expect_error(no, "dropout", [](Json& f) { f["model"]["dropout"] = 0.1; });
  expect_error(no, "</w>", [](Json& f) { f["model"]["end_of_word_suffix"] = "</w>"; });
  expect_error(no, "##", [](Json& f) { f["model"]["continuing_subword_prefix"] = "##"; });
  expect_error(no, "novelty", [](Json& f) { f["model"]["novelty"] = true; });
  expect_error(no, "Nmt", [](Json& f) { f["normalizer"] = {{"type", "Nmt"}}; });
  expect_error(no, "UnicodeScripts", [](Json& f) { f["pre_tokenizer"] = {{"type", "UnicodeScripts"}}; });
  expect_error(no, "Sandwich", [](Json& f) { f["post_processor"] = {{"type", "Sandwich"}}; });
  expect_error(no, "CTC", [](Json& f) { f["decoder"] = {{"type", "CTC"}}; });
  expect_error(no, "decoder", [](Json& f) { f["decoder"] = nullptr; });
  expect_error(no, "ByteLevel", [](Json& f) { f["decoder"] = {{"type", "ByteLevel"}}; });
  expect_error(no, "ByteLevel", [](Json& f) {
    f["pre_tokenizer"] =
        Json::parse(R"({"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}, {"type": "Digits"}]})");
  });
  expect_error(no, "prepend_scheme", [](Json& f) {
    f["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "▁"}, {"prepend_scheme", "last"}};
  });
  expect_error(no, "Sideways", [](Json& f) {
    f["pre_tokenizer"] = {{"type", "Split"}, {"pattern", {{"String", "a"}}}, {"behavior", "Sideways"}};
  });
  expect_error(no, "256 byte tokens",
               [](Json& f) { f["model"]["byte_fallback"] = true, f["model"]["vocab"]["<0x41>"] = 8; });
}

TEST(TokenizerFiles, BrokenPartsOfOtherModels) {
  const auto bad = ErrorKind::bad_file;
  auto unigram = [](const std::string& vocab, int id = 0) {
    return [=](Json& f) { f["model"] = {{"type", "Unigram"}, {"vocab", Json::parse(vocab)}, {"unk_id", id}}; };
  };
  expect_error(bad, "a text and its score", unigram(R"([["a", "b"]])"));
  expect_error(bad, "a text and its score", unigram(R"([["a", 1, 2]])"));
  expect_error(bad, "two ids", unigram(R"([["a", -1], ["a", -2]])"));
  expect_error(bad, "empty", unigram(R"([["", -1]])"));
  expect_error(bad, "vocab", unigram("5"));
  expect_error(ErrorKind::unsupported, "unk_id", unigram(R"([["a", -1]])", 1));
  expect_error(ErrorKind::unsupported, "bytes", unigram("[[\"" + std::string(2000, 'a') + "\", -1]]"));
  auto word_piece = [](const Json& vocab, int most = 100) {
    return [=](Json& f) {
      f["model"] = {{"type", "WordPiece"}, {"vocab", vocab}, {"unk_token", "u"}, {"max_input_chars_per_word", most}};
    };
  };
  expect_error(bad, "unknown token", word_piece({{"a", 0}}));
  expect_error(bad, "belongs to two tokens", word_piece({{"u", 0}, {"b", 0}}));
  expect_error(bad, "expected a count", word_piece({{"u", 0}}, -1));
  expect_error(ErrorKind::unsupported, "bytes", word_piece({{"u", 0}, {std::string(2000, 'a'), 1}}));
  auto charsmap = [](const char* base64) {
    return [=](Json& f) { f["normalizer"] = {{"type", "Precompiled"}, {"precompiled_charsmap", base64}}; };
  };
  expect_error(bad, "no base64", charsmap("?"));
  expect_error(bad, "precompiled_charsmap", charsmap("AAAA"));
  expect_error(bad, "a trie of", charsmap("/////wAAAAA="));
  expect_error(bad, "zero byte", charsmap("BAAAAAAAAABhYmM="));
  expect_error(bad, "cls", [](Json& f) { f["post_processor"] = {{"type", "BertProcessing"}}; });
}

TEST(TokenizerFiles, NotJson) {
  const std::string good = kTiny;
  for (size_t n = 0; n < good.size() - 2; ++n) {
    try {
      Tokenizer::from_json(good.substr(0, n), "tiny");
      ADD_FAILURE() << n;
    } catch (const Error& error) { EXPECT_EQ(error.kind(), ErrorKind::bad_file); }
  }
  for (const std::string& text :
       {std::string("[]"), std::string("5"), std::string("{\"model\": 5}"), std::string("{}"),
        "{\"model\":" + std::string(5000, '['),
        std::string(R"({"model": {"vocab": {"a": 0, "a": 1}, "merges": []}, "decoder": {"type": "Fuse"}})"),
        std::string(R"({"model": {"vocab": {}, "vocab": {}, "merges": []}})"),
        std::string(R"({"decoder": null, "decoder": null, "model": {"vocab": {}, "merges": []}})"),
        std::string("{\"a\": \"\xff\"}")})
    EXPECT_THROW(Tokenizer::from_json(text, "tiny"), Error) << text.substr(0, 60);
}

class Folder {
 public:
  Folder& with(const char* name, const std::string& content) {
    write_file(folder_ / name, content);
    return *this;
  }
  Tokenizer open() const { return Tokenizer::open(folder_.path()); }
  Tokenizer open(const char* name) const { return Tokenizer::open(folder_ / name); }

 private:
  testing::TemporaryFolder folder_;
};

std::string base64(const std::string& bytes) {
  static const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t bits = 0;
    const size_t n = std::min<size_t>(3, bytes.size() - at);
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < n ? static_cast<uint8_t>(bytes[at + i]) : 0);
    for (size_t i = 0; i < 4; ++i) out += i <= n ? kDigits[bits >> (18 - 6 * i) & 63] : '=';
  }
  return out;
}

// The 256 bytes, then these.
std::string tiktoken_lines(const std::vector<std::string>& more) {
  std::string out;
  int rank = 0;
  for (int b = 0; b < 256; ++b)
    out += base64(std::string(1, static_cast<char>(b))) + " " + std::to_string(rank++) + "\n";
  for (const std::string& token : more) out += base64(token) + " " + std::to_string(rank++) + "\n";
  return out;
}

TEST(TokenizerFiles, TiktokenLines) {
  const std::string lines = tiktoken_lines({"ab", "abc", " ab", "bc", "xyz"});
  const Tokenizer llama3 = Folder().with("tokenizer.model", lines).open();
  EXPECT_EQ(llama3.size(), 261u + 256u);
  EXPECT_EQ(llama3.bos(), 261);
  EXPECT_EQ(llama3.id_of("<|eot_id|>"), 261 + 9);
  EXPECT_EQ(llama3.id_of("<|reserved_special_token_2|>"), 261 + 12);
  EXPECT_EQ(llama3.encode("abc<|eot_id|>"), (Ids{261, 257, 270}));
  EXPECT_EQ(llama3.encode("bcab", false), (Ids{259, 256}));
  EXPECT_EQ(llama3.encode("xyz", false), (Ids{260}));  // nothing merges to it, but the word is a token
  EXPECT_EQ(llama3.encode("xyzz", false), (Ids{'x', 'y', 'z', 'z'}));
  EXPECT_EQ(Folder()
                .with("tokenizer.model", lines)
                .with("tokenizer_config.json",
                      R"({"added_tokens_decoder": {"266": {"content": "<|mine|>", "special": true}}})")
                .open()
                .token(266),
            "<|mine|>");

  EXPECT_EQ(Folder().with("cl100k_base.tiktoken", lines).open("cl100k_base.tiktoken").id_of("<|endofprompt|>"), 100276);
  EXPECT_THROW(Folder().with("unheard_of.tiktoken", lines).open("unheard_of.tiktoken"), Error);
  for (const std::string& bad :
       {lines + "YWI= 300\n", lines + "!!!! 300\n", lines + "YWFh\n", lines + "YWFh -3\n", lines + "YWFh 99999999999\n",
        lines + "YWFh 900000000\n", lines + "YWFh 5\n", lines.substr(7), lines + "YWFh 3x\n", lines + "YW=h 300\n"})
    EXPECT_THROW(Folder().with("tokenizer.model", bad).open(), Error) << bad.substr(bad.size() - 20);
}

TEST(TokenizerFiles, VocabularyAndMerges) {
  Json vocab;
  int id = 0;
  for (const char* token : {"a", "b", "c", "Ġ", "ab", "Ġab", "<|endoftext|>"}) vocab[token] = id++;
  Folder folder;
  folder.with("vocab.json", vocab.dump());
  EXPECT_THROW(folder.open(), Error);
  folder.with("merges.txt", "#version: 0.2\na b\r\nĠ ab\n");
  const Tokenizer tokenizer = folder.open();
  EXPECT_EQ(tokenizer.encode("ab ab<|endoftext|>"), (Ids{4, 5, 6}));
  EXPECT_EQ(tokenizer.eos(), 6);
  EXPECT_EQ(folder.open("merges.txt").encode("ab ab"), (Ids{4, 5}));
  folder.with("tokenizer_config.json",
              R"({"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": true, "eos_token": null})");
  EXPECT_EQ(folder.open().encode("ab ab"), (Ids{5, 5}));
  EXPECT_EQ(folder.open().eos(), std::nullopt);
  folder.with("added_tokens.json", R"({"<think>": 7})");
  EXPECT_EQ(folder.open().encode("ab<think>ab"), (Ids{5, 7, 5}));
  folder.with("tokenizer_config.json", R"({"tokenizer_class": "BartTokenizer"})");
  EXPECT_THROW(folder.open(), Error);
  folder.with("tokenizer_config.json", "{}").with("merges.txt", "a\n");
  EXPECT_THROW(folder.open(), Error);
}

// What GGUF may call a token and JSON may not.
TEST(TokenizerFiles, NamesThatAreNoUtf8AreNotWrittenAsJson) {
  for (const bool special : {false, true}) {
    const std::string bad = "<\xE2\x96";
    const std::vector<std::string> tokens{"a", "b", "ab", bad};
    const std::vector<int32_t> types{1, 1, 1, special ? 3 : 1};
    const std::vector<GgufEntry> entries{{"tokenizer.ggml.model", GgufValue::of("gpt2")},
                                         {"tokenizer.ggml.pre", GgufValue::of("gpt-2")},
                                         {"tokenizer.ggml.tokens", GgufValue::array(tokens)},
                                         {"tokenizer.ggml.token_type", GgufValue::array(types)},
                                         {"tokenizer.ggml.merges", GgufValue::array(std::vector<std::string>{"a b"})}};
    const Tokenizer tokenizer = Tokenizer::from_gguf(Gguf::planned(entries, {}, "bad"));
    EXPECT_EQ(tokenizer.encode("ab"), Ids{2});
    try {
      tokenizer.to_json();
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::unsupported);
      EXPECT_NE(std::string(error.what()).find("UTF-8"), std::string::npos) << error.what();
    }
  }
}

TEST(TokenizerFiles, Absence) {
  EXPECT_THROW(Folder().open(), Error);
  EXPECT_THROW(Tokenizer::open("/no/such/place"), Error);
  EXPECT_THROW(Folder().with("tokenizer.json", "").open(), Error);
  EXPECT_THROW(Folder().with("tokenizer.model", "").open(), Error);
  EXPECT_THROW(Folder().with("tokenizer.model", "hello").open(), Error);
  Folder folder;
  folder.with("tokenizer.json", kTiny).with("tokenizer_config.json", "[]");
  EXPECT_THROW(folder.open(), Error);
  folder.with("tokenizer_config.json", R"({"added_tokens_decoder": {"7": {"content": "other"}}})");
  EXPECT_THROW(folder.open(), Error);
  folder.with("tokenizer_config.json", R"({"added_tokens_decoder": {"99999999999": {"content": "other"}}})");
  EXPECT_THROW(folder.open(), Error);
  folder.with("tokenizer_config.json", R"({"bos_token": 5})");
  EXPECT_THROW(folder.open(), Error);
  folder.with("tokenizer_config.json", R"({"bos_token": "<s>", "eos_token": "ab", "add_eos_token": true})");
  EXPECT_EQ(folder.open().encode("a"), (Ids{7, 6}));  // the post_processor's word counts
}

}  // namespace
}  // namespace glassbox
