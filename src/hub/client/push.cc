// Sending a folder to a hub: what it has already stays where it is.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "base/base64.h"
#include "base/file.h"
#include "base/open_file.h"
#include "base/quote.h"
#include "hub/client/client.h"
#include "hub/client/parts.h"
#include "hub/git.h"
#include "hub/names.h"

namespace glassbox::hub {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBatch = 256;  // files a question, as other clients ask
constexpr size_t kSample = 512;
constexpr size_t kMostCommit = size_t{1} << 30;  // bytes of small files that travel within one
constexpr size_t kMostRules = size_t{1} << 20;   // of .gitignore or .gitattributes
constexpr int kLongPatience = 600;               // a hub checks hashes before it answers
const std::vector<std::pair<std::string, std::string>> kLfs = {{"Content-Type", "application/vnd.git-lfs+json"},
                                                               {"Accept", "application/vnd.git-lfs+json"}};

struct LocalFile {
  std::string path;  // in the repository
  fs::path file;
  uint64_t size = 0;
  bool is_large = false;
  std::string hash;  // SHA-256 of a large one, git's name for another
};

std::vector<LocalFile> files_below(const fs::path& folder) {
  if (!fs::is_directory(folder)) fail(ErrorKind::bad_request, "{}: expected a folder", folder.string());
  std::vector<LocalFile> files;
  for (fs::recursive_directory_iterator at(folder), end; at != end; ++at) {
    const std::string path = at->path().lexically_relative(folder).generic_string();
    const std::string name = at->path().filename().string();
    // What git and clients keep for themselves.
    if (name == ".git" || path == ".cache/huggingface" || path.ends_with("/.cache/huggingface")) {
      at.disable_recursion_pending();
      continue;
    }
    if (!at->is_regular_file()) continue;  // links to files are files
    check_path(path);
    files.push_back({path, at->path(), at->file_size(), false, {}});
  }
  if (files.empty()) fail(ErrorKind::bad_request, "{}: no files in it", folder.string());
  std::ranges::sort(files, {}, &LocalFile::path);
  return files;
}

// Of the bytes that are there now. `count` hears of them.
std::string hash_of(const LocalFile& file, const std::function<void(size_t bytes)>& count) {
  const RegularFile opened = open_regular(file.file);
  Hasher<Sha256> sha256;
  Hasher<Sha1> sha1;
  if (!file.is_large) {
    sha1.append(fmt::format("blob {}", file.size));
    sha1.append(std::string_view("\0", 1));
  }
  std::string piece(size_t{1} << 20, '\0');
  uint64_t got = 0;
  for (;;) {
    const ssize_t n = ::read(opened.descriptor.fd, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(file.file, "cannot read");
    if (n == 0) break;
    const std::string_view bytes(piece.data(), static_cast<size_t>(n));
    file.is_large ? sha256.append(bytes) : sha1.append(bytes);
    got += bytes.size();
    count(bytes.size());
  }
  if (got != file.size)
    fail(ErrorKind::io, "{}: expected {} bytes, got {}: it changes", file.file.string(), file.size, got);
  return file.is_large ? sha256.finish().hex() : sha1.finish().hex();
}

std::string sample_of(const LocalFile& file) {
  const RegularFile opened = open_regular(file.file);
  std::string bytes(kSample, '\0');
  const ssize_t n = ::read(opened.descriptor.fd, bytes.data(), bytes.size());
  if (n < 0) fail_errno(file.file, "cannot read");
  bytes.resize(static_cast<size_t>(n));
  return to_base64(bytes);
}

// What a batch says of one object.
struct Upload {
  const LocalFile* file = nullptr;
  std::string href;
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<std::string> parts;  // addresses, in order, each for `chunk` bytes; none: all goes to href
  uint64_t chunk = 0;
  std::string verify;  // or empty
};

// Hubs write it as a number or as text.
uint64_t whole_number(const Json& value, const std::string& hub) {
  if (!value.is_string()) return value.get<uint64_t>();
  const auto& text = value.get_ref<const std::string&>();
  uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size())
    fail(ErrorKind::bad_file, "{}: chunk_size: expected a whole number, got {}", hub, quote(text));
  return number;
}

Upload upload_of(const Json& actions, const LocalFile& file, const std::string& hub) {
  Upload upload;
  upload.file = &file;
  const Json& action = actions.at("upload");
  upload.href = action.at("href").get<std::string>();
  std::map<uint64_t, std::string> parts;
  if (const auto headers = action.find("header"); headers != action.end() && headers->is_object()) {
    const bool in_parts = headers->contains("chunk_size");
    for (const auto& [name, value] : headers->items()) {
      if (in_parts && name == "chunk_size")
        upload.chunk = whole_number(value, hub);
      else if (in_parts && name.size() <= 9 && name.find_first_not_of("0123456789") == std::string::npos)
        parts[std::stoull(name)] = value.get<std::string>();
      else if (!in_parts)
        upload.headers.emplace_back(name, value.get<std::string>());
    }
    if (in_parts && (upload.chunk == 0 || parts.size() != (file.size + upload.chunk - 1) / upload.chunk))
      fail(ErrorKind::bad_file, "{}: {}: {} parts of {} bytes for {} bytes", hub, quote(file.path), parts.size(),
           upload.chunk, file.size);
  }
  for (auto& [number, address] : parts) upload.parts.push_back(std::move(address));
  if (const auto verify = actions.find("verify"); verify != actions.end() && verify->is_object())
    upload.verify = verify->at("href").get<std::string>();
  return upload;
}

}  // namespace

