#include "hub/cas.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "hub/database/holdings.h"
#include "hub/database/repositories.h"
#include "hub/xet/chunker.h"

namespace glassbox::hub {
namespace {

// A client's answer holds the xorbs of so many files, and so many chunks: a few megabytes.
constexpr int64_t kMostAnswerFiles = 4;
constexpr size_t kMostAnswerChunks = size_t{64} << 10;
constexpr int64_t kWeek = 7 * 24 * 60 * 60;  // seconds

// Xorbs by name, as shards have them, each looked up once.
class XorbsByName {
 public:
  explicit XorbsByName(Connection& connection) : layouts_(connection) {}
  const StoredXorb* find(const xet::Hash& name) {
    const auto [at, is_new] = found_.try_emplace(name);
    if (is_new) at->second = layouts_.xorb(name);
    return at->second ? &*at->second : nullptr;
  }

 private:
  Layouts layouts_;
  std::map<xet::Hash, std::optional<StoredXorb>> found_;
};

Sha256 sha256_of(const xet::Sha256& digest) {
  return Sha256::of_bytes({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace

XorbUpload::XorbUpload(Contents& contents) : contents_(contents), blob_(contents.blobs().create()) {}

void XorbUpload::append(std::string_view bytes) {
  reader_.add(std::as_bytes(std::span(bytes)));
  blob_->append(bytes);
}

bool XorbUpload::finish(const xet::Hash& name) {
  const xet::XorbTable table = reader_.finish(name);
  const bool is_new =
      !contents_.database().read([&](Connection& connection) { return Layouts(connection).xorb(name).has_value(); });
  Pin pin(contents_.pins());
  contents_.add_xorb(table, *blob_, pin);
  return is_new;
}

bool Cas::has_xorb(const xet::Hash& name) const {
  return contents_.database().read([&](Connection& connection) { return Layouts(connection).xorb(name).has_value(); });
}

void Cas::add_shard(std::span<const std::byte> bytes, const std::function<void(size_t done, size_t all)>& progress) {
  const xet::Shard shard = xet::parse_shard(bytes);
  std::vector<Layout> layouts;
  auto held = std::make_unique<Pin>(contents_.pins());
  {
    // What the shard names stays from here on.
    const std::lock_guard lock(contents_.pins().mutex);
    contents_.database().read([&](Connection& connection) {
      XorbsByName xorbs(connection);
      xet::check_shard(shard, [&](const xet::Hash& name) {
        const StoredXorb* found = xorbs.find(name);
        return found ? &found->table : nullptr;
      });
      for (const xet::ShardFile& file : shard.files) {
        Layout layout{file.id, file.bytes(), {}};
        for (const xet::Term& term : file.terms) {
          const int64_t id = xorbs.find(term.xorb)->id;
          held->add(id);
          layout.terms.push_back({id, term.first, term.end, term.raw_bytes});
        }
        layouts.push_back(std::move(layout));
      }
    });
  }
  for (size_t i = 0; i < shard.files.size(); ++i) {
    progress(i, shard.files.size());
    if (!shard.files[i].sha256 || layouts[i].terms.empty()) continue;
    const Sha256 said = sha256_of(*shard.files[i].sha256);
    if (const auto known = contents_.find(said); known && known->file_id == layouts[i].file_id) continue;
    const auto reader = contents_.open_layout(layouts[i], nullptr);
    Hasher<Sha256> hasher;
    for (uint64_t at = 0; at < reader->size();) {
      const std::string piece = reader->read(at, xet::kLargestChunk);
      hasher.append(piece);
      at += piece.size();
    }
    if (const Sha256 is = hasher.finish(); is != said)
      fail(ErrorKind::bad_file, "shard: file {}: its bytes have SHA-256 {}, and it says {}", layouts[i].file_id.text(),
           is.hex(), said.hex());
  }
  contents_.database().write([&](Connection& connection) {
    const int64_t leased = now_in_milliseconds() + kLease;
    for (size_t i = 0; i < shard.files.size(); ++i) {
      if (layouts[i].terms.empty()) {
        Contents::put_whole(connection, "");
        continue;
      }
      Layouts(connection).add(layouts[i], leased);
      if (shard.files[i].sha256)
        Layouts(connection)
            .add_content({sha256_of(*shard.files[i].sha256), layouts[i].size, layouts[i].file_id}, {}, leased);
    }
  });
}

std::optional<std::vector<std::byte>> Cas::dedup_answer(const Caller& caller, const xet::Hash& chunk) const {
  return contents_.database().read([&](Connection& connection) -> std::optional<std::vector<std::byte>> {
    Layouts layouts(connection);
    const auto place = layouts.chunk(chunk);
    if (!place) return std::nullopt;
    // The xorb that has it comes first, then those of the files that have it: a variant is likely to go on in them.
    std::vector<int64_t> ids{place->xorb};
    for (const xet::Hash& file : layouts.of_xorb(place->xorb, kMostAnswerFiles)) {
      const auto layout = layouts.find(file);
      if (!layout) continue;
      for (const LayoutTerm& term : layout->terms)
        if (!std::ranges::count(ids, term.xorb)) ids.push_back(term.xorb);
    }
    std::vector<StoredXorb> xorbs;
    size_t chunks = 0;
    for (const int64_t id : ids) {
      StoredXorb xorb = layouts.xorb(id);
      if (!Holdings(connection).may_have_xorb(caller, xorb.table.hash)) {
        if (id == place->xorb) return std::nullopt;
        continue;
      }
      chunks += xorb.table.chunks.size();
      if (chunks > kMostAnswerChunks && !xorbs.empty()) break;
      xorbs.push_back(std::move(xorb));
    }
    const int64_t now = now_in_milliseconds() / 1000;
    // One key a week: clients group what they were answered by it.
    const Sha256 drawn = digest_of<Sha256>(secret_ + "dedup" + std::to_string(now / kWeek));
    xet::DedupAnswer answer{{}, {}, static_cast<uint64_t>(now), static_cast<uint64_t>(now + kWeek)};
    std::ranges::copy(std::as_bytes(std::span(drawn.bytes)), answer.key.begin());
    for (const StoredXorb& xorb : xorbs) answer.xorbs.push_back(&xorb.table);
    return xet::write_dedup_answer(answer);
  });
}

std::optional<xet::Reconstruction> Cas::reconstruct(const xet::Hash& file_id,
                                                    const std::optional<xet::ByteRange>& range) const {
  return contents_.database().read([&](Connection& connection) {
    Layouts layouts(connection);
    const auto layout = layouts.find(file_id);
    if (!layout) fail(ErrorKind::not_found, "file {}: not in the store", file_id.text());
    std::map<int64_t, StoredXorb> by_id;
    std::map<xet::Hash, const xet::XorbTable*> by_name;
    std::vector<xet::Term> terms;
    for (const LayoutTerm& term : layout->terms) {
      const auto [at, is_new] = by_id.try_emplace(term.xorb);
      if (is_new) {
        at->second = layouts.xorb(term.xorb);
        by_name[at->second.table.hash] = &at->second.table;
      }
      xet::Term wire;
      wire.xorb = at->second.table.hash;
      wire.first = term.first;
      wire.end = term.end;
      wire.raw_bytes = term.raw;
      terms.push_back(wire);
    }
    return xet::reconstruct(terms, range,
                            [&](const xet::Hash& name) -> const xet::XorbTable& { return *by_name.at(name); });
  });
}

std::unique_ptr<BlobReader> Cas::open_xorb(const xet::Hash& name) const { return contents_.blobs().open(name.text()); }

}  // namespace glassbox::hub
