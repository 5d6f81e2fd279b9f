#include "formats/gguf.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <cstring>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/gguf_file_type.h"
#include "tests/gguf_parts.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using ::testing::ElementsAre;
using testing::fixture;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

template <class T>
std::string le(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(T));
}
std::string str(const std::string& text) { return le(uint64_t{text.size()}) + text; }
std::string entry(const std::string& key, uint32_t type, const std::string& value) {
  return str(key) + le(type) + value;
}
std::string tensor(const std::string& name, std::vector<int64_t> ne, uint32_t type, uint64_t offset) {
  std::string bytes = str(name) + le(static_cast<uint32_t>(ne.size()));
  for (const int64_t size : ne) bytes += le(size);
  return bytes + le(type) + le(offset);
}
std::string padded(std::string bytes, size_t alignment = 32) {
  bytes.append((alignment - bytes.size() % alignment) % alignment, '\0');
  return bytes;
}
std::string head(uint64_t tensors, uint64_t entries, uint32_t version = 3) {
  return "GGUF" + le(version) + le(tensors) + le(entries);
}

Gguf from_string(const std::string& bytes) {
  const std::shared_ptr<std::byte[]> owner(new std::byte[bytes.size()]);  // exactly as many: a byte beyond is noticed
  std::memcpy(owner.get(), bytes.data(), bytes.size());
  return Gguf::from_bytes({owner.get(), bytes.size()}, owner, "file");
}

// The error of opening these bytes, which must be one line.
std::string error_of(const std::string& bytes) {
  try {
    from_string(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    EXPECT_LT(std::strlen(error.what()), 600u);
    return error.what();
  }
  ADD_FAILURE() << "expected an error";
  return "(no error)";
}

constexpr uint32_t kU32 = 4, kString = 8, kArray = 9, kF32 = 0;

// Two tensors and metadata of every sort.
std::string small() {
  std::string file = head(2, 4) + entry("general.architecture", kString, str("llama")) +
                     entry("llama.block_count", kU32, le(uint32_t{7})) +
                     entry("words", kArray, le(kString) + le(uint64_t{2}) + str("a") + str("bc")) +
                     entry("yes", 7, std::string(1, '\1'));
  file += tensor("a", {3, 2}, kF32, 0) + tensor("b", {4}, 30, 32);
  return padded(file) + padded(std::string(24, 'A')) + padded(std::string(8, 'B'));
}

TEST(Gguf, ReadsMetadataShapesAndBytes) {
  const Gguf file = from_string(small());
  EXPECT_EQ(file.version(), 3u);
  EXPECT_EQ(file.string("general.architecture"), "llama");
  EXPECT_EQ(file.integer("llama.block_count"), 7);
  EXPECT_EQ(file.number("llama.block_count"), 7.0);
  EXPECT_EQ(file.boolean("yes"), true);
  EXPECT_THAT(*file.strings("words"), ElementsAre("a", "bc"));
  EXPECT_FALSE(file.integer("no"));
  const RawTensor a = *file.tensor("a"), b = *file.tensor("b");
  EXPECT_EQ(a.dtype, DType::f32);
  EXPECT_THAT(a.shape, ElementsAre(2, 3)) << "rows first";
  EXPECT_EQ(a.bytes.size(), 24u);
  EXPECT_EQ(std::to_integer<char>(a.bytes[23]), 'A');
  EXPECT_EQ(b.dtype, DType::bf16);
  EXPECT_EQ(std::to_integer<char>(b.bytes[0]), 'B');
  EXPECT_FALSE(file.tensor("c"));
  EXPECT_EQ(file.total_bytes(), 32u);
}

TEST(Gguf, AValueOfAnotherKindIsNamed) {
  const Gguf file = from_string(small());
  try {
    file.strings("llama.block_count");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "file: \"llama.block_count\": expected an array of strings, got 7 (u32)");
  }
}

TEST(Gguf, TensorsOutliveTheFileObject) {
  const RawTensor a = *from_string(small()).tensor("a");
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(std::to_integer<char>(a.bytes[0]), 'A');
}

