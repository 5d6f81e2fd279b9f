// A folder or file as published: which form it is in, and the forms that are lines of text.
#include <algorithm>

#include "base/base64.h"
#include "base/error.h"
#include "base/file.h"
#include "base/quote.h"
#include "formats/file_set.h"
#include "formats/gguf.h"
#include "formats/json_fields.h"
#include "tokenizer/tokenizer_impl.h"
#include "unicode/byte_alphabet.h"

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

// Encodings known by the names of their files: how they split text, and what they add.
struct Encoding {
  std::string_view name;
  PreTokenizer pretokenizer;
  std::vector<std::pair<std::string, uint32_t>> special;
  std::optional<std::string> bos, eos, pad, unk;
  bool adds_bos = false;
  bool alphabet = false;    // tokens are written in GPT-2's alphabet of bytes; the special ones among them
  uint32_t first_rank = 0;  // tokens before are special
  bool listed = false;      // as a list of merges has it: one way to make each token
};

PreTokenizer by_pattern(KnownPattern pattern) { return PreTokenizer({PreTokenizer::Known{pattern}}, true); }

std::vector<std::pair<std::string, uint32_t>> harmony_special() {
  std::vector<std::pair<std::string, uint32_t>> out = {
      {"<|startoftext|>", 199998}, {"<|endoftext|>", 199999}, {"<|return|>", 200002},
      {"<|constrain|>", 200003},   {"<|channel|>", 200005},   {"<|start|>", 200006},
      {"<|end|>", 200007},         {"<|message|>", 200008},   {"<|call|>", 200012}};
  const size_t named = out.size();
  for (uint32_t id = 200000; id <= 201087; ++id)
    if (std::none_of(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(named),
                     [&](const auto& one) { return one.second == id; }))
      out.emplace_back(fmt::format("<|reserved_{}|>", id), id);
  return out;
}

std::optional<Encoding> known_encoding(std::string_view file_name) {
  auto is = [&](std::string_view name) { return file_name == fmt::format("{}.tiktoken", name); };
  const std::string end = "<|endoftext|>";
  Encoding known;
  if (is("r50k_base") || is("p50k_base")) {
    known.name = is("r50k_base") ? "r50k_base" : "p50k_base";
    known.pretokenizer = by_pattern(KnownPattern::gpt2);
    known.special = {{end, 50256}};
    known.eos = end;
  } else if (is("cl100k_base")) {
    known.name = "cl100k_base";
    known.pretokenizer = by_pattern(KnownPattern::cl100k);
    known.special = {{end, 100257},
                     {"<|fim_prefix|>", 100258},
                     {"<|fim_middle|>", 100259},
                     {"<|fim_suffix|>", 100260},
                     {"<|endofprompt|>", 100276}};
    known.eos = end;
  } else if (is("o200k_base")) {
    known.name = "o200k_base";
    known.pretokenizer = by_pattern(KnownPattern::o200k);
    known.special = {{end, 199999}, {"<|endofprompt|>", 200018}};
    known.eos = end;
  } else if (is("o200k_harmony")) {
    known.name = "o200k_harmony";
    known.pretokenizer = by_pattern(KnownPattern::o200k);
    known.special = harmony_special();
    known.bos = "<|startoftext|>", known.eos = "<|return|>", known.pad = end;
  } else if (is("mistral_v3_tekken")) {
    known.name = "Tekken";
    known.pretokenizer = by_pattern(KnownPattern::tekken);
    known.alphabet = true, known.first_rank = 1000;
    known.unk = "<unk>", known.bos = "<s>", known.eos = "</s>", known.pad = "<pad>";
    known.adds_bos = true;
  } else if (is("deepseek_v3")) {
    known.name = "DeepSeek-V3";
    known.pretokenizer = pretokenizer_named("deepseek-v3").value();
    known.alphabet = true, known.first_rank = 3, known.listed = true;
    known.bos = "<｜begin▁of▁sentence｜>", known.eos = "<｜end▁of▁sentence｜>";
    known.pad = "<｜▁pad▁｜>";
    known.adds_bos = true;
  } else {
    return std::nullopt;
  }
  return known;
}

