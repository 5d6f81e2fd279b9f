#include "train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace glassbox {
namespace {

TEST(Schedule, RisesEvenlyThenFollowsACosineToTheBottom) {
  const Schedule schedule{1e-3, 1e-4, 10, 111};
  EXPECT_FLOAT_EQ(schedule.at(0), 1e-4f);
  EXPECT_FLOAT_EQ(schedule.at(4), 5e-4f);
  EXPECT_FLOAT_EQ(schedule.at(9), 1e-3f);
  EXPECT_FLOAT_EQ(schedule.at(10), 1e-3f);    // the top of the cosine
  EXPECT_FLOAT_EQ(schedule.at(60), 5.5e-4f);  // half way down
  EXPECT_FLOAT_EQ(schedule.at(35), static_cast<float>(1e-4 + 9e-4 * (2 + std::sqrt(2.0)) / 4));  // a quarter
  EXPECT_FLOAT_EQ(schedule.at(110), 1e-4f);
  EXPECT_FLOAT_EQ(schedule.at(5000), 1e-4f);
  for (int64_t step = 11; step < 111; ++step) EXPECT_LT(schedule.at(step), schedule.at(step - 1)) << step;
}

TEST(Schedule, ShortRuns) {
  EXPECT_FLOAT_EQ((Schedule{1e-3, 1e-4, 0, 1}.at(0)), 1e-3f);
  EXPECT_FLOAT_EQ((Schedule{1e-3, 1e-4, 0, 2}.at(0)), 1e-3f);
  EXPECT_FLOAT_EQ((Schedule{1e-3, 1e-4, 0, 2}.at(1)), 1e-4f);
  EXPECT_FLOAT_EQ((Schedule{1e-3, 1e-4, 4, 2}.at(1)), 5e-4f);  // ends while it still rises
}

}  // namespace
}  // namespace glassbox
