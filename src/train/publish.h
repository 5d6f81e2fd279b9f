// The folder a trained model is published as.
#pragma once

#include <filesystem>
#include <optional>

#include "base/json.h"
#include "chat/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "train/recipe.h"
#include "train/trainable.h"

namespace glassbox {

// A tokenizer with the files that publish it.
struct PublishedTokenizer {
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
};

// Trains the recipe's tokenizer on `texts` and writes it to `folder`.
void make_tokenizer(const Recipe::Vocabulary& recipe, std::span<const std::string> texts, size_t context,
                    const std::filesystem::path& folder);
// Copies the recipe's tokenizer to `folder`.
void copy_tokenizer(const Recipe::Vocabulary& recipe, const std::filesystem::path& folder);
PublishedTokenizer open_tokenizer(const std::filesystem::path& folder);

// The recipe's config.json with what the tokenizer decides. Throws Error(bad_file) where vocab_size is too small.
Json complete_config(const Recipe& recipe, const Tokenizer& tokenizer);

// config.json, generation_config.json, model.safetensors and README.md, beside the tokenizer that is there. `figures`
// is loss.json's object, which the model card quotes. Each file is replaced durably.
void publish_model(const Recipe& recipe, const Json& config, const Trainable& trainable, const Tokenizer& tokenizer,
                   const Json& figures, const std::filesystem::path& folder);

}  // namespace glassbox
