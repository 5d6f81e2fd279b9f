#include "hub/openness.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "convert/model_card.h"
#include "hub/names.h"

namespace glassbox::hub {
namespace {

using Words = std::span<const std::string_view>;

// Any of these shows a component, the first that is found is told.
struct Signs {
  // A file that ends so (in lower case; none: in any way), and whose name begins so or which is below a folder so
  // called (neither: of any name, anywhere).
  Words endings = {}, beginnings = {}, folders = {};
  Words headings = {};       // words within a heading of the card that has text below it
  Words keys = {};           // of the front matter, not empty
  bool arxiv = false;        // a paper on arXiv that the card names
  bool text = false;         // the card itself, where it says enough
  bool checkpoints = false;  // a branch, a tag or a folder called as training calls what it leaves on its way
};

struct Rule {
  std::string_view name;
  int of_class;
  bool optional;
  int cost;  // of what is missing, the least is the next step
  std::string_view step;
  Signs signs;
};

constexpr std::string_view kWeights[] = {".safetensors", ".gguf", ".onnx",    ".bin", ".pt",
                                         ".pth",         ".ckpt", ".msgpack", ".h5"};
constexpr std::string_view kCode[] = {".py", ".ipynb", ".cc", ".cpp", ".c",  ".h",
                                      ".rs", ".go",    ".js", ".ts",  ".jl", ".sh"};
constexpr std::string_view kTables[] = {".jsonl", ".parquet", ".csv", ".tsv", ".arrow", ".json", ".txt"};
constexpr std::string_view kTexts[] = {".md", ".pdf", ".txt", ".rst", ".tex", ".html"};
constexpr std::string_view kArchitecture[] = {"config.json", ".gguf", "params.json"};
constexpr std::string_view kRecipes[] = {".toml", ".yaml", ".yml", ".py", ".cc", ".cpp", ".sh", ".ipynb", ".rs", ".jl"};
constexpr std::string_view kRequirements[] = {"requirements.txt", "pyproject.toml", "environment.yml",
                                              "cmakelists.txt",   "cargo.toml",     "package.json"};

constexpr std::string_view kDataCardHeadings[] = {"training text", "training data", "data card", "datasheet",
                                                  "dataset"};
constexpr std::string_view kDataCardNames[] = {"data_card", "datacard", "datasheet", "data_statement"};
constexpr std::string_view kReportHeadings[] = {"technical report", "how it was made",    "how it was trained",
                                                "rebuild it",       "training procedure", "training details",
                                                "architecture"};
constexpr std::string_view kReportNames[] = {"report", "technical_report", "technical-report", "paper", "whitepaper"};
constexpr std::string_view kResultHeadings[] = {"evaluation", "results", "measured", "benchmark", "performance"};
constexpr std::string_view kResultKeys[] = {"model-index", "eval_results"};
constexpr std::string_view kResultFolders[] = {".eval_results", "eval_results"};
constexpr std::string_view kSampleHeadings[] = {"example", "sample", "what it says"};
constexpr std::string_view kSampleKeys[] = {"widget"};
constexpr std::string_view kTrainingNames[] = {"train", "recipe", "finetune", "fine_tune", "sft", "dpo", "pretrain"};
constexpr std::string_view kInferenceNames[] = {"modeling", "inference", "generate", "infer", "predict", "run"};
constexpr std::string_view kInferenceKeys[] = {"library_name"};
constexpr std::string_view kEvaluationNames[] = {"eval", "judge", "benchmark", "score", "test"};
constexpr std::string_view kEvaluationFolders[] = {"evaluation", "eval"};
constexpr std::string_view kEvaluationDataNames[] = {"eval", "test", "prompts", "validation", "held_out", "heldout"};
constexpr std::string_view kPaperNames[] = {"paper"};
constexpr std::string_view kDataKeys[] = {"datasets"};
constexpr std::string_view kDataFolders[] = {"data", "datasets", "corpus"};
constexpr std::string_view kDataNames[] = {"train", "corpus", "texts"};
constexpr std::string_view kPreparationNames[] = {"prepare", "preprocess", "process_data", "make_data",     "tokenize",
                                                  "clean",   "filter",     "document",     "generate_data", "dedup"};
constexpr std::string_view kCheckpointFolders[] = {"checkpoints", "intermediate"};
constexpr std::string_view kMetadata[] = {"loss.json", "trainer_state.json", "training_args.bin",
                                          "model_metadata.json"};

constexpr Rule kRules[] = {
    {"Model architecture",
     3,
     false,
     1,
     "Add the config.json that says how the model is built",
     {.endings = kArchitecture}},
    {"Model parameters (final)", 3, false, 9, "Add the weights", {.endings = kWeights}},
    {"Model card",
     3,
     false,
     2,
     "Write in README.md what the model is for, what it cannot do, and how it was made",
     {.text = true}},
    {"Data card",
     3,
     false,
     3,
     "Say in README.md, under \"Training data\", what the model was trained on and where that came from",
     {.endings = kTexts, .beginnings = kDataCardNames, .headings = kDataCardHeadings}},
    {"Technical report",
     3,
     false,
     5,
     "Describe the training in README.md (\"Training details\") or in a report, or name the paper",
     {.endings = kTexts, .beginnings = kReportNames, .headings = kReportHeadings, .arxiv = true}},
    {"Evaluation results",
     3,
     false,
     4,
     "Measure the model and write the results under \"Evaluation\", with how they were measured",
     {.folders = kResultFolders, .headings = kResultHeadings, .keys = kResultKeys}},
    {"Sample model outputs", 3, true, 1, "", {.headings = kSampleHeadings, .keys = kSampleKeys}},
    {"Training code",
     2,
     false,
     2,
     "Add the recipe or the program that trained it",
     {.endings = kRecipes, .beginnings = kTrainingNames}},
    {"Inference code",
     2,
     false,
     1,
     "Name in the card the open library that runs it (library_name), or add the program",
     {.endings = kCode, .beginnings = kInferenceNames, .keys = kInferenceKeys}},
    {"Evaluation code",
     2,
     false,
     3,
     "Add the program that measured it",
     {.endings = kCode, .beginnings = kEvaluationNames, .folders = kEvaluationFolders}},
    {"Evaluation data",
     2,
     false,
     4,
     "Add the questions it was measured with, or name the sets in the card's model-index",
     {.endings = kTables, .beginnings = kEvaluationDataNames, .folders = kEvaluationFolders, .keys = kResultKeys}},
    {"Supporting libraries and tools", 2, true, 1, "", {.endings = kRequirements}},
    {"Research paper",
     1,
     false,
     5,
     "Write the research up and name the paper (arXiv) in the card",
     {.endings = kTexts, .beginnings = kPaperNames, .arxiv = true}},
    {"Datasets",
     1,
     false,
     4,
     "Publish what it was trained on and name it in the card's datasets",
     {.endings = kTables, .beginnings = kDataNames, .folders = kDataFolders, .keys = kDataKeys}},
    {"Data preprocessing code",
     1,
     false,
     2,
     "Add the program that made the training data what it is",
     {.endings = kCode, .beginnings = kPreparationNames}},
    {"Model parameters (intermediate checkpoints)",
     1,
     false,
     3,
     "Publish checkpoints of the training, as branches or folders (step1000)",
     {.folders = kCheckpointFolders, .checkpoints = true}},
    {"Model metadata", 1, true, 1, "", {.endings = kMetadata}},
};

// Licences that let anyone use, study, change and share, for any purpose, as the hub's cards call them (those of the
// Open Source Initiative, and open ones for content and data).
constexpr std::string_view kOpenLicences[] = {"afl-3.0",
                                              "agpl-3.0",
                                              "apache-2.0",
                                              "artistic-2.0",
                                              "bsd",
                                              "bsd-2-clause",
                                              "bsd-3-clause",
                                              "bsd-3-clause-clear",
                                              "bsl-1.0",
                                              "cc-by-2.0",
                                              "cc-by-2.5",
                                              "cc-by-3.0",
                                              "cc-by-4.0",
                                              "cc-by-sa-3.0",
                                              "cc-by-sa-4.0",
                                              "cc0-1.0",
                                              "cdla-permissive-1.0",
                                              "cdla-permissive-2.0",
                                              "cdla-sharing-1.0",
                                              "ecl-2.0",
                                              "epl-1.0",
                                              "epl-2.0",
                                              "eupl-1.1",
                                              "eupl-1.2",
                                              "gpl",
                                              "gpl-2.0",
                                              "gpl-3.0",
                                              "isc",
                                              "lgpl",
                                              "lgpl-2.1",
                                              "lgpl-3.0",
                                              "lgpl-lr",
                                              "lppl-1.3c",
                                              "mit",
                                              "mpl-2.0",
                                              "ms-pl",
                                              "ncsa",
                                              "odbl",
                                              "odc-by",
                                              "ofl-1.1",
                                              "openmdw-1.0",
                                              "osl-3.0",
                                              "pddl",
                                              "postgresql",
                                              "unlicense",
                                              "wtfpl",
                                              "zlib"};

constexpr size_t kLeastCard = 300;  // bytes of text: less describes no model

bool ends_so(std::string_view path, Words endings) {
  return std::ranges::any_of(endings, [&](std::string_view ending) { return path.ends_with(ending); });
}

bool is_below(std::string_view path, Words folders) {
  return std::ranges::any_of(folders, [&](std::string_view folder) {
    const std::string within = fmt::format("/{}/", folder);
    return path.starts_with(within.substr(1)) || path.find(within) != path.npos;
  });
}

// "step1000", "checkpoint-500", "iter_0002000": of training on its way.
bool is_checkpoint_name(std::string_view name) {
  for (const std::string_view word : {"step", "checkpoint", "iter", "epoch", "ckpt"}) {
    if (!name.starts_with(word)) continue;
    name.remove_prefix(word.size());
    if (!name.empty() && (name[0] == '-' || name[0] == '_')) name.remove_prefix(1);
    return !name.empty() && name[0] >= '0' && name[0] <= '9';
  }
  return false;
}

// What a reader of a card sees: its headings that have text below them, in lower case.
std::vector<std::string> headings_of(std::string_view text) {
  std::vector<std::string> headings, waiting;
  bool code = false;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.starts_with("```")) code = !code;
    const size_t level = line.find_first_not_of('#');
    if (!code && level != line.npos && level > 0 && level <= 6 && line[level] == ' ') {
      waiting.push_back(folded(line.substr(level + 1)));
    } else if (line.find_first_not_of(" \t\r") != line.npos) {
      headings.insert(headings.end(), waiting.begin(), waiting.end());
      waiting.clear();
    }
  }
  return headings;
}

