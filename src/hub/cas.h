// Xet's content-addressed service over the hub's contents: what clients upload as xorbs and shards, and how they get it
// back (public Xet specification 1.1.0, "CAS API"). It knows nothing of HTTP.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hub/contents.h"
#include "hub/repository.h"
#include "hub/xet/reconstruction.h"
#include "hub/xet/shard.h"

namespace glassbox::hub {

// A xorb on its way in: checked while it comes. For one thread.
class XorbUpload {
 public:
  explicit XorbUpload(Contents& contents);
  void append(std::string_view bytes);  // throws Error(bad_file | io | full)
  // Durable when it returns; false where a xorb of this name was there. Throws Error(bad_file) where its chunks give it
  // another name.
  bool finish(const xet::Hash& name);

 private:
  Contents& contents_;
  std::unique_ptr<BlobWriter> blob_;
  xet::XorbReader reader_;
};

// Any thread.
class Cas {
 public:
  // `contents` outlives it. `secret`: of the store.
  Cas(Contents& contents, std::string_view secret) : contents_(contents), secret_(secret) {}

  bool has_xorb(const xet::Hash& name) const;
  // Makes the files of a shard known, all of them or none: their terms are checked against the xorbs, and their bytes
  // against the SHA-256 that they are said to have. `progress` hears of files that were checked, of how many. Throws
  // Error(bad_file) for what is not as the shard says.
  void add_shard(std::span<const std::byte> shard, const std::function<void(size_t done, size_t all)>& progress);
  // A shard that says which xorbs have this chunk and its neighbours, of those that the caller may have all of; nothing
  // where none has.
  std::optional<std::vector<std::byte>> dedup_answer(const Caller& caller, const xet::Hash& chunk) const;
  // Throws Error(not_found) for a file that is not known.
  std::optional<xet::Reconstruction> reconstruct(const xet::Hash& file_id,
                                                 const std::optional<xet::ByteRange>& range) const;
  // Stored bytes of a xorb, from `first` to `last`. Throws Error(not_found | bad_request).
  std::unique_ptr<BlobReader> open_xorb(const xet::Hash& name) const;

 private:
  Contents& contents_;
  const std::string secret_;
};

}  // namespace glassbox::hub
