#include "hub/git/pack.h"

#include "base/error.h"

namespace glassbox::hub::git {
namespace {

constexpr size_t kPiece = size_t{64} << 10;
constexpr size_t kMostRead = size_t{8} << 20;  // of what shrinks to nearly nothing, before something is given

void append_big_endian(std::string& out, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
}

// Four bits of the size beside the kind, then seven at a time, the lowest first.
void append_object_head(std::string& out, ObjectKind kind, uint64_t size) {
  uint8_t byte = static_cast<uint8_t>(static_cast<int>(kind) << 4 | (size & 15));
  for (size >>= 4; size != 0; size >>= 7) {
    out += static_cast<char>(byte | 0x80);
    byte = size & 0x7f;
  }
  out += static_cast<char>(byte);
}

}  // namespace

PackWriter::PackWriter(std::vector<PackedObject> objects) : objects_(std::move(objects)) {
  if (objects_.size() > 0xffff'ffff) fail(ErrorKind::unsupported, "a pack of {} objects", objects_.size());
}

void PackWriter::begin_object(Store& store, std::string& out) {
  const PackedObject& object = objects_[at_];
  if (object.kind == ObjectKind::blob) {
    blob_ = store.open_blob(object.id);
    written_ = 0;
    append_object_head(out, object.kind, blob_->size());
    continue_blob(out);
    return;
  }
  const std::string bytes = store.bytes(object.kind, object.id);
  append_object_head(out, object.kind, bytes.size());
  read_ += bytes.size();
  deflater_.append(bytes, out);
  deflater_.end(out);
  ++at_;
}

void PackWriter::continue_blob(std::string& out) {
  if (written_ < blob_->size()) {
    const std::string piece = blob_->read(written_, kPiece);
    if (piece.empty() || piece.size() > blob_->size() - written_)
      fail(ErrorKind::bad_file, "git blob {}: {} bytes, expected {}", objects_[at_].id.hex(), written_ + piece.size(),
           blob_->size());
    deflater_.append(piece, out);
    written_ += piece.size();
    read_ += piece.size();
  }
  if (written_ < blob_->size()) return;
  deflater_.end(out);
  blob_.reset();
  ++at_;
}

std::string PackWriter::next(Store& store, size_t least) {
  std::string out;
  if (has_ended_) return out;
  if (!has_begun_) {
    out = "PACK";
    append_big_endian(out, 2);
    append_big_endian(out, static_cast<uint32_t>(objects_.size()));
    has_begun_ = true;
  }
  read_ = 0;
  while (at_ < objects_.size() && out.size() < least && (read_ < kMostRead || out.empty())) {
    if (blob_)
      continue_blob(out);
    else
      begin_object(store, out);
  }
  hasher_.append(out);
  if (at_ == objects_.size()) {
    out += hasher_.finish().view();
    has_ended_ = true;
  }
  return out;
}

}  // namespace glassbox::hub::git
