#include "cli/command.h"

#include <algorithm>
#include <array>
#include <iostream>
#include <iterator>

#include "cli/fetch.h"
#include "convert/convert.h"
#include "formats/file_set.h"

namespace glassbox {

namespace {

constexpr std::pair<std::string_view, const char*> kGroups[] = {
    {"hub", "The hub of this machine: its store, and who may use it"},
    {"users", "People who may use the hub; while there are none, who is at this machine is its owner"},
    {"tokens", "What programs show to be let in"},
    {"organizations", "Names that several people share"}};

}  // namespace

CLI::App* Commands::subcommand(const std::string& name, const std::string& what) {
  CLI::App* at = &app;
  size_t begin = 0;
  for (size_t space = name.find(' '); space != std::string::npos; space = name.find(' ', begin)) {
    const std::string group = name.substr(begin, space - begin);
    begin = space + 1;
    const auto known = at->get_subcommands([&](const CLI::App* one) { return one->get_name() == group; });
    if (!known.empty()) {
      at = known.front();
      continue;
    }
    const auto* told = std::ranges::find(kGroups, group, [](const auto& one) { return one.first; });
    check(told != std::end(kGroups), "a group of commands says what it is");
    at = at->add_subcommand(group, told->second)->require_subcommand(1);
  }
  return at->add_subcommand(name.substr(begin), what);
}

void add_threads_option(CLI::App& command, int& threads) {
  command.add_option("--threads", threads, "Threads to compute with (default: GLASSBOX_THREADS, else one a core)")
      ->check(CLI::Range(1, 1024));
}

void add_force_option(CLI::App& command, bool& force) {
  command.add_flag("--force", force, "Replace what is written if it is there already");
}

void ModelOptions::add_to(CLI::App& command) {
  command.add_option("MODEL", model, "glassbox/prism, a folder as published, a .gguf file, or OWNER/NAME of a hub")
      ->required();
  command.add_option("--adapter", adapter, "A folder with a LoRA or DoRA adapter for the model, as PEFT saves it");
  add_repeated(command, "--ignore-key", ignore_keys, "A key of config.json to run without, though it may matter");
  add_threads_option(command, threads);
}

std::shared_ptr<const Model> ModelOptions::open() const {
  fetch_model(model);
  return open_model(model, {ignore_keys});
}

std::vector<std::filesystem::path> ModelOptions::files() const {
  const auto files = FileSet::find(model);
  std::vector<std::filesystem::path> read = files ? files->paths() : std::vector<std::filesystem::path>{model};
  if (!adapter.empty()) read.emplace_back(adapter);
  return read;
}

void SamplingOptions::add_to(CLI::App& command) {
  command.add_option("--temperature", temperature,
                     "0 takes the most likely token each time; what is not given is the model's own (see inspect)");
  command.add_option("--top-k", top_k, "Only the K most likely tokens (0: all)");
  command.add_option("--top-p", top_p, "Only the most likely tokens that together have probability P");
  command.add_option("--min-p", min_p, "Only tokens at least P times as likely as the most likely");
  command.add_option("--repetition-penalty", repetition_penalty,
                     "Above 1: tokens of prompt and answer become less likely");
  command.add_option("--presence-penalty", presence_penalty, "Taken from the logit of tokens already said");
  command.add_option("--frequency-penalty", frequency_penalty, "The same, for each time");
  command.add_option("--seed", seed, "The same seed gives the same answer");
}

CLI::Validator positive_number() {
  CLI::Validator positive("POSITIVE");
  return positive.operation([](std::string& value) -> std::string {
    int64_t number = 0;
    if (!CLI::detail::lexical_cast(value, number)) return "";  // told as what it is
    return number > 0 ? "" : fmt::format("expected a positive number, got {}", value);
  });
}

CLI::Option* add_repeated(CLI::App& command, const std::string& name, std::vector<std::string>& values,
                          const std::string& what) {
  return command.add_option(name, values, what)->allow_extra_args(false)->take_all();
}

void say_beyond_gguf(const std::string& file) {
  const auto keys = beyond_gguf(file);
  if (keys.empty()) return;
  fmt::print(stderr, "{}: GGUF has no words for {}: only Glassbox finds this in the file, others compute without\n",
             file, fmt::join(keys, ", "));
}

std::string read_standard_input() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

std::string with_commas(int64_t count) {
  std::string digits = std::to_string(count);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

std::string human_bytes(double bytes) {
  constexpr std::array kUnits = {"B", "kB", "MB", "GB", "TB"};
  size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < kUnits.size()) bytes /= 1000, ++unit;
  return fmt::format("{:.{}f} {}", bytes, unit == 0 || bytes >= 99.95 ? 0 : 1, kUnits[unit]);
}

}  // namespace glassbox
