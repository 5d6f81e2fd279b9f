#include "tokenizer/bpe.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/error.h"
#include "base/quote.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

constexpr size_t kShort = 48;        // symbols: up to here a scan for the lowest rank beats a heap
constexpr size_t kWindow = 1 << 14;  // bytes of a long word merged at once: the heap stays in the cache

uint64_t load(const char* p, size_t n) {
  uint64_t v = 0;
  std::memcpy(&v, p, n);
  return v;
}

uint64_t mix(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t hash_text(std::string_view text) {
  constexpr uint64_t k0 = 0x9E3779B97F4A7C15u, k1 = 0xD6E8FEB86659FD93u;
  const char* p = text.data();
  size_t n = text.size();
  uint64_t h = n * k1;
  for (; n > 16; p += 16, n -= 16) h = mix(load(p, 8) ^ h, load(p + 8, 8) ^ k0);
  uint64_t a = 0, b = 0;
  if (n >= 8) {
    a = load(p, 8), b = load(p + n - 8, 8);
  } else if (n >= 4) {
    a = load(p, 4), b = load(p + n - 4, 4);
  } else if (n > 0) {
    a = static_cast<uint8_t>(p[0]) | uint64_t{static_cast<uint8_t>(p[n / 2])} << 8 |
        uint64_t{static_cast<uint8_t>(p[n - 1])} << 16;
  }
  return mix(a ^ k0, b ^ h ^ k1);
}

uint64_t hash_pair(uint32_t left, uint32_t right) { return mix(uint64_t{left} << 32 | right, 0x9E3779B97F4A7C15u); }

size_t table_size(size_t entries) {
  size_t size = 16;
  while (size < entries * 2) size *= 2;
  return size;
}

struct Pair {
  uint32_t left, right, rank, into;
};

}  // namespace

struct Bpe::Tables {
  Options options;
  std::string texts;                    // of all tokens, one after another
  std::vector<uint32_t> begin, length;  // by id, real ones then virtual ones; begin kNone: not defined
  size_t real = 0;                      // ids from here on are characters that are no tokens but parts of some
  size_t defined = 0;

  struct Slot {
    uint32_t tag, id;
  };
  std::vector<Slot> by_text;  // open addressing, a power of two
  size_t by_text_used = 0;

  std::vector<uint32_t> ranks;  // of tokens, where every way to cut them merges; else empty
  std::vector<Pair> merges;     // as given, until build()
  std::vector<Pair> pairs;      // open addressing, a power of two
  size_t pair_count = 0;

  // Whether a token's own text is encoded as that token: 0 nobody looked yet, 1 yes, 2 no. Looking twice does no harm.
  std::unique_ptr<std::atomic<uint8_t>[]> itself;
  uint32_t first_byte[256];  // the token that is this byte, or this ASCII character
  uint32_t last_byte[256];   // the same as the end of a word; only with a suffix

  std::string_view text(uint32_t id) const { return std::string_view(texts).substr(begin[id], length[id]); }

  uint32_t find(std::string_view wanted) const {
    const uint64_t hash = hash_text(wanted);
    const auto tag = static_cast<uint32_t>(hash >> 32);
    for (size_t at = hash & (by_text.size() - 1);; at = (at + 1) & (by_text.size() - 1)) {
      const Slot& slot = by_text[at];
      if (slot.id == kNone) return kNone;
      if (slot.tag == tag && length[slot.id] == wanted.size() &&
          std::memcmp(texts.data() + begin[slot.id], wanted.data(), wanted.size()) == 0)
        return slot.id;
    }
  }

  void insert(uint32_t id) {
    if ((by_text_used + 1) * 2 > by_text.size()) {
      std::vector<Slot> old(by_text.size() * 2, Slot{0, kNone});
      old.swap(by_text);
      for (const Slot& slot : old)
        if (slot.id != kNone) place(slot.id);
    }
    place(id);
    ++by_text_used;
  }

  void place(uint32_t id) {
    const uint64_t hash = hash_text(text(id));
    size_t at = hash & (by_text.size() - 1);
    while (by_text[at].id != kNone) at = (at + 1) & (by_text.size() - 1);
    by_text[at] = {static_cast<uint32_t>(hash >> 32), id};
  }

  uint32_t append(std::string_view text_of_token) {
    const size_t at = texts.size();
    if (at + text_of_token.size() >= kNone)
      fail(ErrorKind::bad_file, "{}: a vocabulary of more than 4 GiB", options.source);
    texts += text_of_token;
    return static_cast<uint32_t>(at);
  }