bool has_key(const Json& card, std::string_view key) {
  const auto found = card.find(key);
  return found != card.end() && !found->is_null() && !found->empty();
}

struct Looked {
  const Json& card;
  std::string_view text;  // of the card, below its front matter
  std::vector<std::string> headings;
  std::vector<std::pair<std::string, std::string>> paths;  // as they are, and in lower case
  const std::vector<std::string>& references;
};

std::string find(const Rule& rule, const Looked& in) {
  const Signs& signs = rule.signs;
  const bool anywhere = signs.beginnings.empty() && signs.folders.empty();
  if (!anywhere || !signs.endings.empty())
    for (const auto& [path, lower] : in.paths) {
      const std::string_view name = std::string_view(lower).substr(lower.rfind('/') + 1);
      const auto begins = [&](std::string_view word) { return name.starts_with(word); };
      if ((signs.endings.empty() || ends_so(lower, signs.endings)) &&
          (anywhere || std::ranges::any_of(signs.beginnings, begins) || is_below(lower, signs.folders)))
        return path;
    }
  for (const std::string_view key : signs.keys)
    if (has_key(in.card, key)) return fmt::format("the card's {}", key);
  for (const std::string_view words : signs.headings)
    for (const std::string& heading : in.headings)
      if (heading.find(words) != heading.npos) return fmt::format("README.md, \"{}\"", heading);
  if (signs.arxiv && in.text.find("arxiv.org/") != in.text.npos) return "the paper that README.md names";
  if (signs.text && in.text.size() >= kLeastCard) return "README.md";
  if (signs.checkpoints) {
    for (const std::string& reference : in.references)
      if (is_checkpoint_name(reference)) return fmt::format("the branch or tag {}", reference);
    for (const auto& [path, lower] : in.paths)
      if (is_checkpoint_name(lower) && lower.find('/') != lower.npos) return path;
  }
  return "";
}