// One push on its way, step by step.
class Push {
 public:
  Push(Client& client, const PushRequest& asked, const Progress& progress)
      : client_(client),
        asked_(asked),
        progress_(progress),
        api_(client.api_path(asked.kind, asked.repository)),
        branch_(url_segment(asked.revision)),
        has_token_(!client.options().token.empty()),
        files_(files_below(asked.folder)) {
    pushed_.url = client.options().endpoint + client.file_path(asked.kind, asked.repository);
  }

  Pushed run() {
    make_repository();
    make_branch();
    for (size_t begin = 0; begin < files_.size(); begin += kBatch)
      ask_ways(begin, std::min(files_.size(), begin + kBatch));
    std::erase_if(files_, [&](const LocalFile& file) { return ignored_.contains(file.path); });
    pushed_.files = files_.size();
    hash();
    std::erase_if(files_, [&](const LocalFile& file) {
      const auto there = known_.find(file.path);
      return there != known_.end() && there->second == file.hash;
    });
    pushed_.changed = files_.size();
    if (files_.empty()) {
      pushed_.commit = client_.commit_of(asked_.kind, asked_.repository, asked_.revision);
      return pushed_;
    }
    check_card();
    send(missing());
    commit();
    return pushed_;
  }

 private:
  const std::string& hub() const { return client_.options().endpoint; }
  const LocalFile* find(const std::string& path) const {
    const auto at = std::ranges::find(files_, path, &LocalFile::path);
    return at == files_.end() ? nullptr : &*at;
  }

  void make_repository() {
    const size_t slash = asked_.repository.find('/');
    const HttpAnswer made =
        client_.http_.send(client_.json_request("POST", "/api/repos/create",
                                                {{"name", asked_.repository.substr(slash + 1)},
                                                 {"organization", asked_.repository.substr(0, slash)},
                                                 {"type", word_for(asked_.kind)},
                                                 {"private", asked_.is_private}}));
    if (made.ok() || made.status == 409) return;
    // Who may not make repositories may still write to one that is there.
    const bool is_refused = made.status == 401 || made.status == 403;
    if (!is_refused || !client_.http_.send(client_.request("GET", api_)).ok())
      fail_refused(made, asked_.repository, has_token_);
  }

  void make_branch() {
    if (asked_.revision == "main") return;
    const HttpAnswer there = client_.http_.send(client_.request("GET", api_ + "/revision/" + branch_));
    if (there.status == 404)
      client_.answer(client_.json_request("POST", api_ + "/branch/" + branch_, Json::object()), asked_.repository);
    else if (!there.ok())
      fail_refused(there, asked_.repository, has_token_);
  }

