// llama.cpp's logits of every token of a text, for tests/reference/gguf_oracle.py: FILE.gguf OUT TOKEN...
// Built outside the project against llama.cpp's headers and libraries.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "llama.h"

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  llama_log_set(
      [](ggml_log_level level, const char* text, void*) {
        if (level >= GGML_LOG_LEVEL_ERROR) std::fputs(text, stderr);
      },
      nullptr);
  llama_backend_init();
  llama_model_params model_params = llama_model_default_params();
  model_params.use_extra_bufts = false;  // no weights in another layout, whose sums round otherwise
  llama_model* model = llama_model_load_from_file(argv[1], model_params);
  if (!model) return 1;
  std::vector<llama_token> tokens;
  for (int i = 3; i < argc; ++i) tokens.push_back(std::atoi(argv[i]));
  llama_context_params params = llama_context_default_params();
  params.n_ctx = params.n_batch = params.n_ubatch = 256;
  params.n_threads = params.n_threads_batch = 1;
  params.type_k = params.type_v = GGML_TYPE_F32;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  llama_context* context = llama_init_from_model(model, params);
  if (!context) return 1;
  llama_batch batch = llama_batch_init(static_cast<int>(tokens.size()), 0, 1);
  for (const llama_token token : tokens) {
    const int at = batch.n_tokens++;
    batch.token[at] = token;
    batch.pos[at] = at;
    batch.n_seq_id[at] = 1;
    batch.seq_id[at][0] = 0;
    batch.logits[at] = 1;
  }
  if (llama_decode(context, batch) != 0) return 1;
  const auto width = static_cast<size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  std::FILE* out = std::fopen(argv[2], "wb");
  if (!out) return 1;
  for (int i = 0; i < batch.n_tokens; ++i) std::fwrite(llama_get_logits_ith(context, i), sizeof(float), width, out);
  return std::fclose(out) == 0 ? 0 : 1;
}
