#include "base/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/quote.h"

namespace glassbox {
namespace {

using ::testing::ElementsAre;

// An owner that tells all it is told.
template <class J>
class Reader final : public FieldReader<J> {
 public:
  explicit Reader(const J& object, const std::string& path = "", bool meant = false)
      : FieldReader<J>(object, path, meant ? Reader::Integers::meant : Reader::Integers::written) {}

 private:
  [[noreturn]] void refuse(std::string_view name, const Fault& fault, const J& got) const override {
    fail(ErrorKind::bad_request, "{}: {}: {} | {} | {}", fault.kind == Fault::Kind::type ? "type" : "value",
         this->path(name), fault.expected(), fault.expected_in_full(), got.dump());
  }
};

Json object_of_all() {
  return Json::parse(R"({"i":7,"most":18446744073709551615,"whole":3.0,"part":1.5,"far":1e16,"t":"a","b":true,"n":null,
                         "l":[1,2],"mixed":[1,"x"],"texts":["a","b"],"o":{}})");
}

template <class Read>
std::string refused(Read read) {
  try {
    read();
  } catch (const Error& error) { return error.what(); }
  return "no error";
}

TEST(Fields, ReadsWhatIsThereAndTicksItOff) {
  const Json object = object_of_all();
  Reader<Json> reader(object);
  EXPECT_EQ(reader.integer("i", 7, 7), 7);
  EXPECT_EQ(reader.number("i"), 7.0);
  EXPECT_EQ(reader.number("part", 1.5, 1.5), 1.5);
  EXPECT_EQ(reader.text("t"), "a");
  EXPECT_EQ(reader.boolean("b"), true);
  EXPECT_EQ(Reader<Json>(object).integer("n"), std::nullopt);  // another's reading ticks nothing off here
  EXPECT_EQ(reader.text("absent"), std::nullopt);
  EXPECT_THAT(*reader.integers("l"), ElementsAre(1, 2));
  EXPECT_THAT(*reader.numbers("l", 1, 2), ElementsAre(1.0, 2.0));
  EXPECT_THAT(*reader.texts("texts"), ElementsAre("a", "b"));
  EXPECT_EQ(reader.object("o"), &object["o"]);
  EXPECT_TRUE(reader.has("most"));
  EXPECT_FALSE(reader.has("n"));
  EXPECT_FALSE(reader.is_read("most"));
  for (const char* name : {"far", "mixed", "most"}) {  // in the order of the object; null says nothing
    EXPECT_EQ(reader.first_unread(), name);
    reader.find(name);
  }
  EXPECT_EQ(reader.first_unread(), "whole");
  reader.find("whole");
  EXPECT_EQ(reader.first_unread(), std::nullopt);
}

template <class J>
class EachJson : public ::testing::Test {};
using Jsons = ::testing::Types<Json, OrderedJson>;
TYPED_TEST_SUITE(EachJson, Jsons);

TYPED_TEST(EachJson, FaultsNameTypeAndRange) {
  const TypeParam object(object_of_all());
  Reader<TypeParam> reader(object, "a.b");
  EXPECT_EQ(refused([&] { reader.integer("t", 1, 16); }),
            "type: a.b.t: a whole number | a whole number from 1 to 16 | \"a\"");
  EXPECT_EQ(refused([&] { reader.integer("i", 8, 16); }), "value: a.b.i: 8 to 16 | a whole number from 8 to 16 | 7");
  EXPECT_EQ(refused([&] { reader.integer("i", 8); }), "value: a.b.i: 8 or more | a whole number from 8 | 7");
  EXPECT_EQ(refused([&] { reader.integer("whole"); }), "type: a.b.whole: a whole number | a whole number | 3.0");
  EXPECT_EQ(refused([&] { reader.integer("most"); }),
            "value: a.b.most: a whole number | a whole number | 18446744073709551615");
  EXPECT_EQ(refused([&] { reader.number("part", 2, 3.5); }),
            "value: a.b.part: 2 to 3.5 | a number from 2 to 3.5 | 1.5");
  EXPECT_EQ(refused([&] { reader.number("b"); }), "type: a.b.b: a number | a number | true");
  EXPECT_EQ(refused([&] { reader.text("i"); }), "type: a.b.i: a string | a string | 7");
  EXPECT_EQ(refused([&] { reader.boolean("i"); }), "type: a.b.i: true or false | true or false | 7");
  EXPECT_EQ(refused([&] { reader.object("l"); }), "type: a.b.l: an object | an object | [1,2]");
  EXPECT_EQ(refused([&] { reader.list("o"); }), "type: a.b.o: a list | a list | {}");
  EXPECT_EQ(refused([&] { reader.integers("mixed"); }), "type: a.b.mixed: whole numbers | whole numbers | \"x\"");
  EXPECT_EQ(refused([&] { reader.texts("mixed"); }), "type: a.b.mixed: strings | strings | 1");
  EXPECT_EQ(refused([&] { reader.numbers("l", 0, 1); }), "value: a.b.l: 0 to 1 | numbers from 0 to 1 | 2");
}

TYPED_TEST(EachJson, IntegersMayBeMeantWhereNoneAreWritten) {
  const TypeParam object(object_of_all());
  Reader<TypeParam> reader(object, "", true);
  EXPECT_EQ(reader.integer("whole", 3, 3), 3);
  EXPECT_EQ(refused([&] { reader.integer("whole", 4, 5); }), "value: whole: 4 to 5 | a whole number from 4 to 5 | 3.0");
  EXPECT_EQ(refused([&] { reader.integer("part"); }), "value: part: a whole number | a whole number | 1.5");
  EXPECT_EQ(refused([&] { reader.integer("far"); }), "value: far: a whole number | a whole number | 1e+16");
}

}  // namespace
}  // namespace glassbox
