// For tests of what git's clients are answered: a repository in memory, and a client's half of the protocol.
#pragma once

#include <zlib.h>

#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "hub/git/packets.h"
#include "hub/git/store.h"
#include "hub/git/upload_pack.h"

namespace glassbox::testing {

using namespace hub;

// Paths and what is there.
using Files = std::map<std::string, std::string>;

class MadeUpStore : public git::Store {
 public:
  ObjectId commit(const Files& files, const std::vector<ObjectId>& parents, int64_t time) {
    const Signature who{"a", "a@b", time};
    const std::string encoded = encode_commit({tree(files), parents, who, who, "a commit\n"});
    const ObjectId id = put(ObjectKind::commit, encoded);
    made.insert(id);
    return id;
  }
  ObjectId tree(const Files& files) {
    std::vector<TreeEntry> entries;
    std::map<std::string, Files> folders;
    for (const auto& [path, content] : files) {
      const size_t slash = path.find('/');
      if (slash == std::string::npos)
        entries.push_back({TreeEntry::Mode::file, path, put(ObjectKind::blob, content)});
      else
        folders[path.substr(0, slash)][path.substr(slash + 1)] = content;
    }
    for (const auto& [name, below] : folders) entries.push_back({TreeEntry::Mode::folder, name, tree(below)});
    return put(ObjectKind::tree, encode_tree(entries));
  }
  ObjectId put(ObjectKind kind, const std::string& content) {
    const ObjectId id = object_id(kind, content);
    objects[id] = {kind, content};
    return id;
  }

  std::vector<Reference> references() override {
    std::vector<Reference> listed;
    for (const auto& [name, target] : refs) listed.push_back({name, target});
    return listed;
  }
  bool has_commit(const ObjectId& id) override { return made.contains(id); }
  std::string bytes(ObjectKind kind, const ObjectId& id) override {
    ++read;
    if (objects.at(id).first != kind) throw std::logic_error("another kind of object");
    return objects.at(id).second;
  }
  uint64_t blob_size(const ObjectId& id) override { return objects.at(id).second.size(); }
  std::unique_ptr<ContentReader> open_blob(const ObjectId& id) override {
    if (objects.at(id).first != ObjectKind::blob) throw std::logic_error("no blob");
    return reader_of(objects.at(id).second);
  }

  std::map<ObjectId, std::pair<ObjectKind, std::string>> objects;
  std::map<std::string, ObjectId> refs;
  std::set<ObjectId> made;
  size_t read = 0;  // commits and trees
};

// What an answer says: its packets up to the pack, and the pack.
struct Heard {
  std::vector<std::string> lines;  // "<flush>" and "<delimiter>" for the marks
  std::string pack, progress;
  size_t largest_packet = 0;
};

inline Heard hear(std::string_view bytes, bool has_bands = true) {
  Heard heard;
  git::PacketReader packets(bytes);
  while (const auto packet = packets.next()) {
    heard.largest_packet = std::max(heard.largest_packet, packet->data.size() + 4);
    const char band = packet->data.empty() ? 0 : packet->data.front();
    if (packet->kind == git::Packet::Kind::flush)
      heard.lines.emplace_back("<flush>");
    else if (packet->kind != git::Packet::Kind::data)
      heard.lines.emplace_back("<delimiter>");
    else if (has_bands && band == 1)
      heard.pack += packet->data.substr(1);
    else if (has_bands && band == 2)
      heard.progress += packet->data.substr(1);
    else
      heard.lines.emplace_back(packet->line());
  }
  return heard;
}

inline std::string all_of(git::Answer answer, git::Store& store, size_t most = 4096) {
  std::string bytes = answer.text;
  if (answer.pack)
    for (std::string piece; !(piece = answer.pack->next(store, most)).empty();) bytes += piece;
  return bytes;
}

// The objects of a pack, in its order. Throws for what is no whole pack.
inline std::vector<std::pair<ObjectKind, std::string>> unpacked(std::string_view pack) {
  const auto expect = [](bool holds, const char* what) {
    if (!holds) throw std::runtime_error(std::string("the pack: ") + what);
  };
  expect(pack.size() >= 32 && pack.substr(0, 8) == std::string_view("PACK\0\0\0\2", 8), "its head");
  const std::string_view body = pack.substr(0, pack.size() - 20);
  expect(digest_of<Sha1>(body).view() == pack.substr(body.size()), "its sum");
  uint32_t count = 0;
  for (const char c : body.substr(8, 4)) count = count << 8 | static_cast<uint8_t>(c);
  std::vector<std::pair<ObjectKind, std::string>> objects;
  std::string_view rest = body.substr(12);
  for (; count > 0; --count) {
    size_t at = 0;
    const auto take = [&] {
      expect(at < rest.size(), "an object's head");
      return static_cast<uint8_t>(rest[at++]);
    };
    uint8_t byte = take();
    const auto kind = static_cast<ObjectKind>(byte >> 4 & 7);
    uint64_t size = byte & 15;
    for (int shift = 4; byte & 0x80; shift += 7) size |= uint64_t{(byte = take()) & 0x7fu} << shift;
    rest.remove_prefix(at);
    std::string content(size + 1, '\0');
    z_stream stream{};
    expect(inflateInit(&stream) == Z_OK, "zlib");
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
    stream.avail_in = static_cast<uInt>(rest.size());
    stream.next_out = reinterpret_cast<Bytef*>(content.data());
    stream.avail_out = static_cast<uInt>(content.size());
    const int code = inflate(&stream, Z_FINISH);
    const size_t used = stream.total_in, made = stream.total_out;
    inflateEnd(&stream);
    expect(code == Z_STREAM_END && made == size, "an object's bytes");
    content.resize(size);
    rest.remove_prefix(used);
    objects.emplace_back(kind, std::move(content));
  }
  expect(rest.empty(), "something behind its objects");
  return objects;
}

inline std::string gzipped(const std::string& bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("zlib");
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) throw std::runtime_error("zlib");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// The repository of several tests: three commits in a row, a side branch from the second, and a merge of both.
struct BranchedStore : MadeUpStore {
  const ObjectId first = commit({{"a", "1"}, {"in/b", "1"}, {"in/deep/c", "1"}}, {}, 100),
                 second = commit({{"a", "1"}, {"in/b", "2"}, {"in/deep/c", "1"}}, {first}, 200),
                 third = commit({{"a", "1"}, {"in/b", "3"}, {"in/deep/c", "1"}}, {second}, 300),
                 side = commit({{"a", "side"}, {"in/b", "2"}, {"in/deep/c", "1"}}, {second}, 350),
                 merge = commit({{"a", "side"}, {"in/b", "3"}, {"in/deep/c", "1"}}, {third, side}, 400);
  BranchedStore() { refs = {{"refs/heads/main", merge}, {"refs/heads/side", side}, {"refs/tags/v1", first}}; }
};

// Requests: packets of these lines, and of "<flush>" and "<delimiter>".
inline std::string said(const std::vector<std::string>& lines) {
  std::string bytes;
  for (const std::string& line : lines) {
    if (line == "<flush>")
      bytes += git::kFlush;
    else if (line == "<delimiter>")
      bytes += git::kDelimiter;
    else
      git::append_packet(bytes, line + "\n");
  }
  return bytes;
}

inline std::string fetch_command(std::vector<std::string> lines) {
  lines.insert(lines.begin(), {"command=fetch", "agent=test", "object-format=sha1", "<delimiter>"});
  lines.emplace_back("<flush>");
  return said(lines);
}

}  // namespace glassbox::testing
