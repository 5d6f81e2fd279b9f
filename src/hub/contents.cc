#include "hub/contents.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "hub/database/layouts.h"
#include "hub/database/repositories.h"
#include "hub/refusal.h"
#include "hub/xet/chunker.h"

namespace glassbox::hub {
namespace {

std::span<const std::byte> as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

int64_t lease() { return now_in_milliseconds() + kLease; }

}  // namespace

std::optional<Content> Contents::find(Connection& connection, const Sha256& sha256) {
  return Layouts(connection).content(sha256);
}

std::optional<Content> Contents::find(const Sha256& sha256) const {
  return database_.read([&](Connection& connection) { return find(connection, sha256); });
}

Content Contents::put_whole(Connection& connection, std::string_view bytes) {
  check(bytes.size() <= kMostWhole, "only small contents are kept whole");
  const Content content{digest_of<Sha256>(bytes), bytes.size(), {}};
  Layouts(connection).add_content(content, bytes, lease());
  return *find(connection, content.sha256);
}

Pin::Pin(Pins& pins) : pins_(pins) {}
Pin::~Pin() {
  const std::lock_guard lock(pins_.mutex);
  for (const int64_t xorb : held_)
    if (const auto found = pins_.count.find(xorb); --found->second == 0) pins_.count.erase(found);
}
void Pin::add(int64_t xorb) {
  if (!held_.insert(xorb).second) return;
  ++pins_.count[xorb];
}

// Cuts what comes into chunks, keeps those that are new, and remembers where each lies.
class Contents::Writer : public ContentWriter {
 public:
  explicit Writer(Contents& contents) : contents_(contents), pin_(contents.pins_) {}

  void append(std::string_view bytes) override {
    sha256_.append(bytes);
    size_ += bytes.size();
    if (!chunked_) {
      whole_ += bytes;
      if (whole_.size() <= kMostWhole) return;
      chunked_ = true;
      cut(whole_);
      whole_ = {};
    } else {
      cut(bytes);
    }
  }

  Content finish(const std::optional<Sha256>& expected) override {
    const Sha256 sha256 = sha256_.finish();
    if (expected && sha256 != *expected)
      refuse(Refused::bad_value, "expected bytes of SHA-256 {}, got {}", expected->hex(), sha256.hex());
    if (!chunked_)
      return contents_.database_.write([&](Connection& connection) { return put_whole(connection, whole_); });
    if (!chunk_.empty()) end_chunk();
    flush();
    layout_.size = size_;
    layout_.file_id = tree_.file_id();
    return contents_.database_.write([&](Connection& connection) {
      Layouts layouts(connection);
      layouts.add(layout_, lease());
      layouts.add_content({sha256, size_, layout_.file_id}, {}, lease());
      return *layouts.content(sha256);
    });
  }

 private:
  // Terms of the xorb in the making have this number until it has one.
  static constexpr int64_t kOpen = -1;

  void cut(std::string_view bytes) {
    std::span<const std::byte> rest = as_bytes(bytes);
    while (const auto end = chunker_.next(rest)) {
      chunk_.insert(chunk_.end(), rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(*end));
      rest = rest.subspan(*end);
      end_chunk();
    }
    chunk_.insert(chunk_.end(), rest.begin(), rest.end());
  }

  void end_chunk() {
    const xet::Hash hash = xet::chunk_hash(chunk_);
    tree_.add(hash, chunk_.size());
    ChunkPlace place;
    if (const auto open = in_open_.find(hash); open != in_open_.end()) {
      place = {kOpen, open->second};
    } else if (const auto known = contents_.pinned_chunk(hash, pin_)) {
      place = *known;
    } else {
      if (!xorb_.fits(chunk_.size())) flush();
      place = {kOpen, static_cast<uint32_t>(xorb_.chunks())};
      xorb_.add(chunk_, hash);
      in_open_.emplace(hash, place.chunk);
    }
    const auto raw = static_cast<uint32_t>(chunk_.size());
    chunk_.clear();
    if (!layout_.terms.empty()) {
      LayoutTerm& last = layout_.terms.back();
      if (last.xorb == place.xorb && last.end == place.chunk && last.raw <= kMostTermBytes - raw) {
        last.end = place.chunk + 1;
        last.raw += raw;
        return;
      }
    }
    layout_.terms.push_back({place.xorb, place.chunk, place.chunk + 1, raw});
  }

