// What git's clients ask when they fetch: as bytes (gitprotocol-v2; gitprotocol-pack for those before it), and read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hub/git.h"

namespace glassbox::hub::git {

// What a partial clone leaves out (git-rev-list, --filter).
struct Filter {
  bool trees = true;                    // false ("tree:0"): neither folders nor files
  std::optional<uint64_t> blobs_below;  // only files of fewer bytes; 0 ("blob:none"): none
  bool operator==(const Filter&) const = default;
};
// Refuses (bad_value) filters that are not served, by name.
Filter parse_filter(std::string_view text);

struct FetchRequest {
  std::vector<ObjectId> wants, haves;
  std::vector<ObjectId> shallow;  // commits that the client has without their parents
  // How far back the history is to go; nothing: all of it.
  std::optional<uint32_t> depth;      // commits, from the wanted ones on
  bool depth_is_more = false;         // from where the client's history ends
  std::optional<int64_t> since;       // seconds since 1970
  std::vector<std::string> excluded;  // references ("deepen-not")
  Filter filter;
  bool done = false;  // no more haves will come: the pack is to follow
  bool progress = true;
  bool limits_history() const { return depth || since || !excluded.empty(); }

  // Before protocol 2:
  enum class Acks { one, many, detailed };
  Acks acks = Acks::one;
  bool without_done = false;  // the pack may follow before "done"
  size_t band = 0;            // bytes of a packet of the side-band; 0: the pack comes as it is
  bool asks = false;          // after the wants came haves, or "done"
};

struct ListReferences {
  bool symrefs = false, unborn = false;
  std::vector<std::string> prefixes;  // none: all
};

// All refuse (bad_value) what is malformed, or asks for what was not offered.
std::variant<ListReferences, FetchRequest> parse_command(std::string_view body);  // protocol 2
FetchRequest parse_fetch(std::string_view body);                                  // protocols 0 and 1

}  // namespace glassbox::hub::git
