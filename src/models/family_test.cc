// Every family, by every small model under tests/fixtures/models: what the reference computes with the same weights
// (tests/reference/make_family_goldens.py), and the promise of bits that do not depend on company, cutting, threads,
// kernels or on being looked at. A folder with a golden.safetensors is all it takes to be tested here.
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "base/file.h"
#include "base/random.h"
#include "kernels/kernels.h"
#include "models/models_testing.h"
#include "nn/parameters.h"
#include "nn/peft.h"
#include "tensor/distribution.h"
#include "tensor/words.h"

namespace glassbox {
namespace {

using testing::alone;
using testing::expect_same_bits;
using testing::fixture;
using testing::Golden;
using testing::largest_difference;
using testing::largest_of;
using testing::open_model;
using testing::stranger;

std::vector<std::string> fixtures() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(fixture("models")))
    if (std::filesystem::exists(entry.path() / "golden.safetensors")) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

// Whether the file holds nothing but these.
bool all_of(const Checkpoint& checkpoint, std::initializer_list<DType> dtypes) {
  for (const TensorInfo* tensor : checkpoint.tensors())
    if (std::find(dtypes.begin(), dtypes.end(), tensor->dtype) == dtypes.end()) return false;
  return true;
}

// The fixture's weights in a dtype of ours.
std::unique_ptr<LanguageModel> model_in(const Golden& golden, DType dtype) {
  Config config = golden.config();
  Parameters parameters(dtype, golden.checkpoint());
  auto model = make_model(config, parameters);
  ThreadPool pool(1);
  parameters.publish(pool);
  return model;
}

class Family : public ::testing::TestWithParam<std::string> {
 protected:
  const Golden golden{GetParam()};
  Workspace one{1}, two{2};
};

// Those that were also computed in bf16.
class Bfloat : public Family {};
std::vector<std::string> bfloat_fixtures() {
  std::vector<std::string> names = fixtures();
  std::erase_if(names, [](const std::string& name) { return !Golden(name).has("logits_bf16"); });
  return names;
}

// Those in float32: in them merging does not round.
class Exact : public Family {};
std::vector<std::string> exact_fixtures() {
  std::vector<std::string> names = fixtures();
  std::erase_if(names, [](const std::string& name) { return !all_of(Golden(name).checkpoint(), {DType::f32}); });
  return names;
}

INSTANTIATE_TEST_SUITE_P(Golden, Exact, ::testing::ValuesIn(exact_fixtures()),
                         [](const auto& name) { return name.param; });
INSTANTIATE_TEST_SUITE_P(Golden, Bfloat, ::testing::ValuesIn(bfloat_fixtures()),
                         [](const auto& name) { return name.param; });
INSTANTIATE_TEST_SUITE_P(Golden, Family, ::testing::ValuesIn(fixtures()), [](const auto& name) { return name.param; });

TEST_P(Family, LogitsEqualTheReference) {
  const auto expected = golden.values("logits");
  int spellings = 0;
  for (const char* spelling : {"config.json", "config.transformers4.json"}) {
    if (!std::filesystem::exists(golden.folder / spelling)) continue;
    ++spellings;
    Config config = Config::open(golden.folder / spelling);
    Parameters parameters(DType::f32, golden.checkpoint());
    const auto model = make_model(config, parameters);
    parameters.publish(two.pool);
    Pass pass(two);
    for (const auto& ids : golden.sequences()) pass.add(ids);
    const Tensor logits = (*model)(pass);
    EXPECT_LT(largest_difference(logits.values(), expected), 1e-4 * largest_of(expected)) << spelling;
  }
  EXPECT_EQ(spellings, 2) << "a fixture has both spellings of its configuration";
}

// A damaged checkpoint must be noticed by its logits: no maximum, choice or rounding on the way makes NaN a number.
TEST_P(Exact, NaNInAnyTensorReachesTheLogits) {
  Config config = golden.config();
  Parameters parameters(DType::f32, golden.checkpoint());
  const auto model = make_model(config, parameters);
  parameters.publish(one.pool);
  const auto ids = golden.sequences()[0];
  int damaged = 0;
  for (Parameter& parameter : parameters.all()) {
    // An expert that nobody chooses is not read, nor is a layer that only drafts.
    if (parameter.name.find(".experts.") != std::string::npos && parameter.shape.rank() < 3) continue;
    if (parameter.name.find(fmt::format("layers.{}.", model->shape().layers)) != std::string::npos) continue;
    const std::vector<float> whole = parameter.master;
    std::ranges::fill(parameter.master, NAN);
    parameters.publish(one.pool);
    Pass pass(one);
    pass.add(ids, nullptr, Logits::last);
    EXPECT_TRUE(first_not_finite((*model)(pass).values())) << parameter.name;
    parameter.master = whole;
    ++damaged;
  }
  EXPECT_GT(damaged, 5);
  parameters.publish(one.pool);
  Pass pass(one);
  pass.add(ids);
  EXPECT_FALSE(first_not_finite((*model)(pass).values()));
}

TEST_P(Family, GradientsEqualTheReference) {
  Config config = golden.config();
  Parameters parameters(DType::f32, golden.checkpoint());
  const auto model = make_model(config, parameters);
  parameters.publish(two.pool);
  Pass learn(two, {nullptr, true});
  const auto sequences = golden.sequences();
  std::vector<int32_t> targets;
  std::vector<float> weights;
  const auto predictions = static_cast<float>(sequences.size() * (sequences[0].size() - 1));
  for (const auto& ids : sequences) {
    learn.add(ids);
    targets.insert(targets.end(), ids.begin() + 1, ids.end());
    targets.push_back(0);
    weights.insert(weights.end(), ids.size() - 1, 1 / predictions);
    weights.push_back(0);
  }
  const Tensor loss = cross_entropy((*model)(learn), targets, weights);
  EXPECT_NEAR(loss.f32()[0], golden.values("loss")[0], 2e-5);
  learn.backward(loss);
  for (const Parameter& parameter : parameters.all()) {
    if (!golden.has("grad/" + parameter.name)) {  // a bias that moves choices, a layer that drafts: not of this loss
      EXPECT_EQ(largest_of(parameter.gradients()), 0) << parameter.name;
      continue;
    }
    const auto expected = golden.values("grad/" + parameter.name);
    EXPECT_GT(largest_of(expected), 0) << parameter.name << " does not matter: the test tests nothing";
    EXPECT_LT(largest_difference(parameter.gradients(), expected), 1e-4 * largest_of(expected) + 1e-7)
        << parameter.name;
  }
}

// Our bf16 is not the reference's: both round, in different places. Ours may be at most half as bad again.
TEST_P(Bfloat, IsAsCloseToFloatAsTheReferenceIs) {
  const auto exact = golden.values("logits"), theirs = golden.values("logits_bf16");
  const auto model = open_model(golden.folder);
  Pass pass(two);
  for (const auto& ids : golden.sequences()) pass.add(ids);
  const Tensor logits = (*model)(pass);
  const double ours = testing::root_mean_square(logits.values(), exact);
  EXPECT_GT(testing::root_mean_square(theirs, exact), 0);
  EXPECT_LT(ours, 1.5 * testing::root_mean_square(theirs, exact));
}

TEST_P(Family, ComesBackAsItWasSaved) {
  const Checkpoint checkpoint = golden.checkpoint();
  testing::TemporaryFolder folder;
  Parameters parameters(all_of(checkpoint, {DType::f32}) ? DType::f32 : DType::bf16, checkpoint);
  Config config = golden.config();
  make_model(config, parameters);
  parameters.publish(one.pool);
  const std::vector<RawTensor> tensors = parameters.tensors();  // as training saves
  write_safetensors(folder / "model.safetensors", tensors);
  write_file(folder / "config.json", read_file(golden.folder / "config.json"));
  const auto before = open_model(golden.folder), after = open_model(folder.path());
  const auto prompt = stranger(1, 90, before->shape().vocabulary);
  expect_same_bits(alone(*after, prompt, one), alone(*before, prompt, one), "saved and opened");
}

// Modules that an adapter can be trained over.
std::vector<std::string> trainable(std::span<const AdaptableWeight> weights) {
  using Kind = AdaptableWeight::Kind;
  std::vector<std::string> paths;
  for (const AdaptableWeight& weight : weights)
    if (weight.kind != Kind::vector && weight.kind != Kind::expert_rows && weight.kind != Kind::expert_columns)
      paths.push_back(weight.path);
  return paths;
}

// A LoRA adapter over every weight that can have one, trained for one step on the weights as published, saved, opened
// and served beside a run without it.
TEST_P(Family, AnAdapterIsTrainedAStepAndServed) {
  const auto model = open_model(golden.folder);
  const auto weights = model->adaptable_weights(two);
  AdapterConfig config;
  config.rank = 4;
  config.targets = trainable(weights);
  Parameters parameters(DType::f32, 5);
  const auto adapter = make_adapter(config, weights, parameters, 5, two);
  ASSERT_EQ(adapter->changes().size(), config.targets.size());
  ASSERT_GE(config.targets.size(), 6u);

  const auto sequences = golden.sequences();
  std::vector<int32_t> targets;
  std::vector<float> shares;
  for (const auto& ids : sequences) {
    targets.insert(targets.end(), ids.begin() + 1, ids.end());
    targets.push_back(0);
    shares.insert(shares.end(), ids.size() - 1, 1 / static_cast<float>(sequences.size() * (ids.size() - 1)));
    shares.push_back(0);
  }
  const auto loss_of = [&](Pass& pass) {
    for (const auto& ids : sequences) pass.add(ids, nullptr, Logits::all, adapter.get());
    return cross_entropy((*model)(pass), targets, shares);
  };
  float before = 0;
  {
    Pass learn(two, {.record = true});
    const Tensor loss = loss_of(learn);
    before = loss.f32()[0];
    learn.backward(loss);
  }
  double norm = 0;  // B begins at zero, so what moves first is B
  for (Parameter& parameter : parameters.all())
    for (const float d : parameter.gradients()) norm += static_cast<double>(d) * d;
  ASSERT_GT(norm, 0);
  for (Parameter& parameter : parameters.all())
    for (size_t i = 0; i < parameter.master.size(); ++i)
      parameter.master[i] -= 0.1f / static_cast<float>(std::sqrt(norm)) * parameter.gradients()[i];
  parameters.publish(two.pool);
  Pass again(two);
  EXPECT_LT(loss_of(again).f32()[0], before);

  const testing::TemporaryFolder folder;
  save_adapter(folder.path(), config, parameters);
  const auto served = open_adapter(folder.path(), weights, two);
  const auto prompt = stranger(1, 90, model->shape().vocabulary);
  Pass learn(two, {.record = true});
  learn.add(prompt, nullptr, Logits::all, adapter.get());
  const Tensor trained = (*model)(learn);
  const auto plain = alone(*model, prompt, one);
  Pass pass(two);
  pass.add(prompt, nullptr, Logits::all, served.get());
  pass.add(prompt);
  const Tensor both = (*model)(pass);
  expect_same_bits(both.values().first(plain.size()), trained.values(), "with the adapter, as it was trained");
  expect_same_bits(both.values().subspan(plain.size()), plain, "beside it, without");
  EXPECT_GT(largest_difference(trained.values(), plain), 0);
}

TEST_P(Exact, AnAdapterIsWhatItsWeightsSay) {
  const auto model = open_model(golden.folder);
  const auto weights = model->adaptable_weights(two);
  AdapterConfig config;
  config.rank = 3;
  config.alpha = 1.5;
  for (const std::string& path : trainable(weights))
    if (!path.ends_with("embed_tokens") && !(path.ends_with("lm_head") && model->shape().tied))
      config.targets.push_back(path);
  Parameters factors(DType::f32, 7);
  const auto adapter = make_adapter(config, weights, factors, 7, two);
  for (Parameter& factor : factors.all())
    for (size_t i = 0; i < factor.master.size(); ++i)
      factor.master[i] = 0.5f * (uniform(key_of(7, factor.name), i) - 0.5f);
  factors.publish(two.pool);

  Config config_again = golden.config();
  Parameters merged(DType::f32, golden.checkpoint());
  const auto other = make_model(config_again, merged);
  size_t changed = 0;
  for (Parameter& parameter : merged.all()) {
    if (!parameter.name.ends_with(".weight")) continue;
    const LowRank* change = adapter->find(parameter.name.substr(0, parameter.name.size() - 7));
    if (!change) continue;
    ++changed;
    const int64_t n = parameter.shape[0], k = parameter.shape[1];
    for (int64_t i = 0; i < n; ++i)
      for (int64_t r = 0; r < config.rank; ++r)
        for (int64_t j = 0; j < k; ++j)
          parameter.master[static_cast<size_t>(i * k + j)] +=
              change->scale * change->b.f32()[i * config.rank + r] * change->a.f32()[r * k + j];
  }
  EXPECT_EQ(changed, config.targets.size());
  merged.publish(two.pool);
  const auto prompt = stranger(1, 90, model->shape().vocabulary);
  Pass pass(two);
  pass.add(stranger(2, 40, model->shape().vocabulary), nullptr, Logits::none);
  pass.add(prompt, nullptr, Logits::all, adapter.get());
  const auto expected = alone(*other, prompt, one);
  EXPECT_LT(largest_difference((*model)(pass).values(), expected), 1e-4 * largest_of(expected));
  EXPECT_GT(largest_difference(alone(*model, prompt, one), expected), 1e-2 * largest_of(expected));
}

// As published, and where that is float32, in bf16 too.
class Bits : public Family {
 protected:
  struct Held {
    std::string as;
    std::unique_ptr<LanguageModel> model;
    std::vector<int32_t> prompt;
    std::vector<float> reference;  // logits of the prompt alone, by one thread
  };
  Bits() {
    add("as published", open_model(golden.folder));
    if (all_of(golden.checkpoint(), {DType::f32})) add("in bf16", model_in(golden, DType::bf16));
  }
  ~Bits() override { use_kernels(*available_kernels().back()); }

