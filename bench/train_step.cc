// Tokens per second of training, for a model of Prism's shape and documents of its lengths, without its text.
//
//   train_step [--steps N] [--batch TOKENS] [--micro TOKENS] [--vocab N] [--dtype bf16|f32] [--all-rows] [--threads N]
//
// The same model and token counts in PyTorch: tests/reference/torch_train_bench.py, which runs the two in turn.
#include <fmt/format.h>

#include <chrono>
#include <ctime>
#include <CLI/CLI.hpp>

#include "base/random.h"
#include "kernels/kernels.h"
#include "models/registry.h"
#include "train/adamw.h"
#include "train/next_token.h"
#include "train/trainer.h"

int main(int argc, char** argv) {
  using namespace glassbox;
  int64_t steps = 8, batch = 8192, micro = 4096, vocabulary = 1536, layers = 6, hidden = 256, intermediate = 640;
  int threads = 0;
  std::string dtype = "bf16";
  bool all_rows = false;
  CLI::App app("Training speed on a model of Prism's shape");
  app.add_option("--steps", steps);
  app.add_option("--batch", batch);
  app.add_option("--micro", micro);
  app.add_option("--vocab", vocabulary);
  app.add_option("--layers", layers);
  app.add_option("--hidden", hidden);
  app.add_option("--intermediate", intermediate);
  app.add_option("--threads", threads);
  app.add_option("--dtype", dtype);
  app.add_flag("--all-rows", all_rows, "loss on every token, not on the half that is said");
  CLI11_PARSE(app, argc, argv);

  const Json json = {{"model_type", "llama"},
                     {"hidden_size", hidden},
                     {"num_hidden_layers", layers},
                     {"num_attention_heads", 8},
                     {"num_key_value_heads", 4},
                     {"intermediate_size", intermediate},
                     {"vocab_size", vocabulary},
                     {"max_position_embeddings", 1024},
                     {"rms_norm_eps", 1e-5},
                     {"tie_word_embeddings", true},
                     {"torch_dtype", dtype == "f32" ? "float32" : "bfloat16"}};
  Config config(json, "bench");
  Parameters parameters(dtype == "f32" ? DType::f32 : DType::bf16, 1);
  const auto model = make_model(config, parameters);
  Corpus corpus;
  for (uint64_t d = 0; d < 2000; ++d) {
    Document document;
    const auto length = 100 + philox(1, d)[0] % 101;
    for (uint64_t t = 0; t < length; ++t) {
      document.tokens.push_back(static_cast<int32_t>(philox(2, d, t)[0] % static_cast<uint64_t>(vocabulary)));
      document.loss_mask.push_back(t * 2 >= length);
    }
    corpus.add(document);
  }
  TrainerOptions options;
  options.micro_batch_tokens = micro;
  options.schedule = {1e-3, 1e-4, 10, 1000};
  Workspace workspace(threads);
  Trainable trainable(*model);
  trainable.open(parameters);
  const NextToken objective({1, all_rows ? 0.1 : 0});
  AdamW adamw(trainable.tensors(), {});
  Trainer trainer(trainable, objective, adamw, options, workspace);
  Batches batches(corpus, 0, batch);
  trainer.step(batches.examples(0));
  double best = 0, tokens = 0, seconds = 0;
  const std::clock_t before = std::clock();
  for (int64_t i = 0; i < steps; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const auto step = trainer.step(batches.examples(trainer.steps_done()));
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    best = std::max(best, static_cast<double>(step.tokens) / took);
    tokens += static_cast<double>(step.tokens);
    seconds += took;
  }
  // Of all threads together: the figure that means something while others use the machine.
  const double cpu_seconds = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  // 6 operations a token and number in a matrix: the embedding counts where it is the output matrix.
  const double flops = 6.0 * static_cast<double>(parameters.count());
  fmt::print(
      "{{\"parameters\":{},\"kernels\":\"{}\",\"threads\":{},\"tokens_per_s\":{:.0f},\"best_tokens_per_s\":{:.0f},"
      "\"tokens_per_cpu_s\":{:.0f},\"gflops\":{:.1f}}}\n",
      parameters.count(), kernels().name, workspace.pool.threads(), tokens / seconds, best, tokens / cpu_seconds,
      flops * best / 1e9);
}
