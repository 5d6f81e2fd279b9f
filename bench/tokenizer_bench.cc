// Encoding speed, in MB of text per second of one core, on English prose and on what is hard for byte-pair encoding.
//   tokenizer_bench --benchmark_filter=prose        (GLASSBOX_DATA names the folder of tokenizers and texts)
// The references on the same text: python tests/reference/tokenizer_speed.py ../shared/data
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "tokenizer/tokenizer.h"

namespace glassbox {
namespace {

namespace fs = std::filesystem;

fs::path data_folder() {
  const char* set = std::getenv("GLASSBOX_DATA");
  return set ? fs::path(set) : fs::path("../shared/data");
}

// The first 8 MB of the classic books, in the order of their paths.
const std::string& prose() {
  static const std::string text = [] {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(data_folder() / "text/classic_books"))
      if (entry.path().extension() == ".md") files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
    std::string all;
    for (const std::string& file : files)
      if (all.size() < 8'000'000) all += read_file(file);
    all.resize(std::min<size_t>(all.size(), 8'000'000));
    return all;
  }();
  return text;
}

void encode(benchmark::State& state, const std::string& path, const std::string& text, size_t chunk) {
  const Tokenizer tokenizer = Tokenizer::open(data_folder() / "tokenizers" / path);
  size_t tokens = 0;
  for (auto _ : state) {
    tokens = 0;
    for (size_t at = 0; at < text.size(); at += chunk)
      tokens += tokenizer.encode(std::string_view(text).substr(at, chunk), false).size();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
  state.counters["bytes_per_token"] = static_cast<double>(text.size()) / static_cast<double>(tokens);
}

void open(benchmark::State& state, const std::string& path) {
  for (auto _ : state) benchmark::DoNotOptimize(Tokenizer::open(data_folder() / "tokenizers" / path));
}

void add(const std::string& name, const std::string& path) {
  const auto unit = benchmark::kMillisecond;
  benchmark::RegisterBenchmark(("prose/" + name).c_str(), [=](benchmark::State& s) {
    encode(s, path, prose(), 65536);
  })->Unit(unit);
  const std::string letters(1'000'000, 'a'), spaces(1'000'000, ' ');
  benchmark::RegisterBenchmark(("one_letter/" + name).c_str(), [=](benchmark::State& s) {
    encode(s, path, letters, letters.size());
  })->Unit(unit);
  benchmark::RegisterBenchmark(("spaces/" + name).c_str(), [=](benchmark::State& s) {
    encode(s, path, spaces, spaces.size());
  })->Unit(unit);
  benchmark::RegisterBenchmark(("open/" + name).c_str(), [=](benchmark::State& s) { open(s, path); })->Unit(unit);
}

}  // namespace
}  // namespace glassbox

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  glassbox::add("llama2", "llama2/hf");
  glassbox::add("llama2_spm", "llama2/tokenizer.model");
  glassbox::add("llama3", "llama3/tokenizer.model");
  glassbox::add("o200k", "openai/o200k_base.tiktoken");
  glassbox::add("qwen2", "qwen2");
  glassbox::add("deepseek_v3", "deepseek_v3/deepseek_v3.tiktoken");
  glassbox::add("t5", "t5/tokenizer.json");
  glassbox::add("bert", "hf_configs/bert-vocab.txt");
  benchmark::RunSpecifiedBenchmarks();
}
