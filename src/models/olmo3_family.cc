// OLMo 3: GGUF calls it olmo2, with a window.
#include "formats/gguf_keys.h"
#include "models/families.h"
#include "models/gguf_tables.h"

namespace glassbox {
namespace {

constexpr gguf::Names kNames[] = {gguf::kEnds, gguf::kAttention, gguf::kQueryKeyNorms, gguf::kNormsAfter, gguf::kMlp};
constexpr gguf::Keys kKeys[] = {gguf::kShape, gguf::kRmsNorm, gguf::kWindow};

constexpr ConfigDefault kDefaults[] = {{"rope_theta", 5e5}};

bool claims(const Gguf& file) { return file.integer("olmo2.attention.sliding_window").value_or(0) > 0; }

// All layers turn by one base; only those that see all are stretched.
void read(GgufKeys& from, Json& config) {
  const auto theta = config["rope_theta"].get<double>();
  if (const auto local = from.real("rope.freq_base_swa"); local && *local != theta)
    fail(ErrorKind::unsupported, "{}: expected {} as rope.freq_base, got {}", from.where("rope.freq_base_swa"), theta,
         *local);
}

}  // namespace

constinit const Family kOlmo3 = {.format = {.model_type = "olmo3",
                                            .class_name = "Olmo3ForCausalLM",
                                            .defaults = kDefaults,
                                            .gguf = {.architecture = "olmo2",
                                                     .names = kNames,
                                                     .keys = kKeys,
                                                     .presences = gguf::kAttentionBias,
                                                     .windows = {.period = 4, .full = 3},
                                                     .claims = claims,
                                                     .read = read}},
                                 .models = "OLMo 3",
                                 .make = make_olmo3};

}  // namespace glassbox