AddedToken special_token(int32_t id, std::string content) {
  AddedToken token;
  token.id = id;
  token.content = std::move(content);
  token.special = token.from_convention = true;
  return token;
}

// A list of merges out of ranks: each token's two parts are what the merges before it make of it. Tokens of one byte
// have none; a token that the merges before it cannot reach in two parts is never made.
void merge_as_listed(Bpe::Builder& builder, const std::vector<std::string>& tokens) {
  for (uint32_t id = 0; id < tokens.size(); ++id) {
    const std::string& token = tokens[id];
    if (token.size() < 2) continue;
    std::vector<size_t> cuts;  // where parts begin, and the end
    for (size_t at = 0; at <= token.size(); ++at) cuts.push_back(at);
    auto part = [&](size_t i, size_t j) { return std::string_view(token).substr(cuts[i], cuts[j] - cuts[i]); };
    while (cuts.size() > 3) {
      uint32_t best = id;
      size_t at = 0;
      for (size_t i = 0; i + 2 < cuts.size(); ++i)
        if (const auto found = builder.find(part(i, i + 2)); found && *found < best) best = *found, at = i;
      if (best == id) break;
      cuts.erase(cuts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
    if (cuts.size() != 3) continue;
    const auto left = builder.find(part(0, 1)), right = builder.find(part(1, 2));
    if (left && right) builder.merge(*left, *right, id, id);
  }
}

}  // namespace

TokenizerParts read_tiktoken(std::string_view bytes, std::string_view source, std::string_view file_name,
                             const Json& special) {
  std::optional<Encoding> known = known_encoding(file_name);
  const bool meta = file_name.size() > 6 && file_name.substr(file_name.size() - 6) == ".model";
  if (!known && !meta)
    fail(ErrorKind::unsupported,
         "{}: tiktoken ranks without a name that says how text is split (tokenizer.model, cl100k_base.tiktoken, ...)",
         source);
  const auto lines = static_cast<size_t>(std::count(bytes.begin(), bytes.end(), '\n')) + 1;
  const uint32_t limit = id_limit(lines);
  Bpe::Options options;
  options.symbols = Bpe::Symbols::bytes;
  options.ignore_merges = !known || !known->listed;
  options.source = source;
  Bpe::Builder builder(std::move(options), lines);
  TokenizerParts parts;
  parts.source = source;
  std::vector<uint32_t> ranks;
  std::vector<std::string> listed;
  std::string_view line;
  std::string token, written;
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
           quote(line));
    if (rank >= limit)
      fail(ErrorKind::bad_file, "{}: line {}: expected a rank in [0, {}), got {}", source, number, limit, rank);
    const auto id = static_cast<uint32_t>(rank);
    ++count;
    if (known && id < known->first_rank) {
      known->special.emplace_back(token, id);
      continue;
    }
    if (known && known->alphabet) {
      written.swap(token);
      token.clear();
      if (!unicode::from_alphabet(written, token))
        fail(ErrorKind::bad_file, "{}: line {}: {} is not in the alphabet of bytes", source, number, quote(written));
    }
    builder.token(id, token);
    if (id >= ranks.size()) ranks.resize(id + size_t{1}, Bpe::kNone);
    ranks[id] = id;
    if (known && known->listed) {
      if (token.size() > 1024)
        fail(ErrorKind::unsupported, "{}: line {}: a token of {} bytes is not supported", source, number, token.size());
      if (id >= listed.size()) listed.resize(id + size_t{1});
      listed[id] = token;
    }
  }
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    if (!builder.find(std::string_view(&byte, 1)))
      fail(ErrorKind::bad_file, "{}: no token for the byte 0x{:02X}", source, b);
  }
  if (known && known->listed)
    merge_as_listed(builder, listed);
  else
    builder.merge_all_splits(ranks);

  parts.model = std::make_shared<Bpe>(std::move(builder).build());
  parts.decoder.byte_level = true;
  if (known) {
    parts.pretokenizer = known->pretokenizer;
    for (const auto& [content, id] : known->special)
      parts.added.push_back(special_token(static_cast<int32_t>(id), content));
    if (special.is_object())
      for (const auto& [content, id] : special.items()) {
        const auto checked = static_cast<int32_t>(checked_id(id, limit, content, source));
        if (std::none_of(parts.added.begin(), parts.added.end(),
                         [&](const AddedToken& one) { return one.id == checked && one.content == content; }))
          parts.added.push_back(special_token(checked, content));
      }
    parts.bos = known->bos, parts.eos = known->eos, parts.pad = known->pad, parts.unk = known->unk;
    if (known->adds_bos && known->bos)
      if (const auto id = parts.id_of(*known->bos)) parts.before = {*id};
    parts.kind = fmt::format("byte-level BPE (tiktoken, {})", known->name);
  } else {
    const bool llama4 = count == 200'000;
    parts.pretokenizer = by_pattern(llama4 ? KnownPattern::o200k : KnownPattern::cl100k);
    for (std::string& content : llama4 ? llama4_special() : llama3_special())
      parts.added.push_back(special_token(static_cast<int32_t>(count + parts.added.size()), std::move(content)));
    parts.bos = "<|begin_of_text|>";
    parts.eos = "<|end_of_text|>";
    parts.pad = llama4 ? "<|finetune_right_pad|>" : "<|finetune_right_pad_id|>";
    parts.before = {static_cast<int32_t>(count)};
    parts.kind = fmt::format("byte-level BPE (tiktoken, Llama {})", llama4 ? 4 : 3);
  }
  return parts;
}