std::string problem_of_licence(const Json& card) {
  const auto found = card.find("license");
  std::vector<std::string> named;
  if (found != card.end() && found->is_string()) named.push_back(folded(found->get_ref<const std::string&>()));
  if (found != card.end() && found->is_array())
    for (const Json& one : *found)
      if (one.is_string()) named.push_back(folded(one.get_ref<const std::string&>()));
  if (named.empty()) return "no licence is named";
  for (const std::string& one : named)
    if (std::ranges::find(kOpenLicences, one) != std::end(kOpenLicences)) return "";
  return fmt::format("{} is not known as an open licence", named.front());
}

}  // namespace

Openness openness_of(const Json& card, std::string_view readme, const std::vector<std::string>& paths,
                     const std::vector<std::string>& references) {
  Looked in{card, readme, {}, {}, references};
  if (const auto front = front_matter_of(readme)) in.text = front->text;
  in.headings = headings_of(in.text);
  for (const std::string& path : paths) in.paths.emplace_back(path, folded(path));

  Openness openness;
  openness.licence = problem_of_licence(card);
  std::array<bool, 4> whole{};
  whole.fill(openness.licence.empty());
  for (const Rule& rule : kRules) {
    openness.components.push_back({rule.name, rule.of_class, rule.optional, find(rule, in)});
    if (openness.components.back().found.empty() && !rule.optional) whole[static_cast<size_t>(rule.of_class)] = false;
  }
  openness.reached = !whole[3] ? 0 : !whole[2] ? 3 : !whole[1] ? 2 : 1;
  if (openness.reached == 1) return openness;
  const int wanted = openness.reached == 0 ? 3 : openness.reached - 1;
  if (wanted == 3 && !openness.licence.empty()) {
    openness.next = "Publish under an open licence and name it in the card (license: apache-2.0)";
    return openness;
  }
  const Rule* cheapest = nullptr;
  for (size_t i = 0; i < std::size(kRules); ++i)
    if (kRules[i].of_class == wanted && !kRules[i].optional && openness.components[i].found.empty() &&
        (!cheapest || kRules[i].cost < cheapest->cost))
      cheapest = &kRules[i];
  if (cheapest) openness.next = cheapest->step;
  return openness;
}

Json to_json(const Openness& openness) {
  Json components = Json::array();
  for (const OpennessComponent& one : openness.components) {
    Json told{{"name", one.name}, {"class", one.of_class}, {"optional", one.optional}};
    if (!one.found.empty()) told["found"] = one.found;
    components.push_back(std::move(told));
  }
  Json json{{"class", openness.reached}, {"components", std::move(components)}};
  if (!openness.licence.empty()) json["licence"] = openness.licence;
  if (!openness.next.empty()) json["next"] = openness.next;
  return json;
}

}  // namespace glassbox::hub
