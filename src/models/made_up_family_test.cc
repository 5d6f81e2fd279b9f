// A family that nobody published, added as docs/tour.md says: what stands between here and the tests is what its own
// two files would hold, and the tour shows it. The tests open, walk, train and convert it by its descriptor alone.
#include <gmock/gmock.h>

#include <cmath>

#include "base/file.h"
#include "formats/gguf_config.h"
#include "formats/gguf_names.h"
#include "models/decoder.h"
#include "models/family.h"
#include "models/gguf_tables.h"
#include "models/known_keys.h"
#include "models/models_testing.h"
#include "models/registry.h"
#include "models/shape.h"
#include "nn/gguf_weights.h"
#include "nn/parameters.h"

namespace glassbox {
namespace {

// Pebble: Llama, but what attention and MLP add is normed, not what they read, by LayerNorms with weight and bias; and
// only the first part of each head turns. T tokens of the pass, D width, H heads, K key/value heads, E head width.
// Field names are the checkpoint's.
struct PebbleShape : DecoderShape {
  Rotary rotary;
};

struct Attention {
  const PebbleShape& shape;
  int64_t layer;
  Named<Linear> q_proj, k_proj, v_proj, o_proj;

  Attention(const Weights& w, const PebbleShape& s, int64_t layer)
      : shape(s),
        layer(layer),
        q_proj(w["q_proj"], s.heads * s.head_dim, s.hidden),
        k_proj(w["k_proj"], s.kv_heads * s.head_dim, s.hidden),
        v_proj(w["v_proj"], s.kv_heads * s.head_dim, s.hidden),
        o_proj(w["o_proj"], s.hidden, s.heads * s.head_dim) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const auto [queries, keys, values] = project(x, q_proj, k_proj, v_proj);
    const Tensor q = rope(split(queries, shape.heads), shape.rotary);  // [T, H, E]
    const Tensor k = rope(split(keys, shape.kv_heads), shape.rotary);  // [T, K, E]
    const Tensor v = split(values, shape.kv_heads);                    // [T, K, E]
    return o_proj(merge(attend(q, remember(layer, k, v))));            // [T, D]
  }
};

struct Block {
  using Shape = PebbleShape;
  using FinalNorm = Named<LayerNorm>;
  Named<Attention> self_attn;
  Named<LayerNorm> post_attention_layernorm;
  Named<GatedMlp> mlp;
  Named<LayerNorm> post_feedforward_layernorm;

  Block(const Weights& w, const PebbleShape& s, int64_t layer)
      : self_attn(w["self_attn"], s, layer),
        post_attention_layernorm(w["post_attention_layernorm"], s.hidden, s.norm_eps),
        mlp(w["mlp"], s.hidden, s.intermediate, silu),
        post_feedforward_layernorm(w["post_feedforward_layernorm"], s.hidden, s.norm_eps) {}

  Tensor operator()(const Tensor& x) const {  // [T, D]
    const Tensor h = x + post_attention_layernorm(self_attn(x));
    return h + post_feedforward_layernorm(mlp(h));
  }
};

std::unique_ptr<LanguageModel> make_pebble(Config& config, WeightSource& weights) {
  auto shape = std::make_unique<PebbleShape>();
  static_cast<ModelShape&>(*shape) = read_shape(config, weights);
  shape->norm_eps = static_cast<float>(config.between<double>("layer_norm_eps", 0, 1));
  config.choice_or("hidden_act", "silu", {"silu"});
  shape->rotary = rotary(read_rope(config, HeadRotation::part), shape->head_dim);
  shape->memory = memory_of(*shape, weights);
  return std::make_unique<Decoder<Block>>(std::move(shape), Weights(weights));
}

// What config.json's silence means. GGUF is told what others could not know.
constexpr ConfigDefault kDefaults[] = {{"layer_norm_eps", 1e-5, true}, {"partial_rotary_factor", 0.5}};

// GGUF's names of tensors and keys, in pieces that families share (models/gguf_tables.h) and pieces of one's own.
constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kAttention, gguf::kNormsAfter, gguf::kMlp};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kLayerNorm};

