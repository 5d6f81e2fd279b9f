#include "formats/config.h"

#include <cmath>

#include <gmock/gmock.h>

#include <functional>

#include "base/file.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Keys that some model is known to read, and which.
std::string_view reader_of(std::string_view key) {
  for (const char* known :
       {"alibi", "attention_factor", "attention_multiplier", "full_attention", "attn_type", "layer_types",
        "logit_scale", "long_factor", "num_experts", "quantization_config", "residual_multiplier", "rope_scaling",
        "scale_emb", "short_factor", "sliding_window", "text_config"})
    if (key == known) return "mistral";
  return {};
}

Config from(const std::string& text, std::vector<std::string> ignore = {}) {
  Config config(parse_json(text, "test"), "config.json", ignore);
  config.judged_by(reader_of);
  return config;
}

// What `act` is refused with; one line, and of the kind expected.
std::string refusal(ErrorKind kind, const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "expected an error";
  return {};
}

TEST(Config, ReadsWhatIsThere) {
  const Config config =
      from(R"({"i":7,"big":5000000000,"d":1e-5,"whole":10000,"b":true,"s":"silu","l":[1,2],"t":["a"],"n":null})");
  EXPECT_EQ(config.get<int32_t>("i"), 7);
  EXPECT_EQ(config.get<int64_t>("big"), 5000000000);
  EXPECT_EQ(config.get<double>("d"), 1e-5);
  EXPECT_EQ(config.get<double>("whole"), 10000.0);
  EXPECT_TRUE(config.get<bool>("b"));
  EXPECT_EQ(config.choice("s", {"gelu", "silu"}), "silu");
  EXPECT_THAT(config.get<std::vector<int64_t>>("l"), ElementsAre(1, 2));
  EXPECT_THAT(config.get<std::vector<std::string>>("t"), ElementsAre("a"));
  EXPECT_EQ(config.optional<int32_t>("n"), std::nullopt);
  EXPECT_EQ(config.get_or<int32_t>("absent", 3), 3);
  EXPECT_EQ(config.choice_or("absent", "silu", {"silu"}), "silu");
  EXPECT_FALSE(config.has("n"));
  config.finish();
}

// A family's defaults are read like the file's own words, and are none of them.
TEST(Config, WhatIsAssumedIsReadWhereTheFileIsSilent) {
  const ConfigDefault defaults[] = {{"window", 128}, {"scale", 2.5}, {"tied", true}, {"act", "gelu"}};
  const Config config = from(R"({"window":null,"scale":4,"text":{"tied":false},"rope":{}})");
  config.assume(defaults);
  EXPECT_EQ(config.get<int64_t>("window"), 128);
  EXPECT_EQ(config.positive_or<int64_t>("window", 7), 128);
  EXPECT_EQ(config.get<double>("scale"), 4);
  EXPECT_TRUE(config.get<bool>("tied"));
  EXPECT_EQ(config.choice_or("act", "silu", {"silu", "gelu"}), "gelu");
  EXPECT_FALSE(config.has("window"));
  EXPECT_FALSE(config.nested_config("text")->get<bool>("tied"));
  EXPECT_EQ(config.nested_config("text")->get<int64_t>("window"), 128);
  EXPECT_EQ(config.object("rope")->optional<int64_t>("window"), std::nullopt);
  config.finish();
}

