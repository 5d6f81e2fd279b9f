// YAML of strangers, such as the front matter of model cards: one document, by the core schema of YAML 1.2, into JSON.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace glassbox {

struct YamlLimits {
  size_t bytes = size_t{1} << 20;
  size_t nodes = 100'000;
  int depth = 64;
};

struct Yaml {
  OrderedJson value;  // null for an empty document
  // The keys of the outermost mapping in their order, and the line, from 0, on which each stands.
  std::vector<std::pair<std::string, size_t>> keys;
};

// `source` names the text in errors. Plain scalars are null, true, false and numbers as the core schema spells them, so
// that "no" and "2024-01-01" are texts; numbers that 64 bits do not hold, infinities and NaN stay texts, too. Comments
// and anchors that nothing refers to are passed over. Throws Error(bad_file) with the line for text that is no YAML or
// not UTF-8, a key given twice, more than one document, and beyond the limits; and Error(unsupported) for what would
// change the meaning: aliases, explicit tags, merge keys (<<), and keys that are no scalars.
Yaml parse_yaml(std::string_view text, std::string_view source, const YamlLimits& limits = {});

}  // namespace glassbox