  // Which way some of the files go, and what of them is there.
  void ask_ways(size_t begin, size_t end) {
    Json question{{"files", Json::array()}};
    for (size_t i = begin; i < end; ++i)
      question["files"].push_back(
          {{"path", files_[i].path}, {"size", files_[i].size}, {"sample", sample_of(files_[i])}});
    if (const LocalFile* rules = find(".gitignore")) question["gitIgnore"] = read_file(rules->file, kMostRules);
    if (const LocalFile* rules = find(".gitattributes")) question["gitAttributes"] = read_file(rules->file, kMostRules);
    const HttpAnswer told =
        client_.answer(client_.json_request("POST", api_ + "/preupload/" + branch_, question), asked_.repository);
    read_answer(told, [&](const Json& json) {
      std::map<std::string, const Json*> by_path;
      for (const Json& one : json.at("files")) by_path[one.at("path").get<std::string>()] = &one;
      for (size_t i = begin; i < end; ++i) {
        const auto one = by_path.find(files_[i].path);
        if (one == by_path.end()) fail(ErrorKind::bad_file, "{}: says nothing of {}", hub(), quote(files_[i].path));
        const std::string mode = one->second->at("uploadMode").get<std::string>();
        if (mode != "lfs" && mode != "regular")
          fail(ErrorKind::bad_file, "{}: uploadMode: expected lfs or regular, got {}", hub(), quote(mode));
        files_[i].is_large = mode == "lfs" && files_[i].size > 0;
        if (one->second->value("shouldIgnore", false)) ignored_.insert(files_[i].path);
        if (const auto oid = one->second->find("oid"); oid != one->second->end() && oid->is_string())
          known_[files_[i].path] = oid->get<std::string>();
      }
    });
  }

  void hash() {
    uint64_t total = 0;
    for (const LocalFile& file : files_) total += file.size;
    Meter meter(progress_, "hashing", total, files_.size());
    in_parallel(files_.size(), [&](Http&, size_t i, const std::atomic<bool>& stop) {
      files_[i].hash = hash_of(files_[i], [&](size_t bytes) {
        meter.add(static_cast<int64_t>(bytes), true);
        if (stop) fail(ErrorKind::cancelled, "{}: another file failed", files_[i].path);
      });
      meter.end_file();
    });
  }

  // A card that the hub would not read is told before anything is sent.
  void check_card() {
    const LocalFile* card = find("README.md");
    if (!card || card->is_large) return;
    const HttpAnswer told = client_.http_.send(
        client_.json_request("POST", "/api/validate-yaml",
                             {{"content", read_file(card->file, kMostCommit)}, {"repoType", word_for(asked_.kind)}}));
    const auto messages = [&](const char* key) {
      return read_answer(told, [&](const Json& json) {
        std::vector<std::string> all;
        if (const auto list = json.find(key); list != json.end() && list->is_array())
          for (const Json& one : *list) all.push_back(one.at("message").get<std::string>());
        return all;
      });
    };
    if (told.status == 400) {
      const auto errors = messages("errors");
      fail(ErrorKind::bad_file, "README.md: the hub refuses its front matter: {}",
           errors.empty() ? "it does not say why" : quote(errors.front()));
    }
    if (told.ok()) pushed_.warnings = messages("warnings");
  }

  // Of the large files those whose bytes the hub has not.
  std::vector<Upload> missing() {
    std::map<std::string, const LocalFile*> large;  // by hash
    for (const LocalFile& file : files_)
      if (file.is_large) large.emplace(file.hash, &file);
    std::vector<Upload> uploads;
    for (auto next = large.begin(); next != large.end();) {
      Json objects = Json::array();
      for (; next != large.end() && objects.size() < kBatch; ++next)
        objects.push_back({{"oid", next->first}, {"size", next->second->size}});
      HttpRequest batch = client_.json_request(
          "POST", client_.file_path(asked_.kind, asked_.repository) + ".git/info/lfs/objects/batch",
          {{"operation", "upload"},
           {"transfers", {"basic", "multipart"}},
           {"objects", objects},
           {"hash_algo", "sha256"},
           {"ref", {{"name", asked_.revision}}}});
      batch.headers = kLfs;
      read_answer(client_.answer(batch, asked_.repository), [&](const Json& json) {
        for (const Json& object : json.at("objects")) {
          const auto file = large.find(object.at("oid").get<std::string>());
          if (file == large.end()) continue;
          if (const auto error = object.find("error"); error != object.end() && error->is_object())
            fail(ErrorKind::io, "{}: the hub refuses it: {}", quote(file->second->path),
                 quote(error->value("message", "it does not say why")));
          const auto actions = object.find("actions");
          if (actions != object.end() && actions->is_object() && actions->contains("upload"))
            uploads.push_back(upload_of(*actions, *file->second, hub()));
        }
      });
    }
    return uploads;
  }

