#include "tokenizer/tokenizer.h"

#include <algorithm>

#include "base/error.h"
#include "base/quote.h"
#include "tokenizer/tokenizer_impl.h"
#include "unicode/byte_alphabet.h"
#include "unicode/classes.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

// What tokenizers' WordPiece decoder does to each token.
std::string clean_up(std::string text) {
  static constexpr std::pair<std::string_view, std::string_view> kTidy[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
  for (const auto& [what, with] : kTidy) replace_all(text, what, with);
  return text;
}

// A name to the bytes it adds to a text.
std::string spell(const DecoderSpec& decoder, std::string name) {
  if (decoder.byte_level) {
    std::string bytes;
    return unicode::from_alphabet(name, bytes) ? bytes : name;
  }
  for (const auto& [what, with] : decoder.replace) {
    replace_all(name, what, with);
    if (name.size() > 65536) fail(ErrorKind::bad_file, "a decoder that makes {} bytes of one token", name.size());
  }
  if (decoder.word_prefix) {
    if (!decoder.word_prefix->empty() && name.starts_with(*decoder.word_prefix))
      name.erase(0, decoder.word_prefix->size());
    else
      name.insert(0, " ");
    return decoder.cleanup ? clean_up(std::move(name)) : name;
  }
  if (decoder.byte_fallback)
    if (const int byte = byte_token(name); byte >= 0) return std::string(1, static_cast<char>(byte));
  return name;
}

// Without the white space at both ends.
std::string trimmed(const std::string& text) {
  const unicode::Class* table = unicode::class_table();
  auto is_space = [&](char32_t c) { return c != unicode::kBroken && table[c] == unicode::Class::Space; };
  size_t begin = 0, end = text.size();
  for (size_t at = 0; at < end && is_space(unicode::next(text, at));) begin = at;
  for (size_t at = end; at > begin && is_space(unicode::previous(text, at));) end = at;
  return text.substr(begin, end - begin);
}

// Words may be encoded one by one at `mark` if no token spans the seam: for each word before a run of marks, calls
// `word`.
template <class Word>
void each_word(std::string_view text, std::string_view mark, Word&& word) {
  size_t from = 0;
  while (from < text.size()) {
    size_t at = from;
    while (text.substr(at, mark.size()) == mark) at += mark.size();
    at = std::min(text.find(mark, at), text.size());
    word(text.substr(from, at - from));
    from = at;
  }
}

bool lies_in(const TrustedSpans& spans, size_t begin, size_t end) {
  const auto after = std::upper_bound(spans.begin(), spans.end(), begin,
                                      [](size_t byte, const auto& span) { return byte < span.first; });
  return after != spans.begin() && end <= std::prev(after)->second;
}

}  // namespace

std::string with_marks(std::string_view text) {
  std::string marked(text);
  replace_all(marked, " ", kSpaceMark);
  return marked;
}

std::string with_spaces(std::string_view text) {
  std::string spaced(text);
  replace_all(spaced, kSpaceMark, " ");
  return spaced;
}

int byte_token(std::string_view name) {
  if (name.size() != 6 || name.substr(0, 3) != "<0x" || name[5] != '>') return -1;
  int value = 0;
  for (char c : name.substr(3, 2)) {
    if (c >= '0' && c <= '9')
      value = value * 16 + (c - '0');
    else if (c >= 'A' && c <= 'F')
      value = value * 16 + (c - 'A' + 10);
    else if (c >= 'a' && c <= 'f')
      value = value * 16 + (c - 'a' + 10);
    else
      return -1;
  }
  return value;
}

std::optional<int32_t> TokenizerParts::id_of(std::string_view name) const {
  for (const AddedToken& token : added)
    if (token.content == name) return token.id;
  if (pretokenizer.byte_level()) {
    std::string bytes;
    if (unicode::from_alphabet(name, bytes)) {
      if (auto id = model->find(bytes)) return static_cast<int32_t>(*id);
      return std::nullopt;
    }
  } else if (auto id = model->find(name)) {
    return static_cast<int32_t>(*id);
  }
  for (uint32_t id : verbatim)
    if (model->text(id) == name) return static_cast<int32_t>(id);
  return std::nullopt;
}