  const Pair* find_pair(uint32_t left, uint32_t right) const {
    for (size_t at = hash_pair(left, right) & (pairs.size() - 1);; at = (at + 1) & (pairs.size() - 1)) {
      const Pair& pair = pairs[at];
      if (pair.left == left && pair.right == right) return &pair;
      if (pair.left == kNone) return nullptr;
    }
  }

  void unknown_character(std::string_view text_of_it, std::vector<uint32_t>& out) const {
    if (!options.bytes.empty()) {
      for (char byte : text_of_it) out.push_back(options.bytes[static_cast<uint8_t>(byte)]);
    } else if (options.unknown != kNone) {
      out.push_back(options.unknown);
    }
  }

  // Appends the symbols of `word`, and where each begins. `ends`: the word ends here.
  void symbols(std::string_view word, bool ends, std::vector<uint32_t>& ids, std::vector<uint32_t>& start) const {
    if (options.symbols == Symbols::bytes) {
      for (size_t at = 0; at < word.size(); ++at) {
        const bool last = ends && at + 1 == word.size() && !options.suffix.empty();
        uint32_t id = (last ? last_byte : first_byte)[static_cast<uint8_t>(word[at])];
        if (id == kNone) id = options.unknown;
        if (id == kNone) continue;
        ids.push_back(id);
        start.push_back(static_cast<uint32_t>(at));
      }
      return;
    }
    for (size_t at = 0; at < word.size();) {
      const size_t from = at;
      uint32_t id = kNone;
      if (static_cast<uint8_t>(word[at]) < 0x80) {
        id = first_byte[static_cast<uint8_t>(word[at++])];
      } else {
        unicode::next(word, at);
        id = find(word.substr(from, at - from));
      }
      if (id == kNone)
        unknown_character(word.substr(from, at - from), ids);
      else
        ids.push_back(id);
      start.resize(ids.size(), static_cast<uint32_t>(from));
    }
  }

  // What merges of ranks below `rank` make of a token's text.
  std::vector<uint32_t> parts_below(uint32_t id, uint32_t rank) const;
  // All pairs by rank; those of one rank by falling lengths of their parts.
  std::vector<Pair> sorted_pairs() const;
  void merge_short(Scratch& s) const;
  void merge_heap(Scratch& s) const;
  // Cuts `word` into symbols and merges them; what is left is in s.ids and s.start.
  void merge(std::string_view word, bool ends, Scratch& s) const;
  void encode_long(std::string_view word, std::vector<int32_t>& out, Scratch& s) const;
  bool stable(std::string_view left, std::string_view right, bool ends, Scratch& s) const;

  // Appends merged symbols as tokens. `first` is where this word's tokens begin in `out`.
  void emit(const uint32_t* ids, size_t count, size_t first, std::vector<int32_t>& out) const {
    for (size_t i = 0; i < count; ++i) {
      if (ids[i] < real && ids[i] != options.unknown) {
        out.push_back(static_cast<int32_t>(ids[i]));
        continue;
      }
      std::vector<uint32_t> plain;
      if (ids[i] < real)
        plain.push_back(ids[i]);
      else
        unknown_character(text(ids[i]), plain);
      for (uint32_t id : plain) {
        if (id == options.unknown && options.fuse_unknown && out.size() > first &&
            out.back() == static_cast<int32_t>(id))
          continue;
        out.push_back(static_cast<int32_t>(id));
      }
    }
  }
};

void Bpe::Tables::merge_short(Scratch& s) const {
  size_t n = s.ids.size();
  uint32_t* ids = s.ids.data();
  uint32_t* start = s.start.data();
  s.ranks.resize(n);
  s.right.resize(n);
  uint32_t* ranks = s.ranks.data();  // of the pair (i, i+1)
  uint32_t* into = s.right.data();
  auto look = [&](size_t i) {
    const Pair* pair = i + 1 < n ? find_pair(ids[i], ids[i + 1]) : nullptr;
    ranks[i] = pair ? pair->rank : kNone;
    into[i] = pair ? pair->into : kNone;
  };
  for (size_t i = 0; i < n; ++i) look(i);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i)
      if (ranks[i] < ranks[best]) best = i;
    if (ranks[best] == kNone) break;
    ids[best] = into[best];
    for (size_t i = best + 1; i + 1 < n; ++i) {
      ids[i] = ids[i + 1];
      start[i] = start[i + 1];
      ranks[i] = ranks[i + 1];
      into[i] = into[i + 1];
    }
    --n;
    look(best);
    if (best > 0) look(best - 1);
  }
  s.ids.resize(n);
  s.start.resize(n);
}

