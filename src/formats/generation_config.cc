#include "formats/generation_config.h"

#include <algorithm>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/quote.h"
#include "formats/config.h"

namespace glassbox {
namespace {

// One id or a list of them, as both files write eos_token_id; negative ones mean none.
std::vector<int32_t> ids(const Config& config, std::string_view key) {
  const Json* value = config.raw(key);
  if (!value) return {};
  const std::vector<int64_t> all =
      value->is_array() ? config.get<std::vector<int64_t>>(key) : std::vector{config.get<int64_t>(key)};
  std::vector<int32_t> valid;
  for (const int64_t id : all) {
    if (id > std::numeric_limits<int32_t>::max())
      fail(ErrorKind::bad_file, "{}: expected a token id, got {}", config.where(key), id);
    if (id >= 0) valid.push_back(static_cast<int32_t>(id));
  }
  return valid;
}

std::optional<int32_t> first(const std::vector<int32_t>& ids) {
  return ids.empty() ? std::nullopt : std::optional(ids.front());
}

// Settings of transformers' GenerationConfig (5.24 and those before) that change which text comes out.
std::string_view changes_the_text(std::string_view key) {
  static constexpr std::string_view kKnown[] = {"bad_words_ids",
                                                "begin_suppress_tokens",
                                                "constraints",
                                                "diversity_penalty",
                                                "dola_layers",
                                                "encoder_no_repeat_ngram_size",
                                                "early_stopping",
                                                "epsilon_cutoff",
                                                "encoder_repetition_penalty",
                                                "eta_cutoff",
                                                "force_words_ids",
                                                "exponential_decay_length_penalty",
                                                "forced_bos_token_id",
                                                "forced_decoder_ids",
                                                "forced_eos_token_id",
                                                "frequency_penalty",
                                                "guidance_scale",
                                                "length_penalty",
                                                "logit_bias",
                                                "min_length",
                                                "min_new_tokens",
                                                "no_repeat_ngram_size",
                                                "num_beam_groups",
                                                "num_beams",
                                                "penalty_alpha",
                                                "presence_penalty",
                                                "sequence_bias",
                                                "suppress_tokens",
                                                "token_healing",
                                                "top_h",
                                                "typical_p",
                                                "watermarking_config"};
  return std::ranges::find(kKnown, key) == std::end(kKnown) ? "" : "generate()";
}

void read_sampling(const Config& config, GenerationConfig& result) {
  constexpr double kLargest = 1e6;
  result.do_sample = config.optional<bool>("do_sample");
  if (config.has("temperature")) result.temperature = config.between<double>("temperature", 0.0, kLargest);
  if (config.has("top_k")) result.top_k = config.between<int32_t>("top_k", 0, std::numeric_limits<int32_t>::max());
  if (config.has("top_p")) result.top_p = config.between<double>("top_p", 0.0, 1.0);
  if (config.has("min_p")) result.min_p = config.between<double>("min_p", 0.0, 1.0);
  if (config.has("repetition_penalty"))
    result.repetition_penalty = config.between<double>("repetition_penalty", 1e-6, kLargest);
  if (config.has("max_new_tokens")) result.max_new_tokens = config.positive<int32_t>("max_new_tokens");
  if (const Json* stop = config.raw("stop_strings")) {
    if (stop->is_string())
      result.stop_strings = {stop->get<std::string>()};
    else
      result.stop_strings = config.get<std::vector<std::string>>("stop_strings");
  }
  // Limits, caches, drafts and bookkeeping of other programs: none of them changes which text is likely.
  config.harmless({"_from_model_config",
                   "max_length",
                   "max_time",
                   "cache_config",
                   "max_cache_len",
                   "assistant_early_exit",
                   "assistant_confidence_threshold",
                   "assistant_lookbehind",
                   "target_lookbehind",
                   "is_assistant",
                   "num_assistant_tokens",
                   "num_assistant_tokens_schedule",
                   "prompt_lookup_num_tokens",
                   "max_matching_ngram_size",
                   "num_return_sequences",
                   "output_scores",
                   "output_logits",
                   "return_dict_in_generate",
                   "remove_invalid_values",
                   "compile_config",
                   "disable_compile",
                   "decoder_start_token_id",
                   "chat_format",
                   "max_window_size",
                   "low_memory",
                   "use_mtp"});
  for (const char* key : {"num_beams", "num_beam_groups", "length_penalty", "typical_p", "encoder_repetition_penalty"})
    config.only(key, 1);
  for (const char* key : {"min_length", "min_new_tokens", "no_repeat_ngram_size", "encoder_no_repeat_ngram_size",
                          "epsilon_cutoff", "eta_cutoff", "diversity_penalty", "presence_penalty", "frequency_penalty"})
    config.only(key, 0);
}

// Both files, with what to call them in errors; null where there is none.
GenerationConfig read_both(const Json& generation, const std::string& generation_source, const Json& config,
                           const std::string& config_source, std::span<const int32_t> tokenizer_eos,
                           std::span<const std::string> ignore_keys) {
  GenerationConfig result;
  std::set<int32_t> ends(tokenizer_eos.begin(), tokenizer_eos.end());
  const auto read_ids = [&](const Config& from) {
    const std::vector<int32_t> eos = ids(from, "eos_token_id");
    ends.insert(eos.begin(), eos.end());
    // generation_config.json is read first, and what it says stands.
    const std::vector<int32_t> bos = ids(from, "bos_token_id"), pad = ids(from, "pad_token_id");
    if (!result.bos) result.bos = first(bos);
    if (!result.pad) result.pad = first(pad);
  };
  if (!generation.is_null()) {
    const Config from(generation, generation_source, ignore_keys);
    from.judged_by(changes_the_text);
    read_ids(from);
    read_sampling(from, result);
    from.finish();
    result.warnings = from.warnings();
  }
  if (!config.is_null()) read_ids(Config(config, config_source));
  result.eos.assign(ends.begin(), ends.end());
  return result;
}

}  // namespace

GenerationConfig read_generation_config(const Json& generation, const Json& config,
                                        std::span<const int32_t> tokenizer_eos,
                                        std::span<const std::string> ignore_keys) {
  return read_both(generation, "generation_config.json", config, "config.json", tokenizer_eos, ignore_keys);
}

GenerationConfig read_generation_config(const FileSet& files, std::span<const int32_t> tokenizer_eos,
                                        std::span<const std::string> ignore_keys) {
  constexpr std::string_view kGeneration = "generation_config.json", kConfig = "config.json";
  return read_both(files.json(kGeneration, kMaxConfig), files.source_of(kGeneration), files.json(kConfig, kMaxConfig),
                   files.source_of(kConfig), tokenizer_eos, ignore_keys);
}

GenerationConfig read_generation_config(const std::filesystem::path& folder, std::span<const int32_t> tokenizer_eos,
                                        std::span<const std::string> ignore_keys) {
  return read_generation_config(FileSet::of_folder(folder), tokenizer_eos, ignore_keys);
}

}  // namespace glassbox