Tokenizer Tokenizer::Impl::finish(TokenizerParts given) {
  auto impl = std::make_shared<Impl>();
  impl->parts = std::move(given);
  TokenizerParts& parts = impl->parts;
  const TokenModel& model = *parts.model;
  impl->bpe = dynamic_cast<const Bpe*>(parts.model.get());

  size_t count = model.size();
  std::vector<AddedToken> raw, normalized;
  for (AddedToken& token : parts.added) {
    if (token.content.empty()) continue;
    count = std::max(count, static_cast<size_t>(token.id) + 1);
    auto [at, fresh] = impl->added_names.emplace(token.id, token.content);
    if (!fresh && at->second != token.content)
      fail(ErrorKind::bad_file, "{}: id {} belongs to two added tokens, {} and {}", parts.source, token.id,
           quote(at->second), quote(token.content));
    if (token.pattern.empty()) {
      std::string storage;
      token.pattern =
          token.normalized ? std::string(parts.normalizer.apply(token.content, true, storage)) : token.content;
    }
    impl->added_text.emplace(token.id, token.pattern);
    (token.normalized ? normalized : raw).push_back(token);
  }
  impl->raw = AddedTokenFinder(std::move(raw));
  impl->normalized = AddedTokenFinder(std::move(normalized));

  impl->flags.assign(count, 0);
  for (const AddedToken& token : parts.added)
    if (!token.content.empty())
      impl->flags[static_cast<size_t>(token.id)] |= static_cast<uint8_t>(is_added | (token.special ? special : 0));
  impl->piece_begin.reserve(count + 1);
  for (size_t id = 0; id < count; ++id) {
    impl->piece_begin.push_back(static_cast<uint32_t>(impl->pieces.size()));
    const auto added = impl->added_names.find(static_cast<int32_t>(id));
    if (added != impl->added_names.end()) {
      // The reference reads an added token's text in the byte alphabet like any other; where that makes broken text, as
      // of "é", the text was meant.
      const std::string& text = impl->added_text.at(static_cast<int32_t>(id));
      std::string piece = spell(parts.decoder, text);
      if (parts.decoder.byte_level && unicode::valid_prefix(piece) != piece.size()) piece = text;
      impl->pieces += piece;
    } else if (model.defined(static_cast<uint32_t>(id))) {
      std::string text(model.text(static_cast<uint32_t>(id)));
      if (!parts.decoder.suffix.empty()) replace_all(text, parts.decoder.suffix, " ");
      impl->pieces += parts.decoder.byte_level ? text : spell(parts.decoder, std::move(text));
    }
    if (parts.decoder.byte_fallback && byte_token(impl->name(static_cast<int32_t>(id))) >= 0) impl->flags[id] |= byte;
    if (impl->pieces.size() >= UINT32_MAX)
      fail(ErrorKind::bad_file, "{}: a vocabulary of more than 4 GiB", parts.source);
  }
  impl->piece_begin.push_back(static_cast<uint32_t>(impl->pieces.size()));

  if (impl->bpe && impl->bpe->options().symbols == Bpe::Symbols::characters && impl->bpe->cuts_before(kSpaceMark))
    impl->word_mark = kSpaceMark;
  auto named = [&](const std::optional<std::string>& name) { return name ? parts.id_of(*name) : std::nullopt; };
  impl->bos = named(parts.bos);
  impl->eos = named(parts.eos);
  impl->unk = named(parts.unk);
  impl->pad = named(parts.pad);
  for (const auto* ids : {&parts.before, &parts.after})
    for (int32_t id : *ids)
      if (static_cast<size_t>(id) >= count)
        fail(ErrorKind::bad_file, "{}: the template adds id {}, outside [0, {})", parts.source, id, count);
  impl->covers = impl->coverage();
  return Tokenizer(std::move(impl));
}

void Tokenizer::Impl::check_some() const {
  if (!why_none.empty()) fail(ErrorKind::unsupported, "{}: text needs one", why_none);
}

void Tokenizer::Impl::check_id(int32_t id) const {
  check_some();
  if (id < 0 || static_cast<size_t>(id) >= size())
    fail(ErrorKind::bad_request, "token id {} is outside [0, {}) of {}", id, size(), parts.source);
}

std::string_view Tokenizer::Impl::piece(int32_t id) const {
  check_id(id);
  const uint32_t begin = piece_begin[static_cast<size_t>(id)];
  return std::string_view(pieces).substr(begin, piece_begin[static_cast<size_t>(id) + 1] - begin);
}