void Bpe::Tables::merge_heap(Scratch& s) const {
  const auto n = static_cast<uint32_t>(s.ids.size());
  s.ranks.assign(n, kNone);
  s.left.resize(n);
  s.right.resize(n);
  s.heap.clear();
  // A heap entry is rank and position; it stands while the pair at its position still has that rank.
  auto look = [&](uint32_t i) {
    const Pair* pair = s.right[i] < n ? find_pair(s.ids[i], s.ids[s.right[i]]) : nullptr;
    s.ranks[i] = pair ? pair->rank : kNone;
    return pair != nullptr;
  };
  for (uint32_t i = 0; i < n; ++i) s.left[i] = i - 1, s.right[i] = i + 1;
  for (uint32_t i = 0; i < n; ++i)
    if (look(i)) s.heap.push_back(uint64_t{s.ranks[i]} << 32 | i);
  std::make_heap(s.heap.begin(), s.heap.end(), std::greater<>());
  auto push = [&](uint32_t i) {
    s.heap.push_back(uint64_t{s.ranks[i]} << 32 | i);
    std::push_heap(s.heap.begin(), s.heap.end(), std::greater<>());
  };
  while (!s.heap.empty()) {
    const uint64_t top = s.heap.front();
    std::pop_heap(s.heap.begin(), s.heap.end(), std::greater<>());
    s.heap.pop_back();
    const auto at = static_cast<uint32_t>(top);
    if (s.ranks[at] != top >> 32) continue;
    const uint32_t gone = s.right[at];
    s.ids[at] = find_pair(s.ids[at], s.ids[gone])->into;
    s.ranks[gone] = kNone;
    s.ids[gone] = kNone;
    s.right[at] = s.right[gone];
    if (s.right[at] < n) s.left[s.right[at]] = at;
    if (look(at)) push(at);
    if (at > 0 && look(s.left[at])) push(s.left[at]);
  }
  size_t kept = 0;
  for (uint32_t i = 0; i < n; i = s.right[i], ++kept) {
    s.ids[kept] = s.ids[i];
    s.start[kept] = s.start[i];
  }
  s.ids.resize(kept);
  s.start.resize(kept);
}

void Bpe::Tables::merge(std::string_view word, bool ends, Scratch& s) const {
  s.ids.clear();
  s.start.clear();
  symbols(word, ends, s.ids, s.start);
  if (s.ids.size() < 2) return;
  if (s.ids.size() <= kShort)
    merge_short(s);
  else
    merge_heap(s);
}

// True if `left` and `right`, tokens each, stay apart when they meet.
bool Bpe::Tables::stable(std::string_view left, std::string_view right, bool ends, Scratch& s) const {
  std::string both(left);
  both += right;
  merge(both, ends, s);
  // No token may begin before the seam and end after it. (An unknown character's byte tokens begin where it does.)
  return std::binary_search(s.start.begin(), s.start.end(), static_cast<uint32_t>(left.size()));
}

