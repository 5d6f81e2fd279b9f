#include "formats/safetensors.h"

#include <gmock/gmock.h>

#include <cstring>
#include <ctime>
#include <functional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

// A file as the format has it, from any header text.
std::string file_of(const std::string& header, const std::string& data) {
  std::string file(8, '\0');
  for (size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(uint64_t{header.size()} >> (8 * i));
  return file + header + data;
}

SafeTensors tensors_of(const std::string& bytes) {
  auto owner = std::make_shared<const std::string>(bytes);
  return SafeTensors::from_bytes(std::as_bytes(std::span(*owner)), owner, "file");
}

// The error `act` ends with: kind and text, which must be one line.
struct Failure {
  ErrorKind kind = ErrorKind::cancelled;
  std::string text = "(no error)";
};
Failure failure(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    EXPECT_LT(std::strlen(error.what()), 600u);
    return {error.kind(), error.what()};
  }
  ADD_FAILURE() << "expected an error";
  return {};
}

std::string refusal_of(const std::string& bytes) {
  return failure([&] { tensors_of(bytes); }).text;
}

const std::string kTwo = R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                         R"("a":{"dtype":"BF16","shape":[1,2],"data_offsets":[8,12]}})";

TEST(SafeTensors, ReadsNamesShapesBytesAndMetadata) {
  const SafeTensors file = tensors_of(file_of(kTwo, "01234567abcd"));
  EXPECT_THAT(file.names(), ElementsAre("b", "a"));  // in the order of their bytes
  EXPECT_EQ(file.total_bytes(), 12u);
  EXPECT_EQ(file.metadata(), (Metadata{{"format", "pt"}}));
  EXPECT_FALSE(file.find("c"));
  const RawTensor a = *file.find("a");
  EXPECT_EQ(a.dtype, DType::bf16);
  EXPECT_THAT(a.shape, ElementsAre(1, 2));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(a.bytes.data()), a.bytes.size()), "abcd");
}

TEST(SafeTensors, TensorsOutliveTheFileObject) {
  RawTensor b = *tensors_of(file_of(kTwo, "01234567abcd")).find("b");
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(std::memcmp(b.bytes.data(), "01234567", 8), 0);
}

TEST(SafeTensors, MisalignedTensorsAreHandedOutAligned) {
  for (size_t pad = 0; pad < 4; ++pad) {
    const std::string header =
        R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})" +
        std::string(pad, ' ');
    const RawTensor b = *tensors_of(file_of(header, "x01234567")).find("b");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(b.bytes.data()) % 4, 0u);
    EXPECT_EQ(std::memcmp(b.bytes.data(), "01234567", 8), 0);
  }
}

TEST(SafeTensors, ManyTensorsTakeLinearTime) {
  std::string header = "{";
  constexpr int kTensors = 100'000;
  for (int i = 0; i < kTensors; ++i)
    header += fmt::format(R"({}"t{}":{{"dtype":"U8","shape":[1],"data_offsets":[{},{}]}})", i ? "," : "", i, i, i + 1);
  const std::string file = file_of(header + "}", std::string(kTensors, 'x'));
  const std::clock_t start = std::clock();
  EXPECT_EQ(tensors_of(file).find("t99999")->bytes.size(), 1u);
  EXPECT_LT(std::clock() - start,
            15 * CLOCKS_PER_SEC);  // 0.2 s; minutes where each tensor walks those before it
}

TEST(SafeTensors, EmptyTensorsScalarsAndNoTensorsAtAll) {
  EXPECT_TRUE(tensors_of(file_of("{}", "")).tensors().empty());
  const SafeTensors file = tensors_of(file_of(
      R"({"e":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},"s":{"dtype":"I8","shape":[],"data_offsets":[0,1]}})",
      "x"));
  EXPECT_EQ(file.find("e")->bytes.size(), 0u);
  EXPECT_EQ(file.find("s")->shape.size(), 0u);
}

