// config.json, read so that nothing in it is overlooked: every key is used, known to be harmless, refused by name where
// a published model is known to depend on it, or named in a warning.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/dtype.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/json.h"

namespace glassbox {

// The largest config.json or generation_config.json that is read at all, in bytes; published ones have a few
// thousand.
constexpr size_t kMaxConfig = 16 << 20;

// What a key of config.json is where a file does not have it.
struct ConfigDefault {
  std::string_view key;
  std::variant<bool, int64_t, double, std::string_view> value;
  bool told =
      false;  // other formats are told it, too; else a file that says it says nothing more than one that does not

  Json json() const;
};

// Who is known to depend on a key of a file, or empty.
using KnownKeys = std::string_view (*)(std::string_view key);

// A JSON object whose keys are ticked off as they are read. Whoever builds a model reads what it needs and
// then calls finish(), which throws if anything is left that is known to matter. A missing key and a null are the
// same to every reader. All errors are Error(bad_file | unsupported) naming the file and the key
// ("config.json: rope_scaling.factor: ..."). A handle to shared state, for one thread.
class Config {
 public:
  // `path`: a folder that holds config.json, or such a file. `ignore_keys`: keys that finish() lets pass
  // ("name" or "outer.name"), because a person said so.
  static Config open(const std::filesystem::path& path, std::span<const std::string> ignore_keys = {});
  // `source` names the object in errors. Throws Error(bad_file) if `object` is none.
  Config(Json object, std::string source, std::span<const std::string> ignore_keys = {});

  // T: bool, int32_t, int64_t, double, std::string, std::vector<int64_t>, std::vector<std::string>.
  // Strict: 1.0 is no integer and "8" no number; integers that do not fit T are refused.
  template <class T>
  T get(std::string_view key) const {
    if (std::optional<T> value = optional<T>(key)) return *std::move(value);
    missing(key);
  }
  template <class T>
  T get_or(std::string_view key, T fallback) const {
    std::optional<T> value = optional<T>(key);
    return value ? *std::move(value) : std::move(fallback);
  }
  template <class T>
  std::optional<T> optional(std::string_view key) const {
    if constexpr (std::is_same_v<T, bool>)
      return fields().boolean(key);
    else if constexpr (std::is_same_v<T, std::string>)
      return fields().text(key);
    else if constexpr (std::is_same_v<T, std::vector<int64_t>>)
      return fields().integers(key);
    else if constexpr (std::is_same_v<T, std::vector<std::string>>)
      return fields().texts(key);
    else
      return within<T>(key, std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max());
  }

  // In [lowest, highest], for int32_t, int64_t and double.
  template <class T>
  T between(std::string_view key, T lowest, T highest) const {
    if (const std::optional<T> value = within<T>(key, lowest, highest)) return *value;
    missing(key);
  }
  template <class T>
  T between_or(std::string_view key, T fallback, T lowest, T highest) const {
    return within<T>(key, lowest, highest).value_or(fallback);
  }

  // Counts and sizes: in [1, highest]; the default keeps products of any two below 2^62.
  template <class T>
  T positive(std::string_view key, T highest = std::numeric_limits<int32_t>::max()) const {
    return between<T>(key, T{1}, highest);
  }
  template <class T>
  T positive_or(std::string_view key, T fallback, T highest = std::numeric_limits<int32_t>::max()) const {
    return between_or<T>(key, fallback, T{1}, highest);
  }

  // One of a few words; anything else is Error(unsupported) by name.
  std::string choice(std::string_view key, std::initializer_list<std::string_view> known) const;
  std::string choice_or(std::string_view key, std::string_view fallback,
                        std::initializer_list<std::string_view> known) const;

  bool has(std::string_view key) const;                      // in the file, not null; does not count as reading it
  std::optional<Config> object(std::string_view key) const;  // a nested object, ticked off key by key as this one
  // The same of an object that is a configuration of its own (text_config): what is harmless anywhere is there, too.
  std::optional<Config> nested_config(std::string_view key) const;
  const Json* raw(std::string_view key) const;  // as it is, counted as read; null if missing; valid with *this

  // What a missing key is from now on, to every reader but has(): here and in configurations within (whole).
  void assume(std::span<const ConfigDefault> defaults) const;

  void harmless(std::initializer_list<std::string_view> keys) const;  // need not be read, whatever their value
  // The one value that is computed, as a missing key is; finish() refuses any other by name, whoever else reads the
  // key.
  template <class T>
  void only(std::string_view key, T value) const {
    if (has(key)) expect(key, Json(value));
  }

  // Throws Error(unsupported) naming every key, nested objects included, that nothing read and somebody is known to
  // (judged_by), unless it is harmless, says nothing there (a factor of 1, no experts, false), or a person lets it
  // pass. All other keys that nothing read are a warning: tools and trainers leave their notes in these files. What
  // every config.json may hold without changing the model (who wrote it, dropout, token ids of generation) is harmless.
  void finish() const;
  std::vector<std::string> ignored() const;  // the ignore_keys that were there and unread: for the record

