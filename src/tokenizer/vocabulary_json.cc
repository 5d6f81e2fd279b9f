#include "tokenizer/vocabulary_json.h"

#include "base/error.h"
#include "base/quote.h"

namespace glassbox {

namespace {

constexpr int kMaxDepth = 64;

[[noreturn]] void bad_id(std::string_view source, std::string_view token, std::string_view got) {
  fail(ErrorKind::bad_file, "{}: token {}: expected an id, got {}", source, quote(token), got);
}

// The JSON library's events: vocabulary and merges into lists, everything else into a tree.
class Reader {
 public:
  Reader(VocabularyJson& out, std::string_view source, bool vocab_only) : out_(out), source_(source) {
    if (vocab_only) place_ = Place::before_vocab;
  }

  bool null() { return value(nullptr, "null"); }
  bool boolean(bool b) { return value(b, "a boolean"); }
  bool number_float(double d, const std::string& text) { return value(d, text); }
  bool binary(Json::binary_t&) { return value(nullptr, "binary"); }

  bool number_integer(int64_t n) {
    if (place_ != Place::vocab) return value(n, std::to_string(n));
    out_.vocab.emplace_back(std::move(key_), n);
    return true;
  }
  bool number_unsigned(uint64_t n) {
    if (place_ != Place::vocab) return value(n, std::to_string(n));
    if (n > INT64_MAX) bad_id(source_, key_, std::to_string(n));
    return number_integer(static_cast<int64_t>(n));
  }

  bool string(std::string& text) {
    if (place_ == Place::merges) {
      out_.merges.push_back(split_merge(text, out_.merges.size(), source_));
    } else if (place_ == Place::pair) {
      pair_.push_back(std::move(text));
    } else {
      return value(std::move(text), "a string");
    }
    return true;
  }

  bool start_object(size_t) {
    if (place_ == Place::before_vocab ||
        (place_ == Place::tree && stack_.size() == 2 && in_model_ && key_ == "vocab")) {
      if (out_.has_vocab) fail(ErrorKind::bad_file, "{}: key \"vocab\" given twice in one object", source_);
      place_ = Place::vocab;
      out_.has_vocab = true;
      return true;
    }
    return open(Json::object(), "an object");
  }
  bool end_object() {
    if (place_ == Place::vocab) {
      place_ = Place::tree;
      return true;
    }
    return close();
  }
  bool key(std::string& text) {
    if (place_ == Place::tree && stack_.back()->contains(text))
      fail(ErrorKind::bad_file, "{}: key {} given twice in one object", source_, quote(text));
    key_ = std::move(text);
    return true;
  }

  bool start_array(size_t) {
    if (place_ == Place::merges) {
      place_ = Place::pair;
      pair_.clear();
      return true;
    }
    if (place_ == Place::tree && stack_.size() == 2 && in_model_ && key_ == "merges") {
      if (out_.has_merges) fail(ErrorKind::bad_file, "{}: key \"merges\" given twice in one object", source_);
      place_ = Place::merges;
      out_.has_merges = true;
      return true;
    }
    return open(Json::array(), "an array");
  }
  bool end_array() {
    if (place_ == Place::pair) {
      if (pair_.size() != 2 || pair_[0].empty() || pair_[1].empty())
        not_a_pair(fmt::format("{} strings", pair_.size()));
      out_.merges.emplace_back(std::move(pair_[0]), std::move(pair_[1]));
      place_ = Place::merges;
      return true;
    }
    if (place_ == Place::merges) {
      place_ = Place::tree;
      return true;
    }
    return close();
  }

  bool parse_error(size_t, const std::string&, const Json::exception& error) {
    std::string what = error.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    if (auto bracket = what.find("] "); bracket != std::string::npos) what.erase(0, bracket + 2);
    fail(ErrorKind::bad_file, "{}: not JSON: {}", source_, what.substr(0, 300));
  }

 private:
  enum class Place { tree, before_vocab, vocab, merges, pair };

  [[noreturn]] void not_a_pair(std::string_view got) {
    fail(ErrorKind::bad_file, "{}: merge {}: expected two tokens, got {}", source_, out_.merges.size(), got);
  }
  void outside_lists(std::string_view got) {
    if (place_ == Place::vocab) bad_id(source_, key_, got);
    if (place_ == Place::merges || place_ == Place::pair) not_a_pair(got);
    if (place_ == Place::before_vocab)
      fail(ErrorKind::bad_file, "{}: expected an object of tokens and ids, got {}", source_, got);
  }
  Json* put(Json value) {
    if (stack_.empty()) return &(out_.rest = std::move(value));
    Json& in = *stack_.back();
    if (in.is_object()) return &(in[key_] = std::move(value));
    in.push_back(std::move(value));
    return &in.back();
  }
  bool value(Json value, std::string_view got) {
    outside_lists(got);
    put(std::move(value));
    return true;
  }
  bool open(Json value, std::string_view got) {
    outside_lists(got);
    if (stack_.size() >= kMaxDepth) fail(ErrorKind::bad_file, "{}: JSON nested deeper than {}", source_, kMaxDepth);
    if (stack_.size() == 1) in_model_ = key_ == "model" && value.is_object();
    stack_.push_back(put(std::move(value)));
    return true;
  }
  bool close() {
    stack_.pop_back();
    return true;
  }

  VocabularyJson& out_;
  std::string_view source_;
  Place place_ = Place::tree;
  bool in_model_ = false;
  std::string key_;
  std::vector<std::string> pair_;
  std::vector<Json*> stack_;  // stay valid: only the innermost container grows
};

}  // namespace

std::pair<std::string, std::string> split_merge(std::string_view line, size_t number, std::string_view source) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0 || space + 1 == line.size() ||
      line.find(' ', space + 1) != std::string_view::npos)
    fail(ErrorKind::bad_file, "{}: merge {}: expected two tokens with a space between, got {}", source, number,
         quote(line));
  return {std::string(line.substr(0, space)), std::string(line.substr(space + 1))};
}

VocabularyJson parse_vocabulary_json(std::string_view text, std::string_view source) {
  VocabularyJson out;
  Reader reader(out, source, false);
  if (!Json::sax_parse(text.begin(), text.end(), &reader)) fail(ErrorKind::bad_file, "{}: not JSON", source);
  return out;
}

std::vector<std::pair<std::string, int64_t>> parse_vocab_json(std::string_view text, std::string_view source) {
  VocabularyJson out;
  Reader reader(out, source, true);
  if (!Json::sax_parse(text.begin(), text.end(), &reader)) fail(ErrorKind::bad_file, "{}: not JSON", source);
  return std::move(out.vocab);
}

}  // namespace glassbox