  void add(std::string as, std::unique_ptr<LanguageModel> model) {
    auto prompt = stranger(1, 150, model->shape().vocabulary);
    auto reference = alone(*model, prompt, one);
    held.push_back({std::move(as), std::move(model), std::move(prompt), std::move(reference)});
  }
  // Everything held, by every kernel set.
  template <class Body>
  void each(const Body& body) {
    for (const Kernels* set : available_kernels()) {
      use_kernels(*set);
      for (const Held& h : held) body(h, h.as + ", " + std::string(set->name));
    }
  }
  std::vector<Held> held;
};

INSTANTIATE_TEST_SUITE_P(Golden, Bits, ::testing::ValuesIn(fixtures()), [](const auto& name) { return name.param; });

TEST_P(Bits, ThreadsAndKernelsDoNotMoveOne) {
  each([&](const Held& h, const std::string& where) {
    EXPECT_LT(largest_of(h.reference), 1e6) << where;
    expect_same_bits(alone(*h.model, h.prompt, one), h.reference, where + ", 1 thread");
    expect_same_bits(alone(*h.model, h.prompt, two), h.reference, where + ", 2 threads");
  });
}

TEST_P(Bits, SixteenStrangersDoNotMoveOne) {
  each([&](const Held& h, const std::string& where) {
    const int64_t vocabulary = h.model->shape().vocabulary;
    Pass pass(two);
    for (uint64_t i = 0; i < 8; ++i) pass.add(stranger(100 + i, 1 + i * 13, vocabulary), nullptr, Logits::none);
    pass.add(h.prompt);
    for (uint64_t i = 8; i < 16; ++i) pass.add(stranger(100 + i, 1 + i * 7, vocabulary), nullptr, Logits::none);
    expect_same_bits((*h.model)(pass).values(), h.reference, where);
  });
}

TEST_P(Bits, ChunksDoNotMoveOne) {
  each([&](const Held& h, const std::string& where) {
    for (const size_t chunk : {size_t{1}, size_t{7}, size_t{64}}) {
      SequenceMemory memory(h.model->memory_shape());
      std::vector<float> logits;
      for (size_t at = 0; at < h.prompt.size(); at += chunk) {
        Pass pass(two);
        pass.add(std::span(h.prompt).subspan(at, std::min(chunk, h.prompt.size() - at)), &memory);
        const Tensor part = (*h.model)(pass);
        logits.insert(logits.end(), part.values().begin(), part.values().end());
      }
      expect_same_bits(logits, h.reference, where + ", chunks of " + std::to_string(chunk));
    }
  });
}

TEST_P(Bits, ASharedPrefixDoesNotMoveOne) {
  for (const Held& h : held) {
    SequenceMemory first(h.model->memory_shape());
    Pass fill(two);
    fill.add(std::span(h.prompt).first(100), &first);
    (*h.model)(fill);
    SequenceMemory second = first;
    second.resize(83);
    Pass rest(two);
    rest.add(std::span(h.prompt).subspan(83), &second);
    expect_same_bits((*h.model)(rest).values(),
                     std::span(h.reference).subspan(83 * static_cast<size_t>(h.model->shape().vocabulary)), h.as);
  }
}

// Layers that forget have lost what is out of sight, and have it again at a checkpoint.
TEST_P(Bits, GoingBackToACheckpointDoesNotMoveOne) {
  for (const Held& h : held) {
    SequenceMemory memory(h.model->memory_shape());
    const auto walk = [&](int64_t to) {
      Pass pass(two);
      const auto from = static_cast<size_t>(memory.length());
      pass.add(std::span(h.prompt).subspan(from, static_cast<size_t>(to) - from), &memory);
      const Tensor logits = (*h.model)(pass);
      return std::vector<float>(logits.values().begin(), logits.values().end());
    };
    walk(37);
    memory.checkpoint();
    for (const int64_t to : {100, 120, 140, 150}) walk(to);
    const int64_t back = memory.resumable(40);
    EXPECT_GE(back, 37) << h.as;
    memory.resize(back);
    const auto expected = std::span(h.reference).subspan(static_cast<size_t>(back * h.model->shape().vocabulary));
    expect_same_bits(walk(150), expected, h.as);
  }
}

TEST_P(Bits, TrainingSeesTheServedLogits) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Config config = golden.config();
    Parameters parameters(dtype, golden.checkpoint());
    const auto model = make_model(config, parameters);
    parameters.publish(two.pool);
    const auto prompt = stranger(1, 150, model->shape().vocabulary);
    Pass learn(two, {nullptr, true});
    learn.add(prompt);
    const Tensor logits = (*model)(learn);
    expect_same_bits(logits.values(), alone(*model, prompt, one), std::string(info(dtype).name));
    EXPECT_NE(logits.gradient(), nullptr);
  }
}

