// A model among its relatives: what it was made of, up to the first that is named, and what was made of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hub/hub.h"

namespace glassbox::hub {

// A model as one hangs in the tree below another (or, going up, above it), which the claim is about.
struct Variant {
  std::string name;                 // of one that is not here, as a card has it; else the repository's
  std::optional<Repository> model;  // without facts; nothing where it is not here, or not for the caller to know of
  std::string relation;
  Verdict verdict = Verdict::unknown;
  std::string why;
  RelationCounts children;  // how many say to be made of it, whether they are told here or not

  enum class Told {
    here,       // what is next to it follows
    elsewhere,  // it is in the tree at another place too, where that follows
    circle      // it is on its own way to the root: somebody's claim is wrong
  } told = Told::here;
  std::vector<Variant> next;  // of a base its bases, of a child its children
  int64_t left_out = 0;       // of these, for want of room
};

struct VariantTree {
  Variant root;                   // the model itself, `next` empty
  std::vector<Variant> bases;     // of the root, in its card's order
  std::vector<Variant> children;  // of the root, the most liked first
  int64_t bases_left_out = 0, children_left_out = 0;
};

struct TreeBounds {
  size_t depth = 4;   // levels, each way
  size_t width = 50;  // children of one model
  size_t most = 300;  // models, each way
};

// What the view's caller may know of it. As many statements as there are levels, not models.
VariantTree variants_of(View& view, const Repository& model, const TreeBounds& bounds);

}  // namespace glassbox::hub