TEST(Config, WrongTypesAndRangesNameTheKey) {
  const Config config = from(
      R"({"f":1.5,"s":"8","zero":0,"huge":99999999999,"most":18446744073709551615,"act":"gelu","l":[1,"x"],"o":{"k":[]}})");
  const auto bad = [&](auto act) { return refusal(ErrorKind::bad_file, [&] { act(config); }); };
  EXPECT_EQ(bad([](const Config& c) { c.get<int32_t>("f"); }), "config.json: f: expected a whole number, got 1.5");
  EXPECT_EQ(bad([](const Config& c) { c.get<double>("s"); }), "config.json: s: expected a number, got \"8\"");
  EXPECT_EQ(bad([](const Config& c) { c.get<bool>("zero"); }), "config.json: zero: expected true or false, got 0");
  EXPECT_EQ(bad([](const Config& c) { c.positive<int32_t>("zero", 512); }),
            "config.json: zero: expected 1 to 512, got 0");
  EXPECT_EQ(bad([](const Config& c) { c.get<int32_t>("huge"); }),
            "config.json: huge: expected a whole number of 32 bits, got 99999999999");
  EXPECT_EQ(bad([](const Config& c) { c.positive<int64_t>("huge"); }),
            "config.json: huge: expected 1 to 2147483647, got 99999999999");
  EXPECT_EQ(bad([](const Config& c) { c.get<int64_t>("most"); }),
            "config.json: most: expected a whole number, got 18446744073709551615");
  EXPECT_EQ(bad([](const Config& c) { c.get<int64_t>("none"); }), "config.json: none: expected a value, found none");
  EXPECT_EQ(bad([](const Config& c) { c.get<std::vector<int64_t>>("l"); }),
            "config.json: l: expected whole numbers, got \"x\"");
  EXPECT_EQ(bad([](const Config& c) { c.object("o")->get<double>("k"); }),
            "config.json: o.k: expected a number, got []");
  EXPECT_EQ(bad([](const Config& c) { c.object("f"); }), "config.json: f: expected an object, got 1.5");
  EXPECT_EQ(refusal(ErrorKind::unsupported, [&] { config.choice("act", {"silu", "swish"}); }),
            "config.json: act: expected silu or swish, got \"gelu\"");
  EXPECT_THAT(refusal(ErrorKind::bad_file, [] { from("[1]"); }),
              HasSubstr("config.json: expected a JSON object, got [1]"));
}

TEST(Config, AnUnknownKeyThatMattersIsRefusedByName) {
  const Config config =
      from(R"({"hidden_size":64,"sliding_window":4096,"qk_norm":false,"x":null,"transformers_version":"4"})");
  config.get<int32_t>("hidden_size");
  EXPECT_EQ(refusal(ErrorKind::unsupported, [&] { config.finish(); }),
            "config.json: a key with a meaning this build does not know: \"sliding_window\": 4096 of mistral "
            "(--ignore-key NAME reads on without it)");
  config.harmless({"sliding_window"});
  config.finish();
}

// What tools and trainers leave in these files stops nothing; a published model's setting does, whoever wrote it.
TEST(Config, KeysThatNothingReadsAreAWarning) {
  const Config config = from(R"({"_model_name_or_path":"x","ep_size":1,"my_notes":{"loss":[1.5]},"unk_token_id":0,
      "rope_scaling":{"rope_type":"default","note":"","k\n":1},"num_experts":0,"logit_scale":1.0,"new_switch":false})");
  EXPECT_EQ(config.warnings(), std::vector<std::string>());
  read_rope(config);
  config.finish();
  config.finish();
  EXPECT_THAT(config.warnings(), ElementsAre("config.json: \"_model_name_or_path\", \"ep_size\", \"my_notes\", "
                                             "\"rope_scaling.k\\n\", \"rope_scaling.note\", \"unk_token_id\": read by "
                                             "nothing, and by no published model that is known"));
  for (const char* key : {R"("num_experts":8)", R"("logit_scale":0.5)",
                          R"("rope_scaling":{"type":"linear","factor":2,"short_factor":[1]})", R"("text_config":{})",
                          R"("attention_multiplier":1)", R"("residual_multiplier":0)"}) {
    const Config strict = from(fmt::format("{{\"ep_size\":1,{}}}", key));
    EXPECT_THAT(refusal(ErrorKind::unsupported,
                        [&] {
                          read_rope(strict);
                          strict.finish();
                        }),
                HasSubstr("a key with a meaning this build does not know"))
        << key;
  }
}