TEST_P(Bits, LookingChangesNone) {
  for (const Held& h : held) {
    int looked = 0;
    Taps listen, echo;
    listen.listen("*", [&](std::string_view, const Tensor&) {
      ++looked;
      return std::nullopt;
    });
    echo.listen("*", [&](std::string_view, const Tensor& value) {
      Tensor same = value.pass()->empty(value.shape(), value.dtype());
      std::memcpy(Pass::mutable_f32(same), value.data<std::byte>(), value.bytes());
      return same;
    });
    for (const Taps* taps : {&listen, &echo}) {
      Pass pass(two, {taps});
      pass.add(stranger(3, 20, h.model->shape().vocabulary), nullptr, Logits::none);
      pass.add(h.prompt);
      expect_same_bits((*h.model)(pass).values(), h.reference,
                       h.as + (taps == &listen ? ", listening" : ", replacing with the same"));
    }
    EXPECT_GT(looked, 20);
  }
}

// One of a batch is looked into, and much is put in its place: it hears of itself alone, and strangers keep their bits.
TEST_P(Bits, LookingIntoOneDoesNotMoveItsNeighbours) {
  using Heard = std::map<std::string, std::vector<float>>;
  for (const Held& h : held) {
    const int64_t vocabulary = h.model->shape().vocabulary;
    const auto before = stranger(5, 30, vocabulary), looked_into = stranger(6, 25, vocabulary);
    const auto listen = [](Taps& taps, Heard& heard) {
      taps.listen("*", [&](const Place& place, const Tensor& value) {
        // Of experts, rows; of attention, a row for each token.
        EXPECT_EQ(static_cast<int64_t>(place.positions.size()), value.shape()[0]) << place.name;
        EXPECT_TRUE(std::ranges::is_sorted(place.positions));
        auto& numbers = heard[std::string(place.name)];
        numbers.insert(numbers.end(), value.values().begin(), value.values().end());
        return std::nullopt;
      });
    };
    Heard alone_heard, heard;
    {
      Taps taps;
      listen(taps, alone_heard);
      Pass pass(two);
      pass.add(looked_into, nullptr, Logits::all, nullptr, &taps);
      (*h.model)(pass);
    }
    EXPECT_GT(alone_heard.size(), 10u);
    Taps taps;
    listen(taps, heard);
    Pass pass(two);
    pass.add(before, nullptr, Logits::none);
    pass.add(looked_into, nullptr, Logits::last, nullptr, &taps);
    pass.add(h.prompt);
    const auto width = static_cast<size_t>(vocabulary);
    expect_same_bits((*h.model)(pass).values().subspan(width), h.reference, h.as + ", beside one that is looked into");
    for (auto& [name, numbers] : alone_heard) {
      if (name == "logits") numbers.erase(numbers.begin(), numbers.end() - vocabulary);
      EXPECT_EQ(numbers, heard[name]) << h.as << " " << name;
    }
    // And where its values are replaced.
    Taps louder;
    louder.listen("*.layers.1.in", [&](const Place&, const Tensor& value) { return value * 3.0f; });
    louder.listen("*.self_attn.pattern", [&](const Place&, const Tensor& value) { return value * 0.5f; });
    Pass beside(two);
    beside.add(before, nullptr, Logits::none);
    beside.add(looked_into, nullptr, Logits::last, nullptr, &louder);
    beside.add(h.prompt);
    const Tensor logits = (*h.model)(beside);
    expect_same_bits(logits.values().subspan(width), h.reference, h.as + ", beside one that is changed");
    EXPECT_NE(std::vector<float>(logits.f32(), logits.f32() + width), heard["logits"]) << h.as;
  }
}

