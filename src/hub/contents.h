// The bytes of all files, each kept once whoever uploaded it, by whatever protocol: small ones whole in the database,
// others as chunks that are cut by content (Xet), so that a variant of a file costs what it changed.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "hub/blobs.h"
#include "hub/database/database.h"
#include "hub/database/layouts.h"
#include "hub/digest.h"
#include "hub/xet/hash.h"

namespace glassbox::hub {

// Bytes on their way in. Holds little of them, however many there are. Let go unfinished, it leaves nothing that is
// found. For one thread.
class ContentWriter {
 public:
  virtual ~ContentWriter() = default;
  virtual void append(std::string_view bytes) = 0;  // throws Error(io | full)
  // Durable when it returns. Refuses (bad_value) what is not `expected`, where that is given.
  virtual Content finish(const std::optional<Sha256>& expected = std::nullopt) = 0;
};

// What is read was checked against the hashes of its chunks. For one thread.
class ContentReader {
 public:
  virtual ~ContentReader() = default;
  virtual uint64_t size() const = 0;
  // Up to `most` bytes from `offset` on, at least one unless it is at the end. Throws Error(io | bad_file).
  virtual std::string read(uint64_t offset, size_t most) = 0;
};

// Of bytes in memory.
std::unique_ptr<ContentReader> reader_of(std::string bytes);

// How long what nobody refers to yet stays: clients remember what they uploaded for three weeks, and name it again
// without asking.
constexpr int64_t kLease = int64_t{22} * 24 * 60 * 60 * 1000;  // milliseconds

// Xorbs that somebody reads or is about to refer to, which therefore stay.
struct Pins {
  std::mutex mutex;
  std::unordered_map<int64_t, int> count;  // of each xorb
};

// What one reader or writer holds.
class Pin {
 public:
  explicit Pin(Pins& pins);
  ~Pin();
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  void add(int64_t xorb);  // REQUIRES: the caller holds the pins' mutex

 private:
  Pins& pins_;
  std::set<int64_t> held_;
};

// Any thread. Outlives its readers and writers.
class Contents {
 public:
  // Both outlive it.
  Contents(Database& database, Blobs& blobs) : database_(database), blobs_(blobs) {}

  std::optional<Content> find(const Sha256& sha256) const;
  static std::optional<Content> find(Connection& connection, const Sha256& sha256);

  std::unique_ptr<ContentWriter> create();
  // Throws Error(not_found).
  std::unique_ptr<ContentReader> open(const Sha256& sha256) const;
  // All of it, at most `most` bytes. Throws Error(not_found), Error(full) where there are more.
  std::string read(const Sha256& sha256, size_t most) const;

  // Keeps small bytes as part of a transaction of the caller's.
  static constexpr size_t kMostWhole = 64 << 10;
  static Content put_whole(Connection& connection, std::string_view bytes);
  // For Xet's protocol. A xorb that was checked: durable when it returns, with its number. The blob's bytes are all
  // there.
  int64_t add_xorb(const xet::XorbTable& table, BlobWriter& blob, Pin& pin);
  std::unique_ptr<ContentReader> open_file(const xet::Hash& file_id) const;  // throws Error(not_found)
  // The same of a layout that is not added yet. REQUIRES: `pin` holds its xorbs.
  std::unique_ptr<ContentReader> open_layout(Layout layout, std::unique_ptr<Pin> pin) const;
  Database& database() { return database_; }
  Blobs& blobs() { return blobs_; }
  Pins& pins() const { return pins_; }

 private:
  class Writer;
  class Reader;
  int64_t add_xorb(const xet::XorbTable& table, std::string_view stored, Pin& pin);
  std::optional<ChunkPlace> pinned_chunk(const xet::Hash& hash, Pin& pin);

  Database& database_;
  Blobs& blobs_;
  mutable Pins pins_;
};

}  // namespace glassbox::hub
