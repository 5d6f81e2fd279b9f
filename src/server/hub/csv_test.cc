#include "server/hub/csv.h"

#include <gtest/gtest.h>

namespace glassbox::hubapi {
namespace {

TEST(Csv, PlainTextsStay) {
  EXPECT_EQ(csv_field(""), R"("")");
  EXPECT_EQ(csv_field("tiny-lab/seed_1.5"), R"("tiny-lab/seed_1.5")");
  EXPECT_EQ(csv_field("a - b = c, naïve"), R"("a - b = c, naïve")");
  EXPECT_EQ(csv_field(R"(say "yes")"), R"("say ""yes""")");
}

TEST(Csv, NothingBecomesAFormula) {
  EXPECT_EQ(csv_field("=1+1"), R"("'=1+1")");
  EXPECT_EQ(csv_field("+1"), R"("'+1")");
  EXPECT_EQ(csv_field("-1"), R"("'-1")");
  EXPECT_EQ(csv_field("@A1"), R"("'@A1")");
  EXPECT_EQ(csv_field("  =1"), R"("  '=1")");
  EXPECT_EQ(csv_field("\t=1"), R"(" '=1")");
  EXPECT_EQ(csv_field("＝1"), R"("'＝1")") << "a wide one";
  EXPECT_EQ(csv_field("x;=1"), R"("x;'=1")") << "where a semicolon ends a cell";
  EXPECT_EQ(csv_field("x\",=1"), R"("x"",'=1")");
  EXPECT_EQ(csv_field("x\r\n=1"), R"("x  '=1")");
}

}  // namespace
}  // namespace glassbox::hubapi