std::string Tokenizer::Impl::name(int32_t id) const {
  if (auto found = added_names.find(id); found != added_names.end()) return found->second;
  const std::string_view text = parts.model->text(static_cast<uint32_t>(id));
  const bool mapped = parts.pretokenizer.byte_level() && std::find(parts.verbatim.begin(), parts.verbatim.end(),
                                                                   static_cast<uint32_t>(id)) == parts.verbatim.end();
  return mapped ? unicode::to_alphabet(text) : std::string(text);
}

std::string Tokenizer::Impl::first_piece(int32_t id) const {
  if (parts.decoder.drop_in_first.empty() && !parts.decoder.word_prefix) return std::string(piece(id));
  check_id(id);
  auto added = added_text.find(id);
  std::string text = added == added_text.end() ? name(id) : added->second;
  if (parts.decoder.word_prefix) return parts.decoder.cleanup ? clean_up(std::move(text)) : text;
  replace_all(text, parts.decoder.drop_in_first, "");
  return spell(parts.decoder, std::move(text));
}

// The tokens that are looked for in normalized text: `made` of `part`, which begins at byte `at` of the whole. Where a
// part is trusted only here and there, it is found out where each control token that is written in it comes to lie in
// `made`: what is before it, normalized piece by piece, must be `made` again. A token there is as trusted as it was
// written; one that a normalizer made of other text is not.
std::vector<AddedTokenFinder::Found> Tokenizer::Impl::find_normalized(std::string_view part, size_t at, bool first,
                                                                      std::string_view made,
                                                                      const Finding& finding) const {
  if (!finding.trusted) return normalized.find(made, finding.special);
  const auto controls = [&](const AddedToken& token) { return (*finding.control)[static_cast<size_t>(token.id)]; };
  if (made.data() == part.data() && made.size() == part.size())
    return normalized.find_allowed(made, [&](const AddedToken& token, size_t begin, size_t end) {
      return !controls(token) || lies_in(*finding.trusted, at + begin, at + end);
    });
  std::vector<AddedToken> as_written;
  for (AddedToken token : normalized.tokens())
    if (controls(token)) {
      token.pattern = token.content;
      as_written.push_back(std::move(token));
    }
  if (as_written.empty()) return normalized.find(made, true);
  const auto any = [](const AddedToken&, size_t, size_t) { return true; };
  std::string storage;
  const std::string prefixed(parts.normalizer.apply("x", false, storage));
  const std::string prefix = prefixed.ends_with('x') ? prefixed.substr(0, prefixed.size() - 1) : "";
  std::vector<std::pair<size_t, int32_t>> ends;  // in `made`, of the tokens that count
  size_t from = 0, reached = 0;
  for (const auto& written : AddedTokenFinder(as_written).find_allowed(part, any)) {
    const std::string_view text = part.substr(from, written.spelled_end - from);
    std::string_view piece = parts.normalizer.apply(text, first && from == 0, storage);
    const std::string_view rest = made.substr(reached);
    // Text gets its prefix once, not where it was cut.
    if (from > 0 && !rest.starts_with(piece) && piece.starts_with(prefix)) piece.remove_prefix(prefix.size());
    if (!rest.starts_with(piece)) break;
    reached += piece.size();
    from = written.spelled_end;
    if (lies_in(*finding.trusted, at + written.spelled_begin, at + written.spelled_end))
      ends.emplace_back(reached, written.id);
  }
  return normalized.find_allowed(made, [&](const AddedToken& token, size_t, size_t end) {
    return !controls(token) || std::binary_search(ends.begin(), ends.end(), std::pair(end, token.id));
  });
}

void Tokenizer::Impl::encode(std::string_view text, const Finding& finding, std::vector<int32_t>& out) const {
  check_some();
  const bool well_formed = unicode::valid_prefix(text) == text.size();
  TokenModel::Scratch scratch;
  std::string storage;

  auto plain = [&](std::string_view part, bool first) {
    parts.pretokenizer.split(part, first, well_formed, [&](std::string_view word) {
      if (!bpe) return parts.model->encode(word, out, scratch);
      if (word_mark.empty()) return bpe->encode(word, out, scratch);
      each_word(word, word_mark, [&](std::string_view one) { bpe->encode(one, out, scratch); });
    });
  };
  // What lies between tokens goes to `rest`; `first` is true for what nothing comes before.
  auto between = [&](const std::vector<AddedTokenFinder::Found>& all, std::string_view part, bool first, auto&& rest) {
    size_t at = 0;
    for (const AddedTokenFinder::Found& found : all) {
      if (found.begin > at) rest(part.substr(at, found.begin - at), first && at == 0);
      out.push_back(found.id);
      at = found.end;
    }
    if (at < part.size()) rest(part.substr(at), first && at == 0);
  };
  const auto found = finding.trusted ? raw.find_allowed(text,
                                                        [&](const AddedToken& token, size_t begin, size_t end) {
                                                          return !(*finding.control)[static_cast<size_t>(token.id)] ||
                                                                 lies_in(*finding.trusted, begin, end);
                                                        })
                                     : raw.find(text, finding.special);
  between(found, text, true, [&](std::string_view part, bool first) {
    const std::string_view made = parts.normalizer.apply(part, first, storage);
    if (normalized.empty())
      plain(made, first);
    else
      between(find_normalized(part, static_cast<size_t>(part.data() - text.data()), first, made, finding), made, first,
              plain);
  });
}

