// glassbox quantize: a model made smaller, and what that cost it.
#include <fmt/ranges.h>
#include <unistd.h>

#include <cctype>
#include <cstdio>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/json.h"
#include "base/output.h"
#include "cli/command.h"
#include "cli/fetch.h"
#include "cli/figures.h"
#include "convert/quantize.h"
#include "formats/file_set.h"

namespace glassbox {
namespace {

struct Options {
  std::string model, output, imatrix;
  QuantizeOptions quantize;
  bool json = false;
};

std::string name_of(DType type) { return std::string(info(type).name); }

std::string output_of(const Options& given) {
  if (!given.output.empty()) return given.output;
  const auto files = FileSet::find(given.model);
  const std::string stem = std::filesystem::path(files ? files->name() : given.model).filename().string();
  return (stem.empty() ? "model" : stem) + "." + given.quantize.type + ".gguf";
}

int run(const Options& given) {
  QuantizeOptions options = given.quantize;
  for (char& c : options.type) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (!given.imatrix.empty()) options.importance = Importance::open(given.imatrix);
  fetch_model(given.model);
  Options named = given;
  named.quantize.type = options.type;
  const std::string target = output_of(named);
  remove_unfinished_on_signals();
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  const auto tensors = quantize_model(given.model, target, options, [&](const QuantizedTensor& t, const Progress& p) {
    if (terminal) fmt::print(stderr, "\r\033[K");
    if (!given.json) {
      if (is_blocks(t.type))
        fmt::print(
            "{:<36} {:>6} -> {:<7} {:>9}  rms {:.3e}  relative {:.4f}  largest {:.3e}{}\n", t.name, name_of(t.from),
            name_of(t.type), human_bytes(static_cast<double>(t.bytes)), t.rms, t.relative, t.largest,
            t.instead_of ? fmt::format("  instead of {}, whose blocks do not divide the rows", name_of(*t.instead_of))
                         : "");
      std::fflush(stdout);
    }
    if (terminal) fmt::print(stderr, "{:>3} %", p.total ? 100 * p.done / p.total : 100);
  });
  if (terminal) fmt::print(stderr, "\r\033[K");
  say_beyond_gguf(target);

  struct Sum {
    int64_t tensors = 0;
    uint64_t bytes = 0;
    double relative = 0;
  };
  std::map<std::string, Sum> by_type;
  uint64_t bytes = 0;
  for (const QuantizedTensor& t : tensors) {
    Sum& sum = by_type[name_of(t.type)];
    ++sum.tensors;
    sum.bytes += t.bytes;
    sum.relative += t.relative;
    bytes += t.bytes;
  }
  if (given.json) {
    OrderedJson list = OrderedJson::array(), types = OrderedJson::object();
    for (const QuantizedTensor& t : tensors)
      list.push_back({{"name", t.name},
                      {"from", name_of(t.from)},
                      {"type", name_of(t.type)},
                      {"instead_of", t.instead_of ? OrderedJson(name_of(*t.instead_of)) : OrderedJson()},
                      {"bytes", t.bytes},
                      {"rms", t.rms},
                      {"relative", t.relative},
                      {"largest", t.largest}});
    for (const auto& [type, sum] : by_type)
      types[type] = {{"tensors", sum.tensors},
                     {"bytes", sum.bytes},
                     {"relative", sum.relative / static_cast<double>(sum.tensors)}};
    fmt::print("{}\n", dump_ordered_json({{"file", target}, {"bytes", bytes}, {"types", types}, {"tensors", list}}));
    return 0;
  }
  for (const auto& [type, sum] : by_type)
    fmt::print("{:<8} {:>4} tensors, {:>9}, relative error {:.4f} on average\n", type, sum.tensors,
               human_bytes(static_cast<double>(sum.bytes)), sum.relative / static_cast<double>(sum.tensors));
  fmt::print("{}: {} tensors, {}\n", target, tensors.size(), human_bytes(static_cast<double>(bytes)));
  return 0;
}

}  // namespace

void add_quantize_command(Commands& commands) {
  auto options = std::make_shared<Options>();
  const Command command = commands.add("quantize", "A smaller model of a few bits a number, and what that cost it",
                                       "glassbox quantize glassbox/prism Q4_K_M --output prism.gguf", options, run);
  command
      .option("MODEL", &options->model, "glassbox/prism, a folder as published, a .gguf file, or OWNER/NAME of a hub")
      .required();
  command.option("TYPE", &options->quantize.type, fmt::format("One of {}", fmt::join(quantization_types(), ", ")))
      .required();
  command.option("--output", &options->output, "The file to write (default: MODEL.TYPE.gguf, here)");
  command.option("--imatrix", &options->imatrix,
                 "How much each input matters: a file of llama.cpp's, or of eval --imatrix");
  command.repeated("--ignore-key", &options->quantize.ignore_keys, "A key of config.json that the target need not say");
  add_force_option(command, &options->quantize.force);
  add_threads_option(command, &options->quantize.threads);
  command.flag("--json", &options->json, "One JSON object, for programs");
}

}  // namespace glassbox
