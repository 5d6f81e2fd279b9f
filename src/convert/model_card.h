// Model cards: README.md, whose front matter (YAML between two lines of dashes) says of what a model was made.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"

namespace glassbox {

// The lines of a text, each with its end; the last may have none.
std::vector<std::string_view> lines_of(std::string_view text);

// A card's two parts, without the fences; views of the card.
struct FrontMatter {
  std::string_view yaml, text;
};
// Nothing where the card does not begin with a fence, or has no second one.
std::optional<FrontMatter> front_matter_of(std::string_view card);

// Ours: the whole card of the folder that a GGUF file was made from.
inline constexpr std::string_view kOwnCard = "glassbox.card";

// A card as GGUF metadata, as far as GGUF has words: licence, languages, tags, base models. And whole, as kOwnCard.
std::vector<GgufEntry> card_metadata(std::string_view card);

// The card of a folder made from a GGUF file: the one its source had, else `present`, else one written from the
// metadata. Where the file's numbers are quantized, the front matter says of what: base_model and base_model_relation;
// the rest of a card that was there stays.
std::string card_of(const Gguf& file, std::string_view present);

// The values of a key of the front matter as texts: one, or the scalars of a list. None where the front matter is no
// YAML that parse_yaml() takes.
std::vector<std::string> front_matter(std::string_view card, std::string_view key);

}  // namespace glassbox