TEST(SafeTensors, EveryDtypeRoundTripsInTheReferenceOrder) {
  // The order in which the reference writer (safetensors 0.6 of Python) lays out one tensor of each dtype.
  const std::vector<DType> order = {
      DType::u64, DType::i64, DType::f64,     DType::f32,     DType::u32,     DType::i32, DType::bf16, DType::f16,
      DType::u16, DType::i16, DType::f8_e8m0, DType::f8_e4m3, DType::f8_e5m2, DType::i8,  DType::u8,   DType::boolean};
  const std::string data(48, 'q');
  std::vector<RawTensor> tensors;
  std::vector<std::string> names;
  for (size_t i = 0; i < order.size(); ++i) names.push_back("t" + std::to_string((i * 7) % order.size()));
  for (size_t i = order.size(); i-- > 0;)
    tensors.push_back({names[i], order[i], {2, 3}, std::as_bytes(std::span(data)).first(6 * info(order[i]).bytes), {}});
  TemporaryFolder folder;
  write_safetensors(folder / "x.safetensors", tensors, {{"format", "pt"}});
  const SafeTensors file = SafeTensors::open(folder / "x.safetensors");
  ASSERT_EQ(file.tensors().size(), order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    EXPECT_EQ(file.tensors()[i].dtype, order[i]);
    EXPECT_EQ(file.tensors()[i].name, names[i]);
    EXPECT_EQ(file.tensors()[i].offset % info(order[i]).bytes, 0u);
  }
}

// A file of the reference writer (tests/reference/make_family_goldens.py), read and written again: the same
// bytes.
TEST(SafeTensors, RewritesTheReferenceWritersFileToTheByte) {
  for (const char* name : {"llama2_tiny/model.safetensors", "llama32_tiny_bf16/golden.safetensors"}) {
    const auto path = testing::fixture("models") / name;
    const SafeTensors file = SafeTensors::open(path);
    std::vector<RawTensor> tensors;
    for (const std::string_view tensor : file.names()) tensors.push_back(*file.find(tensor));
    TemporaryFolder folder;
    write_safetensors(folder / "again", tensors, file.metadata());
    EXPECT_EQ(read_file(folder / "again"), read_file(path));
  }
}

TEST(SafeTensors, WriterIsDeterministicAndPadsTheHeader) {
  const std::string data = "01234567";
  const auto bytes = std::as_bytes(std::span(data));
  std::vector<RawTensor> tensors = {{"b\n\"ü", DType::f32, {2}, bytes, {}}, {"a", DType::f32, {}, bytes.first(4), {}}};
  TemporaryFolder folder;
  write_safetensors(folder / "1", tensors, {{"k", "v"}});
  std::swap(tensors[0], tensors[1]);
  write_safetensors(folder / "2", tensors, {{"k", "v"}});
  const std::string one = read_file(folder / "1");
  EXPECT_EQ(one, read_file(folder / "2"));
  const std::string expected = R"({"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                               "\"b\\n\\\"ü\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}";
  const size_t padded = (expected.size() + 7) / 8 * 8;
  EXPECT_EQ(one, file_of(expected + std::string(padded - expected.size(), ' '), "012301234567"));
  EXPECT_EQ(SafeTensors::open(folder / "1").find("b\n\"ü")->bytes.size(), 8u);
}

TEST(SafeTensors, WriterRefusesWhatItCouldNotReadBack) {
  const std::string data = "01234567";
  const auto bytes = std::as_bytes(std::span(data));
  TemporaryFolder folder;
  const auto write = [&](std::vector<RawTensor> tensors) {
    return failure([&] { write_safetensors(folder / "x", tensors); });
  };
  EXPECT_THAT(write({{"a", DType::f32, {3}, bytes, {}}}).text,
              HasSubstr("tensor \"a\": 8 bytes do not fit shape [3] of F32"));
  EXPECT_THAT(write({{"a", DType::f32, {-2}, bytes, {}}}).text, HasSubstr("do not fit"));
  EXPECT_THAT(write({{"a", DType::f32, {2}, bytes, {}}, {"a", DType::u8, {8}, bytes, {}}}).text,
              HasSubstr("given twice"));
  EXPECT_THAT(write({{"__metadata__", DType::f32, {2}, bytes, {}}}).text, HasSubstr("cannot be named"));
  EXPECT_THAT(write({{"a", DType::q4_0, {32}, bytes, {}}}).text, HasSubstr("Q4_0 is a block type"));
  EXPECT_THAT(write({{"\xff", DType::f32, {2}, bytes, {}}}).text, HasSubstr("not UTF-8"));
  EXPECT_FALSE(std::filesystem::exists(folder / "x"));
}

// ---- bad files: each is refused by one line that names tensor, byte and what was expected ----

std::string one_tensor(const std::string& entry, const std::string& data = "01234567") {
  return file_of("{\"a.weight\":" + entry + "}", data);
}