// A family is called supported when a golden fixture of it exists.
TEST(Registry, SupportsWhatHasAGolden) {
  std::set<std::string> golden;
  for (const std::string& name : fixtures())
    golden.insert(read_json(fixture("models/" + name) / "config.json")["model_type"].get<std::string>());
  const auto supported = supported_model_types();
  EXPECT_EQ(golden, std::set<std::string>(supported.begin(), supported.end()));
}

// README's tables: families by their golden models, and the known ones that are refused.
std::string tables() {
  std::map<std::string, std::string> goldens;
  for (const std::string& name : fixtures()) {
    auto& list = goldens[read_json(fixture("models/" + name) / "config.json")["model_type"].get<std::string>()];
    list += (list.empty() ? "" : ", ") + name;
  }
  std::string text = "| `model_type` | models | golden tests |\n|---|---|---|\n";
  for (const FamilyNote& family : supported_families())
    text += fmt::format("| `{}` | {} | {} |\n", family.model_type, family.note, goldens.at(family.model_type));
  text += "\n| not supported | why |\n|---|---|\n";
  std::vector<std::pair<std::string, std::string>> reasons;  // families of one reason in one row
  for (const FamilyNote& family : refused_families()) {
    auto same = std::ranges::find(reasons, family.note, &std::pair<std::string, std::string>::second);
    if (same == reasons.end()) same = reasons.insert(reasons.end(), {"", family.note});
    same->first += fmt::format("{}`{}`", same->first.empty() ? "" : ", ", family.model_type);
  }
  for (const auto& [families, why] : reasons) text += fmt::format("| {} | {} |\n", families, why);
  return text;
}

// GLASSBOX_UPDATE_README=1 writes what it should say (scripts/families).
TEST(Registry, ReadmesTablesAreMadeOfGoldens) {
  const std::string begin = "<!-- families: made by scripts/families from the golden tests -->\n";
  const std::string end = "<!-- /families -->\n";
  const std::string readme = read_file("README.md");
  const size_t from = readme.find(begin), to = readme.find(end);
  ASSERT_NE(from, std::string::npos);
  ASSERT_NE(to, std::string::npos);
  const size_t at = from + begin.size();
  if (std::getenv("GLASSBOX_UPDATE_README")) {
    write_file("README.md", readme.substr(0, at) + tables() + readme.substr(to));
    return;
  }
  EXPECT_EQ(readme.substr(at, to - at), tables()) << "scripts/families renews them";
}

}  // namespace
}  // namespace glassbox