// A word of megabytes, a window at a time. Tokens in a row are the encoding of their text if and only if every two
// neighbours stay apart when encoded together: the first merge across a seam would happen to the two alone just as
// well, since what else happens does not reach them. So an encoding of one window may be joined to that of the next
// wherever the two tokens at the seam stay apart.
void Bpe::Tables::encode_long(std::string_view word, std::vector<int32_t>& out, Scratch& s) const {
  const size_t first = out.size();
  auto window = [&](size_t at, size_t bytes, std::vector<uint32_t>& ids, std::vector<uint32_t>& start) {
    size_t end = std::min(word.size(), at + bytes);
    if (options.symbols == Symbols::characters)
      for (int i = 0; i < 3 && end < word.size() && !unicode::begins_character(word[end]); ++i) ++end;
    merge(word.substr(at, end - at), end == word.size(), s);
    ids = s.ids;
    start = s.start;
    return end;
  };
  std::vector<uint32_t> ids, start, next_ids, next_start;
  size_t at = 0, bytes = kWindow;
  size_t end = window(at, bytes, ids, start);
  while (end < word.size()) {
    size_t keep = 0, cut = 0, next_end = 0;
    // The last tokens of a window may come out otherwise when more follows. Drop one, two, four, ... of them.
    for (size_t drop = 1; drop < ids.size(); drop *= 2) {
      size_t k = ids.size() - drop;
      while (k > 0 && start[k] == start[k - 1]) --k;  // byte tokens of one character
      if (k == 0 || start[k] * 2 < end - at) break;   // at least half a window of progress, or a larger window
      const size_t seam = at + start[k];
      next_end = window(seam, kWindow, next_ids, next_start);
      size_t second = 1;
      while (second < next_start.size() && next_start[second] == 0) ++second;
      const size_t second_at = second < next_start.size() ? seam + next_start[second] : next_end;
      size_t last = k - 1;
      while (last > 0 && start[last] == start[last - 1]) --last;
      if (!next_ids.empty() && next_start[0] == 0 &&
          stable(word.substr(at + start[last], start[k] - start[last]), word.substr(seam, second_at - seam),
                 second_at == word.size(), s)) {
        keep = k, cut = seam;
        break;
      }
    }
    if (keep == 0) {
      bytes *= 2;
      end = window(at, bytes, ids, start);
      continue;
    }
    emit(ids.data(), keep, first, out);
    ids.swap(next_ids);
    start.swap(next_start);
    at = cut, end = next_end, bytes = kWindow;
  }
  emit(ids.data(), ids.size(), first, out);
}

void Bpe::encode(std::string_view word, std::vector<int32_t>& out, Scratch& s) const {
  const Tables& t = *tables_;
  if (word.empty()) return;
  std::string ended;  // with the suffix: as the token is called
  if (!t.options.suffix.empty()) (ended = word) += t.options.suffix;
  const uint32_t whole = t.find(ended.empty() ? word : std::string_view(ended));
  if (whole < t.real) {
    const uint8_t known = t.itself[whole].load(std::memory_order_relaxed);
    if (known == 1 || t.options.ignore_merges) {
      out.push_back(static_cast<int32_t>(whole));
      return;
    }
  }
  if (word.size() > 2 * kWindow) return t.encode_long(word, out, s);
  t.merge(word, true, s);
  if (whole < t.real) t.itself[whole].store(s.ids.size() == 1 && s.ids[0] == whole ? 1 : 2, std::memory_order_relaxed);
  t.emit(s.ids.data(), s.ids.size(), out.size(), out);
}

std::vector<uint32_t> Bpe::Tables::parts_below(uint32_t id, uint32_t rank) const {
  constexpr size_t kLongest = 4096;  // the time below is quadratic
  if (length[id] > kLongest)
    fail(ErrorKind::unsupported, "{}: token {} of {} bytes: its merges are not looked for", options.source, id,
         length[id]);
  std::vector<uint32_t> parts, start;
  symbols(text(id), true, parts, start);
  while (parts.size() > 1) {
    const Pair* best = nullptr;
    size_t at = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const Pair* pair = find_pair(parts[i], parts[i + 1]);
      if (pair && pair->rank < rank && (!best || pair->rank < best->rank)) best = pair, at = i;
    }
    if (!best) break;
    parts[at] = best->into;
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
  return parts;
}

std::vector<Pair> Bpe::Tables::sorted_pairs() const {
  std::vector<Pair> out;
  out.reserve(pair_count);
  for (const Pair& pair : pairs)
    if (pair.left != kNone) out.push_back(pair);
  std::sort(out.begin(), out.end(), [&](const Pair& a, const Pair& b) {
    if (a.rank != b.rank) return a.rank < b.rank;
    if (length[a.left] != length[b.left]) return length[a.left] > length[b.left];
    if (length[a.right] != length[b.right]) return length[a.right] > length[b.right];
    return a.into < b.into;
  });
  return out;
}

