// A model as the tensors a GGUF file of it has, whatever it is stored as: read row by row, never whole.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf.h"

namespace glassbox {

// Immutable; threads may read rows at once.
class GgufSource {
 public:
  // A .gguf file as it is, or a published folder (or the shipped model's name) with its names, rows and metadata as
  // GGUF has them: weights in FP8 or int4 (AWQ, GPTQ) as bf16, MXFP4 as GGUF's own. Throws as their readers, and
  // Error(unsupported) naming a key of config.json, a tensor or a tokenizer that neither GGUF nor a key of ours beside
  // its own (formats/gguf_config.h) can express; `ignore_keys` lets such keys of config.json pass.
  static GgufSource open(const std::string& model, std::span<const std::string> ignore_keys = {});

  const std::string& name() const;                 // for people: general.name, or the folder's name
  const std::vector<GgufEntry>& metadata() const;  // without general.file_type
  const std::vector<TensorPlan>& tensors() const;  // dtype: as stored; in llama.cpp's order

  // Rows are those of all dimensions but the last. Where the source stores what GGUF holds, copy() appends the bytes of
  // `count` rows from `first`; read() gives them as float32 wherever they come from.
  bool as_stored(size_t tensor) const;
  void copy(size_t tensor, int64_t first, int64_t count, const AppendBytes& append) const;
  void read(size_t tensor, int64_t first, int64_t count, float* values) const;

  void release(size_t tensor) const;  // the memory behind it: it will not be read again

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

int64_t rows_of(const TensorPlan& tensor);
int64_t width_of(const TensorPlan& tensor);

// Numbers of any dtype that weights come in, as float32; and float32 as f32, f16 or bf16.
void to_float(DType dtype, std::span<const std::byte> bytes, float* values, int64_t count);
void from_float(DType dtype, std::span<const float> values, std::byte* bytes);
bool is_float(DType dtype);  // f32, f16, bf16

}  // namespace glassbox