TEST(Gguf, EveryTypeOfValueIsReadAndShown) {
  const GgufValue nested[] = {GgufValue::array(std::vector<int32_t>{1, 2}), GgufValue::array(std::vector<int32_t>{})};
  const GgufEntry entries[] = {{"u8", GgufValue::of(uint8_t{200})},
                               {"i8", GgufValue::of(int8_t{-100})},
                               {"u16", GgufValue::of(uint16_t{60000})},
                               {"i16", GgufValue::of(int16_t{-30000})},
                               {"u32", GgufValue::of(uint32_t{4000000000})},
                               {"i32", GgufValue::of(int32_t{-2000000000})},
                               {"u64", GgufValue::of(~uint64_t{0})},
                               {"i64", GgufValue::of(std::numeric_limits<int64_t>::min())},
                               {"f32", GgufValue::of(0.1f)},
                               {"f64", GgufValue::of(0.1)},
                               {"bool", GgufValue::of(false)},
                               {"string", GgufValue::of("a\nb")},
                               {"array", GgufValue::array(GgufType::array, nested)},
                               {"floats", GgufValue::array(std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8})}};
  TemporaryFolder folder;
  write_gguf(folder / "f.gguf", entries, {}, [](size_t, const AppendBytes&) {});
  const Gguf file = Gguf::open(folder / "f.gguf");
  ASSERT_EQ(file.metadata().size(), std::size(entries));
  for (size_t i = 0; i < std::size(entries); ++i) {
    EXPECT_EQ(file.metadata()[i].key, entries[i].key);
    EXPECT_EQ(file.metadata()[i].value, entries[i].value) << entries[i].key;
  }
  std::vector<std::string> shown;
  for (const GgufEntry& e : file.metadata()) shown.push_back(e.value.text());
  EXPECT_THAT(shown, ElementsAre("200", "-100", "60000", "-30000", "4000000000", "-2000000000",
                                 "1.8446744073709552e+19", "-9223372036854775808", "0.1", "0.1", "false", "\"a\\nb\"",
                                 "[[...], [...]]", "[1, 2, 3, 4, 5, 6, ... 8 of f32]"));
  EXPECT_FALSE(file.find("u64")->integer()) << "beyond 63 bits";
  EXPECT_EQ(file.find("array")->parts()->at(0).integers(), (std::vector<int64_t>{1, 2}));
  EXPECT_FALSE(file.find("array")->integers());
  EXPECT_EQ(file.numbers("floats")->at(7), 8);
}

TEST(Gguf, VersionsAndByteOrderAreRefusedByName) {
  EXPECT_EQ(from_string(head(0, 0, 2)).version(), 2u);
  EXPECT_EQ(error_of(head(0, 0, 1)), "file: GGUF version 1 is not supported: expected 2 or 3");
  EXPECT_EQ(error_of(head(0, 0, 4)), "file: GGUF version 4 is not supported: expected 2 or 3");
  EXPECT_EQ(error_of("GGUF" + std::string("\0\0\0\3", 4) + std::string(16, '\0')),
            "file: a big-endian GGUF file is not supported");
  EXPECT_EQ(error_of("GGML" + std::string(20, '\0')), "file: byte 0: expected \"GGUF\", got \"GGML\"");
}

TEST(Gguf, CutAnywhereItIsRefused) {
  const std::string whole = small();
  from_string(whole);
  for (size_t size = 0; size + 24 < whole.size(); ++size) error_of(whole.substr(0, size));
  // The last tensor has 8 bytes and 24 of padding that writers may leave out.
  from_string(whole.substr(0, whole.size() - 24));
  error_of(whole.substr(0, whole.size() - 25));
}

