// A published model as another folder of safetensors.
#include <algorithm>
#include <map>

#include "convert/checkpoint_folder.h"
#include "convert/conversions.h"
#include "convert/stored_weights.h"
#include "convert/write_rows.h"
#include "formats/config.h"
#include "formats/quantization.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

// What goes along: text of every kind that models have, and their tokenizers.
bool goes_along(const FileSet& files, const std::string& file) {
  constexpr uintmax_t kLargest = 256 << 20;
  const fs::path path(file);
  const std::string name = path.filename().string(), ending = path.extension().string();
  if (name.starts_with('.') || name == "config.json" || name.ends_with(".index.json")) return false;
  static constexpr std::string_view kEndings[] = {"", ".json", ".jinja", ".md", ".model", ".tiktoken", ".txt"};
  return std::ranges::find(kEndings, ending) != std::end(kEndings) && files.need(file).size() <= kLargest;
}

std::vector<std::string> texts_of(const FileSet& files) {
  std::vector<std::string> texts;
  for (const char* folder : {"", "additional_chat_templates/"})
    for (const std::string& name : files.names(folder))
      if (goes_along(files, name)) texts.push_back(name);
  return texts;
}

// Under the name that is there, else the one that all versions of transformers read.
void set_dtype(OrderedJson& config, DType dtype) {
  const bool newer = config.contains("dtype") && !config.contains("torch_dtype");
  if (!newer) config.erase("dtype");
  config[newer ? "dtype" : "torch_dtype"] = torch_name(dtype);
}

// Experts that are published packed have a row for each output; those that are not, a column (gpt-oss).
bool is_transposed(const StoredWeight& weight) { return weight.dtype == DType::f4_e2m1 && weight.shape.size() == 3; }

// Routers' corrections stay as they are, as in transformers: bf16 would move experts' places.
bool keeps_dtype(const StoredWeight& weight) { return weight.name.ends_with("e_score_correction_bias"); }

// Whether a table that config.json ties is not the output matrix all the same (models/shape.h).
bool has_another_head(const OrderedJson& config, WeightSource& weights) {
  if (!config.value("tie_word_embeddings", false)) return false;
  for (const std::string before : {"", "language_model."})
    if (weights.copy_of(before + "model.embed_tokens.weight", before + "lm_head.weight") ==
        WeightSource::Copy::different)
      return true;
  return false;
}

}  // namespace

Converted convert_published(const FileSet& source, const fs::path& target, const ConvertOptions& options,
                            const ReportProgress& report) {
  const ModelFile config_file = source.need("config.json");
  const Config known(config_file.json(kMaxConfig), config_file.source, options.ignore_keys);
  const OrderedJson published = OrderedJson::parse(config_file.text(kMaxConfig));
  const Checkpoint checkpoint = Checkpoint::open(source);
  const StoredWeights stored(checkpoint, read_quantization(known));
  std::map<std::string, StoredWeight> weights;  // those that are not copied, by the name they are written under
  std::vector<TensorPlan> plans;
  for (const std::string_view tensor : checkpoint.names()) {
    const RawTensor raw = *checkpoint.find(tensor);
    TensorPlan plan{std::string(tensor), raw.dtype, raw.shape};
    const bool number = raw.dtype == DType::i64 || raw.dtype == DType::i32 || raw.dtype == DType::boolean;
    const bool packed = raw.name.ends_with(".qweight") || raw.name.ends_with(".qzeros") || raw.name.ends_with(".g_idx");
    if (options.dtype && (!number || packed)) {
      const auto weight = stored.of(tensor);
      if (!weight) continue;  // a part of one
      if (!weight->plain() || (weight->dtype != *options.dtype && !keeps_dtype(*weight))) {
        plan = {weight->name, *options.dtype, weight->shape};
        if (is_transposed(*weight)) std::swap(plan.shape[1], plan.shape[2]);
        weights.emplace(plan.name, *weight);
      }
    }
    plans.push_back(std::move(plan));
  }
  ProgressOf progress(plans);
  CheckpointFolder folder(target, options);
  folder.weights(plans, [&](const TensorPlan& plan, const AppendBytes& append) {
    if (const auto weight = weights.find(plan.name); weight == weights.end()) {
      const RawTensor raw = *checkpoint.find(plan.name);
      append(raw.bytes);
      checkpoint.release(raw.bytes);
    } else {
      const StoredWeight& from = weight->second;
      const auto read = [&](int64_t first, int64_t count, float* values) { stored.read(from, first, count, values); };
      append_rows(from, read, is_transposed(from), plan.dtype, append);
      stored.release(from);
    }
    report(progress.after(plan));
  });
  OrderedJson config = published;
  if (options.dtype) {
    config.erase("quantization_config");
    set_dtype(config, *options.dtype);
    for (const char* part : {"text_config", "vision_config"})
      if (config.contains(part) && config[part].is_object() &&
          (config[part].contains("dtype") || config[part].contains("torch_dtype")))
        set_dtype(config[part], *options.dtype);
  }
  if (has_another_head(published, stored.weights())) config["tie_word_embeddings"] = false;
  folder.put("config.json", config.dump(2) + "\n");
  for (const std::string& name : texts_of(source)) folder.put(name, source.need(name).text());
  return folder.commit();
}

}  // namespace glassbox