  void flush() {
    if (xorb_.empty()) return;
    const xet::XorbWriter::Xorb made = xorb_.finish();
    const int64_t id = contents_.add_xorb(made.table, as_text(made.bytes), pin_);
    for (LayoutTerm& term : layout_.terms)
      if (term.xorb == kOpen) term.xorb = id;
    in_open_.clear();
  }

  // A term's raw bytes are a u32 on the wire; ours stay far below.
  static constexpr uint32_t kMostTermBytes = 1u << 30;

  Contents& contents_;
  Hasher<Sha256> sha256_;
  uint64_t size_ = 0;
  bool chunked_ = false;
  std::string whole_;
  xet::Chunker chunker_;
  std::vector<std::byte> chunk_;
  xet::MerkleTree tree_;
  xet::XorbWriter xorb_;
  std::unordered_map<xet::Hash, uint32_t> in_open_;
  Layout layout_;
  Pin pin_;
};

namespace {

class WholeReader : public ContentReader {
 public:
  explicit WholeReader(std::string bytes) : bytes_(std::move(bytes)) {}
  uint64_t size() const override { return bytes_.size(); }
  std::string read(uint64_t offset, size_t most) override {
    return offset >= bytes_.size() ? "" : bytes_.substr(static_cast<size_t>(offset), most);
  }

 private:
  std::string bytes_;
};

}  // namespace

std::unique_ptr<ContentReader> reader_of(std::string bytes) { return std::make_unique<WholeReader>(std::move(bytes)); }

// Decompresses one chunk after another of the xorbs that a layout names.
class Contents::Reader : public ContentReader {
 public:
  Reader(const Contents& contents, Layout layout, std::unique_ptr<Pin> pin)
      : contents_(contents), layout_(std::move(layout)), pin_(std::move(pin)) {
    uint64_t end = 0;
    for (const LayoutTerm& term : layout_.terms) ends_.push_back(end += term.raw);
    if (end != layout_.size)
      fail(ErrorKind::bad_file, "file {}: its terms have {} bytes, expected {}", layout_.file_id.text(), end,
           layout_.size);
  }

  uint64_t size() const override { return layout_.size; }

  std::string read(uint64_t offset, size_t most) override {
    if (offset >= layout_.size) return "";
    if (offset < chunk_begin_ || offset - chunk_begin_ >= chunk_.size()) load_chunk(offset);
    const size_t at = static_cast<size_t>(offset - chunk_begin_);
    return std::string(as_text(chunk_).substr(at, most));
  }

 private:
  struct Open {
    StoredXorb xorb;
    std::unique_ptr<BlobReader> blob;
  };
  static constexpr size_t kMostOpen = 8;

  const Open& open(int64_t id) {
    if (const auto found = open_.find(id); found != open_.end()) return found->second;
    if (open_.size() >= kMostOpen) open_.clear();
    Open opened{contents_.database_.read([&](Connection& connection) { return Layouts(connection).xorb(id); }),
                nullptr};
    opened.blob = contents_.blobs_.open(opened.xorb.table.hash.text());
    return open_.emplace(id, std::move(opened)).first->second;
  }

