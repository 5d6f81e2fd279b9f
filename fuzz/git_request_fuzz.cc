// Any bytes as what git's clients ask of a small repository, by either protocol: a refusal of one line, or packets, of
// which the pack has objects of that repository alone. Also as a gzip file.
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "fuzz/require.h"
#include "hub/git/deflate.h"
#include "hub/git/testing.h"
#include "hub/refusal.h"

namespace {

using namespace glassbox;
using namespace glassbox::testing;

// What the references lead to, and what lies in the same store but is another repository's.
struct Shared : BranchedStore {
  Shared() {
    for (const auto& [id, object] : objects) own.insert(id);
    elsewhere = commit({{"secret", "s"}}, {first}, 500);
    made.erase(elsewhere);
  }
  std::set<ObjectId> own;
  ObjectId elsewhere;
};

void listen(Shared& store, const git::Answer& answer, size_t most) {
  const std::string bytes = all_of(answer, store, most);
  if (!answer.pack) {
    require(hear(bytes, false).pack.empty());
    return;
  }
  // A pack without bands begins behind the last line.
  const size_t bare = answer.text.size();
  const bool has_bands = bytes.compare(bare, 4, "PACK") != 0;
  const std::string pack = has_bands ? hear(bytes).pack : bytes.substr(bare);
  std::set<ObjectId> sent;
  for (const auto& [kind, content] : unpacked(pack)) {
    const ObjectId id = object_id(kind, content);
    require(store.own.contains(id));
    require(sent.insert(id).second);
  }
}

template <class Work>
void try_out(const Work& work) {
  try {
    work();
  } catch (const Refusal& refusal) {
    require_one_line(refusal.what());
    require(git::error_packet(refusal.what()).size() < 2000);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Shared store;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const size_t most : {size_t{1}, size_t{100'000}}) {
    try_out([&] { listen(store, git::answer_v2(store, bytes), most); });
    try_out([&] { listen(store, git::answer(store, bytes), most); });
  }
  try_out([&] { require(git::inflated_gzip(bytes, 10'000).size() <= 10'000); });
  return 0;
}