// Who computes one value only says so itself: the refusal does not hang on who else is known to read the key, nor on
// the value saying nothing elsewhere.
TEST(Config, OnlyOneValueIsComputed) {
  const auto refused = [](const std::string& text, bool value) {
    const Config config(parse_json(text, "config.json"), "config.json");
    config.only("nobody_knows_this", value);
    return refusal(ErrorKind::unsupported, [&] { config.finish(); });
  };
  EXPECT_THAT(refused(R"({"nobody_knows_this":true})", false),
              HasSubstr("\"nobody_knows_this\": true, where only false is computed"));
  EXPECT_THAT(refused(R"({"nobody_knows_this":false})", true), HasSubstr("false, where only true is computed"));
  for (const char* fine : {R"({"nobody_knows_this":false})", R"({"nobody_knows_this":null})", "{}"}) {
    const Config config(parse_json(fine, "config.json"), "config.json");
    config.only("nobody_knows_this", false);
    EXPECT_NO_THROW(config.finish()) << fine;
  }
  const std::vector<std::string> ignored = {"nobody_knows_this"};
  const Config config(parse_json(R"({"nobody_knows_this":true})", "config.json"), "config.json", ignored);
  config.only("nobody_knows_this", false);
  EXPECT_NO_THROW(config.finish());
}

TEST(Config, LookingWhetherAKeyIsThereDoesNotReadIt) {
  const Config config = from(R"({"scale_emb":2.5,"scale_depth":1.0})");
  EXPECT_TRUE(config.has("scale_emb"));
  config.only("scale_depth", 1);
  config.only("scale_emb", 1);
  EXPECT_THAT(refusal(ErrorKind::unsupported, [&] { config.finish(); }),
              HasSubstr("\"scale_emb\": 2.5, where only 1 is computed"));
}

TEST(Config, IgnoredKeysPassAndAreRecorded) {
  const Config config =
      from(R"({"a":1,"alibi":true,"o":{"long_factor":3,"short_factor":4}})", {"alibi", "o.long_factor", "absent"});
  config.get<int32_t>("a");
  config.object("o");
  EXPECT_THAT(refusal(ErrorKind::unsupported, [&] { config.finish(); }),
              HasSubstr("know: \"o.short_factor\": 4 of mistral ("));
  config.object("o")->get<int32_t>("short_factor");
  config.finish();
  EXPECT_THAT(config.ignored(), ElementsAre("alibi", "o.long_factor"));
  EXPECT_TRUE(config.warnings().empty());
}

TEST(Config, AnObjectNobodyOpenedIsOneUnknownKey) {
  EXPECT_THAT(refusal(ErrorKind::unsupported, [&] { from(R"({"quantization_config":{"bits":4}})").finish(); }),
              HasSubstr("\"quantization_config\": an object"));
  from(R"({"rope_scaling":null})").finish();
}

TEST(Config, ManyUnknownKeysStayOneLine) {
  std::string text = "{\"k\\n\":1";
  for (int i = 0; i < 100; ++i) text += fmt::format(",\"key{}\":\"{}\"", i, std::string(1000, 'x'));
  const Config config = from(text + "}");
  config.finish();
  ASSERT_EQ(config.warnings().size(), 1u);
  EXPECT_THAT(config.warnings()[0], HasSubstr("and 93 more"));
  EXPECT_LT(config.warnings()[0].size(), 2000u);
  const std::string long_value = std::string(5000, 'x');
  const std::string error = refusal(ErrorKind::unsupported, [&] {
    from(fmt::format(R"({{"alibi":"{}","attn_type":"{}"}})", long_value, long_value)).finish();
  });
  EXPECT_LT(error.size(), 2000u);
}

TEST(Config, AFileTooLargeToBeOneIsNotRead) {
  testing::TemporaryFolder folder;
  write_file(folder / "config.json", "{\"a\":\"" + std::string(kMaxConfig, 'x') + "\"}");
  EXPECT_THAT(refusal(ErrorKind::bad_file, [&] { Config::open(folder.path()); }),
              HasSubstr("expected at most 16777216 bytes"));
}

TEST(Config, Dtype) {
  EXPECT_EQ(read_dtype(from(R"({"torch_dtype":"bfloat16"})")), DType::bf16);
  EXPECT_EQ(read_dtype(from(R"({"dtype":"float32","torch_dtype":"torch.float32"})")), DType::f32);
  EXPECT_EQ(read_dtype(from("{}")), std::nullopt);
  EXPECT_THAT(refusal(ErrorKind::unsupported, [] { read_dtype(from(R"({"dtype":"int3"})")); }),
              HasSubstr("dtype: unknown dtype \"int3\""));
  EXPECT_THAT(refusal(ErrorKind::bad_file, [] { read_dtype(from(R"({"dtype":"float16","torch_dtype":"bfloat16"})")); }),
              HasSubstr("expected BF16 as torch_dtype says, got F16"));
}

