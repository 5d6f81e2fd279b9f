// A GGUF file seen as the checkpoint it was made from: the checkpoint's names, shapes and order of rows.
#pragma once

#include "base/json.h"
#include "formats/gguf.h"
#include "formats/family_format.h"

namespace glassbox {

// Immutable and shared, as Gguf. Numbers stay as the file has them (a row of Q4_K stays those bytes); what differs is
// where they lie. Only latent attention's kv_b_proj, whose half GGUF turns around, is bf16 where the file has blocks.
class GgufCheckpoint {
 public:
  // `family`: of the file (gguf_family); it outlives this. Throws as gguf_config(), and Error(unsupported) naming a
  // tensor that no rule of the family knows.
  GgufCheckpoint(Gguf file, const FamilyFormat& family);

  // Nothing if there is no such tensor. Most are views of the file. Where GGUF orders rows otherwise or holds another
  // number, the result owns a copy, and the pages of the file behind it are given back: a weight is held once. `exact`:
  // blocks that cannot be turned around as float32, not bf16.
  std::optional<RawTensor> find(std::string_view name, bool exact = false) const;
  bool has(std::string_view name) const;

  // Whether this is a stack of experts with a row for each output, [E, n, k], whose checkpoint has columns: [E, k, n].
  bool is_transposed(std::string_view name) const;

  const std::vector<TensorInfo>& tensors() const;  // the checkpoint's names and shapes; offset: in the GGUF file
  const Json& config() const;                      // as config.json
  const FamilyFormat& family() const;
  const Gguf& file() const;
  void release(std::span<const std::byte> bytes) const { file().release(bytes); }  // of a tensor that was read

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

// Rows of `heads` heads, from the checkpoint's order (a head's first half, then its second) to GGUF's (halves
// interleaved), and back. REQUIRES: from and to of one size, heads x an even number of rows.
void interleave_halves(std::span<const std::byte> from, std::span<std::byte> to, int64_t rows, int64_t heads);
void separate_halves(std::span<const std::byte> from, std::span<std::byte> to, int64_t rows, int64_t heads);

}  // namespace glassbox
