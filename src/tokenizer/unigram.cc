#include "tokenizer/unigram.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "base/error.h"
#include "base/quote.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

constexpr size_t kLongest = 1024;       // bytes of a piece: bounds the time a character costs
constexpr double kUnknownPenalty = 10;  // as SentencePiece and tokenizers have it
// SentencePiece (0.2.3) counts anew from where a sum is larger: float32 would lose what its near ties are decided by.
constexpr float kLargestSum = 100'000;

}  // namespace

Unigram::Unigram(std::vector<Piece> pieces, Options options)
    : pieces_(std::move(pieces)), options_(std::move(options)) {
  const std::string& source = options_.source;
  if (pieces_.empty()) fail(ErrorKind::bad_file, "{}: a vocabulary without pieces", source);
  size_t bytes = 0;
  for (size_t id = 0; id < pieces_.size(); ++id) {
    const Piece& piece = pieces_[id];
    if (!std::isfinite(piece.score))
      fail(ErrorKind::bad_file, "{}: piece {}: expected a finite score, got {}", source, id, piece.score);
    if (piece.text.size() > kLongest)
      fail(ErrorKind::unsupported, "{}: piece {} of {} bytes is not supported", source, id, piece.text.size());
    if (piece.text.empty()) fail(ErrorKind::bad_file, "{}: piece {} is empty", source, id);
    if (piece.reachable) bytes += piece.text.size();
  }
  if (options_.unknown >= pieces_.size() ||
      std::any_of(options_.bytes.begin(), options_.bytes.end(), [&](uint32_t id) { return id >= pieces_.size(); }))
    fail(ErrorKind::bad_file, "{}: the unknown piece or a byte piece is outside the vocabulary", source);

  trie_ = Trie(bytes);
  for (uint32_t id = 0; id < pieces_.size(); ++id)
    if (pieces_[id].reachable && !trie_.insert(pieces_[id].text, id))
      fail(ErrorKind::bad_file, "{}: piece {} has two ids, {} and {}", source, quote(pieces_[id].text),
           trie_.at(pieces_[id].text), id);
}

std::optional<uint32_t> Unigram::find(std::string_view text) const {
  const uint32_t piece = trie_.at(text);
  return piece == Trie::kNone ? std::nullopt : std::optional<uint32_t>(piece);
}

std::string_view Unigram::text(uint32_t id) const {
  return id < pieces_.size() ? std::string_view(pieces_[id].text) : std::string_view();
}

// A run of characters that no piece covers. It may spell a piece after all: the unknown one's own name.
void Unigram::emit_unknown(std::string_view run, std::vector<int32_t>& out) const {
  if (const auto piece = find(run)) {
    out.push_back(static_cast<int32_t>(*piece));
  } else if (!options_.bytes.empty()) {
    for (char byte : run) out.push_back(static_cast<int32_t>(options_.bytes[static_cast<uint8_t>(byte)]));
  } else {
    out.push_back(static_cast<int32_t>(options_.unknown));
  }
}

template <class Real>
void Unigram::cut(std::string_view word, std::vector<int32_t>& out, Scratch& s) const {
  const Real unknown_score = static_cast<Real>(static_cast<Real>(options_.lowest) - static_cast<Real>(kUnknownPenalty));
  // Of the text between `base` and what has been reached: how each end is reached best. Positions count from `base`,
  // which moves up wherever no piece spans it, so that a text of megabytes takes little memory.
  s.score.assign(1, 0);
  s.start.assign(1, Trie::kNone);
  s.ids.assign(1, 0);
  size_t base = 0, reach = 0;
  size_t unknown = std::string_view::npos;  // where a run of unknown characters began
  auto settle = [&](size_t end) {
    s.left.clear();
    for (size_t at = end - base; at > 0; at = s.start[at]) s.left.push_back(static_cast<uint32_t>(at));
    for (size_t i = s.left.size(); i-- > 0;) {
      const size_t at = s.left[i], from = s.start[at];
      if (s.ids[at] == options_.unknown) {
        unknown = std::min(unknown, base + from);
        continue;
      }
      if (unknown < base + from) emit_unknown(word.substr(unknown, base + from - unknown), out);
      unknown = std::string_view::npos;
      out.push_back(static_cast<int32_t>(s.ids[at]));
    }
    const double score = s.score[end - base];
    s.score.assign(1, score);
    s.start.assign(1, Trie::kNone);
    s.ids.assign(1, 0);
    base = end;
  };
  for (size_t at = 0; at < word.size();) {
    if (at == reach && at > base) settle(at);
    size_t end_of_character = at;
    unicode::next(word, end_of_character);
    Real here = static_cast<Real>(s.score[at - base]);
    if (std::is_same_v<Real, float> && std::abs(here) > kLargestSum) {
      for (size_t i = at - base; i <= reach - base; ++i)
        if (i == at - base || s.start[i] != Trie::kNone)
          s.score[i] = static_cast<double>(static_cast<Real>(s.score[i]) - here);
      here = 0;
    }
    bool single = false;
    auto offer = [&](size_t end, uint32_t piece, auto score) {
      if (end > reach) {
        reach = end;
        s.score.resize(end - base + 1, 0);
        s.start.resize(end - base + 1, Trie::kNone);
        s.ids.resize(end - base + 1, 0);
      }
      const size_t i = end - base;
      const Real candidate = static_cast<Real>(score) + here;
      if (s.start[i] != Trie::kNone && !(candidate > static_cast<Real>(s.score[i]))) return;
      s.score[i] = static_cast<double>(candidate);
      s.start[i] = static_cast<uint32_t>(at - base);
      s.ids[i] = piece;
    };
    uint32_t node = 0;
    for (size_t end = at; end < word.size();) {
      const Trie::Edge* next = trie_.step(node, word[end]);
      if (!next) break;
      node = next->node;
      ++end;
      if (next->value == Trie::kNone) continue;
      const Piece& piece = pieces_[next->value];
      const double score =
          piece.user_defined
              ? static_cast<double>(static_cast<float>(end - at) * static_cast<float>(options_.highest)) - 0.1
              : piece.score;
      offer(end, next->value, score);
      single = single || end == end_of_character;
    }
    if (!single) offer(end_of_character, options_.unknown, unknown_score);
    // To the next character that some way of cutting reaches: all of them, as single ones are always offered.
    at = end_of_character;
  }
  if (word.size() > base) settle(word.size());
  if (unknown < word.size()) emit_unknown(word.substr(unknown), out);
}

void Unigram::encode(std::string_view word, std::vector<int32_t>& out, Scratch& scratch) const {
  if (options_.single)
    cut<float>(word, out, scratch);
  else
    cut<double>(word, out, scratch);
}

}  // namespace glassbox