TokenizerParts read_vocab_txt(std::string_view bytes, std::string_view source, const Json& config) {
  std::string kind = config.is_object()
                         ? json_string_or(config, "tokenizer_class", "BertTokenizer", source, "tokenizer_config")
                         : "BertTokenizer";
  if (kind.ends_with("Fast")) kind.resize(kind.size() - 4);
  if (kind != "BertTokenizer" && kind != "DistilBertTokenizer")
    fail(ErrorKind::unsupported, "{}: tokenizer_class {} with a vocab.txt is not supported", source, quote(kind));
  auto option = [&](const char* key, bool otherwise) {
    return config.is_object() ? json_bool(config, key, otherwise, source, "tokenizer_config") : otherwise;
  };
  VocabularyJson file;
  file.has_vocab = true;
  std::string_view line;
  while (next_line(bytes, line)) file.vocab.emplace_back(line, static_cast<int64_t>(file.vocab.size()));
  auto id_of = [&](std::string_view name) -> int64_t {
    for (const auto& [text, id] : file.vocab)
      if (text == name) return id;
    fail(ErrorKind::bad_file, "{}: the token {} is missing", source, quote(name));
  };
  const bool lower = option("do_lower_case", true);
  Json& rest = file.rest;
  rest["model"] = {{"type", "WordPiece"}};
  rest["normalizer"] = {{"type", "BertNormalizer"},
                        {"clean_text", true},
                        {"handle_chinese_chars", option("tokenize_chinese_chars", true)},
                        {"strip_accents", option("strip_accents", lower)},
                        {"lowercase", lower}};
  rest["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  rest["decoder"] = {{"type", "WordPiece"}};
  rest["post_processor"] = {{"type", "BertProcessing"},
                            {"cls", Json::array({"[CLS]", id_of("[CLS]")})},
                            {"sep", Json::array({"[SEP]", id_of("[SEP]")})}};
  for (const char* name : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"})
    rest["added_tokens"].push_back({{"id", id_of(name)}, {"content", name}, {"special", true}, {"normalized", false}});
  TokenizerParts parts = read_tokenizer_json(file, source);
  parts.pad = "[PAD]";
  return parts;
}

TokenizerParts read_vocab_and_merges(std::string_view vocab_json, std::string_view merges, std::string_view source,
                                     const Json& config) {
  // The files say nothing of how text is split: the class that reads them does.
  std::string kind = config.is_object()
                         ? json_string_or(config, "tokenizer_class", "GPT2Tokenizer", source, "tokenizer_config")
                         : "GPT2Tokenizer";
  if (kind.size() > 4 && kind.substr(kind.size() - 4) == "Fast") kind.resize(kind.size() - 4);
  const bool gpt2 = kind == "GPT2Tokenizer", qwen2 = kind == "Qwen2Tokenizer", clip = kind == "CLIPTokenizer";
  if (!gpt2 && !qwen2 && !clip)
    fail(ErrorKind::unsupported, "{}: tokenizer_class {} with a vocabulary and merges is not supported", source,
         quote(kind));

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
  Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", space}, {"use_regex", gpt2 || clip}};
  if (clip) {
    const std::string start = "<|startoftext|>", end = "<|endoftext|>";
    auto id_of = [&](const std::string& name) -> int64_t {
      for (const auto& [text, id] : file.vocab)
        if (text == name) return id;
      fail(ErrorKind::bad_file, "{}: the token {} is missing", source, quote(name));
    };
    rest["model"] = {{"type", "BPE"}, {"end_of_word_suffix", "</w>"}, {"unk_token", end}};
    rest["normalizer"] = {
        {"type", "Sequence"},
        {"normalizers", Json::array({{{"type", "NFC"}},
                                     {{"type", "Replace"}, {"pattern", {{"Regex", "\\s+"}}}, {"content", " "}},
                                     {{"type", "Lowercase"}}})}};
    Json split = {
        {"type", "Split"},
        {"pattern",
         {{"Regex", R"(<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)"}}},
        {"behavior", "Removed"},
        {"invert", true}};
    bytes["add_prefix_space"] = false;
    rest["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers", Json::array({std::move(split), std::move(bytes)})}};
    rest["post_processor"] = {{"type", "RobertaProcessing"},
                              {"cls", Json::array({start, id_of(start)})},
                              {"sep", Json::array({end, id_of(end)})}};
  } else if (gpt2) {
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
  if (gpt2) parts.bos = parts.unk = parts.eos;
  if (clip) parts.bos = "<|startoftext|>", parts.unk = parts.eos;
  if (!gpt2) parts.pad = parts.eos;
  return parts;
}

namespace {

// The tokenizer whose main file is `name`, with what the files beside it say.
TokenizerParts read_files(const FileSet& files, const std::string& name) {
  const Json config = files.json("tokenizer_config.json");
  const Json special_map = files.json("special_tokens_map.json");
  const Json added = files.json("added_tokens.json");

  const ModelFile file = files.need(name);
  const std::string& source = file.source;
  const std::string bytes = file.text();
  const size_t begin = bytes.find_first_not_of(" \t\r\n");
  TokenizerParts parts;
  const bool from_json = begin != std::string::npos && bytes[begin] == '{' && name != "vocab.json";
  if (from_json) {
    parts = read_tokenizer_json(parse_vocabulary_json(bytes, source), source);
  } else if (name == "vocab.json" || name == "merges.txt") {
    const auto vocab = files.file("vocab.json"), merges = files.file("merges.txt");
    if (!vocab || !merges)
      fail(ErrorKind::not_found, "{}: needed beside {}", files.source_of(vocab ? "merges.txt" : "vocab.json"), name);
    parts = read_vocab_and_merges(vocab->text(), merges->text(), vocab->source, config);
  } else if (name.ends_with("vocab.txt")) {
    parts = read_vocab_txt(bytes, source, config);
  } else if (looks_like_tiktoken(bytes)) {
    parts = read_tiktoken(bytes, source, name, files.json("special_tokens.json"));
  } else {
    parts = read_sentencepiece(bytes, source, config);
  }
  apply_config(parts, config, special_map, added, files.source_of("tokenizer_config.json"), from_json);
  return parts;
}

}  // namespace

Tokenizer Tokenizer::open(const FileSet& files) {
  if (files.kind() == FileSet::Kind::gguf) return from_gguf(Gguf::open(files.path()));
  for (const char* name : {"tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json", "vocab.txt"})
    if (files.file(name)) return Impl::finish(read_files(files, name));
  fail(ErrorKind::not_found,
       "{}: no tokenizer here: expected tokenizer.json, tokenizer.model, spiece.model, vocab.json or vocab.txt, as "
       "published with the model",
       files.source());
}

Tokenizer Tokenizer::open(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return open(FileSet::of_folder(path));
  return Impl::finish(read_files(FileSet::of_folder(path.parent_path()), path.filename().string()));
}

}  // namespace glassbox