  void send(const std::vector<Upload>& uploads) {
    for (const Upload& upload : uploads) pushed_.sent += upload.file->size;
    Meter meter(progress_, "sending", pushed_.sent, uploads.size());
    in_parallel(uploads.size(), [&](Http& http, size_t i, const std::atomic<bool>& stop) {
      send(http, uploads[i], [&](int64_t bytes) {
        meter.add(bytes, true);
        if (stop) fail(ErrorKind::cancelled, "{}: another file failed", uploads[i].file->path);
      });
      meter.end_file();
    });
  }

  // The addresses authenticate themselves.
  void send(Http& http, const Upload& upload, const std::function<void(int64_t bytes)>& count) {
    const LocalFile& file = *upload.file;
    const auto told = [&](HttpRequest request) {
      request.patience = kLongPatience;
      request.tries = client_.options().tries;
      HttpAnswer answer = http.send(request);
      if (!answer.ok()) fail_refused(answer, quote(file.path), true);
      return answer;
    };
    const auto put = [&](const std::string& address, uint64_t offset, uint64_t size) {
      uint64_t before = 0;
      HttpRequest part;
      part.method = "PUT";
      part.url = address;
      part.headers = upload.headers;
      part.file = FileRange{file.file, offset, size};
      part.sent = [&](uint64_t now) {
        count(static_cast<int64_t>(now) - static_cast<int64_t>(std::exchange(before, now)));
      };
      return told(std::move(part));
    };
    if (upload.parts.empty()) {
      put(upload.href, 0, file.size);
    } else {
      Json parts = Json::array();
      for (size_t part = 0; part < upload.parts.size(); ++part) {
        const uint64_t offset = part * upload.chunk;
        const HttpAnswer answer = put(upload.parts[part], offset, std::min(upload.chunk, file.size - offset));
        parts.push_back({{"partNumber", part + 1}, {"etag", answer.header("etag").value_or("")}});
      }
      HttpRequest end;
      end.method = "POST";
      end.url = upload.href;
      end.headers = kLfs;
      end.body = dump_json({{"oid", file.hash}, {"parts", parts}});
      told(std::move(end));
    }
    if (upload.verify.empty()) return;
    HttpRequest verify = client_.json_request("POST", "", {{"oid", file.hash}, {"size", file.size}});
    verify.url = upload.verify;
    if (origin_of(verify.url) != origin_of(hub())) verify.token.clear();
    told(std::move(verify));
  }

  void commit() {
    const Json header{{"summary", asked_.message.empty() ? "Upload folder using glassbox" : asked_.message},
                      {"description", ""}};
    std::string lines = dump_json({{"key", "header"}, {"value", header}}) + "\n";
    for (const LocalFile& file : files_) {
      Json value{{"path", file.path}};
      if (file.is_large) {
        value.update({{"algo", "sha256"}, {"oid", file.hash}, {"size", file.size}});
      } else {
        const std::string bytes = read_file(file.file, kMostCommit);
        if (object_id(ObjectKind::blob, bytes).hex() != file.hash)
          fail(ErrorKind::io, "{}: changed while it was sent", file.file.string());
        value.update({{"content", to_base64(bytes)}, {"encoding", "base64"}});
      }
      lines += dump_json({{"key", file.is_large ? "lfsFile" : "file"}, {"value", std::move(value)}}) + "\n";
      if (lines.size() > kMostCommit)
        fail(ErrorKind::unsupported, "{}: small files of more than {} bytes in one commit", asked_.folder.string(),
             kMostCommit);
    }
    HttpRequest request = client_.request("POST", api_ + "/commit/" + branch_);
    request.headers = {{"Content-Type", "application/x-ndjson"}};
    request.body = std::move(lines);
    request.patience = kLongPatience;
    pushed_.commit = read_answer(client_.answer(request, asked_.repository),
                                 [](const Json& json) { return json.at("commitOid").get<std::string>(); });
  }

  Client& client_;
  const PushRequest& asked_;
  const Progress& progress_;
  const std::string api_, branch_;
  const bool has_token_;
  std::vector<LocalFile> files_;
  std::map<std::string, std::string> known_;  // hashes that the hub has, by path
  std::set<std::string> ignored_;
  Pushed pushed_;
};

Pushed Client::push(const PushRequest& request, const Progress& progress) {
  const CachedRepository named(options_.cache, request.kind, request.repository);  // refuses what is no name
  Push push(*this, request, progress);
  if (options_.offline)
    fail(ErrorKind::io, "{}: HF_HUB_OFFLINE is set: {} is not asked", request.repository, options_.endpoint);
  return push.run();
}

}  // namespace glassbox::hub