TEST(SafeTensorsBad, Truncated) {
  const std::string whole = file_of(kTwo, "01234567abcd");
  for (size_t size = 0; size < whole.size(); ++size) refusal_of(whole.substr(0, size));  // never anything but an Error
  EXPECT_THAT(refusal_of(""), HasSubstr("file: byte 0: expected an 8-byte header length, got a file of 0 bytes"));
  EXPECT_THAT(refusal_of(whole.substr(0, 60)), HasSubstr("ends after the file's 60: truncated?"));
  EXPECT_THAT(refusal_of(whole.substr(0, whole.size() - 1)), HasSubstr("tensor \"a\": ends 1 bytes past the end"));
  EXPECT_THAT(refusal_of(whole + "x"), HasSubstr("1 bytes that belong to no tensor"));
}

TEST(SafeTensorsBad, HeaderLength) {
  EXPECT_THAT(refusal_of(std::string(8, '\xff')), HasSubstr("at most 100000000 bytes, got 18446744073709551615"));
  std::string huge = file_of("", "");
  const uint64_t size = 100'000'001;
  std::memcpy(huge.data(), &size, 8);
  EXPECT_THAT(refusal_of(huge), HasSubstr("at most 100000000 bytes, got 100000001"));
  EXPECT_THAT(refusal_of(file_of("", "")), HasSubstr("expected a JSON object"));
}

TEST(SafeTensorsBad, NotAnObject) {
  EXPECT_THAT(refusal_of(file_of("[1]", "")), HasSubstr("byte 8: expected a JSON object, got \"[1]\""));
  EXPECT_THAT(refusal_of(file_of(" {}", "")), HasSubstr("byte 8"));
  EXPECT_THAT(refusal_of(file_of("{\"a\":", "")), HasSubstr("not JSON"));
  EXPECT_THAT(refusal_of(file_of("{} {}", "")), HasSubstr("not JSON"));
  EXPECT_THAT(refusal_of(file_of("{\"\xff\":1}", "")), HasSubstr("not JSON"));
  EXPECT_THAT(refusal_of(file_of("{\"a\":" + std::string(50, '['), "")), HasSubstr("expected an object, got a list"));
  EXPECT_THAT(refusal_of(file_of(R"({"__metadata__":[]})", "")),
              HasSubstr("__metadata__: expected an object, got a list"));
  EXPECT_THAT(refusal_of(file_of(R"({"__metadata__":{"k":1}})", "")), HasSubstr("\"k\": expected a string, got 1"));
}

TEST(SafeTensorsBad, Entries) {
  EXPECT_THAT(refusal_of(one_tensor("7")), HasSubstr("tensor \"a.weight\": entry: expected an object, got 7"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":[2]})")),
              HasSubstr("expected \"data_offsets\", got none"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})")),
              HasSubstr("got \"x\""));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":1,"shape":[2],"data_offsets":[0,8]})")),
              HasSubstr("dtype: expected a string, got 1"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":"2","data_offsets":[0,8]})")),
              HasSubstr("shape: expected a list"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})")), HasSubstr("got 2.0"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})")), HasSubstr("got -2"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8,9]})")),
              HasSubstr("data_offsets: expected [begin, end], got more numbers"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})")),
              HasSubstr("begin before end, got [8,0]"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,"8"]})")),
              HasSubstr("two whole numbers"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})")),
              HasSubstr("expected 12 bytes for shape [3] of F32, got 8 bytes at [0,8]"));
}

TEST(SafeTensorsBad, KeysAndListsTooMany) {
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]})")),
              HasSubstr("tensor \"a.weight\": dtype given twice"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})")), HasSubstr("got 1 numbers"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":[[2]],"data_offsets":[0,8]})")),
              HasSubstr("shape: expected whole numbers"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":["F32"],"shape":[2],"data_offsets":[0,8]})")),
              HasSubstr("dtype: expected a string, got a list"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":{},"data_offsets":[0,8]})")),
              HasSubstr("shape: expected a list, got an object"));
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":null,"data_offsets":[0,8]})")),
              HasSubstr("shape: expected a list, got null"));
  std::string ones = "1";
  for (int i = 1; i < 100; ++i) ones += ",1";
  EXPECT_THAT(refusal_of(one_tensor("{\"dtype\":\"F32\",\"shape\":[" + ones + "],\"data_offsets\":[0,4]}")),
              HasSubstr("shape: expected at most 64 dimensions, got more"));
  EXPECT_THAT(refusal_of(file_of(R"({"__metadata__":{"a":"1","a":"2"}})", "")),
              HasSubstr("__metadata__: \"a\" given twice"));
  EXPECT_THAT(refusal_of(file_of(R"({"__metadata__":{},"__metadata__":{}})", "")),
              HasSubstr("__metadata__ given twice"));
}

