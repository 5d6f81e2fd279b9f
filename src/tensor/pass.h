// A pass: some tokens of some sequences, once through a model. It is all that differs between serving, looking and
// training: whether sequences have a memory, whether taps listen, whether a tape records.
//
//   Pass serve(workspace);            serve.add(next_tokens, &session.memory);         model(serve)
//   Pass look(workspace, {&taps});    look.add(prompt);                                model(look)
//   Pass learn(workspace, {nullptr, true}); learn.add(document); ...  learn.backward(cross_entropy(model(learn), ...))
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tensor/adapter.h"
#include "tensor/rotary.h"
#include "tensor/sequence_memory.h"
#include "tensor/tape.h"
#include "tensor/tensor.h"
#include "tensor/workspace.h"

namespace glassbox {

// Where a value stands: the name of its place in the model (docs/design.md, Tap names), and the position in its
// sequence that each row of the value belongs to.
struct Place {
  std::string_view name;
  std::span<const int32_t> positions;
  operator std::string_view() const { return name; }
};

// Listens at named places to what a run computes there; a run of a batch hears of no other. A tap that returns nothing
// changes nothing. Values are those of the run's tokens, or of those that want logits, or that chose an expert.
class Taps {
 public:
  using Listener = std::function<std::optional<Tensor>(const Place& place, const Tensor& value)>;

  // `pattern`: a tap name in which * stands for any run of characters, ? for one.
  void listen(std::string pattern, Listener listener);
  bool empty() const { return taps_.empty(); }
  bool wants(std::string_view name) const;

  // The value, or what the last tap that answered put in its place.
  Tensor offer(const Place& place, const Tensor& value) const;

  // Patterns that have matched nothing yet: a misspelt name must not go unnoticed.
  std::vector<std::string> unheard() const;

 private:
  struct Tap {
    std::string pattern;
    Listener listener;
    mutable bool heard = false;
  };
  std::vector<Tap> taps_;
};

bool glob_matches(std::string_view pattern, std::string_view name);

// Which rows of a run want logits: only those reach the output matrix.
enum class Logits { none, last, all };

// A run: consecutive tokens of one sequence, rows [begin, end) of the token axis.
struct Run {
  int64_t begin, end;
  int64_t position;        // of the first
  SequenceMemory* memory;  // never null once the pass has been walked
  const Adapter* adapter = nullptr;
  const Taps* taps = nullptr;
};

struct PassOptions {
  const Taps* taps = nullptr;  // of runs that bring none
  bool record = false;         // keep a tape for backward()
  const WeightVisitor* visitor = nullptr;
};

inline constexpr int64_t kGrain = 1 << 14;  // values a thread takes at once

class Pass {
 public:
  explicit Pass(Workspace& workspace, PassOptions options = {})
      : workspace_(workspace), options_(options), tape_(workspace, options.record) {}
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  // Appends a run. With a memory it continues after memory->length(), which grows by the run when it is first walked;
  // without one it begins at position 0 and is forgotten with the pass. `tokens` are copied. `adapter` and `taps`
  // must outlive the pass.
  void add(std::span<const int32_t> tokens, SequenceMemory* memory = nullptr, Logits logits = Logits::all,
           const Adapter* adapter = nullptr, const Taps* taps = nullptr);
  // The same, with logits for the tokens that are marked (one mark a token, 0 or 1).
  void add(std::span<const int32_t> tokens, SequenceMemory* memory, std::span<const uint8_t> wanted,
           const Adapter* adapter = nullptr, const Taps* taps = nullptr);

  std::span<const int32_t> tokens() const { return tokens_; }
  std::span<const int32_t> positions() const { return positions_; }
  std::span<const Run> runs() const { return runs_; }
  std::span<const int32_t> logit_rows() const { return logit_rows_; }

  // --- for words ---
  ThreadPool& pool() const { return workspace_.pool; }
  bool listens() const { return listens_; }  // some run has taps
  // Some run's taps want what goes into the module at `path`, or what comes out.
  bool listens_around(std::string_view path) const;
  const WeightVisitor* visitor() const { return options_.visitor; }
  bool adapts() const { return adapts_; }  // some run has an adapter

  // A new float32 (or other) intermediate of this pass; data() may be written through mutable_data until it is shared.
  Tensor empty(Shape shape, DType dtype = DType::f32);
  static float* mutable_f32(const Tensor& t) { return static_cast<float*>(const_cast<void*>(t.data_)); }
  static uint16_t* mutable_u16(const Tensor& t) { return static_cast<uint16_t*>(const_cast<void*>(t.data_)); }

  Tape& tape() { return tape_; }

  // Cosines, then sines, of each token's position: [T, 2, n]. Made once for all layers.
  Tensor angles(const Rotary& rotary);

  // Makes sure every run has a memory of this shape with room for its tokens: where a model begins.
  void open_memory(const MemoryShape& shape);

  // The value, or what taps of runs put in the place of their rows; `name` is appended to the path of the module being
  // walked. A row for each token, or for each that wants logits.
  Tensor offer(const Tensor& value, std::string_view name);
  // The same of rows that belong to these tokens (rows of the token axis), in rising order.
  Tensor offer(const Tensor& value, std::string_view name, std::span<const int32_t> tokens);
  // The same of a value that is one run's alone.
  Tensor offer_to(const Run& run, const Tensor& value, std::string_view name);
  // The path of the module being walked, for names: set by Named (nn/module.h).
  std::string_view here() const { return here_; }
  std::string_view enter(std::string_view path) { return std::exchange(here_, path); }

  // Runs the tape from a scalar: every weight opened to train has its gradient added to.
  void backward(const Tensor& loss) { tape_.backward(loss); }

 private:
  Workspace& workspace_;
  PassOptions options_;
  std::vector<int32_t> tokens_, positions_, logit_rows_;
  std::vector<Run> runs_;
  std::deque<SequenceMemory> own_memories_;  // of runs that came without
  bool memory_open_ = false, adapts_ = false, listens_ = false;
  std::vector<std::pair<Rotary, Tensor>> angles_;
  Tape tape_;
  std::string_view here_;
};

}  // namespace glassbox
