// What contents there are, and where the chunks of large ones lie, in the database.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "hub/database/database.h"
#include "hub/digest.h"
#include "hub/xet/xorb.h"

namespace glassbox::hub {

struct Content {
  Sha256 sha256;
  uint64_t size = 0;
  std::optional<xet::Hash> file_id;  // the published one; none of what is kept whole
};

// A run of chunks of one xorb.
struct LayoutTerm {
  int64_t xorb = 0;             // its number in the database
  uint32_t first = 0, end = 0;  // chunks, from the first to the one behind the last
  uint32_t raw = 0;             // bytes
};

struct Layout {
  xet::Hash file_id;
  uint64_t size = 0;
  std::vector<LayoutTerm> terms;  // in the order of the file
};

struct StoredXorb {
  int64_t id = 0;
  xet::XorbTable table;
};

struct ChunkPlace {
  int64_t xorb = 0;
  uint32_t chunk = 0;
};

// Of 32 bytes as they are.
xet::Hash xet_hash(std::string_view bytes);

// Over a connection in a transaction, and as long-lived as it.
class Layouts {
 public:
  explicit Layouts(Connection& connection) : connection_(connection) {}

  std::optional<Content> content(const Sha256& sha256);
  std::optional<std::string> whole_bytes(const Sha256& sha256);  // of what is kept whole
  // One that is there stays as it is, but for a longer lease, so that what was published does. `bytes`: of what is kept
  // whole.
  void add_content(const Content& content, std::optional<std::string_view> bytes, int64_t leased);

  // Its number; of one that was there already, what that has.
  int64_t add_xorb(const xet::XorbTable& table, int64_t leased);
  std::optional<StoredXorb> xorb(const xet::Hash& hash);
  StoredXorb xorb(int64_t id);  // throws Error(bad_file) where there is none
  std::optional<ChunkPlace> chunk(const xet::Hash& hash);

  void add(const Layout& layout, int64_t leased);  // one that is there stays
  std::optional<Layout> find(const xet::Hash& file_id);
  // The layouts that have chunks of this xorb, the newest first, at most `most`.
  std::vector<xet::Hash> of_xorb(int64_t xorb, int64_t most);

 private:
  Connection& connection_;
};

}  // namespace glassbox::hub
