// prism_data: writes the training text and the evaluation prompts of glassbox/prism, and judges answers.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "prism/document.h"
#include "prism/judge.h"

namespace glassbox::prism {
namespace {

struct Options {
  std::string out, prompts_file, answers_file;
  int64_t documents = 0, shard_documents = 10000, shard = -1;
  int prompts = 0;
  uint64_t seed = 1;
  bool held_out = false;
};

void write_shards(const Options& options) {
  std::filesystem::create_directories(options.out);
  int64_t shards = (options.documents + options.shard_documents - 1) / options.shard_documents;
  if (options.shard >= shards) fail(ErrorKind::bad_request, "--shard {}: there are {} shards", options.shard, shards);
  for (int64_t shard = std::max<int64_t>(options.shard, 0); shard < (options.shard < 0 ? shards : options.shard + 1);
       ++shard) {
    std::string text;
    int64_t first = shard * options.shard_documents,
            last = std::min(options.documents, first + options.shard_documents);
    for (int64_t index = first; index < last; ++index) {
      text += dump_json(to_json(make_document(options.seed, static_cast<uint64_t>(index),
                                              options.held_out ? Split::held_out : Split::training)));
      text += '\n';
    }
    write_file(std::filesystem::path(options.out) /
                   fmt::format("{}-{:05}.jsonl", options.held_out ? "held-out" : "train", shard),
               text);
  }
}

void write_prompts(const Options& options) {
  std::string text;
  for (const Prompt& prompt : make_prompts(options.prompts, options.seed)) (text += dump_json(to_json(prompt))) += '\n';
  write_file(options.out, text);
}

template <class Line>
void each_line(const std::string& file, Line line) {
  std::string text = read_file(file);
  int number = 0;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string source = fmt::format("{}:{}", file, ++number);
    if (end > at) line(parse_json(std::string_view(text).substr(at, end - at), source), source);
    at = end + 1;
  }
}

void judge_answers(const Options& options) {
  std::vector<Prompt> prompts;
  std::map<int, std::string> answers;
  each_line(options.prompts_file,
            [&](const Json& json, const std::string& source) { prompts.push_back(prompt_from(json, source)); });
  each_line(options.answers_file, [&](const Json& json, const std::string& source) {
    if (!json.is_object() || !json.contains("id") || !json["id"].is_number_integer() || !json.contains("answer") ||
        !json["answer"].is_string())
      fail(ErrorKind::bad_file, "{}: expected {{\"id\": number, \"answer\": text}}", source);
    if (!answers.emplace(json["id"].get<int>(), json["answer"].get<std::string>()).second)
      fail(ErrorKind::bad_file, "{}: a second answer to prompt {}", source, json["id"].get<int>());
  });
  fmt::print("{}\n", dump_json(report(prompts, answers), 2));
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app{
      "Writes the training text and evaluation prompts of glassbox/prism, and judges answers to the latter.\n"
      "  prism_data --out local/prism --documents 300000 --seed 1\n"
      "  prism_data --prompts 200 --seed 1 --out prompts.jsonl\n"
      "  prism_data --judge prompts.jsonl --answers answers.jsonl"};
  app.add_option("--out", options.out, "folder of the shards, or file of the prompts");
  app.add_option("--documents", options.documents, "how many documents in all")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40));
  app.add_option("--shard-documents", options.shard_documents, "documents a shard")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 24))
      ->capture_default_str();
  app.add_option("--shard", options.shard, "write this shard alone")->check(CLI::Range(int64_t{0}, int64_t{1} << 40));
  app.add_option("--seed", options.seed, "the same seed makes the same text")->capture_default_str();
  app.add_flag("--heldout", options.held_out, "only what training never sees");
  app.add_option("--prompts", options.prompts, "how many evaluation prompts")->check(CLI::Range(1, 1 << 24));
  app.add_option("--judge", options.prompts_file, "file of prompts to judge answers to");
  app.add_option("--answers", options.answers_file, "file of answers: {\"id\": 0, \"answer\": \"...\"} a line");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) { return app.exit(error) == 0 ? 0 : 2; }
  int wanted = (options.documents > 0) + (options.prompts > 0) + !options.prompts_file.empty();
  if (wanted != 1)
    fail(ErrorKind::bad_request, "give one of --documents, --prompts and --judge (--help shows examples)");
  if (options.prompts_file.empty() && options.out.empty()) fail(ErrorKind::bad_request, "--out is missing");
  if (options.documents > 0)
    write_shards(options);
  else if (options.prompts > 0)
    write_prompts(options);
  else
    judge_answers(options);
  return 0;
}

}  // namespace
}  // namespace glassbox::prism

int main(int argc, char** argv) {
  try {
    return glassbox::prism::run(argc, argv);
  } catch (const glassbox::Error& error) {
    fmt::print(stderr, "prism_data: {}\n", error.what());
    return error.kind() == glassbox::ErrorKind::bad_request ? 2 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "prism_data: {}\n", error.what());
    return 1;
  }
}