TEST(Gguf, AnyByteChangedIsAnErrorOfOneLineOrAFileThatCanBeRead) {
  const std::string whole = small();
  size_t refused = 0;
  for (size_t at = 0; at < whole.size(); ++at)
    for (const unsigned char change : {0x01, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      try {
        const Gguf file = from_string(bytes);
        for (const TensorInfo& tensor : file.tensors()) EXPECT_EQ(file.tensor(tensor.name)->bytes.size(), tensor.bytes);
        for (const GgufEntry& e : file.metadata()) EXPECT_FALSE(e.value.text().empty());
      } catch (const Error& error) {
        EXPECT_EQ(std::strchr(error.what(), '\n'), nullptr);
        ++refused;
      }
    }
  EXPECT_GT(refused, whole.size());
}

TEST(Gguf, RefusesHostileMetadata) {
  const uint64_t huge = ~uint64_t{0};
  EXPECT_THAT(error_of(head(0, huge) + std::string(100, '\0')), HasSubstr("entries of metadata do not fit"));
  EXPECT_THAT(error_of(head(huge, 0) + std::string(100, '\0')), HasSubstr("tensors do not fit"));
  EXPECT_THAT(error_of(head(0, 1) + le(huge) + std::string(100, 'k')), HasSubstr("at most 65535 bytes of text"));
  EXPECT_THAT(error_of(head(0, 1) + entry("", kU32, le(7))), HasSubstr("key 0 is empty"));
  EXPECT_THAT(error_of(head(0, 1) + entry("k", 13, le(7))), HasSubstr("\"k\": expected a type of value from 0 to 12"));
  EXPECT_THAT(error_of(head(0, 1) + entry("k", 7, "\2")), HasSubstr("\"k\": expected a bool of 0 or 1, got 2"));
  EXPECT_THAT(error_of(head(0, 1) + entry("k", kString, le(huge) + "x")), HasSubstr("truncated?"));
  EXPECT_THAT(error_of(head(0, 2) + entry("k", kU32, le(7)) + entry("k", kU32, le(7))),
              HasSubstr("key \"k\" given twice"));
  // Counts whose product with the size of a value overflows.
  for (const uint32_t type : {kU32, kString, kArray, 10u, 7u})
    for (const uint64_t count : {huge, huge / 4 + 2, uint64_t{1} << 61})
      EXPECT_THAT(error_of(head(0, 1) + entry("k", kArray, le(type) + le(count) + std::string(50, '\0'))),
                  HasSubstr("do not fit the 50 bytes that are left"));
  // Arrays within arrays, without end.
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += le(kArray) + le(uint64_t{1});
  EXPECT_THAT(error_of(head(0, 1) + entry("k", kArray, deep)), HasSubstr("\"k\": expected arrays at most 4 deep"));
  EXPECT_THAT(error_of(head(0, 1) + entry("a\nb", kU32, "")), HasSubstr("\"a\\nb\""));
}

TEST(Gguf, RefusesHostileAlignment) {
  for (const uint32_t alignment : {0u, 1u, 4u, 12u, 33u, 0xffffffffu})
    EXPECT_THAT(error_of(head(0, 1) + entry("general.alignment", kU32, le(alignment))),
                HasSubstr("general.alignment: expected a power of two from 8"));
  EXPECT_THAT(error_of(head(0, 1) + entry("general.alignment", 10, le(uint64_t{32}))), HasSubstr("(u64)"));
  // As far as the largest reaches, there must be a file.
  const std::string far = head(1, 1) + entry("general.alignment", kU32, le(uint32_t{1} << 31)) +
                          tensor("a", {1}, kF32, 0) + std::string(100, '\0');
  EXPECT_THAT(error_of(far), HasSubstr("ends before its tensors"));
  const std::string wide = head(1, 1) + entry("general.alignment", kU32, le(256)) + tensor("a", {1}, kF32, 0);
  EXPECT_EQ(from_string(padded(wide, 256) + "abcd").tensor("a")->bytes.size(), 4u);
}

TEST(Gguf, RefusesHostileTensors) {
  const auto file = [](const std::string& table, size_t data = 64, uint64_t count = 1) {
    return padded(head(count, 0) + table) + std::string(data, 'x');
  };
  from_string(file(tensor("a", {4, 4}, kF32, 0)));
  const int64_t huge = std::numeric_limits<int64_t>::max();
  EXPECT_THAT(error_of(file(tensor("", {1}, kF32, 0))), HasSubstr("tensor 0 has no name"));
  EXPECT_THAT(error_of(file(tensor(std::string(1025, 'n'), {1}, kF32, 0))), HasSubstr("at most 1024 bytes of text"));
  EXPECT_THAT(error_of(file(tensor("a", {}, kF32, 0))), HasSubstr("expected 1 to 4 dimensions, got 0"));
  EXPECT_THAT(error_of(file(tensor("a", {1, 1, 1, 1, 1}, kF32, 0))), HasSubstr("expected 1 to 4 dimensions, got 5"));
  EXPECT_THAT(error_of(file(tensor("a", {0}, kF32, 0))), HasSubstr("dimensions of at least 1, got 0"));
  EXPECT_THAT(error_of(file(tensor("a", {2, -3}, kF32, 0))), HasSubstr("dimensions of at least 1, got -3"));
  EXPECT_THAT(error_of(file(tensor("a", {huge, huge}, kF32, 0))), HasSubstr("is none that F32 can have"));
  EXPECT_THAT(error_of(file(tensor("a", {int64_t{1} << 62}, kF32, 0))), HasSubstr("is none that F32 can have"));
  EXPECT_THAT(error_of(file(tensor("a", {33, 32}, 2, 0))), HasSubstr("shape [32, 33] is none that Q4_0 can have"));
  EXPECT_THAT(error_of(file(tensor("a", {1}, 4, 0))), HasSubstr("unknown tensor type 4"));
  EXPECT_THAT(error_of(file(tensor("a", {256}, 9, 0))), HasSubstr("tensor type Q8_1 is not supported"));
  EXPECT_THAT(error_of(file(tensor("a", {16}, kF32, 0), 32)), HasSubstr("end after the file's"));
  EXPECT_THAT(error_of(file(tensor("a", {1}, kF32, 8))), HasSubstr("an offset that 32 divides, got 8"));
  EXPECT_THAT(error_of(file(tensor("a", {1}, kF32, ~uint64_t{0} - 31))), HasSubstr("end after the file's"));
  // Into the head, by an offset that wraps around.
  EXPECT_THAT(error_of(file(tensor("a", {8}, kF32, uint64_t{0} - 64))), HasSubstr("end after the file's"));
  const std::string a = tensor("a", {8}, kF32, 0);
  from_string(file(a + tensor("b", {8}, kF32, 32), 64, 2));
  from_string(file(tensor("b", {8}, kF32, 32) + a, 64, 2));
  EXPECT_THAT(error_of(file(a + tensor("a", {8}, kF32, 32), 64, 2)), HasSubstr("tensor \"a\" given twice"));
  EXPECT_THAT(error_of(file(a + tensor("b", {8}, kF32, 0), 64, 2)), HasSubstr("where the tensor before it ends"));
  EXPECT_THAT(error_of(file(tensor("a", {16}, kF32, 0) + tensor("b", {8}, kF32, 32), 64, 2)),
              HasSubstr("where the tensor before it ends"));
  EXPECT_THAT(error_of(file(a + tensor("b", {8}, kF32, 64), 96, 2)), HasSubstr("where the tensor before it ends"));
  EXPECT_THAT(error_of(file(tensor("a", {8}, kF32, 32))), HasSubstr("where the table ends"));
  EXPECT_THAT(error_of(file(a, 65)), HasSubstr("33 bytes that belong to no tensor"));
}

TEST(GgufWrite, WhatIsWrittenIsRead) {
  TemporaryFolder folder;
  const GgufEntry metadata[] = {{"general.architecture", GgufValue::of("llama")},
                                {"general.alignment", GgufValue::of(uint32_t{64})}};
  const TensorPlan tensors[] = {{"a", DType::f32, {2, 3}}, {"q", DType::q4_1, {2, 64}}, {"b", DType::bf16, {5, 1, 2}}};
  std::string data(200, '\0');
  std::iota(data.begin(), data.end(), '\1');
  const auto bytes = std::as_bytes(std::span(data));
  const size_t sizes[] = {24, 80, 20};
  const auto write = [&](const std::filesystem::path& path) {
    write_gguf(path, metadata, tensors, [&](size_t i, const AppendBytes& append) {
      append(bytes.subspan(i, 3));  // in pieces
      append(bytes.subspan(i + 3, sizes[i] - 3));
    });
  };
  write(folder / "one");
  write(folder / "two");
  EXPECT_EQ(read_file(folder / "one"), read_file(folder / "two"));
  const Gguf file = Gguf::open(folder / "one");
  ASSERT_EQ(file.tensors().size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    const RawTensor tensor = *file.tensor(tensors[i].name);
    EXPECT_EQ(tensor.dtype, tensors[i].dtype);
    EXPECT_EQ(tensor.shape, tensors[i].shape);
    EXPECT_TRUE(std::ranges::equal(tensor.bytes, bytes.subspan(i, sizes[i])));
    EXPECT_EQ(file.tensors()[i].offset % 64, 0u);
  }
}

TEST(GgufWrite, RefusesWhatTheFormatCannotHoldAndKeepsTheOldFile) {
  TemporaryFolder folder;
  write_file(folder / "f", "old");
  const std::string data(1000, 'x');
  const auto error = [&](std::vector<GgufEntry> metadata, std::vector<TensorPlan> tensors, size_t bytes) {
    try {
      write_gguf(folder / "f", metadata, tensors,
                 [&](size_t, const AppendBytes& append) { append(std::as_bytes(std::span(data)).first(bytes)); });
    } catch (const Error& error) {
      EXPECT_EQ(read_file(folder / "f"), "old");
      EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);  // nothing unfinished
      return std::string(error.what());
    }
    return std::string("(no error)");
  };
  const GgufEntry k{"k", GgufValue::of(uint32_t{1})};
  EXPECT_THAT(error({k, k}, {}, 0), HasSubstr("\"k\" is empty, too long or given twice"));
  EXPECT_THAT(error({}, {{"a", DType::f32, {1}}, {"a", DType::f32, {1}}}, 4), HasSubstr("given twice"));
  EXPECT_THAT(error({}, {{"a", DType::f8_e4m3, {1}}}, 1), HasSubstr("GGUF has no type for F8_E4M3"));
  EXPECT_THAT(error({}, {{"a", DType::f32, {}}}, 4), HasSubstr("cannot be written"));
  EXPECT_THAT(error({}, {{"a", DType::f32, {2}}}, 4), HasSubstr("expected 8 bytes, got 4"));
  EXPECT_THAT(error({}, {{"a", DType::f32, {2}}}, 9), HasSubstr("expected 8 bytes, got more"));
  EXPECT_THAT(error({{"general.alignment", GgufValue::of(uint32_t{3})}}, {}, 0), HasSubstr("expected a power of two"));
}