std::vector<Bpe::Merge> Bpe::merge_list() const {
  const Tables& t = *tables_;
  std::vector<Merge> out;
  const auto add = [&](uint32_t left, uint32_t right, uint32_t into) {
    if (left >= t.real || right >= t.real)
      fail(ErrorKind::unsupported, "{}: token {} is made of {}, which is no token: no list of merges says so",
           t.options.source, quote(t.text(into)), quote(t.text(left >= t.real ? left : right)));
    out.push_back({left, right, into});
  };
  if (t.ranks.empty() || t.options.symbols == Symbols::characters) {
    for (const Pair& pair : t.sorted_pairs()) add(pair.left, pair.right, pair.into);
    return out;
  }
  // A token is made of what merges of lower ranks leave of its bytes, wherever it is made: no merge reaches over its
  // ends before. Tokens of which more than two parts are left are never made.
  std::vector<uint32_t> by_rank;
  for (uint32_t id = 0; id < t.ranks.size(); ++id)
    if (t.ranks[id] != kNone && defined(id)) by_rank.push_back(id);
  std::sort(by_rank.begin(), by_rank.end(), [&](uint32_t a, uint32_t b) { return t.ranks[a] < t.ranks[b]; });
  for (const uint32_t id : by_rank)
    if (const auto parts = t.parts_below(id, t.ranks[id]); parts.size() == 2) add(parts[0], parts[1], id);
  return out;
}

std::vector<uint32_t> Bpe::token_ranks() const {
  const Tables& t = *tables_;
  if (!t.ranks.empty()) return t.ranks;
  std::vector<uint32_t> out(t.real, kNone);
  const std::vector<Pair> pairs = t.sorted_pairs();
  std::vector<size_t> last(t.real, 0);  // where a token's merges end in the list
  for (size_t i = 0; i < pairs.size(); ++i) last[pairs[i].into] = i;
  uint32_t rank = 0;
  for (size_t from = 0; from < pairs.size(); ++rank) {
    size_t end = from;
    for (size_t i = from; i <= end; ++i) {
      end = std::max(end, last[pairs[i].into]);
      out[pairs[i].into] = rank;
    }
    const Pair& first = pairs[from];
    const bool alone = std::all_of(pairs.begin() + static_cast<std::ptrdiff_t>(from),
                                   pairs.begin() + static_cast<std::ptrdiff_t>(end) + 1,
                                   [&](const Pair& pair) { return pair.into == first.into; });
    bool good = true;
    if (alone) {
      // What is left of its text when its turn comes must be the two parts of one of its merges.
      const auto parts = t.parts_below(first.into, first.rank);
      const Pair* pair = parts.size() == 2 ? t.find_pair(parts[0], parts[1]) : nullptr;
      good = pair && pair->into == first.into;
    } else {
      for (size_t i = from; i < end; ++i) good = good && t.length[pairs[i].left] >= t.length[pairs[i + 1].left];
    }
    if (!good)
      fail(ErrorKind::unsupported, "{}: the merges that make {} are in an order that no scores say", t.options.source,
           quote(t.text(first.into)));
    from = end + 1;
  }
  return out;
}

bool Bpe::cuts_before(std::string_view mark) const {
  const Tables& t = *tables_;
  if (mark.empty() || t.find(mark) == kNone) return false;  // an unknown mark might be fused with what is before it
  for (uint32_t id = 0; id < t.begin.size(); ++id) {
    if (t.begin[id] == kNone) continue;
    const std::string_view text = t.text(id);
    for (size_t at = text.find(mark, 1); at != std::string_view::npos; at = text.find(mark, at + 1))
      if (at < mark.size() || text.substr(at - mark.size(), mark.size()) != mark) return false;
  }
  return true;
}

std::optional<uint32_t> Bpe::find(std::string_view text) const {
  const uint32_t id = tables_->find(text);
  return id < tables_->real ? std::optional<uint32_t>(id) : std::nullopt;
}

std::string_view Bpe::text(uint32_t id) const { return defined(id) ? tables_->text(id) : std::string_view(); }
bool Bpe::defined(uint32_t id) const { return id < tables_->real && tables_->begin[id] != kNone; }
size_t Bpe::size() const { return tables_->real; }
size_t Bpe::tokens() const { return tables_->defined; }
size_t Bpe::merges() const { return tables_->pair_count; }
const Bpe::Options& Bpe::options() const { return tables_->options; }

Bpe::Bpe() : tables_(std::make_unique<Tables>()) {}
Bpe::Bpe(Bpe&&) noexcept = default;
Bpe& Bpe::operator=(Bpe&&) noexcept = default;
Bpe::~Bpe() = default;

Bpe::Builder::Builder(Options options, size_t expected_tokens) : bpe_(new Bpe) {
  Tables& t = *bpe_->tables_;
  t.options = std::move(options);
  t.by_text.assign(table_size(expected_tokens), Tables::Slot{0, kNone});
  t.begin.reserve(expected_tokens);
  t.length.reserve(expected_tokens);
}

