#include "convert/checkpoint_folder.h"

#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace glassbox {

CheckpointFolder::CheckpointFolder(const std::filesystem::path& target, const ConvertOptions& options)
    : target_(target),
      shard_bytes_(options.shard_bytes),
      writer_(target, options.force ? Existing::replaced : Existing::refused) {}

std::filesystem::path CheckpointFolder::file(const std::string& name) {
  result_.files.push_back((target_ / name).string());
  return writer_.file(name);
}

void CheckpointFolder::weights(const std::vector<TensorPlan>& plans,
                               const std::function<void(const TensorPlan& plan, const AppendBytes& append)>& write) {
  std::vector<std::vector<TensorPlan>> shards(1);
  uint64_t in_shard = 0;
  for (const TensorPlan& plan : plans) {
    const uint64_t bytes = *tensor_bytes(plan.dtype, plan.shape);
    if (in_shard > 0 && in_shard + bytes > shard_bytes_) {
      shards.emplace_back();
      in_shard = 0;
    }
    shards.back().push_back(plan);
    in_shard += bytes;
    result_.bytes += bytes;
  }
  result_.tensors = plans.size();
  Json map = Json::object();
  for (size_t s = 0; s < shards.size(); ++s) {
    const std::string name = shards.size() == 1 ? "model.safetensors"
                                                : fmt::format("model-{:05}-of-{:05}.safetensors", s + 1, shards.size());
    for (const TensorPlan& plan : shards[s]) map[plan.name] = name;
    write_safetensors(file(name), shards[s], {{"format", "pt"}},
                      [&](size_t at, const AppendBytes& append) { write(shards[s][at], append); });
  }
  if (shards.size() > 1)
    put("model.safetensors.index.json",
        dump_json({{"metadata", {{"total_size", result_.bytes}}}, {"weight_map", map}}, 2) + "\n");
}

void CheckpointFolder::put(const std::string& name, const std::string& text) { write_file(file(name), text); }

Converted CheckpointFolder::commit() {
  writer_.commit("config.json", [](const std::string& name) {
    return name.starts_with("model") && (name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json"));
  });
  return std::move(result_);
}

const char* torch_name(DType dtype) {
  return dtype == DType::f32 ? "float32" : dtype == DType::f16 ? "float16" : "bfloat16";
}

}  // namespace glassbox
