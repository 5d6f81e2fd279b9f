#include "tokenizer/normalizer.h"

#include <utf8proc.h>

#include <cstdlib>

#include "base/base64.h"
#include "base/error.h"
#include "base/quote.h"
#include "formats/json_fields.h"
#include "unicode/classes.h"
#include "unicode/utf8.h"

namespace glassbox {

namespace {

void squeeze(std::string_view text, std::string_view mark, std::string& out) {
  out.clear();
  for (char c : text)
    if (c != ' ' || (!out.empty() && out.back() != ' ')) out += c;
  while (!out.empty() && (out.ends_with(' ') || out.ends_with(mark)))
    out.resize(out.size() - (out.back() == ' ' ? 1 : mark.size()));
}

void replace_all(std::string_view text, const Normalizer::Replace& step, std::string& out) {
  out.clear();
  out.reserve(text.size() + text.size() / 2);
  if (step.what.size() == 1 &&
      step.with.size() <= 4) {  // SentencePiece's space to mark, on every character of every prompt
    for (char c : text) {
      if (c == step.what[0])
        out += step.with;
      else
        out += c;
    }
    return;
  }
  size_t at = 0;
  while (true) {
    const size_t found = text.find(step.what, at);
    if (found == std::string_view::npos) break;
    out.append(text, at, found - at);
    out += step.with;
    at = found + step.what.size();
  }
  out.append(text, at);
}

void replace_all(std::string_view text, const Normalizer::ReplaceRegex& step, std::string& out) {
  out.clear();
  for (size_t from = 0; from < text.size();) {
    // Broken bytes stay, and nothing matches across them.
    const std::string_view good = text.substr(from, unicode::valid_prefix(text.substr(from)));
    Regex::Matcher matcher(step.what, good);
    size_t at = 0;
    for (size_t begin, end; matcher.next(begin, end); at = end) {
      out.append(good, at, begin - at);
      out += step.with;
    }
    out.append(good, at);
    from += good.size();
    if (from < text.size()) out += text[from++];
  }
}

void compose_run(std::string_view run, const Normalizer::Compose& step, std::string& out) {
  int options = UTF8PROC_STABLE | (step.compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
  if (step.compatibility) options |= UTF8PROC_COMPAT;
  utf8proc_uint8_t* made = nullptr;
  const utf8proc_ssize_t length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(run.data()), static_cast<utf8proc_ssize_t>(run.size()),
                   &made, static_cast<utf8proc_option_t>(options));
  if (length < 0)
    fail(ErrorKind::bad_request, "Unicode normalization of {} bytes: {}", run.size(), utf8proc_errmsg(length));
  out.append(reinterpret_cast<const char*>(made), static_cast<size_t>(length));
  std::free(made);
}

// ASCII is its own normal form, and nothing before an ASCII character combines with it: so only what is not ASCII, with
// the one character before it, is worked on.
void compose(std::string_view text, const Normalizer::Compose& step, std::string& out) {
  out.clear();
  out.reserve(text.size());
  size_t at = 0;
  while (at < text.size()) {
    size_t end = at;
    while (end < text.size() && static_cast<uint8_t>(text[end]) < 0x80) ++end;
    if (end == text.size()) {
      out.append(text, at);
      return;
    }
    const size_t begin = end > at ? end - 1 : end;
    out.append(text, at, begin - at);
    while (end < text.size() && static_cast<uint8_t>(text[end]) >= 0x80) ++end;
    const std::string_view run = text.substr(begin, end - begin);
    // Broken bytes, and characters the reference's tables do not have, stay and keep their neighbours apart.
    size_t from = 0;
    for (size_t i = 0; i < run.size();) {
      const size_t here = i;
      const char32_t c = unicode::next(run, i);
      if (c != unicode::kBroken && !unicode::is_unnormalized(c)) continue;
      if (here > from) compose_run(run.substr(from, here - from), step, out);
      out.append(run, here, i - here);
      from = i;
    }
    if (from < run.size()) compose_run(run.substr(from), step, out);
    at = end;
  }
}

bool is_space(char32_t c) { return c != unicode::kBroken && unicode::class_table()[c] == unicode::Class::Space; }

// Each character as `to` appends it; broken bytes stay.
template <class To>
void each_character(std::string_view text, std::string& out, To&& to) {
  out.clear();
  out.reserve(text.size() + text.size() / 8);
  for (size_t at = 0; at < text.size();) {
    const size_t from = at;
    const char32_t c = unicode::next(text, at);
    if (c == unicode::kBroken)
      out.append(text, from, at - from);
    else
      to(c, text.substr(from, at - from));
  }
}

void lower(std::string_view text, std::string& out) {
  each_character(text, out, [&](char32_t c, std::string_view) {
    if (c < 0x80)
      out += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    else
      unicode::append_lower(out, c);
  });
}

void drop(std::string_view text, uint8_t traits, std::string& out) {
  const uint8_t* table = unicode::trait_table();
  each_character(text, out, [&](char32_t c, std::string_view bytes) {
    if (!(table[c] & traits)) out += bytes;
  });
}

// What the reference takes for Chinese: its list of blocks, which is not Unicode's.
bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
         (c >= 0x2A700 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) ||
         (c >= 0x2F800 && c <= 0x2FA1F);
}

std::string_view strip(std::string_view text, const Normalizer::Strip& step) {
  size_t begin = 0, end = text.size();
  for (size_t at = begin; step.left && at < end && is_space(unicode::next(text, at));) begin = at;
  for (size_t at = end; step.right && at > begin && is_space(unicode::previous(text, at));) end = at;
  return text.substr(begin, end - begin);
}

void bert(std::string_view text, const Normalizer::Bert& step, std::string& out) {
  out = text;
  std::string made;
  if (step.clean) {
    const uint8_t* table = unicode::trait_table();
    each_character(out, made, [&](char32_t c, std::string_view bytes) {
      if (table[c] & unicode::kControl) return;
      if (is_space(c))
        made += ' ';
      else
        made += bytes;
    });
    out.swap(made);
  }
  if (step.chinese) {
    each_character(out, made, [&](char32_t c, std::string_view bytes) {
      if (is_chinese(c))
        ((made += ' ') += bytes) += ' ';
      else
        made += bytes;
    });
    out.swap(made);
  }
  if (step.accents) {
    compose(out, {false, false}, made);
    drop(made, unicode::kNonspacingMark, out);
  }
  if (step.lower) {
    lower(out, made);
    out.swap(made);
  }
}

bool all_ascii(std::string_view text) {
  for (char c : text)
    if (static_cast<uint8_t>(c) >= 0x80) return false;
  return true;
}

// What takes a character's place: a few bytes in every published file, and no file may ask for gigabytes.
std::string replacement(const Json& spec, const char* key, std::string_view source, std::string_view place) {
  std::string text = json_string(spec, key, source, place);
  if (text.size() > 64)
    fail(ErrorKind::unsupported, "{}: {}: \"{}\" of {} bytes is not supported", source, place, key, text.size());
  return text;
}

void add_steps(const Json& spec, std::string_view source, std::vector<Normalizer::Step>& steps) {
  const std::string type = json_string(spec, "type", source, "normalizer");
  if (type == "Sequence") {
    for (const Json& one : json_array(spec, "normalizers", source, "normalizer Sequence"))
      add_steps(one, source, steps);
  } else if (type == "Prepend") {
    steps.push_back(Normalizer::Prepend{replacement(spec, "prepend", source, "normalizer Prepend"), false});
  } else if (type == "Replace") {
    const Json& pattern = json_object(spec, "pattern", source, "normalizer Replace");
    std::string with = replacement(spec, "content", source, "normalizer Replace");
    if (pattern.contains("String")) {
      std::string what = json_string(pattern, "String", source, "normalizer Replace");
      if (what.empty())
        fail(ErrorKind::unsupported, "{}: normalizer Replace of an empty string is not supported", source);
      steps.push_back(Normalizer::Replace{std::move(what), std::move(with)});
    } else {
      steps.push_back(Normalizer::ReplaceRegex{
          Regex::compile(json_string(pattern, "Regex", source, "normalizer Replace"), source), std::move(with)});
    }
  } else if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    steps.push_back(Normalizer::Compose{type.back() == 'C', type[2] == 'K'});
  } else if (type == "Precompiled") {
    std::string blob;
    if (!from_base64(json_string(spec, "precompiled_charsmap", source, "normalizer Precompiled"), blob))
      fail(ErrorKind::bad_file, "{}: normalizer Precompiled: \"precompiled_charsmap\" is no base64", source);
    steps.push_back(Normalizer::Mapped{std::make_shared<Charsmap>(Charsmap::parse(blob, source)), true});
  } else if (type == "Lowercase") {
    steps.push_back(Normalizer::Lower{});
  } else if (type == "StripAccents") {
    steps.push_back(Normalizer::StripAccents{});
  } else if (type == "Strip") {
    steps.push_back(Normalizer::Strip{json_bool(spec, "strip_left", true, source, "normalizer Strip"),
                                      json_bool(spec, "strip_right", true, source, "normalizer Strip")});
  } else if (type == "BertNormalizer") {
    const char* place = "normalizer BertNormalizer";
    const bool lowercase = json_bool(spec, "lowercase", true, source, place);
    steps.push_back(Normalizer::Bert{json_bool(spec, "clean_text", true, source, place),
                                     json_bool(spec, "handle_chinese_chars", true, source, place),
                                     json_bool(spec, "strip_accents", lowercase, source, place), lowercase});
  } else {
    fail(ErrorKind::unsupported, "{}: normalizer {} is not supported", source, quote(type));
  }
}

}  // namespace

