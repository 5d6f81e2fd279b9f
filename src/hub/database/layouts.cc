#include "hub/database/layouts.h"

#include <algorithm>
#include <set>

#include "base/error.h"

namespace glassbox::hub {
namespace {

constexpr size_t kChunkBytes = 40, kTermBytes = 20;

void append(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}

uint64_t load(std::string_view& bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  bytes.remove_prefix(count);
  return value;
}

std::string packed(const std::vector<xet::XorbChunk>& chunks) {
  std::string bytes;
  bytes.reserve(chunks.size() * kChunkBytes);
  for (const xet::XorbChunk& chunk : chunks) {
    bytes += chunk.hash.view();
    append(bytes, chunk.raw_end, 4);
    append(bytes, chunk.stored_end, 4);
  }
  return bytes;
}

StoredXorb read_xorb(const Row& row) {
  StoredXorb xorb;
  xorb.id = row.integer(0);
  xorb.table.hash = xet_hash(row.bytes(1));
  std::string_view bytes = row.bytes(2);
  if (bytes.size() % kChunkBytes != 0) fail(ErrorKind::bad_file, "the hub's database: a xorb's table is cut off");
  xorb.table.chunks.reserve(bytes.size() / kChunkBytes);
  while (!bytes.empty()) {
    xet::XorbChunk chunk{};
    chunk.hash = xet_hash(bytes.substr(0, 32));
    bytes.remove_prefix(32);
    chunk.raw_end = static_cast<uint32_t>(load(bytes, 4));
    chunk.stored_end = static_cast<uint32_t>(load(bytes, 4));
    xorb.table.chunks.push_back(chunk);
  }
  return xorb;
}

}  // namespace

xet::Hash xet_hash(std::string_view bytes) {
  check(bytes.size() == 32, "a Xet hash has 32 bytes");
  xet::Hash hash;
  std::ranges::copy(std::as_bytes(std::span(bytes)), hash.bytes.begin());
  return hash;
}

std::optional<Content> Layouts::content(const Sha256& sha256) {
  return connection_.first("SELECT size, file_id FROM content WHERE sha256 = ?", {Blob{sha256.view()}},
                           [&](const Row& row) {
                             Content content{sha256, static_cast<uint64_t>(row.integer(0)), {}};
                             if (!row.is_null(1)) content.file_id = xet_hash(row.bytes(1));
                             return content;
                           });
}

std::optional<std::string> Layouts::whole_bytes(const Sha256& sha256) {
  return connection_.first("SELECT bytes FROM content WHERE sha256 = ? AND bytes IS NOT NULL", {Blob{sha256.view()}},
                           [](const Row& row) { return row.text(0); });
}

void Layouts::add_content(const Content& content, std::optional<std::string_view> bytes, int64_t leased) {
  connection_.run(
      "INSERT INTO content (sha256, size, bytes, file_id, leased) VALUES (?, ?, ?, ?, ?) "
      "ON CONFLICT DO UPDATE SET leased = MAX(leased, excluded.leased)",
      {Blob{content.sha256.view()}, content.size, bytes ? Value(Blob{*bytes}) : Value(nullptr),
       content.file_id ? Value(Blob{content.file_id->view()}) : Value(nullptr), leased});
}

int64_t Layouts::add_xorb(const xet::XorbTable& table, int64_t leased) {
  const bool added =
      connection_.run("INSERT OR IGNORE INTO xorb (hash, stored, raw, chunks, leased) VALUES (?, ?, ?, ?, ?)",
                      {Blob{table.hash.view()}, uint64_t{table.stored_bytes()}, uint64_t{table.raw_bytes()},
                       Blob{packed(table.chunks)}, leased}) > 0;
  if (!added) {
    connection_.run("UPDATE xorb SET leased = MAX(leased, ?) WHERE hash = ?", {leased, Blob{table.hash.view()}});
    return *connection_.integer("SELECT id FROM xorb WHERE hash = ?", {Blob{table.hash.view()}});
  }
  const int64_t id = connection_.last_row();
  for (size_t i = 0; i < table.chunks.size(); ++i)
    connection_.run("INSERT OR IGNORE INTO chunk (hash, xorb, place) VALUES (?, ?, ?)",
                    {Blob{table.chunks[i].hash.view()}, id, uint64_t{i}});
  return id;
}

std::optional<StoredXorb> Layouts::xorb(const xet::Hash& hash) {
  return connection_.first("SELECT id, hash, chunks FROM xorb WHERE hash = ?", {Blob{hash.view()}}, read_xorb);
}

StoredXorb Layouts::xorb(int64_t id) {
  auto found = connection_.first("SELECT id, hash, chunks FROM xorb WHERE id = ?", {id}, read_xorb);
  if (!found) fail(ErrorKind::bad_file, "the hub's database: there is no xorb {}", id);
  return *std::move(found);
}

std::optional<ChunkPlace> Layouts::chunk(const xet::Hash& hash) {
  return connection_.first("SELECT xorb, place FROM chunk WHERE hash = ?", {Blob{hash.view()}}, [](const Row& row) {
    return ChunkPlace{row.integer(0), static_cast<uint32_t>(row.integer(1))};
  });
}

void Layouts::add(const Layout& layout, int64_t leased) {
  std::string terms;
  terms.reserve(layout.terms.size() * kTermBytes);
  std::set<int64_t> xorbs;
  for (const LayoutTerm& term : layout.terms) {
    append(terms, static_cast<uint64_t>(term.xorb), 8);
    append(terms, term.first, 4);
    append(terms, term.end, 4);
    append(terms, term.raw, 4);
    xorbs.insert(term.xorb);
  }
  const bool added = connection_.run("INSERT OR IGNORE INTO layout (file_id, size, terms, leased) VALUES (?, ?, ?, ?)",
                                     {Blob{layout.file_id.view()}, layout.size, Blob{terms}, leased}) > 0;
  if (!added) {
    connection_.run("UPDATE layout SET leased = MAX(leased, ?) WHERE file_id = ?",
                    {leased, Blob{layout.file_id.view()}});
    return;
  }
  for (const int64_t xorb : xorbs)
    connection_.run("INSERT INTO layout_xorb (xorb, file_id) VALUES (?, ?)", {xorb, Blob{layout.file_id.view()}});
}

std::optional<Layout> Layouts::find(const xet::Hash& file_id) {
  return connection_.first("SELECT size, terms FROM layout WHERE file_id = ?", {Blob{file_id.view()}},
                           [&](const Row& row) {
                             Layout layout{file_id, static_cast<uint64_t>(row.integer(0)), {}};
                             std::string_view bytes = row.bytes(1);
                             if (bytes.size() % kTermBytes != 0)
                               fail(ErrorKind::bad_file, "the hub's database: a file's layout is cut off");
                             while (!bytes.empty()) {
                               LayoutTerm term;
                               term.xorb = static_cast<int64_t>(load(bytes, 8));
                               term.first = static_cast<uint32_t>(load(bytes, 4));
                               term.end = static_cast<uint32_t>(load(bytes, 4));
                               term.raw = static_cast<uint32_t>(load(bytes, 4));
                               layout.terms.push_back(term);
                             }
                             return layout;
                           });
}

std::vector<xet::Hash> Layouts::of_xorb(int64_t xorb, int64_t most) {
  return connection_.all(
      "SELECT l.file_id FROM layout_xorb x JOIN layout l ON l.file_id = x.file_id WHERE x.xorb = ? "
      "ORDER BY l.leased DESC LIMIT ?",
      {xorb, most}, [](const Row& row) { return xet_hash(row.bytes(0)); });
}

}  // namespace glassbox::hub
