// Latent attention as Glassbox defines it (absorbed: one cached row of 576 numbers a token, shared by all heads) beside
// the plain form, which caches keys and values of every head: one layer of DeepSeek-R1's attention between its
// projections, new tokens after a context. Both in bf16, both from the same kernels, in turn; the best of each.
//   latent_attention [CONTEXT] [NEW_TOKENS ...]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "kernels/kernels.h"
#include "tensor/latent.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

constexpr int64_t kHeads = 128, kNope = 128, kRope = 64, kValue = 128, kLatent = 512;
constexpr float kScale = 0.1352f;

std::vector<uint16_t> random_bf16(uint64_t key, int64_t count, float size) {
  std::vector<uint16_t> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = i < 65536 ? f32_to_bf16((uniform(key, i) - 0.5f) * size) : values[i - 65536];
  return values;
}

Tensor random_values(Pass& pass, Shape shape, uint64_t key) {
  Tensor x = pass.empty(shape);
  for (int64_t i = 0; i < shape.elements(); ++i)
    Pass::mutable_f32(x)[i] = uniform(key, static_cast<uint64_t>(i)) - 0.5f;
  return x;
}

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Keys and values of every head, as the plain form caches them.
struct PlainCache {
  int64_t blocks;
  std::vector<uint16_t> keys, values;  // [heads][blocks][192][64], [heads][blocks][64][128]

  explicit PlainCache(int64_t positions)
      : blocks((positions + kAttentionBlock - 1) / kAttentionBlock),
        keys(random_bf16(1, kHeads * blocks * kAttentionBlock * (kNope + kRope), 1)),
        values(random_bf16(2, kHeads * blocks * kAttentionBlock * kValue, 1)) {}

  // Of each token and head, like the absorbed form's groups: a head's rows of all tokens together.
  void attend(ThreadPool& pool, const float* q, int64_t tokens, int64_t context, float* out) const {
    pool.parallel_for(kHeads, [&](int64_t h) {
      std::vector<const void*> k, v;
      for (int64_t b = 0; b < blocks; ++b) {
        k.push_back(keys.data() + (h * blocks + b) * kAttentionBlock * (kNope + kRope));
        v.push_back(values.data() + (h * blocks + b) * kAttentionBlock * kValue);
      }
      const Attended over{k.data(), v.data(), DType::bf16, kNope + kRope, kValue, kScale};
      std::vector<int64_t> first(static_cast<size_t>(tokens)), last;
      for (int64_t t = 0; t < tokens; ++t) last.push_back(context + t + 1);
      std::vector<float> stats(static_cast<size_t>(2 * tokens));
      kernels().attend(over, q + h * (kNope + kRope), kHeads * (kNope + kRope), tokens, first.data(), last.data(),
                       nullptr, out + h * kValue, kHeads * kValue, stats.data());
    });
  }
};

void compare(Workspace& workspace, int64_t context, int64_t tokens, const PlainCache& plain, SequenceMemory& latent,
             const Tensor& kv_b_proj) {
  double absorbed_best = 1e9, plain_best = 1e9, products_best = 1e9;
  const std::vector<int32_t> ids(static_cast<size_t>(tokens));
  for (int round = 0; round < 5; ++round) {
    latent.resize(context);
    Pass pass(workspace);
    pass.add(ids, &latent);
    pass.open_memory(latent.shape());
    const Tensor q = random_values(pass, {tokens, kHeads, kNope}, 3),
                 turned = random_values(pass, {tokens, kHeads, kRope}, 4);
    const Tensor row = random_values(pass, {tokens, 1, kLatent + kRope}, 5);
    const double start = seconds();
    const Tensor absorbed = concat(absorb_queries(q, kv_b_proj), turned);
    const double between = seconds();
    const Tensor seen = attend(absorbed, remember(0, row), {.scale = kScale});
    const double after = seconds();
    expand_values(seen, kv_b_proj, kValue);
    const double end = seconds();
    absorbed_best = std::min(absorbed_best, end - start);
    products_best = std::min(products_best, between - start + end - after);

    const Tensor queries = concat(q, turned);
    const Tensor compressed = slice(row, 0, kLatent).reshaped({tokens, kLatent});
    Tensor out = pass.empty({tokens, kHeads, kValue});
    const double plain_start = seconds();
    matmul(compressed, kv_b_proj);  // the new tokens' keys and values
    plain.attend(workspace.pool, queries.f32(), tokens, context, Pass::mutable_f32(out));
    plain_best = std::min(plain_best, seconds() - plain_start);
  }
  fmt::print(
      "{:>6} new tokens after {}: absorbed {:8.2f} ms (of which per-head products {:.2f}), plain {:8.2f} ms: {:.2f} "
      "times as fast\n",
      tokens, context, absorbed_best * 1e3, products_best * 1e3, plain_best * 1e3, plain_best / absorbed_best);
}

}  // namespace
}  // namespace glassbox

int main(int argc, char** argv) {
  using namespace glassbox;
  const int64_t context = argc > 1 ? std::atoll(argv[1]) : 8192;
  std::vector<int64_t> counts;
  for (int i = 2; i < argc; ++i) counts.push_back(std::atoll(argv[i]));
  if (counts.empty()) counts = {1, 4, 16};
  Workspace workspace;
  const int64_t longest = context + *std::max_element(counts.begin(), counts.end());
  const MemoryShape shape({{Latent{kLatent + kRope, kLatent, DType::bf16}}});
  SequenceMemory latent(shape);
  latent.resize(longest);
  std::vector<float> row(static_cast<size_t>(kLatent + kRope));
  for (int64_t p = 0; p < longest; ++p) {
    for (size_t i = 0; i < row.size(); ++i) row[i] = uniform(static_cast<uint64_t>(p), i) - 0.5f;
    latent.attention(0).write(0, p, 1, row.data(), nullptr, 0);
  }
  const auto weights =
      std::make_shared<std::vector<uint16_t>>(random_bf16(9, kHeads * (kNope + kValue) * kLatent, 0.1f));
  const Tensor kv_b_proj({kHeads * (kNope + kValue), kLatent}, DType::bf16, weights, weights->data());
  const PlainCache plain(longest);
  fmt::print("{} kernels, {} threads; a token takes {} bytes absorbed, {} plain, in each layer\n", kernels().name,
             workspace.pool.threads(), shape.block_bytes() / 64, kHeads * (kNope + kRope + kValue) * 2);
  for (const int64_t tokens : counts) compare(workspace, context, tokens, plain, latent, kv_b_proj);
  return 0;
}