TEST(SafeTensorsBad, UnknownDtypeIsUnsupportedByName) {
  for (const char* name : {"F6_E2M3", "q8_0", "f32", "float32", ""}) {
    const Failure got = failure([&] {
      tensors_of(one_tensor("{\"dtype\":\"" + std::string(name) + R"(","shape":[2],"data_offsets":[0,8]})"));
    });
    EXPECT_EQ(got.kind, ErrorKind::unsupported);
    EXPECT_THAT(got.text, HasSubstr("tensor \"a.weight\": unknown dtype \"" + std::string(name) + "\""));
  }
}

TEST(SafeTensorsBad, BlockTypesAreOfOtherFiles) {
  const Failure got = failure(
      [&] { tensors_of(one_tensor(R"({"dtype":"Q8_0","shape":[32],"data_offsets":[0,34]})", std::string(34, 'x'))); });
  EXPECT_EQ(got.kind, ErrorKind::unsupported);
  EXPECT_THAT(got.text, HasSubstr("tensor \"a.weight\": Q8_0 is a block type"));
}

TEST(SafeTensorsBad, AbsurdShapes) {
  for (const char* shape :
       {"[9223372036854775807]", "[4294967296,4294967296]", "[9223372036854775807,9223372036854775807,0]",
        "[18446744073709551615]", "[1e30]", "[4611686018427387904]"})
    EXPECT_THAT(
        refusal_of(one_tensor("{\"dtype\":\"F32\",\"shape\":" + std::string(shape) + ",\"data_offsets\":[0,8]}")),
        HasSubstr("tensor \"a.weight\": shape: expected"));
}

TEST(SafeTensorsBad, OffsetsPastTheEnd) {
  EXPECT_THAT(refusal_of(one_tensor(R"({"dtype":"F32","shape":[4],"data_offsets":[0,16]})")),
              HasSubstr("ends 8 bytes past the end"));
  EXPECT_THAT(
      refusal_of(one_tensor(R"({"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]})")),
      HasSubstr("past the end"));
  EXPECT_THAT(refusal_of(one_tensor(
                  R"({"dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]})")),
              HasSubstr("leaves a hole"));
}

TEST(SafeTensorsBad, OverlapsAndHoles) {
  const auto two = [](const char* first, const char* second) {
    return refusal_of(file_of(
        fmt::format(
            R"({{"a":{{"dtype":"U8","shape":[4],"data_offsets":{}}},"b":{{"dtype":"U8","shape":[4],"data_offsets":{}}}}})",
            first, second),
        "01234567"));
  };
  EXPECT_THAT(two("[0,4]", "[3,7]"), HasSubstr("tensor \"b\": overlaps the tensor before it"));
  EXPECT_THAT(two("[0,4]", "[0,4]"), HasSubstr("tensor \"b\": overlaps"));
  EXPECT_THAT(two("[4,8]", "[3,7]"), HasSubstr("tensor \"b\": leaves a hole"));
  EXPECT_THAT(two("[0,4]", "[5,9]"), HasSubstr("tensor \"b\": leaves a hole before it at byte"));
}

TEST(SafeTensorsBad, NamesGivenTwice) {
  const std::string entry = R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  EXPECT_THAT(refusal_of(file_of("{" + entry + "," + entry + "}", "0123")), HasSubstr("given twice"));
}