constinit const Family kPebble = {
    .format = {.model_type = "pebble",
               .class_name = "PebbleForCausalLM",
               .defaults = kDefaults,
               .gguf = {.architecture = "pebble", .names = kNames, .keys = kKeys, .partial_rotary = true}},
    .models = "Pebble 3M",
    .make = make_pebble};

// The tests.

const Json kConfig = {{"architectures", {"PebbleForCausalLM"}},
                      {"model_type", "pebble"},
                      {"vocab_size", 64},
                      {"hidden_size", 32},
                      {"intermediate_size", 48},
                      {"num_hidden_layers", 2},
                      {"num_attention_heads", 4},
                      {"num_key_value_heads", 2},
                      {"max_position_embeddings", 128},
                      {"rope_theta", 10000.0},
                      {"tie_word_embeddings", false}};

constexpr const FamilyFormat* kFormats[] = {&kPebble.format};
const KnownFamilies kKnown = {kFormats, family_that_reads};

std::unique_ptr<LanguageModel> opened(Json json, WeightSource& weights) {
  Config config(std::move(json), "config.json");
  auto model = build_model(kPebble, config, weights);
  config.finish();
  weights.finish();
  EXPECT_TRUE(config.warnings().empty());
  return model;
}

// Random weights, at which every part matters.
struct RandomPebble {
  Workspace workspace{2};
  Parameters parameters{DType::f32, 7, 0.3f};
  std::unique_ptr<LanguageModel> model = opened(kConfig, parameters);
  std::vector<int32_t> ids = testing::stranger(3, 20, 64);

  RandomPebble() {
    for (Parameter& parameter : parameters.all())
      for (size_t i = 0; parameter.shape.rank() == 1 && i < parameter.master.size(); ++i)
        parameter.master[i] += 0.3f * std::sin(static_cast<float>(i) + static_cast<float>(parameter.name.size()));
    parameters.publish(workspace.pool);
  }
  float loss(bool learn = false) {
    Pass pass(workspace, {.record = learn});
    pass.add(ids);
    const std::vector<int32_t> targets = testing::stranger(4, ids.size(), 64);
    const std::vector<float> weights(ids.size(), 1 / static_cast<float>(ids.size()));
    const Tensor loss = cross_entropy((*model)(pass), targets, weights);
    if (learn) pass.backward(loss);
    return loss.f32()[0];
  }
};

TEST(MadeUpFamily, IsWalked) {
  RandomPebble pebble;
  EXPECT_EQ(pebble.model->shape().model_type, "pebble");
  EXPECT_THAT(pebble.model->tap_names(pebble.workspace),
              ::testing::IsSupersetOf({"model.layers.1.post_feedforward_layernorm.out", "model.norm.in", "logits"}));
  EXPECT_TRUE(pebble.parameters.has("model.layers.0.post_attention_layernorm.bias"));
  const auto logits = testing::alone(*pebble.model, pebble.ids, pebble.workspace);
  EXPECT_GT(testing::largest_of(logits), 0.1);

  // All of a head turning is another model.
  Parameters same(DType::f32, 7, 0.3f);
  Json config = kConfig;
  config["partial_rotary_factor"] = 1.0;
  const auto whole = opened(config, same);
  for (size_t i = 0; i < same.all().size(); ++i) same.all()[i].master = pebble.parameters.all()[i].master;
  same.publish(pebble.workspace.pool);
  EXPECT_GT(testing::largest_difference(testing::alone(*whole, pebble.ids, pebble.workspace), logits), 0.01);
}

