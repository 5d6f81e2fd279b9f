// A model as people use it: weights, tokenizer, chat template and how generation ends, opened from one reference.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "chat/chat_template.h"
#include "chat/prompt_encoder.h"
#include "formats/file_set.h"
#include "formats/generation_config.h"
#include "models/language_model.h"
#include "tokenizer/tokenizer.h"

namespace glassbox {

struct OpenOptions {
  std::vector<std::string> ignore_keys;  // of config.json (docs/design.md, promise 3)
};

// What a checkpoint's headers say of its numbers.
struct ModelFacts {
  int64_t parameters = 0;
  uint64_t bytes = 0;
  std::map<std::string, int64_t> values_by_dtype;  // "BF16": how many
  std::string dtype;                               // of most of them, or the name of a GGUF file's mix: "Q4_K_M"
};

struct Model {
  std::string name;  // as APIs show it: "glassbox/prism", or the folder's or file's name
  FileSet files;     // what it was opened from
  std::unique_ptr<LanguageModel> network;
  Tokenizer tokenizer;  // Tokenizer::none() where the files have none: all that needs no text works
  std::optional<ChatTemplate> chat_template;  // absent: the model only continues text
  GenerationConfig generation;                // with the union of end-of-sequence ids
  std::vector<std::string> warnings = {};     // of its files, a line each: they stop nothing, people should know
  ModelFacts facts{};
  MappedFiles mapped{};  // that the weights are read from

  // Throws Error(io) naming the file if one became shorter: what was computed since it was last whole is not the
  // model's.
  void check_whole() const { mapped.check_whole(name); }

  // The exact prompt: text of the template over `context` (messages, tools, add_generation_prompt, ...), and its ids,
  // with no second BOS, and with control tokens where the template wrote them alone (PromptEncoder). Throws
  // Error(unsupported) where the model has no template.
  Rendered render(const OrderedJson& context) const;
  std::vector<int32_t> encode_prompt(const Rendered& rendered) const;

  // What is wrong with a token that the model has no row for: a tokenizer may have more than the model.
  std::string beyond_the_table(int32_t token) const;

  std::optional<PromptEncoder> prompts = {};  // open_model() makes it of the tokenizer and the template
};

// `reference`: "glassbox/prism" (shipped in the binary), a folder as published, or a .gguf file. Throws Error(not_found
// | bad_file | unsupported), naming what was looked for and where.
std::shared_ptr<const Model> open_model(std::string_view reference, const OpenOptions& options = {});

// A LoRA, rsLoRA or DoRA adapter in PEFT's layout (nn/peft.h), checked against the model it is to change. Throws
// Error(not_found | bad_file | unsupported) naming what does not fit.
std::shared_ptr<const Adapter> open_adapter(const std::filesystem::path& folder, const Model& model, int threads = 0);
// Of its adapter_config.json: the model that it names as its base ("" if none), and warnings, as a model's.
std::string adapter_base(const std::filesystem::path& folder);
std::vector<std::string> adapter_warnings(const std::filesystem::path& folder);

}  // namespace glassbox
