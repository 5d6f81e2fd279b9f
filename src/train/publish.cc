#include "train/publish.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "tokenizer/bpe_trainer.h"

namespace glassbox {
namespace {

constexpr const char* kTokenizerFiles[] = {
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.json",     "merges.txt",      "chat_template.jinja"};

void write_json(const std::filesystem::path& file, const Json& value) { write_file(file, dump_json(value, 2) + "\n"); }

// The template goes where every reader looks for it.
void write_tokenizer_config(const std::filesystem::path& file, OrderedJson config, const std::string& chat_template) {
  if (!chat_template.empty()) config["chat_template"] = chat_template;
  write_file(file, config.dump(2) + "\n");
}

std::string model_card(const Recipe& recipe, const Json& config, const Trainable& trainable, const Json& figures) {
  std::string card = "---\n";
  if (!recipe.publish.license.empty()) card += fmt::format("license: {}\n", dump_json(recipe.publish.license));
  card += "library_name: glassbox\npipeline_tag: text-generation\n---\n";
  card += fmt::format("# {}\n\nTrained from {} with `glassbox train`; everything it depends on is in its recipe.\n\n",
                      recipe.name,
                      recipe.model.weights.empty() ? std::string("nothing") : recipe.model.weights.filename().string());
  card += "| | |\n|---|---|\n";
  card +=
      fmt::format("| architecture | {} |\n| parameters | {} |\n", config.value("model_type", ""), trainable.count());
  card += fmt::format("| documents | {} |\n", recipe.data.source.empty()
                                                  ? std::to_string(recipe.data.files.size()) + " files"
                                                  : fmt::format("{} of {}, seed {}", recipe.data.documents,
                                                                recipe.data.source, recipe.data.seed));
  if (const auto& points = figures.value("points", Json::array()); !points.empty())
    card += fmt::format("| trained on | {} tokens in {} steps |\n| training loss | {:.4f} |\n",
                        points.back().value("tokens", int64_t{0}), points.back().value("step", int64_t{0}),
                        points.back().value("loss", 0.0));
  if (const auto& evaluations = figures.value("evaluations", Json::array()); !evaluations.empty())
    card += fmt::format("| loss on held-out documents | {:.4f} |\n| held-out tokens guessed right | {:.1f} % |\n",
                        evaluations.back().value("loss", 0.0), 100 * evaluations.back().value("accuracy", 0.0));
  return card;
}

}  // namespace

void make_tokenizer(const Recipe::Vocabulary& recipe, std::span<const std::string> texts, size_t context,
                    const std::filesystem::path& folder) {
  BpeTrainerOptions options;
  options.vocab_size = static_cast<size_t>(recipe.vocab_size);
  options.special_tokens = recipe.special_tokens;
  options.split_digits = recipe.split_digits;
  write_file(folder / "tokenizer.json", train_bpe(texts, options));
  write_tokenizer_config(folder / "tokenizer_config.json",
                         OrderedJson::parse(bpe_tokenizer_config(options, recipe.bos, recipe.eos, recipe.pad, context)),
                         recipe.chat_template);
}

void copy_tokenizer(const Recipe::Vocabulary& recipe, const std::filesystem::path& folder) {
  const bool is_folder = std::filesystem::is_directory(recipe.path);
  for (const char* name : kTokenizerFiles) {
    const auto file = is_folder ? recipe.path / name : recipe.path;
    if (is_folder ? std::filesystem::exists(file) : recipe.path.filename() == name)
      write_file(folder / name, read_file(file));
  }
  if (recipe.chat_template.empty()) return;
  std::filesystem::remove(folder / "chat_template.jinja");
  const auto file = folder / "tokenizer_config.json";
  OrderedJson config = OrderedJson::object();
  if (std::filesystem::exists(file)) config = OrderedJson::parse(read_file(file));
  write_tokenizer_config(file, config, recipe.chat_template);
}

PublishedTokenizer open_tokenizer(const std::filesystem::path& folder) {
  return {Tokenizer::open(folder), open_chat_template(folder)};
}

Json complete_config(const Recipe& recipe, const Tokenizer& tokenizer) {
  Json config = recipe.model.config;
  const auto size = static_cast<int64_t>(tokenizer.size());
  if (!config.contains("vocab_size")) config["vocab_size"] = size;
  if (config["vocab_size"].is_number_integer() && config["vocab_size"].get<int64_t>() < size)
    fail(ErrorKind::bad_file, "model.vocab_size: expected at least the tokenizer's {}, got {}", size,
         config["vocab_size"].get<int64_t>());
  for (const auto& [key, id] : {std::pair{"bos_token_id", tokenizer.bos()},
                                {"eos_token_id", tokenizer.eos()},
                                {"pad_token_id", tokenizer.pad()}})
    if (id) config[key] = *id;
  if (!config.contains("architectures") && config.value("model_type", "") == "llama")
    config["architectures"] = {"LlamaForCausalLM"};
  return config;
}

void publish_model(const Recipe& recipe, const Json& config, const Trainable& trainable, const Tokenizer& tokenizer,
                   const Json& figures, const std::filesystem::path& folder) {
  Json generation = recipe.publish.generation;
  for (const auto& [key, id] : {std::pair{"bos_token_id", tokenizer.bos()},
                                {"eos_token_id", tokenizer.eos()},
                                {"pad_token_id", tokenizer.pad()}})
    if (id && !generation.contains(key)) generation[key] = *id;
  write_json(folder / "config.json", config);
  write_json(folder / "generation_config.json", generation);
  trainable.save(folder);
  write_file(folder / "README.md",
             recipe.publish.readme.empty() ? model_card(recipe, config, trainable, figures) : recipe.publish.readme);
}

}  // namespace glassbox