Normalizer Normalizer::from_json(const Json& spec, std::string_view source) {
  std::vector<Step> steps;
  if (!spec.is_null()) add_steps(spec, source, steps);
  return Normalizer(std::move(steps));
}

std::string_view Normalizer::apply(std::string_view text, bool first, std::string& storage) const {
  std::string_view now = text;
  std::string made;
  for (const Step& step : steps_) {
    if (const auto* prepend = std::get_if<Prepend>(&step)) {
      if (now.empty() || (prepend->first_only && !first)) continue;
      (made = prepend->text) += now;
    } else if (const auto* squeezing = std::get_if<Squeeze>(&step)) {
      squeeze(now, squeezing->mark, made);
    } else if (const auto* replace = std::get_if<Replace>(&step)) {
      if (now.find(replace->what) == std::string_view::npos) continue;
      replace_all(now, *replace, made);
    } else if (const auto* regex = std::get_if<ReplaceRegex>(&step)) {
      replace_all(now, *regex, made);
    } else if (const auto* mapped = std::get_if<Mapped>(&step)) {
      if (mapped->graphemes)
        mapped->map->replace_graphemes(now, made);
      else
        mapped->map->replace_longest(now, made);
    } else if (std::holds_alternative<Lower>(step)) {
      lower(now, made);
    } else if (const auto* stripping = std::get_if<Strip>(&step)) {
      made = strip(now, *stripping);
    } else if (std::holds_alternative<StripAccents>(step)) {
      if (all_ascii(now)) continue;
      drop(now, unicode::kCombiningMark, made);
    } else if (const auto* cased = std::get_if<Bert>(&step)) {
      bert(now, *cased, made);
    } else {
      if (all_ascii(now)) continue;
      compose(now, std::get<Compose>(step), made);
    }
    if (made.size() > 32 * text.size() + 4096)
      fail(ErrorKind::bad_request, "normalization makes {} bytes of a text of {}", made.size(), text.size());
    storage.swap(made);
    now = storage;
  }
  return now;
}

}  // namespace glassbox