TEST(MadeUpFamily, WhatItDoesNotReadIsRefused) {
  Parameters parameters(DType::f32, 1);
  for (const auto& [key, value] :
       {std::pair<const char*, Json>{"sliding_window", 16}, {"partial_rotary_factor", 0.4}}) {
    Json config = kConfig;
    config[key] = value;
    EXPECT_THROW(opened(config, parameters), Error) << key;
  }
}

// The gradient of every tensor where it is steepest, against a difference.
TEST(MadeUpFamily, IsTrainedAStep) {
  RandomPebble pebble;
  const float before = pebble.loss(true);
  for (Parameter& parameter : pebble.parameters.all()) {
    const std::span<const float> gradients = parameter.gradients();
    const auto steepest = static_cast<size_t>(
        std::ranges::max_element(gradients, {}, [](float g) { return std::fabs(g); }) - gradients.begin());
    const float value = parameter.master[steepest], step = 0.01f;
    const auto loss_at = [&](float at) {
      parameter.master[steepest] = at;
      pebble.parameters.publish(pebble.workspace.pool);
      return pebble.loss();
    };
    const float slope = (loss_at(value + step) - loss_at(value - step)) / (2 * step);
    loss_at(value);
    EXPECT_NEAR(slope, gradients[steepest], 0.02 * std::fabs(gradients[steepest]) + 1e-4) << parameter.name;
  }
  for (Parameter& parameter : pebble.parameters.all())
    for (size_t i = 0; i < parameter.master.size(); ++i) parameter.master[i] -= 0.05f * parameter.gradients()[i];
  pebble.parameters.publish(pebble.workspace.pool);
  EXPECT_LT(pebble.loss(), before);
}

TEST(MadeUpFamily, GoesToGgufAndBack) {
  RandomPebble pebble;
  std::vector<TensorPlan> plans;
  const std::vector<RawTensor> tensors = pebble.parameters.tensors();
  for (const RawTensor& tensor : tensors) {
    const auto places = gguf_places(kPebble.format, tensor.name);
    ASSERT_EQ(places.size(), 1u) << tensor.name;
    plans.push_back({places[0].name, tensor.dtype, tensor.shape});
  }
  const std::vector<GgufEntry> metadata = gguf_metadata(kConfig, kPebble.format, "config.json");
  EXPECT_TRUE(own_keys(kConfig, Gguf::planned(metadata, plans, "plan"), kKnown, "config.json").empty());

  testing::TemporaryFolder folder;
  write_gguf(folder / "pebble.gguf", metadata, plans,
             [&](size_t i, const AppendBytes& append) { append(tensors[i].bytes); });
  const Gguf file = Gguf::open(folder / "pebble.gguf");
  EXPECT_EQ(file.integer("pebble.rope.dimension_count"), 4);  // half of a head of 8
  const GgufCheckpoint checkpoint(file, gguf_family(file, kKnown));
  EXPECT_EQ(checkpoint.config()["partial_rotary_factor"], 0.5);
  GgufWeights weights(checkpoint);
  const auto again = opened(checkpoint.config(), weights);
  testing::expect_same_bits(testing::alone(*again, pebble.ids, pebble.workspace),
                            testing::alone(*pebble.model, pebble.ids, pebble.workspace), "by way of GGUF");
}

// Every listing of docs/tour.md is a passage of this file.
TEST(MadeUpFamily, IsWhatTheTourShows) {
  const std::string code = read_file("src/models/made_up_family_test.cc"), tour = read_file("docs/tour.md");
  const std::string begin = "```cpp\n", end = "```\n";
  int shown = 0;
  for (size_t at = tour.find(begin); at != tour.npos; at = tour.find(begin, at), ++shown) {
    at += begin.size();
    const std::string listing = tour.substr(at, tour.find(end, at) - at);
    EXPECT_NE(code.find(listing), code.npos) << listing;
    at += listing.size();
  }
  EXPECT_EQ(shown, 2);
}

}  // namespace
}  // namespace glassbox