  void load_chunk(uint64_t offset) {
    const auto found = std::ranges::upper_bound(ends_, offset);
    const LayoutTerm& term = layout_.terms[static_cast<size_t>(found - ends_.begin())];
    const uint64_t term_begin = *found - term.raw;
    const Open& from = open(term.xorb);
    const xet::XorbTable& table = from.xorb.table;
    if (term.end > table.chunks.size() || term.first >= term.end)
      fail(ErrorKind::bad_file, "file {}: names chunks that xorb {} has not", layout_.file_id.text(),
           table.hash.text());
    // The chunk whose raw bytes the offset lies in.
    const uint64_t raw = offset - term_begin + table.raw_start(term.first);
    const auto chunk = static_cast<size_t>(
        std::ranges::upper_bound(table.chunks, raw, {}, [](const auto& c) { return uint64_t{c.raw_end}; }) -
        table.chunks.begin());
    if (chunk >= term.end)
      fail(ErrorKind::bad_file, "file {}: a term has not the bytes it says", layout_.file_id.text());
    std::string stored(table.stored_start(chunk + 1) - table.stored_start(chunk), '\0');
    from.blob->read(table.stored_start(chunk), stored);
    chunk_.resize(table.raw_bytes(chunk, chunk + 1));
    chunk_begin_ = term_begin + table.raw_start(chunk) - table.raw_start(term.first);
    xet::decode_chunk(as_bytes(stored), chunk_);
    if (xet::chunk_hash(chunk_) != table.chunks[chunk].hash)
      fail(ErrorKind::bad_file, "xorb {}: chunk {} is damaged", table.hash.text(), chunk);
  }

  const Contents& contents_;
  const Layout layout_;
  const std::unique_ptr<Pin> pin_;
  std::vector<uint64_t> ends_;  // of terms, in the file
  std::map<int64_t, Open> open_;
  std::vector<std::byte> chunk_;
  uint64_t chunk_begin_ = 0;
};

std::unique_ptr<ContentWriter> Contents::create() { return std::make_unique<Writer>(*this); }

std::optional<ChunkPlace> Contents::pinned_chunk(const xet::Hash& hash, Pin& pin) {
  const std::lock_guard lock(pins_.mutex);
  const auto place = database_.read([&](Connection& connection) { return Layouts(connection).chunk(hash); });
  if (place) pin.add(place->xorb);
  return place;
}

int64_t Contents::add_xorb(const xet::XorbTable& table, std::string_view stored, Pin& pin) {
  const auto blob = blobs_.create();
  blob->append(stored);
  return add_xorb(table, *blob, pin);
}

// The blob comes first: a row without its blob would be a loss, a blob without its row is only swept away.
int64_t Contents::add_xorb(const xet::XorbTable& table, BlobWriter& blob, Pin& pin) {
  const std::lock_guard lock(pins_.mutex);
  blob.commit(table.hash.text());
  const int64_t id =
      database_.write([&](Connection& connection) { return Layouts(connection).add_xorb(table, lease()); });
  pin.add(id);
  return id;
}

std::unique_ptr<ContentReader> Contents::open_file(const xet::Hash& file_id) const {
  auto pin = std::make_unique<Pin>(pins_);
  std::optional<Layout> layout;
  {
    const std::lock_guard lock(pins_.mutex);
    layout = database_.read([&](Connection& connection) { return Layouts(connection).find(file_id); });
    if (!layout) fail(ErrorKind::not_found, "file {}: not in the store", file_id.text());
    for (const LayoutTerm& term : layout->terms) pin->add(term.xorb);
  }
  return open_layout(*std::move(layout), std::move(pin));
}

std::unique_ptr<ContentReader> Contents::open_layout(Layout layout, std::unique_ptr<Pin> pin) const {
  return std::make_unique<Reader>(*this, std::move(layout), std::move(pin));
}

std::unique_ptr<ContentReader> Contents::open(const Sha256& sha256) const {
  const auto content = find(sha256);
  if (!content) fail(ErrorKind::not_found, "content {}: not in the store", sha256.hex());
  if (content->file_id) return open_file(*content->file_id);
  const auto bytes = database_.read([&](Connection& connection) { return Layouts(connection).whole_bytes(sha256); });
  if (!bytes || digest_of<Sha256>(*bytes) != sha256)
    fail(ErrorKind::bad_file, "content {}: damaged in the store", sha256.hex());
  return reader_of(*bytes);
}

std::string Contents::read(const Sha256& sha256, size_t most) const {
  const auto reader = open(sha256);
  if (reader->size() > most)
    fail(ErrorKind::full, "content {}: {} bytes, expected at most {}", sha256.hex(), reader->size(), most);
  std::string bytes;
  while (bytes.size() < reader->size()) bytes += reader->read(bytes.size(), most);
  return bytes;
}

}  // namespace glassbox::hub