// The files of tests/reference/make_gguf_fixtures.py, written by the gguf package.
TEST(GgufReference, ReadsWhatTheReferenceWrites) {
  const Gguf file = Gguf::open(fixture("gguf/reference.gguf"));
  const Json expected = read_json(fixture("gguf/reference.json"));
  ASSERT_EQ(file.tensors().size(), expected["tensors"].size());
  for (const auto& [name, about] : expected["tensors"].items()) {
    const auto tensor = file.tensor(name);
    ASSERT_TRUE(tensor) << name;
    EXPECT_EQ(info(tensor->dtype).name, about["type"].get<std::string>()) << name;
    EXPECT_EQ(Json(tensor->shape), about["shape"]) << name;
    std::string hex;
    for (const std::byte byte : tensor->bytes) hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
    EXPECT_EQ(hex, about["bytes"].get<std::string>()) << name;
  }
  for (const auto& [key, value] : expected["metadata"].items()) {
    const GgufValue* found = file.find(key);
    ASSERT_NE(found, nullptr) << key;
    if (value.is_boolean()) {
      EXPECT_EQ(found->boolean(), value.get<bool>()) << key;
    } else if (value.is_number_integer()) {
      EXPECT_EQ(found->integer(), value.get<int64_t>()) << key;
    } else if (value.is_number()) {
      EXPECT_EQ(found->number(), value.get<double>()) << key;
    } else if (value.is_string()) {
      EXPECT_EQ(found->string(), value.get<std::string>()) << key;
    } else if (value[0].is_string()) {
      EXPECT_EQ(Json(*found->strings()), value) << key;
    } else {
      EXPECT_EQ(Json(*found->numbers()), value) << key;
    }
  }
}

