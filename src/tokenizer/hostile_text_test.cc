// Time stays linear in hostile texts, for every algorithm; on published tokenizers in
// tests/tokenizer_conformance_test.cc.
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/testing.h"
#include "tokenizer/hostile_text.h"
#include "tokenizer/tokenizer.h"

namespace glassbox {
namespace {

using testing::expect_linear;

TEST(HostileText, FixturesTakeLinearTime) {
  for (const char* name :
       {"gpt2", "llama2", "metaspace_always", "nfc", "bert", "unigram", "unigram_bytes", "clip", "words"}) {
    const Json file = read_json(testing::fixture(std::string("tokenizers/") + name + ".json"));
    expect_linear(Tokenizer::from_json(dump_json(file["tokenizer"]), name), name,
                  testing::kSanitized ? 60'000 : 300'000);
  }
}

}  // namespace
}  // namespace glassbox
