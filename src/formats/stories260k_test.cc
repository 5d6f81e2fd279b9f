#include "tests/stories260k.h"

#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "formats/config.h"

namespace glassbox {
namespace {

// What the conversion promises before anything runs the model (engine/ reproduces the documented text with
// it).
TEST(Stories260k, IsAPublishedDirectory) {
  GLASSBOX_NEEDS_DATA();
  testing::TemporaryFolder folder;
  testing::write_stories260k(folder / "out");
  const Checkpoint checkpoint = Checkpoint::open(folder / "out");
  EXPECT_EQ(checkpoint.tensors().size(), 2u + 5 * 9);
  EXPECT_EQ(checkpoint.total_bytes(), 260032u * 4);
  EXPECT_THAT(checkpoint.find("model.layers.4.self_attn.k_proj.weight")->shape, ::testing::ElementsAre(32, 64));
  EXPECT_FALSE(checkpoint.find("lm_head.weight"));
  // The order of weights in the file is right if every norm's values look like a norm's: around 1, all
  // positive.
  for (const TensorInfo* tensor : checkpoint.tensors()) {
    if (!tensor->name.ends_with("norm.weight")) continue;
    const std::span<const std::byte> bytes = checkpoint.find(tensor->name)->bytes;
    float sum = 0;
    for (size_t i = 0; i < 64; ++i) {
      float value;
      std::memcpy(&value, bytes.data() + 4 * i, 4);
      EXPECT_GT(value, 0) << tensor->name;
      sum += value;
    }
    EXPECT_NEAR(sum / 64, 1.5, 1.49) << tensor->name;
  }
  EXPECT_EQ(Config::open(folder / "out").get<int32_t>("num_key_value_heads"), 4);
}

TEST(Stories260k, RowsThatTurnTogetherMoveHalfAHeadApart) {
  // Two heads of four rows, one column: 0 1 2 3 | 4 5 6 7, where (0,1), (2,3), ... were pairs.
  EXPECT_THAT(testing::stories260k_halves({0, 1, 2, 3, 4, 5, 6, 7}, 2, 4, 1),
              ::testing::ElementsAre(0, 2, 1, 3, 4, 6, 5, 7));
}

}  // namespace
}  // namespace glassbox
