#include "train/recipe.h"

#include <limits>

#include "base/file.h"
#include "base/quote.h"
#include "train/section.h"

namespace glassbox {
namespace {

constexpr int64_t kMany = int64_t{1} << 40;

std::filesystem::path within(const std::filesystem::path& folder, const std::string& path) {
  return path.empty() ? std::filesystem::path() : folder / path;  // an absolute path stays itself
}

std::string text(Section& section, std::string_view key) { return section.text(key).value_or(""); }

std::vector<std::filesystem::path> paths(Section& section, std::string_view key, const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> list;
  for (const std::string& path : section.texts(key).value_or(std::vector<std::string>())) list.push_back(folder / path);
  return list;
}

Recipe::Model read_model(Section model, const std::filesystem::path& folder) {
  Recipe::Model result;
  const std::string path = text(model, "path");
  result.weights = within(folder, text(model, "weights"));
  result.deviation = model.number("initial_deviation", 1e-6, 1).value_or(result.deviation);
  result.config = model.rest();
  if (!path.empty()) {
    if (!result.config.empty())
      model.refuse("path", "a path and the keys of a config.json beside it contradict each other");
    std::filesystem::path file = folder / path;
    if (std::filesystem::is_directory(file)) file /= "config.json";
    result.config = read_json(file);
  }
  if (!result.weights.empty() && result.config.empty()) result.config = read_json(result.weights / "config.json");
  if (result.config.empty())
    model.refuse("model_type", "missing: [model] holds the keys of a config.json, or `path` names one");
  if (!result.config.contains("torch_dtype") && !result.config.contains("dtype"))
    result.config["torch_dtype"] = "bfloat16";
  return result;
}

Recipe::Vocabulary read_tokenizer(Section tokenizer, const std::filesystem::path& folder) {
  Recipe::Vocabulary result;
  result.path = within(folder, text(tokenizer, "path"));
  const std::string chat_template = text(tokenizer, "chat_template");
  if (!chat_template.empty()) result.chat_template = read_file(folder / chat_template, 1 << 20);
  if (!result.path.empty()) {
    tokenizer.finish();
    return result;
  }
  result.vocab_size = tokenizer.integer("vocab_size", 256, 1 << 20).value_or(result.vocab_size);
  result.special_tokens = tokenizer.texts("special_tokens").value_or(result.special_tokens);
  result.split_digits = tokenizer.boolean("split_digits").value_or(result.split_digits);
  result.documents = tokenizer.integer("documents", 1, kMany).value_or(result.documents);
  for (auto [key, into] : {std::pair{"bos", &result.bos}, {"eos", &result.eos}, {"pad", &result.pad}}) {
    *into = text(tokenizer, key);
    if (!into->empty() && std::ranges::find(result.special_tokens, *into) == result.special_tokens.end())
      tokenizer.refuse(key, fmt::format("expected one of special_tokens, got {}", quote(*into)));
  }
  if (result.eos.empty()) tokenizer.refuse("eos", "missing: the special token that ends what the model says");
  tokenizer.finish();
  return result;
}

Recipe::Data read_data(Section data, const std::filesystem::path& folder) {
  Recipe::Data result;
  result.source = text(data, "source");
  result.files = paths(data, "files", folder);
  if (result.source.empty() == result.files.empty()) data.refuse("source", "expected either a source or files");
  if (!result.source.empty()) {
    result.seed = static_cast<uint64_t>(data.integer("seed", 0, std::numeric_limits<int64_t>::max()).value_or(1));
    result.documents = data.integer("documents", 1, kMany).value_or(0);
    if (result.documents == 0) data.refuse("documents", "missing: how many documents the source is to make");
  }
  const std::string too_long = data.text("long_documents").value_or("refuse");
  if (too_long == "skip")
    result.long_documents = LongDocuments::skip;
  else if (too_long == "split")
    result.long_documents = LongDocuments::split;
  else if (too_long != "refuse")
    data.refuse("long_documents", fmt::format("expected \"refuse\", \"skip\" or \"split\", got {}", quote(too_long)));
  data.finish();
  return result;
}

Recipe::Train read_train(Section train) {
  Recipe::Train result;
  TrainerOptions& trainer = result.trainer;
  if (train.has("tokens") == train.has("steps")) train.refuse("tokens", "expected either tokens or steps");
  result.tokens = train.integer("tokens", 1, kMany).value_or(0);
  trainer.schedule.steps = train.integer("steps", 1, kMany).value_or(0);
  result.seed = static_cast<uint64_t>(train.integer("seed", 0, std::numeric_limits<int64_t>::max()).value_or(1));
  result.batch_tokens = train.integer("batch_tokens", 1, kMany).value_or(result.batch_tokens);
  trainer.micro_batch_tokens =
      train.integer("micro_batch_tokens", 1, kMany).value_or(std::min(trainer.micro_batch_tokens, result.batch_tokens));
  if (trainer.micro_batch_tokens > result.batch_tokens)
    train.refuse("micro_batch_tokens", fmt::format("expected at most batch_tokens, {}, got {}", result.batch_tokens,
                                                   trainer.micro_batch_tokens));
  trainer.schedule.rate = train.number("learning_rate", 1e-9, 10).value_or(1e-3);
  trainer.schedule.min_rate =
      train.number("min_learning_rate", 0, trainer.schedule.rate).value_or(trainer.schedule.rate / 10);
  trainer.schedule.warmup = train.integer("warmup_steps", 0, kMany).value_or(0);
  if (const auto betas = train.numbers("betas", 0, 0.99999)) {
    if (betas->size() != 2) train.refuse("betas", fmt::format("expected a list of 2 numbers, got {}", betas->size()));
    result.adamw.beta1 = (*betas)[0];
    result.adamw.beta2 = (*betas)[1];
  }
  result.adamw.eps = train.number("eps", 1e-15, 1).value_or(result.adamw.eps);
  result.adamw.weight_decay = train.number("weight_decay", 0, 10).value_or(result.adamw.weight_decay);
  trainer.clip = train.number("clip", 0, 1e9).value_or(trainer.clip);
  result.loss.assistant_weight = train.number("said_weight", 0, 1000).value_or(result.loss.assistant_weight);
  result.loss.other_weight = train.number("rest_weight", 0, 1000).value_or(result.loss.other_weight);
  for (const auto& [key, weight] :
       {std::pair{"said_weight", result.loss.assistant_weight}, {"rest_weight", result.loss.other_weight}})
    if (weight != 0 && weight < 1e-6) train.refuse(key, fmt::format("expected 0, or 1e-06 to 1000, got {}", weight));
  if (result.loss.assistant_weight + result.loss.other_weight == 0)
    train.refuse("said_weight", "no token would have a weight");
  result.log_every = train.integer("log_every", 1, kMany).value_or(result.log_every);
  train.finish();
  return result;
}

Json texts(const std::vector<std::filesystem::path>& files) {
  Json list = Json::array();
  for (const auto& file : files) list.push_back(file.filename().string());
  return list;
}

// Files are named without their folder: a run may resume where the recipe has moved.
Json to_json(const Recipe& r) {
  Json tokenizer = {{"chat_template", r.tokenizer.chat_template}};
  if (r.tokenizer.path.empty())
    tokenizer.update({{"vocab_size", r.tokenizer.vocab_size},
                      {"special_tokens", r.tokenizer.special_tokens},
                      {"split_digits", r.tokenizer.split_digits},
                      {"documents", r.tokenizer.documents},
                      {"bos", r.tokenizer.bos},
                      {"eos", r.tokenizer.eos},
                      {"pad", r.tokenizer.pad}});
  else
    tokenizer["path"] = r.tokenizer.path.filename().string();
  Json data = {{"long_documents", r.data.long_documents == LongDocuments::skip    ? "skip"
                                  : r.data.long_documents == LongDocuments::split ? "split"
                                                                                  : "refuse"}};
  if (r.data.source.empty())
    data["files"] = texts(r.data.files);
  else
    data.update({{"source", r.data.source}, {"seed", r.data.seed}, {"documents", r.data.documents}});
  const Recipe::Train& t = r.train;
  Json train = {{"seed", t.seed},
                {"batch_tokens", t.batch_tokens},
                {"micro_batch_tokens", t.trainer.micro_batch_tokens},
                {"learning_rate", t.trainer.schedule.rate},
                {"min_learning_rate", t.trainer.schedule.min_rate},
                {"warmup_steps", t.trainer.schedule.warmup},
                {"betas", {t.adamw.beta1, t.adamw.beta2}},
                {"eps", t.adamw.eps},
                {"weight_decay", t.adamw.weight_decay},
                {"clip", t.trainer.clip},
                {"said_weight", t.loss.assistant_weight},
                {"rest_weight", t.loss.other_weight},
                {"log_every", t.log_every}};
  if (t.tokens > 0)
    train["tokens"] = t.tokens;
  else
    train["steps"] = t.trainer.schedule.steps;
  return {{"name", r.name},
          {"model",
           {{"config", r.model.config},
            {"weights", r.model.weights.filename().string()},
            {"initial_deviation", r.model.deviation}}},
          {"tokenizer", tokenizer},
          {"data", data},
          {"train", train},
          {"checkpoint", {{"every", r.checkpoint.every}, {"keep", r.checkpoint.keep}}},
          {"evaluate",
           {{"every", r.evaluate.every}, {"documents", r.evaluate.documents}, {"files", texts(r.evaluate.files)}}},
          {"publish", {{"generation", r.publish.generation}, {"license", r.publish.license}}}};
}

}  // namespace

Recipe parse_recipe(std::string_view toml, const std::string& source, const std::filesystem::path& folder) {
  const TomlFile toml_file = parse_toml(toml, source);
  Section file(toml_file);
  Recipe recipe;
  recipe.name = text(file, "name");
  if (recipe.name.empty()) file.refuse("name", "missing: what the model is to be called");
  recipe.model = read_model(file.section("model"), folder);
  recipe.tokenizer = read_tokenizer(file.section("tokenizer"), folder);
  recipe.data = read_data(file.section("data"), folder);
  recipe.train = read_train(file.section("train"));

  Section checkpoint = file.section("checkpoint");
  recipe.checkpoint.every = checkpoint.integer("every", 1, kMany).value_or(recipe.checkpoint.every);
  recipe.checkpoint.keep = checkpoint.integer("keep", 1, kMany).value_or(recipe.checkpoint.keep);
  checkpoint.finish();

  Section evaluate = file.section("evaluate");
  recipe.evaluate.every = evaluate.integer("every", 0, kMany).value_or(recipe.evaluate.every);
  recipe.evaluate.files = paths(evaluate, "files", folder);
  if (!recipe.evaluate.files.empty() && evaluate.has("documents"))
    evaluate.refuse("documents", "expected either files or a number of documents");
  recipe.evaluate.documents =
      evaluate.integer("documents", 0, kMany).value_or(recipe.evaluate.files.empty() ? recipe.evaluate.documents : 0);
  evaluate.finish();

  Section publish = file.section("publish");
  recipe.publish.generation = publish.section("generation").rest();
  recipe.publish.license = text(publish, "license");
  if (const std::string readme = text(publish, "readme"); !readme.empty())
    recipe.publish.readme = read_file(folder / readme, 1 << 20);
  publish.finish();
  file.finish();
  recipe.json = to_json(recipe);
  return recipe;
}

Recipe read_recipe(const std::filesystem::path& file) {
  return parse_recipe(read_file(file, 1 << 20), file.string(), file.parent_path());
}

}  // namespace glassbox
