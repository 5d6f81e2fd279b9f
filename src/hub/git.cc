#include "hub/git.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/error.h"

namespace glassbox::hub {
namespace {

std::string_view name_of(ObjectKind kind) {
  return kind == ObjectKind::commit ? "commit" : kind == ObjectKind::tree ? "tree" : "blob";
}

// Takes what stands before `end` off `text`, and `end` as well.
std::string_view take_until(std::string_view& text, char end, const char* what) {
  const size_t at = text.find(end);
  if (at == std::string_view::npos) fail(ErrorKind::bad_file, "git object: {} is cut off", what);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at + 1);
  return part;
}

template <class T>
T number_of(std::string_view digits, int base, const char* what) {
  T value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty())
    fail(ErrorKind::bad_file, "git object: {} is no number", what);
  return value;
}

std::string fit_for_git(std::string_view text) {
  std::string fit;
  for (const char c : text)
    if (static_cast<unsigned char>(c) >= 0x20 && c != '<' && c != '>' && c != 0x7f) fit += c;
  while (fit.ends_with(' ')) fit.pop_back();
  fit.erase(0, fit.find_first_not_of(' '));
  return fit;
}

void append_signature(std::string& bytes, std::string_view role, const Signature& who) {
  const std::string name = fit_for_git(who.name);
  fmt::format_to(std::back_inserter(bytes), "{} {} <{}> {} +0000\n", role, name, fit_for_git(who.email), who.time);
}

Signature parse_signature(std::string_view line) {
  Signature who;
  const size_t open = line.find('<'), close = line.rfind('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    fail(ErrorKind::bad_file, "git object: a signature has no address");
  who.name = open > 0 ? std::string(line.substr(0, open - 1)) : "";
  who.email = std::string(line.substr(open + 1, close - open - 1));
  std::string_view rest = line.substr(close + 1);
  if (rest.starts_with(' ')) rest.remove_prefix(1);
  who.time = number_of<int64_t>(rest.substr(0, rest.find(' ')), 10, "a signature's time");
  return who;
}

ObjectId parse_id(std::string_view hex) {
  const auto id = ObjectId::parse(hex);
  if (!id) fail(ErrorKind::bad_file, "git object: expected 40 hexadecimal digits");
  return *id;
}

}  // namespace

ObjectId object_id(ObjectKind kind, std::string_view bytes) {
  Hasher<Sha1> hasher;
  hasher.append(fmt::format("{} {}", name_of(kind), bytes.size()));
  hasher.append(std::string_view("\0", 1));
  hasher.append(bytes);
  return hasher.finish();
}

std::string encode_tree(std::vector<TreeEntry> entries) {
  const auto sort_name = [](const TreeEntry& entry) { return entry.is_folder() ? entry.name + "/" : entry.name; };
  std::ranges::sort(entries, {}, sort_name);
  std::string bytes;
  for (const TreeEntry& entry : entries) {
    fmt::format_to(std::back_inserter(bytes), "{:o} {}", static_cast<int>(entry.mode), entry.name);
    bytes += '\0';
    bytes += entry.id.view();
  }
  return bytes;
}

std::vector<TreeEntry> decode_tree(std::string_view bytes) {
  std::vector<TreeEntry> entries;
  while (!bytes.empty()) {
    TreeEntry entry;
    const int mode = number_of<int>(take_until(bytes, ' ', "a tree's mode"), 8, "a tree's mode");
    entry.mode = static_cast<TreeEntry::Mode>(mode);
    switch (entry.mode) {
      case TreeEntry::Mode::file:
      case TreeEntry::Mode::executable:
      case TreeEntry::Mode::symlink:
      case TreeEntry::Mode::folder:
        break;
      default:
        fail(ErrorKind::bad_file, "git object: a tree's mode is {:o}, expected a file, a link or a folder", mode);
    }
    entry.name = std::string(take_until(bytes, '\0', "a tree's name"));
    if (bytes.size() < 20) fail(ErrorKind::bad_file, "git object: a tree's entry is cut off");
    entry.id = ObjectId::of_bytes(bytes.substr(0, 20));
    bytes.remove_prefix(20);
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::string encode_commit(const Commit& commit) {
  std::string bytes = "tree " + commit.tree.hex() + "\n";
  for (const ObjectId& parent : commit.parents) bytes += "parent " + parent.hex() + "\n";
  append_signature(bytes, "author", commit.author);
  append_signature(bytes, "committer", commit.committer);
  return bytes + "\n" + commit.message;
}

Commit decode_commit(std::string_view bytes) {
  Commit commit;
  while (true) {
    const std::string_view line = take_until(bytes, '\n', "a commit's head");
    if (line.empty()) break;
    const size_t space = line.find(' ');
    const std::string_view key = line.substr(0, space),
                           value = space == std::string_view::npos ? "" : line.substr(space + 1);
    if (key == "tree") commit.tree = parse_id(value);
    if (key == "parent") commit.parents.push_back(parse_id(value));
    if (key == "author") commit.author = parse_signature(value);
    if (key == "committer") commit.committer = parse_signature(value);
  }
  commit.message = std::string(bytes);
  return commit;
}

std::string lfs_pointer(const LfsPointer& pointer) {
  return fmt::format("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n", pointer.sha256.hex(),
                     pointer.size);
}

std::optional<LfsPointer> parse_lfs_pointer(std::string_view text) {
  constexpr std::string_view kVersion = "version https://git-lfs.github.com/spec/v1\n",
                             kOid = "oid sha256:", kSize = "size ";
  if (text.size() > 1024 || !text.starts_with(kVersion)) return std::nullopt;
  LfsPointer pointer;
  bool has_oid = false, has_size = false;
  for (text.remove_prefix(kVersion.size()); !text.empty();) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.starts_with(kOid)) {
      const auto digest = Sha256::parse(line.substr(kOid.size()));
      if (!digest) return std::nullopt;
      pointer.sha256 = *digest;
      has_oid = true;
    } else if (line.starts_with(kSize)) {
      const std::string_view digits = line.substr(kSize.size());
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pointer.size);
      if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
      has_size = true;
    }
  }
  if (!has_oid || !has_size) return std::nullopt;
  return pointer;
}

}  // namespace glassbox::hub