// ---- rotary positions ----

RopeConfig rope(const std::string& text) {
  const Config config = from(text);
  const RopeConfig result = read_rope(config);
  config.finish();
  return result;
}
std::string rope_refusal(ErrorKind kind, const std::string& text) {
  return refusal(kind, [&] { rope(text); });
}

const RopeConfig kLlama3 = {RopeConfig::Kind::llama3, 500000.0, 32.0, 1.0, 4.0, 8192};
const std::string kLlama3Fields =
    R"("factor":32.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":8192)";

TEST(Rope, BothSpellingsAreTheSame) {
  EXPECT_EQ(rope("{}"), RopeConfig{});
  EXPECT_EQ(rope(R"({"rope_theta":10000,"rope_scaling":null})"), RopeConfig{});
  EXPECT_EQ(rope(R"({"rope_parameters":{"rope_type":"default","rope_theta":10000.0}})"), RopeConfig{});
  EXPECT_EQ(rope("{\"rope_theta\":500000.0,\"rope_scaling\":{\"rope_type\":\"llama3\"," + kLlama3Fields + "}}"),
            kLlama3);
  EXPECT_EQ(rope("{\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":500000.0," + kLlama3Fields + "}}"),
            kLlama3);
  EXPECT_EQ(rope("{\"rope_theta\":500000.0,\"rope_parameters\":{\"rope_type\":\"llama3\"," + kLlama3Fields + "}}"),
            kLlama3);
  const RopeConfig linear = {RopeConfig::Kind::linear, 10000.0, 2.5, 0, 0, 0};
  EXPECT_EQ(rope(R"({"rope_scaling":{"type":"linear","factor":2.5}})"), linear);
  EXPECT_EQ(rope(R"({"rope_scaling":{"type":"linear","rope_type":"linear","factor":2.5}})"), linear);
  EXPECT_EQ(
      rope(R"({"rope_scaling":{"type":"linear","factor":2.5},"rope_parameters":{"rope_type":"linear","factor":2.5}})"),
      linear);
}

TEST(Rope, OtherKindsAreRefusedByName) {
  for (const char* kind : {"dynamic", "longrope", "mrope", ""})
    EXPECT_EQ(
        rope_refusal(ErrorKind::unsupported, fmt::format(R"({{"rope_scaling":{{"type":"{}","factor":2.0}}}})", kind)),
        fmt::format("config.json: rope_scaling.type: expected default, linear, llama3 or yarn, got \"{}\"", kind));
  EXPECT_THAT(rope_refusal(ErrorKind::unsupported, R"({"rope_parameters":{"rope_type":"su","rope_theta":1e6}})"),
              HasSubstr("rope_parameters.rope_type: expected default, linear, llama3 or yarn, got \"su\""));
  EXPECT_THAT(rope_refusal(ErrorKind::unsupported, R"({"rope_theta":1e4,"partial_rotary_factor":0.5})"),
              HasSubstr("got 0.5"));
  EXPECT_THAT(rope_refusal(ErrorKind::unsupported,
                           R"({"rope_parameters":{"rope_type":"default","partial_rotary_factor":0.5}})"),
              HasSubstr("rope_parameters.partial_rotary_factor"));
}

TEST(Rope, PartOfAHeadTurnsWhereAFamilySaysSo) {
  const auto part = [](const std::string& text) {
    return read_rope(from(text), HeadRotation::part).partial_rotary_factor;
  };
  EXPECT_EQ(part("{}"), 1);
  EXPECT_EQ(part(R"({"partial_rotary_factor":0.25})"), 0.25);
  EXPECT_EQ(part(R"({"rope_parameters":{"rope_type":"default","partial_rotary_factor":0.25}})"), 0.25);
  EXPECT_EQ(part(R"({"partial_rotary_factor":0.25,"rope_scaling":{"type":"linear","factor":2}})"), 0.25);
  EXPECT_THAT(refusal(ErrorKind::bad_file, [&] { part(R"({"partial_rotary_factor":1.5})"); }),
              HasSubstr("partial_rotary_factor: expected 0 to 1, got 1.5"));
  EXPECT_EQ(rotated_width(0.25, 80), 20);
  EXPECT_EQ(rotated_width(1, 80), 80);
}