// The reference's own file, taken apart and written again, is the same file: what it writes is what we write.
TEST(GgufReference, WritesTheBytesTheReferenceWrites) {
  const Gguf file = Gguf::open(fixture("gguf/reference.gguf"));
  std::vector<TensorPlan> plans;
  for (const TensorInfo& tensor : file.tensors()) plans.push_back({tensor.name, tensor.dtype, tensor.shape});
  TemporaryFolder folder;
  write_gguf(folder / "again.gguf", file.metadata(), plans,
             [&](size_t i, const AppendBytes& append) { append(file.tensor(plans[i].name)->bytes); });
  EXPECT_TRUE(read_file(folder / "again.gguf") == read_file(fixture("gguf/reference.gguf")));
}

TEST(GgufData, RealVocabularyFilesOpen) {
  GLASSBOX_NEEDS_DATA();
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(testing::data_folder() / "tokenizers/gguf_vocab")) {
    if (entry.path().extension() != ".gguf") continue;
    const Gguf file = Gguf::open(entry.path());
    EXPECT_TRUE(file.string("general.architecture")) << entry.path();
    EXPECT_GT(file.strings("tokenizer.ggml.tokens").value_or(std::vector<std::string_view>()).size(), 1000u)
        << entry.path();
    ++files;
  }
  EXPECT_GT(files, 5u);
}