  // Which unread keys finish() refuses, here and in the objects within; until somebody says so, none.
  void judged_by(KnownKeys known) const;
  bool is_judged() const;

  // What stops nothing and a person should know, a line each, said once however often it is found.
  void warn(std::string line) const;
  const std::vector<std::string>& warnings() const;

  const std::string& source() const;
  std::string where(std::string_view key) const;  // "config.json: rope_scaling.factor", for errors of one's own

 private:
  struct Node;
  explicit Config(std::shared_ptr<Node> node) : node_(std::move(node)) {}
  FieldReader<Json>& fields() const;
  template <class T>
  std::optional<T> within(std::string_view key, T lowest, T highest) const {
    if constexpr (std::is_same_v<T, double>) {
      return fields().number(key, lowest, highest);
    } else {
      const auto whole = fields().integer(key, lowest, highest);
      return whole ? std::optional(static_cast<T>(*whole)) : std::nullopt;
    }
  }
  void expect(std::string_view key, const Json& value) const;
  [[noreturn]] void missing(std::string_view key) const;
  std::shared_ptr<Node> node_;
};

// The dtype the publisher names ("dtype" of transformers 5, "torch_dtype" of 4): what the weights say counts,
// this is for the person who asks. Throws where the two differ or the name is unknown.
std::optional<DType> read_dtype(const Config& config);

// Rotary positions as published. Base frequencies are theta^(-2i/head_dim); `linear` divides positions by
// factor (arXiv:2306.15595); `llama3` divides by factor the frequencies whose wavelength exceeds
// original_max_position_embeddings / low_freq_factor, keeps those below original / high_freq_factor, and
// blends between; `yarn` (arXiv:2309.00071) divides by factor those that turn fewer than beta_slow times within
// the original context, keeps those that turn more than beta_fast times, blends between along the dimension, and
// multiplies cosine and sine by attention_factor.
struct RopeConfig {
  enum class Kind { standard, linear, llama3, yarn };
  Kind kind = Kind::standard;
  double theta = 10000.0;
  double factor = 1.0;                           // linear, llama3, yarn
  double low_freq_factor = 0.0;                  // llama3, as the next
  double high_freq_factor = 0.0;                 // > low_freq_factor
  int64_t original_max_position_embeddings = 0;  // llama3, yarn
  double beta_fast = 0.0, beta_slow = 0.0;       // yarn, as all that follow
  bool truncate = false;                         // the blend begins and ends at whole dimensions
  double attention_factor = 1.0;                 // as given, or what follows from factor, mscale and mscale_all_dim
  double mscale = 0.0, mscale_all_dim = 0.0;     // 0: not given. DeepSeek scales its scores by the latter, too
  double partial_rotary_factor = 1.0;            // how much of each head turns: the first numbers
  bool operator==(const RopeConfig&) const = default;
};

// theta^(-2 pair / width) in float32: by how much a pair of a head's numbers turns from one position to the next.
float rope_frequency(double theta, int64_t width, int64_t pair);

// How much of such a frequency `llama3` keeps (arXiv:2407.21783; the formula is Meta's reference code's): 1 of short
// wavelengths, 0 of long ones, which are divided by factor, and between them a share of each.
double llama3_kept(const RopeConfig& rope, float frequency);

// YaRN's 0.1 mscale ln(factor) + 1, of which attention factors are made; 1 where nothing is stretched.
double yarn_mscale(double factor, double mscale = 1.0);

// Both spellings: rope_theta and rope_scaling {type | rope_type, ...} of transformers 4, rope_parameters
// {rope_type, rope_theta, ...} of transformers 5; where a file has both they must agree. Other kinds
// (dynamic, longrope, ...) are Error(unsupported) by name, and so is a partial_rotary_factor, unless the family says
// that its heads may turn in part.
enum class HeadRotation { whole, part };
RopeConfig read_rope(const Config& config, HeadRotation rotation = HeadRotation::whole);

// How many of a head's numbers turn, rounded down as transformers does.
int64_t rotated_width(double partial_rotary_factor, int64_t head_dim);

// Of models whose layers that look through a window turn otherwise than those that see all: rope_parameters
// {full_attention, sliding_attention} of transformers 5; in transformers 4 the spelling above is the full layers',
// and the others turn unscaled by rope_local_base_freq, or where there is none by rope_theta.
struct RopeConfigs {
  RopeConfig full, sliding;
  bool operator==(const RopeConfigs&) const = default;
};
RopeConfigs read_ropes(const Config& config);

// Which layers do not see all: layer_types (full_attention or `kind` for each), or where the file has none
// `otherwise(layer)`.
std::vector<bool> read_sliding_layers(const Config& config, int64_t layers,
                                      const std::function<bool(int64_t layer)>& otherwise,
                                      std::string_view kind = "sliding_attention");

}  // namespace glassbox