TEST(Rope, YarnWithAllItsParameters) {
  RopeConfig expected = {RopeConfig::Kind::yarn, 10000.0, 40.0, 0, 0, 4096, 32, 1, true};
  expected.attention_factor = 0.1 * std::log(40.0) + 1;
  EXPECT_EQ(rope(R"({"rope_scaling":{"type":"yarn","factor":40,"original_max_position_embeddings":4096}})"), expected);
  // What is not said follows from the context.
  EXPECT_EQ(rope(R"({"max_position_embeddings":163840,
                     "rope_scaling":{"type":"yarn","factor":null,"original_max_position_embeddings":4096}})"),
            expected);
  expected.original_max_position_embeddings = 1024;
  EXPECT_EQ(rope(R"({"max_position_embeddings":1024,"rope_parameters":{"rope_type":"yarn","factor":40}})"), expected);
  const RopeConfig deepseek = rope(R"({"rope_scaling":{"type":"yarn","factor":40,"beta_fast":16,"beta_slow":2,
      "mscale":0.707,"mscale_all_dim":1.5,"original_max_position_embeddings":4096}})");
  EXPECT_EQ(deepseek.beta_fast, 16);
  EXPECT_EQ(deepseek.beta_slow, 2);
  EXPECT_EQ(deepseek.mscale_all_dim, 1.5);
  EXPECT_DOUBLE_EQ(deepseek.attention_factor, (0.0707 * std::log(40.0) + 1) / (0.15 * std::log(40.0) + 1));
  const RopeConfig given = rope(R"({"rope_theta":150000,"rope_scaling":{"rope_type":"yarn","factor":32,"truncate":false,
      "attention_factor":1.25,"original_max_position_embeddings":4096}})");
  EXPECT_FALSE(given.truncate);
  EXPECT_EQ(given.attention_factor, 1.25);
  EXPECT_THAT(rope_refusal(ErrorKind::bad_file, R"({"max_position_embeddings":10,
                     "rope_scaling":{"type":"yarn","original_max_position_embeddings":100}})"),
              HasSubstr("max_position_embeddings: expected 100 to"));
  EXPECT_THAT(rope_refusal(ErrorKind::bad_file, R"({"rope_scaling":{"type":"yarn","factor":2}})"),
              HasSubstr("max_position_embeddings: expected a value"));
}

RopeConfigs ropes(const std::string& text, std::vector<ConfigDefault> more = {}) {
  const Config config = from(text);
  more.push_back({"rope_theta", 1e6});
  config.assume(more);
  const RopeConfigs result = read_ropes(config);
  config.finish();
  return result;
}

TEST(Rope, ByKindOfLayerInBothSpellings) {
  RopeConfigs expected;
  expected.full = {RopeConfig::Kind::linear, 1e6, 8.0, 0, 0, 0};
  expected.sliding.theta = 10000;
  EXPECT_EQ(ropes(R"({"rope_theta":1000000,"rope_local_base_freq":10000,
                      "rope_scaling":{"rope_type":"linear","factor":8}})"),
            expected);
  EXPECT_EQ(ropes(R"({"rope_scaling":{"rope_type":"linear","factor":8}})", {{"rope_local_base_freq", 1e4}}), expected);
  EXPECT_EQ(ropes(R"({"rope_parameters":{"full_attention":{"rope_type":"linear","rope_theta":1e6,"factor":8},
                      "sliding_attention":{"rope_type":"default","rope_theta":10000}}})"),
            expected);
  expected.sliding.theta = 1e6;
  EXPECT_EQ(ropes(R"({"rope_scaling":{"rope_type":"linear","factor":8}})"), expected);
  EXPECT_THAT(refusal(ErrorKind::unsupported, [] { ropes(R"({"rope_parameters":{"rope_type":"default"}})"); }),
              HasSubstr("rope_parameters: expected full_attention and sliding_attention"));
}