Tokenizer Tokenizer::none(std::string why) {
  auto impl = std::make_shared<Impl>();
  impl->parts.kind = "none";
  impl->why_none = std::move(why);
  return Tokenizer(std::move(impl));
}

const std::string& Tokenizer::why_none() const { return impl_->why_none; }

Tokenizer Tokenizer::from_json(std::string_view tokenizer_json, std::string_view source,
                               std::string_view tokenizer_config_json) {
  TokenizerParts parts = read_tokenizer_json(parse_vocabulary_json(tokenizer_json, source), source);
  if (!tokenizer_config_json.empty()) {
    const std::string config_source = std::string(source) + " (tokenizer_config)";
    apply_config(parts, parse_json(tokenizer_config_json, config_source), nullptr, nullptr, config_source, true);
  }
  return Impl::finish(std::move(parts));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, bool add_special) const {
  std::vector<int32_t> out;
  out.reserve(text.size() / 3 + 8);
  if (add_special) out = impl_->parts.before;
  impl_->encode(text, {}, out);
  if (add_special) out.insert(out.end(), impl_->parts.after.begin(), impl_->parts.after.end());
  return out;
}

std::vector<int32_t> Tokenizer::encode_plain(std::string_view text) const {
  std::vector<int32_t> out;
  out.reserve(text.size() / 3 + 8);
  impl_->encode(text, {.special = false}, out);
  return out;
}

std::vector<int32_t> Tokenizer::encode(std::string_view text, const TrustedSpans& trusted,
                                       const std::vector<bool>& control) const {
  check(control.size() == size(), "of every token it is known whether it controls");
  std::vector<int32_t> out;
  out.reserve(text.size() / 3 + 8);
  impl_->encode(text, {.trusted = &trusted, .control = &control}, out);
  return out;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special) const {
  std::string bytes = decode_bytes(ids, skip_special);
  if (unicode::valid_prefix(bytes) == bytes.size()) return bytes;
  if (!impl_->parts.decoder.byte_fallback) return unicode::replace_broken(bytes);

  // ByteFallback reads byte tokens in a row as one text: if that is broken, every one of them becomes U+FFFD.
  std::string out, run;
  auto end_run = [&] {
    if (unicode::valid_prefix(run) == run.size())
      out += run;
    else
      for (size_t i = 0; i < run.size(); ++i) out += kReplacement;
    run.clear();
  };
  bool first = true;
  for (int32_t id : ids) {
    if (skip_special && is_special(id)) continue;
    const std::string piece = first ? impl_->first_piece(id) : std::string(impl_->piece(id));
    first = false;
    if (impl_->flags[static_cast<size_t>(id)] & Impl::byte) {
      run += piece;
    } else {
      end_run();
      out += piece;
    }
  }
  end_run();
  size_t spaces = 0;
  while (spaces < impl_->parts.decoder.strip && spaces < out.size() && out[spaces] == ' ') ++spaces;
  return out.substr(spaces);
}

std::string Tokenizer::decode_bytes(std::span<const int32_t> ids, bool skip_special) const {
  std::string out;
  bool first = true;
  for (int32_t id : ids) {
    impl_->check_id(id);
    if (skip_special && is_special(id)) continue;
    if (first)
      out += impl_->first_piece(id);
    else
      out += impl_->piece(id);
    first = false;
  }
  size_t spaces = 0;
  while (spaces < impl_->parts.decoder.strip && spaces < out.size() && out[spaces] == ' ') ++spaces;
  if (spaces > 0) out.erase(0, spaces);
  return impl_->parts.decoder.suffix.empty() ? out : trimmed(out);
}

