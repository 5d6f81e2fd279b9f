#include "server/openai/neutral.h"

namespace glassbox::openai {
namespace {

// Never changes an answer: who asks, where to keep it, what to remember.
struct Harmless {
  const char* name;
  enum class Kind { any, text, boolean, object } kind = Kind::any;
};

constexpr Harmless::Kind kText = Harmless::Kind::text, kBoolean = Harmless::Kind::boolean,
                         kObject = Harmless::Kind::object;

constexpr Harmless kHarmless[] = {
    // OpenAI's.
    {"user", kText},
    {"store", kBoolean},
    {"metadata", kObject},
    {"service_tier", kText},
    {"safety_identifier", kText},
    {"prompt_cache_key", kText},
    {"prompt_cache_retention", kText},
    {"prompt_cache_options", kObject},
    // llama.cpp's server: slots and its prompt cache, and the settings of samplers whose switch is below.
    {"cache_prompt"},
    {"id_slot"},
    {"slot_id"},
    {"n_keep"},
    {"mirostat_tau"},
    {"mirostat_eta"},
    {"xtc_threshold"},
    {"dry_base"},
    {"dry_allowed_length"},
    {"dry_penalty_last_n"},
    {"dry_sequence_breakers"},
    {"dynatemp_exponent"},
    {"repeat_last_n"},
    // vLLM's and SGLang's: scheduling, and how text is put together that has no special tokens.
    {"request_id"},
    {"rid"},
    {"priority"},
    {"cache_salt"},
    {"spaces_between_special_tokens"},
    // Ollama's.
    {"keep_alive"},
};

// Asks for what happens anyway where its value is one of these; any other would change the answer.
struct Idle {
  const char* name;
  const char* values;  // a JSON list
  enum class Where { both, chat, completions } where = Where::both;
};

constexpr Idle::Where kChat = Idle::Where::chat, kCompletions = Idle::Where::completions;

constexpr Idle kIdle[] = {
    // llama.cpp's samplers, switched off.
    {"mirostat", "[0]"},
    {"mirostat_mode", "[0]"},
    {"typical_p", "[1]"},
    {"tfs_z", "[1]"},
    {"top_a", "[0]"},
    {"top_n_sigma", "[-1, 0]"},
    {"xtc_probability", "[0]"},
    {"dry_multiplier", "[0]"},
    {"dynatemp_range", "[0]"},
    {"repeat_penalty", "[1]"},
    // And what its answers may hold besides.
    {"n_probs", "[0]"},
    {"min_keep", "[0]"},
    {"post_sampling_probs", "[false]"},
    {"return_tokens", "[false]"},
    {"return_progress", "[false]"},
    {"timings_per_token", "[false]"},
    {"grammar", "[\"\"]"},
    {"lora", "[[]]"},
    {"reasoning_format", "[\"auto\", \"deepseek\"]", kChat},
    {"parse_tool_calls", "[true]", kChat},
    // vLLM's and SGLang's.
    {"min_tokens", "[0]"},
    {"length_penalty", "[1]"},
    {"use_beam_search", "[false]"},
    {"early_stopping", "[false]"},
    {"include_stop_str_in_output", "[false]"},
    {"no_stop_trim", "[false]"},
    {"stop_token_ids", "[[]]"},
    {"bad_words", "[[]]"},
    {"truncate_prompt_tokens", "[-1]"},
    {"return_token_ids", "[false]"},
    {"return_tokens_as_token_ids", "[false]"},
    {"include_reasoning", "[true]", kChat},
    {"separate_reasoning", "[true]", kChat},
    {"stream_reasoning", "[true]", kChat},
    {"add_special_tokens", "[false]", kChat},
    {"add_special_tokens", "[true]", kCompletions},
    {"documents", "[[]]", kChat},
    {"echo", "[false]", kChat},
    {"best_of", "[1]", kChat},
    {"suffix", "[\"\"]", kChat},
    // Ollama's.
    {"options", "[{}]"},
    {"format", "[\"\"]"},
    {"raw", "[false]"},
};

}  // namespace

void read_neutral(Fields& fields, bool chat) {
  for (const Harmless& one : kHarmless) {
    if (one.kind == kText)
      fields.text(one.name);
    else if (one.kind == kBoolean)
      fields.boolean(one.name);
    else if (one.kind == kObject)
      fields.object(one.name);
    else
      fields.find(one.name);
  }
  for (const Idle& one : kIdle) {
    if (one.where == (chat ? kCompletions : kChat)) continue;
    const OrderedJson* value = fields.find(one.name);
    if (!value) continue;
    const OrderedJson idle = OrderedJson::parse(one.values);
    if (std::find(idle.begin(), idle.end(), *value) != idle.end()) continue;
    std::string list;
    for (const OrderedJson& each : idle) list += (list.empty() ? "" : " or ") + dump_ordered_json(each);
    refuse_unsupported(fields.path(one.name),
                       fmt::format("not supported: expected {} or nothing, got {}", list, described(*value)));
  }
}

}  // namespace glassbox::openai