TEST(Config, SlidingLayers) {
  const auto even = [](int64_t layer) { return layer % 2 == 0; };
  EXPECT_THAT(read_sliding_layers(from("{}"), 3, even), ElementsAre(true, false, true));
  EXPECT_THAT(read_sliding_layers(from(R"({"layer_types":["full_attention","sliding_attention"]})"), 2, even),
              ElementsAre(false, true));
  EXPECT_THAT(refusal(ErrorKind::bad_file, [&] { read_sliding_layers(from(R"({"layer_types":[]})"), 2, even); }),
              HasSubstr("layer_types: expected 2 layers, got 0"));
  EXPECT_THAT(refusal(ErrorKind::unsupported,
                      [&] { read_sliding_layers(from(R"({"layer_types":["linear_attention"]})"), 1, even); }),
              HasSubstr("expected full_attention or sliding_attention, got \"linear_attention\""));
}

TEST(Rope, KeysWithinThatNobodyReadAreRefused) {
  EXPECT_THAT(
      rope_refusal(ErrorKind::unsupported, R"({"rope_scaling":{"type":"linear","factor":2.0,"attention_factor":3.0}})"),
      HasSubstr("\"rope_scaling.attention_factor\": 3.0"));
  EXPECT_THAT(rope_refusal(ErrorKind::unsupported, R"({"rope_parameters":{"full_attention":{"rope_type":"default"}}})"),
              HasSubstr("\"rope_parameters.full_attention\": an object"));
}

TEST(Rope, ContradictionsAndAbsurdNumbers) {
  EXPECT_THAT(
      rope_refusal(ErrorKind::bad_file, R"({"rope_scaling":{"type":"linear","rope_type":"llama3","factor":2.0}})"),
      HasSubstr("expected \"linear\" as type says, got \"llama3\""));
  EXPECT_THAT(rope_refusal(ErrorKind::bad_file,
                           R"({"rope_theta":1e4,"rope_parameters":{"rope_type":"default","rope_theta":5e5}})"),
              HasSubstr("config.json: rope_theta: expected 500000 as within rope_parameters, got 10000"));
  EXPECT_THAT(
      rope_refusal(ErrorKind::bad_file,
                   R"({"rope_scaling":{"type":"linear","factor":2.0},"rope_parameters":{"rope_type":"default"}})"),
      HasSubstr("differ"));
  EXPECT_THAT(rope_refusal(ErrorKind::bad_file, R"({"rope_theta":-1})"), HasSubstr("rope_theta: expected 1 to"));
  EXPECT_THAT(rope_refusal(ErrorKind::bad_file, R"({"rope_scaling":{"type":"linear","factor":0}})"),
              HasSubstr("rope_scaling.factor: expected 1 to"));
  EXPECT_THAT(rope_refusal(ErrorKind::bad_file, R"({"rope_scaling":{"type":"linear"}})"),
              HasSubstr("rope_scaling.factor: expected a value"));
  EXPECT_THAT(
      rope_refusal(
          ErrorKind::bad_file,
          R"({"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":3,"original_max_position_embeddings":8192}})"),
      HasSubstr("rope_scaling.high_freq_factor: expected at least low_freq_factor 4, got 3"));
}

// Both spellings of one model, the newer written by transformers 5 itself
// (tests/reference/make_family_goldens.py).
TEST(Config, FixturesAreTheSameInBothSpellings) {
  const auto rope_of = [](const std::string& model, const char* file) {
    return read_rope(Config::open(testing::fixture("models/" + model) / file));
  };
  for (const char* model : {"llama2_tiny", "llama32_tiny", "llama32_tiny_bf16", "llama_bias_tiny"}) {
    EXPECT_EQ(rope_of(model, "config.json"), rope_of(model, "config.transformers4.json"));
    for (const char* file : {"config.json", "config.transformers4.json"})
      EXPECT_EQ(read_dtype(Config::open(testing::fixture("models/" + std::string(model)) / file)),
                std::string(model).ends_with("bf16") ? DType::bf16 : DType::f32);
  }
  EXPECT_EQ(rope_of("llama32_tiny", "config.json"), (RopeConfig{RopeConfig::Kind::llama3, 10000.0, 8.0, 1.0, 4.0, 32}));
  EXPECT_EQ(rope_of("llama_bias_tiny", "config.json"), (RopeConfig{RopeConfig::Kind::linear, 10000.0, 4.0, 0, 0, 0}));
  EXPECT_EQ(rope_of("llama2_tiny", "config.json"), RopeConfig{});
}

}  // namespace
}  // namespace glassbox
