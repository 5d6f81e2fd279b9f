// Numbers at the edges of what JSON and floats can say, in every field that takes one: refused by name, or a request
// that the sampler can answer.
#include <gtest/gtest.h>

#include "base/error.h"
#include "engine/sampling.h"
#include "server/openai/request.h"

namespace glassbox {
namespace {

TEST(Numbers, OfEveryFieldAreRefusedByNameOrCanBeSampled) {
  ModelCard card;
  card.id = "tiny";
  card.vocabulary = 5;
  card.context = 100;
  int accepted = 0, refused = 0;
  for (const char* field : {"temperature", "top_p", "min_p", "top_k", "repetition_penalty", "presence_penalty",
                            "frequency_penalty", "seed", "max_tokens", "n", "logprobs", "best_of", "logit_bias"})
    for (const char* value : {"0",
                              "-0",
                              "-0.0",
                              "1",
                              "1.0",
                              "1e-320",
                              "1e-45",
                              "1e-40",
                              "1e-38",
                              "1e-30",
                              "-1e-320",
                              "0.5",
                              "2",
                              "1e9",
                              "1e19",
                              "1e38",
                              "1e39",
                              "1e308",
                              "-1e308",
                              "1e400",
                              "1e-400",
                              "9007199254740993",
                              "9223372036854775807",
                              "9223372036854775808",
                              "18446744073709551615",
                              "18446744073709551616",
                              "-9223372036854775808"}) {
      const std::string told =
          field == std::string("logit_bias") ? fmt::format("{{\"0\": {0}, \"4\": {0}}}", value) : value;
      const std::string body = fmt::format(R"({{"model": "tiny", "prompt": [1, 2], "{}": {}}})", field, told);
      SCOPED_TRACE(body);
      try {
        const auto request = openai::parse_completion(openai::parse_body(body), card);
        Sampling sampling = request.generation.sampling;
        sampling.validate(5);
        ASSERT_TRUE(sampling.seed);
        Sampler sampler(sampling, std::vector<int32_t>{1, 2}, 0);
        for (int64_t position = 2; position < 5; ++position) {
          const int32_t token = sampler.sample(std::vector<float>{1, -3e38f, 2, 3e38f, 0}, position);
          ASSERT_GE(token, 0);
          ASSERT_LT(token, 5);
          sampler.accept(token);
        }
        ASSERT_GE(request.n, 1);
        ASSERT_GE(request.generation.max_tokens, 1);
        ++accepted;
      } catch (const ApiError& error) {
        EXPECT_EQ(error.status, 400) << error.what();
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
        ++refused;
      }
    }
  EXPECT_GT(accepted, 80);
  EXPECT_GT(refused, 80);
}

}  // namespace
}  // namespace glassbox