void Bpe::Builder::token(uint32_t id, std::string_view text, bool reachable) {
  Tables& t = *bpe_->tables_;
  if (id >= t.begin.size()) {
    t.begin.resize(id + size_t{1}, kNone);
    t.length.resize(id + size_t{1}, 0);
  }
  if (t.begin[id] != kNone)
    fail(ErrorKind::bad_file, "{}: id {} belongs to two tokens, {} and {}", t.options.source, id, quote(t.text(id)),
         quote(text));
  if (reachable && t.find(text) != kNone)
    fail(ErrorKind::bad_file, "{}: token {} has two ids, {} and {}", t.options.source, quote(text), t.find(text), id);
  t.begin[id] = t.append(text);
  t.length[id] = static_cast<uint32_t>(text.size());
  ++t.defined;
  if (reachable) t.insert(id);
}

std::optional<uint32_t> Bpe::Builder::find(std::string_view text) const {
  const uint32_t id = bpe_->tables_->find(text);
  return id == kNone ? std::nullopt : std::optional<uint32_t>(id);
}

void Bpe::Builder::unknown(uint32_t id) { bpe_->tables_->options.unknown = id; }
void Bpe::Builder::byte_tokens(std::vector<uint32_t> ids) { bpe_->tables_->options.bytes = std::move(ids); }

void Bpe::Builder::merge(uint32_t left, uint32_t right, uint32_t rank, uint32_t into) {
  bpe_->tables_->merges.push_back({left, right, rank, into});
}

void Bpe::Builder::merge_all_splits(const std::vector<uint32_t>& ranks) {
  Tables& t = *bpe_->tables_;
  t.real = t.begin.size();
  t.ranks = ranks;
  const bool characters = t.options.symbols == Symbols::characters;
  // A character that is no token can still be part of one; it gets an id past the real ones.
  auto half = [&](std::string_view text) {
    const uint32_t id = t.find(text);
    if (id != kNone || !characters) return id;
    size_t one = 0;
    unicode::next(text, one);
    if (one != text.size()) return kNone;
    const auto made = static_cast<uint32_t>(t.begin.size());
    t.begin.push_back(t.append(std::string(text)));
    t.length.push_back(static_cast<uint32_t>(text.size()));
    t.insert(made);
    return made;
  };
  for (uint32_t id = 0; id < ranks.size() && id < t.real; ++id) {
    if (t.begin[id] == kNone || ranks[id] == kNone) continue;
    const std::string text(t.text(id));
    for (size_t cut = 0; cut < text.size();) {
      if (characters)
        unicode::next(text, cut);
      else
        ++cut;
      if (cut >= text.size()) break;
      const std::string_view view = text;
      const uint32_t left = half(view.substr(0, cut));
      if (left == kNone) continue;
      const uint32_t right = half(view.substr(cut));
      if (right != kNone) merge(left, right, ranks[id], id);
    }
  }
}

Bpe Bpe::Builder::build() && {
  Tables& t = *bpe_->tables_;
  if (t.real == 0) t.real = t.begin.size();
  for (uint32_t id : t.options.bytes)
    if (id >= t.real) fail(ErrorKind::bad_file, "{}: byte token id {} is not in the vocabulary", t.options.source, id);
  t.itself = std::make_unique<std::atomic<uint8_t>[]>(t.real);
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    const bool symbol = t.options.symbols == Symbols::bytes || b < 0x80;
    t.first_byte[b] = symbol ? t.find(std::string_view(&byte, 1)) : kNone;
    t.last_byte[b] = symbol && !t.options.suffix.empty() ? t.find(byte + t.options.suffix) : kNone;
  }
  t.pairs.assign(table_size(t.merges.size()), Pair{kNone, kNone, kNone, kNone});
  for (const Pair& pair : t.merges) {
    size_t at = hash_pair(pair.left, pair.right) & (t.pairs.size() - 1);
    while (t.pairs[at].left != kNone && (t.pairs[at].left != pair.left || t.pairs[at].right != pair.right))
      at = (at + 1) & (t.pairs.size() - 1);
    t.pair_count += t.pairs[at].left == kNone;
    t.pairs[at] = pair;
  }
  t.merges = {};
  t.texts.shrink_to_fit();
  return std::move(*bpe_);
}

}  // namespace glassbox