std::string_view Tokenizer::piece(int32_t id) const { return impl_->piece(id); }
size_t Tokenizer::size() const { return impl_->size(); }
std::optional<int32_t> Tokenizer::bos() const { return impl_->bos; }
std::optional<int32_t> Tokenizer::eos() const { return impl_->eos; }
std::optional<int32_t> Tokenizer::unk() const { return impl_->unk; }
std::optional<int32_t> Tokenizer::pad() const { return impl_->pad; }
std::optional<int32_t> Tokenizer::id_of(std::string_view token) const { return impl_->parts.id_of(token); }

std::string Tokenizer::token(int32_t id) const {
  impl_->check_id(id);
  return impl_->name(id);
}

std::vector<int32_t> Tokenizer::added_tokens() const {
  std::vector<int32_t> ids;
  for (const auto& [id, name] : impl_->added_names) ids.push_back(id);
  return ids;
}

bool Tokenizer::is_special(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < size() && (impl_->flags[static_cast<size_t>(id)] & Impl::special);
}

bool Tokenizer::adds_bos() const {
  return impl_->bos && !impl_->parts.before.empty() && impl_->parts.before.front() == *impl_->bos;
}

std::string Tokenizer::describe() const {
  auto thousands = [](size_t n) {
    std::string text = std::to_string(n);
    for (size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
    return text;
  };
  size_t defined = 0, special = 0;
  for (size_t id = 0; id < size(); ++id) {
    defined += impl_->parts.model->defined(static_cast<uint32_t>(id)) || (impl_->flags[id] & Impl::is_added);
    special += (impl_->flags[id] & Impl::special) != 0;
  }
  std::string out =
      fmt::format("{}, {} tokens ({} special)", impl_->parts.kind, thousands(defined), thousands(special));
  if (impl_->bpe) out += fmt::format(", {} merges", thousands(impl_->bpe->merges()));
  if (defined != size()) out += fmt::format(", ids up to {}", size() - 1);
  for (const auto& [what, id] : {std::pair{"bos", bos()}, std::pair{"eos", eos()}})
    if (id) out += fmt::format(", {} {} {}", what, token(*id), *id);
  out += adds_bos() ? ", begins texts with bos" : "";
  return out;
}

StreamDecoder::StreamDecoder(Tokenizer tokenizer, bool continues, bool skip_special)
    : tokenizer_(std::move(tokenizer)), continues_(continues), skip_special_(skip_special), at_start_(!continues) {}

std::string StreamDecoder::push(int32_t id) {
  const Tokenizer::Impl& impl = *tokenizer_.impl_;
  impl.check_id(id);
  if (skip_special_ && tokenizer_.is_special(id)) return {};
  std::string piece(impl.piece(id));
  if (at_start_ && tokens_ == 0) piece = impl.first_piece(id);
  ++tokens_;
  // The space before the first word, which may take more than one token to come.
  while (at_start_ && !piece.empty()) {
    if (stripped_ < impl.parts.decoder.strip && piece[0] == ' ')
      piece.erase(0, 1), ++stripped_;
    else
      at_start_ = false;
  }
  held_ += piece;
  size_t hold = std::min<size_t>(held_.size(), 3);
  while (hold > 0 && !unicode::unfinished(std::string_view(held_).substr(held_.size() - hold))) --hold;
  std::string out = unicode::replace_broken(std::string_view(held_).substr(0, held_.size() - hold));
  held_.erase(0, held_.size() - hold);
  return impl.parts.decoder.suffix.empty() ? out : without_ends(out);
}

// No white space at either end of the whole: what may be the end waits.
std::string StreamDecoder::without_ends(const std::string& more) {
  const bool begun = spaces_.has_value();
  const std::string text = spaces_.value_or("") + more;
  const std::string kept = trimmed(text);
  if (kept.empty()) {
    if (begun) spaces_ = text;
    return {};
  }
  const size_t begin = begun ? 0 : text.find(kept), end = text.rfind(kept) + kept.size();
  spaces_ = text.substr(end);
  return text.substr(begin, end - begin);
}

std::string StreamDecoder::finish() {
  std::string out = unicode::replace_broken(held_);
  if (!tokenizer_.impl_->parts.decoder.suffix.empty()) out = without_ends(out);
  spaces_.reset();
  held_.clear();
  at_start_ = !continues_;
  tokens_ = stripped_ = 0;
  return out;
}

}  // namespace glassbox
