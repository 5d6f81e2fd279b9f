#include "eval/perplexity.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "tensor/distribution.h"

namespace glassbox {
namespace {

// -log of the probability of `token` under these logits. Sums in double: a vocabulary of 200,000 small terms.
double surprise(std::span<const float> logits, int32_t token) {
  if (const auto at = first_not_finite(logits))
    fail(ErrorKind::bad_file,
         "perplexity: logits: expected numbers, got {} for token {}: weights of the model are not finite, or too large",
         logits[*at], *at);
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - static_cast<double>(largest));
  return std::log(sum) + static_cast<double>(largest) - static_cast<double>(logits[static_cast<size_t>(token)]);
}

}  // namespace

std::vector<int32_t> perplexity_tokens(const Tokenizer& tokenizer, std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<int32_t> tokens = tokenizer.encode_plain(text);
  if (tokenizer.adds_bos()) tokens.insert(tokens.begin(), *tokenizer.bos());
  return tokens;
}

Perplexity measure_perplexity(const Model& model, std::span<const int32_t> tokens, const PerplexityOptions& options,
                              const std::function<void(const Perplexity& so_far, int64_t windows)>& progress) {
  const int64_t context = options.context, length = static_cast<int64_t>(tokens.size());
  const int64_t most = model.network->shape().context;
  if (context < 4 || context > most)
    fail(ErrorKind::bad_request, "perplexity: expected a context of 4 to {} tokens, got {}", most, context);
  if (length < 2 * context)
    fail(ErrorKind::bad_request, "perplexity: expected a text of at least {} tokens (two windows), got {}", 2 * context,
         length);
  for (const int32_t token : tokens)
    if (token < 0 || token >= model.network->shape().vocabulary)
      fail(ErrorKind::bad_request, "perplexity: {}", model.beyond_the_table(token));
  const int64_t windows = options.windows > 0 ? std::min(options.windows, length / context) : length / context;
  const int64_t first = context / 2;

  Workspace workspace(options.threads);
  SequenceMemory memory(model.network->memory_shape());
  Perplexity result;
  double sum = 0, squares = 0;
  for (int64_t w = 0; w < windows; ++w) {
    std::vector<int32_t> window(tokens.begin() + w * context, tokens.begin() + (w + 1) * context);
    const std::vector<int32_t> expected(window.begin() + first + 1, window.end());
    if (model.tokenizer.adds_bos()) window[0] = *model.tokenizer.bos();
    memory.resize(0);
    std::vector<uint8_t> wanted(window.size(), 0);
    std::fill(wanted.begin() + first, wanted.end() - 1, 1);
    std::vector<double> surprises(expected.size());
    {
      Pass pass(workspace, {options.taps});
      pass.add(window, &memory, wanted);
      const Tensor logits = (*model.network)(pass);  // [context - first - 1, V]
      model.check_whole();
      const auto width = static_cast<size_t>(logits.width());
      workspace.pool.parallel_for(static_cast<int64_t>(expected.size()), [&](int64_t i) {
        const auto at = static_cast<size_t>(i);
        surprises[at] = surprise(logits.values().subspan(at * width, width), expected[at]);
      });
    }
    for (const double s : surprises) {
      sum += s;
      squares += s * s;
    }
    result.tokens += static_cast<int64_t>(expected.size());
    result.windows = w + 1;
    const auto count = static_cast<double>(result.tokens);
    const double mean = sum / count, variance = squares / count - mean * mean;
    result.perplexity = std::exp(mean);
    result.error = variance > 0 ? std::sqrt(variance / (count - 1)) * result.perplexity : 0;
    if (progress) progress(result, windows);
  }
  return result;
}

}  // namespace glassbox