TEST(Gguf, IsKnownByItsFirstBytes) {
  TemporaryFolder folder;
  const std::string bytes = small();
  const auto with = [&](const std::string& name, std::string_view text) {
    write_file(folder / name, text);
    return is_gguf_file(folder / name);
  };
  EXPECT_TRUE(with("sha256-0123", bytes));
  EXPECT_TRUE(with("MODEL.GGUF", bytes));
  EXPECT_TRUE(with("model.safetensors", bytes));
  EXPECT_TRUE(with("damaged.gguf", "<html>")) << "its name says what it should be, so that its error does too";
  EXPECT_FALSE(with("other", "GGU"));
  EXPECT_FALSE(with("empty", ""));
  EXPECT_FALSE(with("text", "GGML and more"));
  EXPECT_TRUE(is_gguf_file(folder / "absent.gguf"));
  EXPECT_FALSE(is_gguf_file(folder / "absent"));
  std::filesystem::create_directory(folder / "folder.gguf");
  EXPECT_FALSE(is_gguf_file(folder / "folder.gguf"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(is_gguf_file(folder / "pipe")) << "and does not wait for a writer";
}

TEST(Gguf, StemsLeaveOutEndingAndPart) {
  EXPECT_EQ(gguf_stem("a/Qwen3-0.6B-Q8_0.gguf"), "Qwen3-0.6B-Q8_0");
  EXPECT_EQ(gguf_stem("MODEL.GGUF"), "MODEL");
  EXPECT_EQ(gguf_stem("sha256-0011.2233"), "sha256-0011.2233");
  EXPECT_EQ(gguf_stem("big-00002-of-00007.gguf"), "big");
  EXPECT_EQ(gguf_stem("big-0002-of-00007.gguf"), "big-0002-of-00007");
  EXPECT_EQ(gguf_stem("-00001-of-00002.gguf"), "-00001-of-00002");
}

TEST(Gguf, FilesOfAModel) {
  using Files = std::vector<std::filesystem::path>;
  EXPECT_EQ(gguf_files("a/b.gguf"), Files{"a/b.gguf"});
  EXPECT_EQ(gguf_files("a/sha256-0123456789abcdef"), Files{"a/sha256-0123456789abcdef"});
  EXPECT_EQ(gguf_files("a/b-00002-of-00003.gguf"),
            (Files{"a/b-00001-of-00003.gguf", "a/b-00002-of-00003.gguf", "a/b-00003-of-00003.gguf"}));
}

class GgufParts : public ::testing::Test {
 protected:
  TemporaryFolder folder_;
  const Gguf whole_ = Gguf::open(fixture("gguf/llama32_tiny.gguf"));
  std::vector<std::filesystem::path> cut(const std::vector<size_t>& tensors) {
    return testing::cut_gguf(whole_, folder_.path(), "tiny", tensors);
  }
  // Part `part`, written anew with other metadata or tensors.
  void rewrite(
      const std::filesystem::path& part, const std::function<void(std::vector<GgufEntry>&)>& metadata,
      const std::function<void(std::vector<TensorPlan>&)>& tensors = [](auto&) {}) {
    const auto mapped = MappedFile::open(part);
    const Gguf file = Gguf::from_bytes(mapped->bytes(), mapped, part.string());
    std::vector<GgufEntry> entries = file.metadata();
    metadata(entries);
    std::vector<TensorPlan> plans;
    for (const TensorInfo& tensor : file.tensors()) plans.push_back({tensor.name, tensor.dtype, tensor.shape});
    tensors(plans);
    write_gguf(folder_ / "new", entries, plans,
               [&](size_t i, const AppendBytes& append) { append(file.tensor(file.tensors()[i].name)->bytes); });
    std::filesystem::rename(folder_ / "new", part);
  }
  std::string error(const std::filesystem::path& part) {
    try {
      Gguf::open(part);
    } catch (const Error& e) { return std::string(e.what()).substr(folder_.path().string().size() + 1); }
    return "(no error)";
  }
};

TEST_F(GgufParts, ReadAsOneModelFromAnyOfThem) {
  for (const std::vector<size_t>& counts : {std::vector<size_t>{0, 5, 0}, {3, 0}, {1, 1, 1, 0}}) {
    const auto parts = cut(counts);
    for (const auto& part : parts) {
      const Gguf file = Gguf::open(part);
      EXPECT_EQ(file.files(), counts.size());
      EXPECT_EQ(file.source(), parts[0].string());
      ASSERT_EQ(file.metadata().size(), whole_.metadata().size()) << "and nothing of parts";
      for (size_t i = 0; i < whole_.metadata().size(); ++i) {
        EXPECT_EQ(file.metadata()[i].key, whole_.metadata()[i].key);
        EXPECT_EQ(file.metadata()[i].value, whole_.metadata()[i].value);
      }
      ASSERT_EQ(file.tensors().size(), whole_.tensors().size());
      EXPECT_EQ(file.total_bytes(), whole_.total_bytes());
      for (size_t i = 0; i < whole_.tensors().size(); ++i) {
        const std::string& name = whole_.tensors()[i].name;
        EXPECT_EQ(file.tensors()[i].name, name);
        const RawTensor got = *file.tensor(name), want = *whole_.tensor(name);
        EXPECT_TRUE(std::ranges::equal(got.bytes, want.bytes)) << name;
        file.release(got.bytes);
        EXPECT_TRUE(std::ranges::equal(got.bytes, want.bytes)) << name;
      }
    }
  }
}

TEST_F(GgufParts, WhatIsMissingOrDoesNotFitIsNamed) {
  auto parts = cut({0, 5, 0});
  std::filesystem::rename(parts[1], folder_ / "elsewhere");
  EXPECT_EQ(error(parts[0]), "tiny-00002-of-00003.gguf: expected part 2 of 3 of the model, found no such file");
  std::filesystem::rename(folder_ / "elsewhere", parts[1]);
  std::filesystem::copy(parts[0], folder_ / "other.gguf");
  EXPECT_EQ(error(folder_ / "other.gguf"),
            "other.gguf: part 1 of 3 of a model: expected a name that ends in -00001-of-00003.gguf, by which the "
            "others are found");
  std::filesystem::copy(parts[1], parts[2], std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(error(parts[0]), "tiny-00003-of-00003.gguf: part 3 of 3: split.no: expected 2, got 1");
  EXPECT_THAT(error(parts[2]), HasSubstr("expected a name that ends in -00002-of-00003.gguf"));

  const auto set = [](std::string key, GgufValue value) {
    return [=](std::vector<GgufEntry>& entries) {
      std::erase_if(entries, [&](const GgufEntry& entry) { return entry.key == key; });
      entries.push_back({key, value});
    };
  };
  const auto same = [](std::vector<GgufEntry>&) {};
  parts = cut({0, 5, 0});
  rewrite(parts[2], set("split.count", GgufValue::of(uint16_t{4})));
  EXPECT_EQ(error(parts[0]), "tiny-00003-of-00003.gguf: part 3 of 3: split.count: expected 3, got 4");
  parts = cut({0, 5, 0});
  rewrite(parts[1], [](std::vector<GgufEntry>& entries) {
    std::erase_if(entries, [](const GgufEntry& entry) { return entry.key == "split.no"; });
  });
  EXPECT_EQ(error(parts[0]), "tiny-00002-of-00003.gguf: part 2 of 3: split.no: expected 1, got none");
  parts = cut({0, 5, 0});
  rewrite(parts[2], same, [](std::vector<TensorPlan>& plans) { plans.pop_back(); });
  const size_t all = whole_.tensors().size();
  EXPECT_EQ(error(parts[0]),
            fmt::format("tiny-00001-of-00003.gguf: split.tensors.count: expected {} tensors in 3 parts, got {}", all,
                        all - 1));
  parts = cut({1, 5, 0});
  rewrite(parts[1], same, [&](std::vector<TensorPlan>& plans) { plans[0].name = whole_.tensors()[0].name; });
  EXPECT_THAT(error(parts[0]), ::testing::StartsWith("tiny-00002-of-00003.gguf: tensor \"" + whole_.tensors()[0].name));
  EXPECT_THAT(error(parts[0]), HasSubstr("tiny-00001-of-00003.gguf has it too"));
  parts = cut({0, 5, 0});
  rewrite(parts[1], set("llama.block_count", GgufValue::of(uint32_t{7})));
  EXPECT_EQ(error(parts[0]), "tiny-00002-of-00003.gguf: \"llama.block_count\": expected 3 as in the first part, got 7");
  parts = cut({0, 5, 0});
  rewrite(parts[1], set("llama.block_count", *whole_.find("llama.block_count")));
  EXPECT_EQ(error(parts[0]), "(no error)");
  rewrite(parts[1], set("llama.other", GgufValue::of(uint32_t{7})));
  EXPECT_EQ(error(parts[0]),
            "tiny-00002-of-00003.gguf: \"llama.other\": expected no such key as in the first part, got 7");
}

TEST(Gguf, ItsFileTypeHasAName) {
  const auto named = [](const std::string& entries, uint64_t count) {
    return file_type_of(from_string(padded(head(0, count) + entries)));
  };
  EXPECT_EQ(named(entry("general.file_type", kU32, le(uint32_t{15})), 1), "Q4_K_M");
  EXPECT_EQ(named(entry("general.file_type", kU32, le(uint32_t{19})), 1), "IQ2_XXS");
  EXPECT_EQ(named(entry("general.file_type", kU32, le(uint32_t{32})), 1), "BF16");
  EXPECT_FALSE(named(entry("general.file_type", kU32, le(uint32_t{5})), 1)) << "a number whose type was removed";
  EXPECT_FALSE(named("", 0));
  EXPECT_EQ(file_type_number("MXFP4_MOE"), 38u);
  EXPECT_FALSE(file_type_number("Q9"));
}

}  // namespace
}  // namespace glassbox
