// A folder or file as published: which form it is in, and the forms that are lines of text.
#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/file.h"
#include "text/json_fields.h"
#include "text/tokenizer_impl.h"
#include "text/unicode.h"

namespace glassbox {

namespace {

// The next line without its end, CR LF or LF; false at the end of the text.
bool next_line(std::string_view& text, std::string_view& line) {
  if (text.empty()) return false;
  const size_t end = std::min(text.find('\n'), text.size());
  line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return true;
}

bool from_base64(std::string_view text, std::string& out) {
  if (text.size() % 4 != 0 || text.empty()) return false;
  out.clear();
  for (size_t at = 0; at < text.size(); at += 4) {
    uint32_t bits = 0;
    int padding = 0;
    for (size_t i = 0; i < 4; ++i) {
      const char c = text[at + i];
      uint32_t value = 0;
      if (c >= 'A' && c <= 'Z')
        value = static_cast<uint32_t>(c - 'A');
      else if (c >= 'a' && c <= 'z')
        value = static_cast<uint32_t>(c - 'a' + 26);
      else if (c >= '0' && c <= '9')
        value = static_cast<uint32_t>(c - '0' + 52);
      else if (c == '+')
        value = 62;
      else if (c == '/')
        value = 63;
      else if (c == '=' && at + 4 == text.size() && i >= 2)
        ++padding;
      else
        return false;
      if (c != '=' && padding > 0) return false;
      bits = bits << 6 | value;
    }
    out += static_cast<char>(bits >> 16);
    if (padding < 2) out += static_cast<char>(bits >> 8 & 0xFF);
    if (padding < 1) out += static_cast<char>(bits & 0xFF);
  }
  return true;
}

bool looks_like_tiktoken(std::string_view bytes) {
  std::string_view line;
  if (!next_line(bytes, line)) return false;
  const size_t space = line.find(' ');
  std::string ignored;
  return space != std::string_view::npos && from_base64(line.substr(0, space), ignored);
}

// What Meta's reference implementations define after the tokens of tokenizer.model, in order.
std::vector<std::string> llama3_special() {
  std::vector<std::string> out = {"<|begin_of_text|>",
                                  "<|end_of_text|>",
                                  "<|reserved_special_token_0|>",
                                  "<|reserved_special_token_1|>",
                                  "<|finetune_right_pad_id|>",
                                  "<|step_id|>",
                                  "<|start_header_id|>",
                                  "<|end_header_id|>",
                                  "<|eom_id|>",
                                  "<|eot_id|>",
                                  "<|python_tag|>",
                                  "<|image|>"};
  for (int i = 2; out.size() < 256; ++i) out.push_back(fmt::format("<|reserved_special_token_{}|>", i));
  return out;
}

std::vector<std::string> llama4_special() {
  std::vector<std::string> out = {"<|begin_of_text|>", "<|end_of_text|>", "<|fim_prefix|>", "<|fim_middle|>",
                                  "<|fim_suffix|>"};
  auto reserved = [&](const char* name, int from, int to) {
    for (int i = from; i <= to; ++i) out.push_back(fmt::format("<|{}reserved_special_token_{}|>", name, i));
  };
  auto add = [&](std::initializer_list<const char*> names) { out.insert(out.end(), names.begin(), names.end()); };
  add({"<|header_start|>", "<|header_end|>", "<|eom|>", "<|eot|>", "<|step|>"});
  reserved("text_post_train_", 0, 5);
  add({"<|python_start|>", "<|python_end|>", "<|finetune_right_pad|>"});
  reserved("text_post_train_", 8, 68);
  add({"<|image_start|>", "<|image_end|>"});
  reserved("vision_", 0, 1);
  add({"<|tile_x_separator|>", "<|tile_y_separator|>"});
  reserved("vision_", 2, 5);
  add({"<|image|>"});
  reserved("vision_", 6, 6);
  add({"<|patch|>"});
  reserved("vision_", 7, 1047);
  reserved("reasoning_", 0, 7);
  add({"<|reasoning_thinking_start|>", "<|reasoning_thinking_end|>"});
  reserved("", 0, static_cast<int>(2048 - out.size()) - 1);
  return out;
}

// OpenAI's encodings, known by the names of their files.
struct OpenAi {
  std::string_view name;
  KnownPattern pattern;
  std::vector<std::pair<const char*, uint32_t>> special;
};
const std::array<OpenAi, 4>& openai() {
  static const std::array<OpenAi, 4> known = {{
      {"r50k_base", KnownPattern::gpt2, {{"<|endoftext|>", 50256}}},
      {"p50k_base", KnownPattern::gpt2, {{"<|endoftext|>", 50256}}},
      {"cl100k_base",
       KnownPattern::cl100k,
       {{"<|endoftext|>", 100257},
        {"<|fim_prefix|>", 100258},
        {"<|fim_middle|>", 100259},
        {"<|fim_suffix|>", 100260},
        {"<|endofprompt|>", 100276}}},
      {"o200k_base", KnownPattern::o200k, {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
  }};
  return known;
}

AddedToken special_token(int32_t id, std::string content) {
  AddedToken token;
  token.id = id;
  token.content = std::move(content);
  token.special = token.from_convention = true;
  return token;
}

Json read_if_there(const std::filesystem::path& file) {
  return std::filesystem::exists(file) ? read_json(file) : Json();
}

}  // namespace

TokenizerParts read_tiktoken(std::string_view bytes, std::string_view source, std::string_view file_name) {
  const auto lines = static_cast<size_t>(std::count(bytes.begin(), bytes.end(), '\n')) + 1;
  const uint32_t limit = id_limit(lines);
  Bpe::Options options;
  options.symbols = Bpe::Symbols::bytes;
  options.ignore_merges = true;
  options.source = source;
  Bpe::Builder builder(std::move(options), lines);
  std::vector<uint32_t> ranks;
  std::string_view line;
  std::string token;
  size_t count = 0;
  for (size_t number = 1; next_line(bytes, line); ++number) {
    if (line.empty()) continue;
    const size_t space = line.find(' ');
    uint64_t rank = 0;
    bool good = space != std::string_view::npos && space + 1 < line.size() && line.size() - space <= 10 &&
                from_base64(line.substr(0, space), token);
    for (size_t at = space + 1; good && at < line.size(); ++at) {
      good = line[at] >= '0' && line[at] <= '9';
      rank = rank * 10 + static_cast<uint64_t>(line[at] - '0');
    }
    if (!good)
      fail(ErrorKind::bad_file, "{}: line {}: expected a token in base64 and its rank, got {}", source, number,
           unicode::shown(line));
    if (rank >= limit)
      fail(ErrorKind::bad_file, "{}: line {}: expected a rank in [0, {}), got {}", source, number, limit, rank);
    const auto id = static_cast<uint32_t>(rank);
    builder.token(id, token);
    if (id >= ranks.size()) ranks.resize(id + size_t{1}, Bpe::kNone);
    ranks[id] = id;
    ++count;
  }
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    if (!builder.find(std::string_view(&byte, 1)))
      fail(ErrorKind::bad_file, "{}: no token for the byte 0x{:02X}", source, b);
  }
  builder.merge_all_splits(ranks);

  TokenizerParts parts;
  parts.source = source;
  parts.bpe = std::move(builder).build();
  parts.decoder.byte_level = true;
  KnownPattern pattern;
  auto known = std::find_if(openai().begin(), openai().end(), [&](const OpenAi& encoding) {
    return file_name == fmt::format("{}.tiktoken", encoding.name);
  });
  if (known != openai().end()) {
    pattern = known->pattern;
    for (const auto& [content, id] : known->special)
      parts.added.push_back(special_token(static_cast<int32_t>(id), content));
    parts.eos = "<|endoftext|>";
    parts.kind = fmt::format("byte-level BPE (tiktoken, {})", known->name);
  } else if (file_name.size() > 6 && file_name.substr(file_name.size() - 6) == ".model") {
    const bool llama4 = count == 200'000;
    pattern = llama4 ? KnownPattern::o200k : KnownPattern::cl100k;
    for (std::string& content : llama4 ? llama4_special() : llama3_special())
      parts.added.push_back(special_token(static_cast<int32_t>(count + parts.added.size()), std::move(content)));
    parts.bos = "<|begin_of_text|>";
    parts.eos = "<|end_of_text|>";
    parts.pad = llama4 ? "<|finetune_right_pad|>" : "<|finetune_right_pad_id|>";
    parts.before = {static_cast<int32_t>(count)};
    parts.kind = fmt::format("byte-level BPE (tiktoken, Llama {})", llama4 ? 4 : 3);
  } else {
    fail(ErrorKind::unsupported,
         "{}: tiktoken ranks without a name that says how text is split (tokenizer.model, cl100k_base.tiktoken, ...)",
         source);
  }
  parts.pretokenizer = PreTokenizer({PreTokenizer::Known{pattern}}, true);
  return parts;
}

TokenizerParts read_vocab_and_merges(std::string_view vocab_json, std::string_view merges, std::string_view source,
                                     const Json& config) {
  // The files say nothing of how text is split: the class that reads them does.
  std::string kind = config.is_object()
                         ? json_string_or(config, "tokenizer_class", "GPT2Tokenizer", source, "tokenizer_config")
                         : "GPT2Tokenizer";
  if (kind.size() > 4 && kind.substr(kind.size() - 4) == "Fast") kind.resize(kind.size() - 4);
  const bool gpt2 = kind == "GPT2Tokenizer", qwen2 = kind == "Qwen2Tokenizer";
  if (!gpt2 && !qwen2)
    fail(ErrorKind::unsupported, "{}: tokenizer_class {} with a vocabulary and merges is not supported", source,
         unicode::shown(kind));

  VocabularyJson file;
  file.has_vocab = file.has_merges = true;
  file.vocab = parse_vocab_json(vocab_json, source);
  std::string_view line;
  while (next_line(merges, line))
    if (!line.empty() && line.substr(0, 8) != "#version")
      file.merges.push_back(split_merge(line, file.merges.size(), source));
  const bool space = config.is_object() && json_bool(config, "add_prefix_space", false, source, "tokenizer_config");

  Json& rest = file.rest;
  rest["model"] = {{"type", "BPE"}};
  rest["decoder"] = {{"type", "ByteLevel"}};
  Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", space}, {"use_regex", gpt2}};
  if (gpt2) {
    rest["pre_tokenizer"] = std::move(bytes);
  } else {
    rest["normalizer"] = {{"type", "NFC"}};
    Json split = {{"type", "Split"},
                  {"pattern", {{"Regex", std::string(expression_of(KnownPattern::cl100k_1))}}},
                  {"behavior", "Isolated"}};
    rest["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers", Json::array({std::move(split), std::move(bytes)})}};
  }
  TokenizerParts parts = read_tokenizer_json(file, source);
  parts.eos = "<|endoftext|>";
  if (gpt2)
    parts.bos = parts.unk = parts.eos;
  else
    parts.pad = parts.eos;
  return parts;
}

Tokenizer Tokenizer::open(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  fs::path file = path;
  if (fs::is_directory(path)) {
    for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json"})
      if (file = path / name; fs::exists(file)) break;
    if (!fs::exists(file))
      fail(ErrorKind::not_found, "{}: no tokenizer.json, tokenizer.model or vocab.json here", path.string());
  }
  const fs::path folder = file.parent_path();
  const std::string source = file.string();
  const Json config = read_if_there(folder / "tokenizer_config.json");
  const Json special_map = read_if_there(folder / "special_tokens_map.json");
  const Json added = read_if_there(folder / "added_tokens.json");

  const std::string bytes = read_file(file);
  const std::string file_name = file.filename().string();
  const size_t begin = bytes.find_first_not_of(" \t\r\n");
  TokenizerParts parts;
  if (begin != std::string::npos && bytes[begin] == '{' && file_name != "vocab.json") {
    parts = read_tokenizer_json(parse_vocabulary_json(bytes, source), source);
  } else if (file_name == "vocab.json" || file_name == "merges.txt") {
    const fs::path vocab = folder / "vocab.json", merges = folder / "merges.txt";
    for (const fs::path& one : {vocab, merges})
      if (!fs::exists(one)) fail(ErrorKind::not_found, "{}: needed beside {}", one.string(), file_name);
    parts = read_vocab_and_merges(read_file(vocab), read_file(merges), vocab.string(), config);
  } else if (looks_like_tiktoken(bytes)) {
    parts = read_tiktoken(bytes, source, file_name);
  } else {
    parts = read_sentencepiece(bytes, source, config);
  }
  apply_config(parts, config, special_map, added,
               folder.empty() ? "tokenizer_config.json" : (folder / "tokenizer_config.json").string());
  return Impl::finish(std::move(parts));
}

}  // namespace glassbox
