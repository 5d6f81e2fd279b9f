// Weights by name: a model asks for each by its path in the checkpoint and its shape, and does not know where it comes
// from.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "formats/quantization.h"
#include "formats/safetensors.h"
#include "tensor/tensor.h"

namespace glassbox {

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual bool has(const std::string& name) const = 0;
  // Throws Error(bad_file) naming the tensor if it is missing or of another shape than expected.
  virtual Tensor get(const std::string& name, const Shape& shape) = 0;
  // The same, of a vector that a fresh start fills with zeros where it would fill others with ones.
  virtual Tensor get_from_zero(const std::string& name, const Shape& shape) { return get(name, shape); }
  // Of one matrix that has two names (a table that is the output matrix, too), how the file keeps `copy` beside
  // `name`: not at all (none, also of numbers that come from no file); with the same numbers; with others; or alone,
  // and from then on it is what `name` gives.
  enum class Copy { none, equal, different, alone };
  virtual Copy copy_of(const std::string& /*name*/, const std::string& /*copy*/) { return Copy::none; }
  // False if tensors have shapes only, and their numbers must not be touched.
  virtual bool readable() const { return true; }
  // Tensors under this path belong to a part that is known and not built: finish() lets them pass. For parts that
  // config.json names too, so that its reader refuses them unless a person said to go on without.
  virtual void ignore_below(const std::string& /*path*/) {}
  // Once a model has asked for all it needs. Throws Error(unsupported) naming tensors that nothing asked for: a model
  // that left them out would not be that model.
  virtual void finish() const {}
};

// A place in the names of a checkpoint: w["model"]["layers"][3]["self_attn"].tensor("q_proj.weight", {n, k}).
class Weights {
 public:
  explicit Weights(WeightSource& source, std::string path = "") : source_(&source), path_(std::move(path)) {}

  Weights operator[](std::string_view name) const { return Weights(*source_, joined(name)); }
  Weights operator[](int64_t index) const { return Weights(*source_, joined(std::to_string(index))); }

  Tensor tensor(std::string_view name, const Shape& shape) const { return source_->get(joined(name), shape); }
  Tensor tensor_from_zero(std::string_view name, const Shape& shape) const {
    return source_->get_from_zero(joined(name), shape);
  }
  bool has(std::string_view name) const { return source_->has(joined(name)); }
  bool readable() const { return source_->readable(); }
  const std::string& path() const { return path_; }

 private:
  std::string joined(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
  }
  WeightSource* source_;
  std::string path_;
};

// As published, in place: f32, f16, bf16; FP8 and MXFP4 with the scales that belong to them. int4 of AWQ and GPTQ is
// packed anew (i4), a copy that the tensor owns; so is F64, rounded to float32. A model asks for NAME, or for
// `q_proj.weight`, whichever it is.
class CheckpointWeights : public WeightSource {
 public:
  explicit CheckpointWeights(Checkpoint checkpoint, Quantization quantization = {})
      : checkpoint_(std::move(checkpoint)), quantization_(quantization) {}

  bool has(const std::string& name) const override;
  Tensor get(const std::string& name, const Shape& shape) override;
  Copy copy_of(const std::string& name, const std::string& copy) override;
  void ignore_below(const std::string& path) override { left_.push_back(path + "."); }
  void finish() const override;

 private:
  RawTensor raw(const std::string& name);  // ticked off
  Tensor rounded(const RawTensor& raw, const Shape& shape) const;
  Tensor with_scales(Tensor w, const std::string& name);
  Tensor mxfp4(const std::string& name, const Shape& shape);
  Tensor int4(const std::string& name, const Shape& shape);

  Checkpoint checkpoint_;
  Quantization quantization_;
  std::set<std::string> used_;
  std::map<std::string, std::string> stored_as_;  // of names that stand for another
  std::vector<std::string> left_;
};

// What a tensor is kept as in a model of mostly `dtype`: vectors and routers as float32 beside GGUF's blocks, rows that
// are no whole blocks in the type that fits; vectors, routers, embeddings and output matrices in 16 bits beside FP8 and
// int4 as published, and everything but experts beside published MXFP4.
DType dtype_in_model(DType dtype, std::string_view name, const Shape& shape);

// What a model would ask for, without its numbers: a configuration can be looked at where there is no checkpoint. The
// tensors have no memory behind them: a model made of them says its shape and cannot be walked.
class PlannedWeights : public WeightSource {
 public:
  // `published`: asked what only a file can tell, where there is one; must outlive this.
  explicit PlannedWeights(DType dtype, WeightSource* published = nullptr) : dtype_(dtype), published_(published) {}

  bool has(const std::string& name) const override;
  Tensor get(const std::string& name, const Shape& shape) override;
  Copy copy_of(const std::string& name, const std::string& copy) override {
    return published_ ? published_->copy_of(name, copy) : Copy::none;
  }
  bool readable() const override { return false; }
  std::vector<const TensorInfo*> tensors() const;  // sorted by name; valid while *this lives

 private:
  DType dtype_;
  WeightSource* published_;
  std::map<std::string, TensorInfo> asked_;
};

// Numbers without meaning in a real shape, for benchmarks: every tensor has memory of its own. FP8 has scales of 128 x
// 128. Dtypes as dtype_in_model() says.
class RandomWeights : public WeightSource {
 public:
  explicit RandomWeights(DType dtype) : dtype_(dtype) {}

  bool has(const std::string& name) const override;
  Tensor get(const std::string& name, const Shape& shape) override;
  const std::map<std::string, Tensor>& made() const { return made_; }

 private:
  DType dtype_;
  std::map<std::string, Tensor> made_;  // a tied weight is asked for twice
};

}  // namespace glassbox