TEST(SafeTensorsBad, NamesCannotBreakTheLine) {
  EXPECT_THAT(refusal_of(file_of(R"({"a\nb\u001b[2J":7})", "")), HasSubstr(R"("a\nb\u001b[2J")"));
  refusal_of(file_of("{\"" + std::string(100000, 'x') + "\":7}", ""));
  refusal_of(file_of("{\"a\\nb\":1,\"a\\nb\":2}", ""));
}

TEST(SafeTensors, MissingFileAndFolder) {
  EXPECT_EQ(failure([] { SafeTensors::open("no/such.safetensors"); }).kind, ErrorKind::not_found);
  TemporaryFolder folder;
  EXPECT_EQ(failure([&] { SafeTensors::open(folder.path()); }).kind, ErrorKind::bad_file);
  EXPECT_EQ(failure([&] { Checkpoint::open(folder.path()); }).kind, ErrorKind::not_found);
  EXPECT_EQ(failure([&] { Checkpoint::open(folder / "x"); }).kind, ErrorKind::not_found);
}

// ---- folders ----

class Shards : public ::testing::Test {
 protected:
  void shard(const std::string& name, const std::vector<std::string>& tensors) {
    std::vector<RawTensor> raw;
    for (const std::string& tensor : tensors)
      raw.push_back({tensor, DType::u8, {static_cast<int64_t>(tensor.size())}, std::as_bytes(std::span(tensor)), {}});
    write_safetensors(folder / name, raw);
  }
  void index(const std::string& json) { write_file(folder / "model.safetensors.index.json", json); }
  std::string error() {
    return failure([&] { Checkpoint::open(folder.path()); }).text;
  }
  TemporaryFolder folder;
};

TEST_F(Shards, AreOneCheckpoint) {
  shard("model-00001-of-00002.safetensors", {"z", "mm"});
  shard("model-00002-of-00002.safetensors", {"aaa"});
  index(R"({"metadata":{"total_size":5},"weight_map":{"z":"model-00001-of-00002.safetensors",
      "aaa":"model-00002-of-00002.safetensors","mm":"model-00001-of-00002.safetensors"}})");
  const Checkpoint checkpoint = Checkpoint::open(folder.path());
  EXPECT_THAT(checkpoint.names(), ElementsAre("aaa", "mm", "z"));
  EXPECT_EQ(checkpoint.total_bytes(), 6u);
  EXPECT_EQ(checkpoint.files().size(), 2u);
  EXPECT_EQ(std::memcmp(checkpoint.find("mm")->bytes.data(), "mm", 2), 0);
  EXPECT_FALSE(checkpoint.find("b"));
}

TEST_F(Shards, SingleFileAndFolderWithOneAreTheSame) {
  shard("model.safetensors", {"b", "a"});
  for (const auto& path : {folder.path(), folder / "model.safetensors"})
    EXPECT_THAT(Checkpoint::open(path).names(), ElementsAre("a", "b"));
}

TEST_F(Shards, BadIndexes) {
  shard("one.safetensors", {"a", "b"});
  shard("two.safetensors", {"b"});
  index("[]");
  EXPECT_THAT(error(), HasSubstr("\"weight_map\""));
  index(R"({"weight_map":{}})");
  EXPECT_THAT(error(), HasSubstr("expected tensors, got none"));
  index(R"({"weight_map":{"a":7}})");
  EXPECT_THAT(error(), HasSubstr("tensor \"a\": expected the name of a file in this folder, got 7"));
  for (const char* name :
       {"../one.safetensors", "/etc/passwd", "..", "", "x/one.safetensors", "..\\\\one", "one\\u0000"}) {
    index(fmt::format(R"({{"weight_map":{{"a":"{}"}}}})", name));
    EXPECT_THAT(error(), HasSubstr("expected the name of a file in this folder"));
  }
  index(R"({"weight_map":{"a":"one.safetensors","c":"three.safetensors"}})");
  EXPECT_THAT(error(), HasSubstr("shard \"three.safetensors\" is missing"));
  index(R"({"weight_map":{"a":"one.safetensors","b":"one.safetensors","c":"one.safetensors"}})");
  EXPECT_THAT(error(), HasSubstr("tensor \"c\": expected in \"one.safetensors\", found in no shard"));
  index(R"({"weight_map":{"a":"two.safetensors","b":"two.safetensors"}})");
  EXPECT_THAT(error(), HasSubstr("tensor \"a\": expected in \"two.safetensors\", found in no shard"));
  index(R"({"weight_map":{"a":"one.safetensors"}})");
  EXPECT_THAT(error(), HasSubstr("tensor \"b\" of"));
  index(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  EXPECT_THAT(error(), HasSubstr("tensor \"b\" is both in"));
}

TEST_F(Shards, DamagedShardIsNamed) {
  shard("one.safetensors", {"a"});
  const std::string whole = read_file(folder / "one.safetensors");
  write_file(folder / "one.safetensors", whole.substr(0, whole.size() - 1));
  index(R"({"weight_map":{"a":"one.safetensors"}})");
  EXPECT_THAT(error(), HasSubstr("one.safetensors: tensor \"a\": ends 1 bytes past the end of the file"));
}

}  // namespace
}  // namespace glassbox
