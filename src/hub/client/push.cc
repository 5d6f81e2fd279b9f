// Sending a folder to a hub: what it has already stays where it is.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

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

const LocalFile* find(const std::vector<LocalFile>& files, const std::string& path) {
  const auto at = std::ranges::find(files, path, &LocalFile::path);
  return at == files.end() ? nullptr : &*at;
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

uint64_t whole_number(const Json& value) {
  if (value.is_string()) return std::stoull(value.get<std::string>());
  return value.get<uint64_t>();
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
        upload.chunk = whole_number(value);
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

Pushed Client::push(const PushRequest& push, const Progress& progress) {
  const CachedRepository named(options_.cache, push.kind, push.repository);  // refuses what is no name
  std::vector<LocalFile> files = files_below(push.folder);
  const bool has_token = !options_.token.empty();
  const std::string api = api_path(push.kind, push.repository), branch = url_segment(push.revision);
  const size_t slash = push.repository.find('/');
  Pushed pushed;
  pushed.url = options_.endpoint + file_path(push.kind, push.repository);
  pushed.files = files.size();

  if (options_.offline)
    fail(ErrorKind::io, "{}: HF_HUB_OFFLINE is set: {} is not asked", push.repository, options_.endpoint);
  const HttpAnswer made = http_.send(json_request("POST", "/api/repos/create",
                                                  {{"name", push.repository.substr(slash + 1)},
                                                   {"organization", push.repository.substr(0, slash)},
                                                   {"type", word_for(push.kind)},
                                                   {"private", push.is_private}}));
  // Who may not make repositories may still write to one that is there.
  const bool may_be_there = made.status == 409 || made.status == 401 || made.status == 403;
  if (!made.ok() && (!may_be_there || (made.status != 409 && !http_.send(request("GET", api)).ok())))
    fail_refused(made, push.repository, has_token);
  if (push.revision != "main") {
    const HttpAnswer there = http_.send(request("GET", api + "/revision/" + branch));
    if (there.status == 404)
      answer(json_request("POST", api + "/branch/" + branch, Json::object()), push.repository);
    else if (!there.ok())
      fail_refused(there, push.repository, has_token);
  }

  // Which way each file goes, and what of it is there.
  std::map<std::string, std::string> known;  // hashes by path
  std::set<std::string> ignored;
  for (size_t begin = 0; begin < files.size(); begin += kBatch) {
    const size_t end = std::min(files.size(), begin + kBatch);
    Json asked{{"files", Json::array()}};
    for (size_t i = begin; i < end; ++i)
      asked["files"].push_back({{"path", files[i].path}, {"size", files[i].size}, {"sample", sample_of(files[i])}});
    if (const LocalFile* rules = find(files, ".gitignore")) asked["gitIgnore"] = read_file(rules->file, kMostRules);
    if (const LocalFile* rules = find(files, ".gitattributes"))
      asked["gitAttributes"] = read_file(rules->file, kMostRules);
    const HttpAnswer told = answer(json_request("POST", api + "/preupload/" + branch, asked), push.repository);
    read_answer(told, [&](const Json& json) {
      std::map<std::string, const Json*> by_path;
      for (const Json& one : json.at("files")) by_path[one.at("path").get<std::string>()] = &one;
      for (size_t i = begin; i < end; ++i) {
        const auto one = by_path.find(files[i].path);
        if (one == by_path.end())
          fail(ErrorKind::bad_file, "{}: says nothing of {}", options_.endpoint, quote(files[i].path));
        const std::string mode = one->second->at("uploadMode").get<std::string>();
        if (mode != "lfs" && mode != "regular")
          fail(ErrorKind::bad_file, "{}: uploadMode: expected lfs or regular, got {}", options_.endpoint, quote(mode));
        files[i].is_large = mode == "lfs" && files[i].size > 0;
        if (one->second->value("shouldIgnore", false)) ignored.insert(files[i].path);
        if (const auto oid = one->second->find("oid"); oid != one->second->end() && oid->is_string())
          known[files[i].path] = oid->get<std::string>();
      }
    });
  }
  std::erase_if(files, [&](const LocalFile& file) { return ignored.contains(file.path); });
  pushed.files = files.size();

  {
    uint64_t total = 0;
    for (const LocalFile& file : files) total += file.size;
    Meter meter(progress, "hashing", total, files.size());
    in_parallel(files.size(), [&](Http&, size_t i, const std::atomic<bool>& stop) {
      files[i].hash = hash_of(files[i], [&](size_t bytes) {
        meter.add(static_cast<int64_t>(bytes), true);
        if (stop) fail(ErrorKind::cancelled, "{}: another file failed", files[i].path);
      });
      meter.end_file();
    });
  }
  std::erase_if(files, [&](const LocalFile& file) {
    const auto there = known.find(file.path);
    return there != known.end() && there->second == file.hash;
  });
  pushed.changed = files.size();
  if (files.empty()) {
    pushed.commit = commit_of(push.kind, push.repository, push.revision);
    return pushed;
  }

  if (const LocalFile* card = find(files, "README.md"); card && !card->is_large) {
    const HttpAnswer told =
        http_.send(json_request("POST", "/api/validate-yaml",
                                {{"content", read_file(card->file, kMostCommit)}, {"repoType", word_for(push.kind)}}));
    const auto messages = [](const Json& json, const char* key) {
      std::vector<std::string> all;
      if (const auto list = json.find(key); list != json.end() && list->is_array())
        for (const Json& one : *list) all.push_back(one.at("message").get<std::string>());
      return all;
    };
    if (told.status == 400) {
      const auto errors = read_answer(told, [&](const Json& json) { return messages(json, "errors"); });
      fail(ErrorKind::bad_file, "README.md: the hub refuses its front matter: {}",
           errors.empty() ? "it does not say why" : quote(errors.front()));
    }
    if (told.ok()) pushed.warnings = read_answer(told, [&](const Json& json) { return messages(json, "warnings"); });
  }

  // Large ones: the hub says which of them it lacks.
  std::map<std::string, const LocalFile*> large;  // by hash
  for (const LocalFile& file : files)
    if (file.is_large) large.emplace(file.hash, &file);
  std::vector<Upload> uploads;
  for (auto next = large.begin(); next != large.end();) {
    Json objects = Json::array();
    for (; next != large.end() && objects.size() < kBatch; ++next)
      objects.push_back({{"oid", next->first}, {"size", next->second->size}});
    HttpRequest asked = json_request("POST", file_path(push.kind, push.repository) + ".git/info/lfs/objects/batch",
                                     {{"operation", "upload"},
                                      {"transfers", {"basic", "multipart"}},
                                      {"objects", objects},
                                      {"hash_algo", "sha256"},
                                      {"ref", {{"name", push.revision}}}});
    asked.headers = {{"Content-Type", "application/vnd.git-lfs+json"}, {"Accept", "application/vnd.git-lfs+json"}};
    const HttpAnswer told = answer(asked, push.repository);
    read_answer(told, [&](const Json& json) {
      for (const Json& object : json.at("objects")) {
        const auto file = large.find(object.at("oid").get<std::string>());
        if (file == large.end()) continue;
        if (const auto error = object.find("error"); error != object.end() && error->is_object())
          fail(ErrorKind::io, "{}: the hub refuses it: {}", quote(file->second->path),
               quote(error->value("message", "it does not say why")));
        if (const auto actions = object.find("actions"); actions != object.end() && actions->is_object())
          if (actions->contains("upload")) uploads.push_back(upload_of(*actions, *file->second, options_.endpoint));
      }
    });
  }
  uint64_t total = 0;
  for (const Upload& upload : uploads) total += upload.file->size;
  Meter meter(progress, "sending", total, uploads.size());
  in_parallel(uploads.size(), [&](Http& http, size_t i, const std::atomic<bool>& stop) {
    const Upload& upload = uploads[i];
    const LocalFile& file = *upload.file;
    const auto put = [&](const std::string& address, uint64_t offset, uint64_t size) {
      HttpRequest sent;
      sent.method = "PUT";
      sent.url = address;
      sent.headers = upload.headers;
      sent.file = FileRange{file.file, offset, size};
      sent.patience = kLongPatience;
      sent.tries = options_.tries;
      uint64_t before = 0;
      sent.sent = [&](uint64_t now) {
        meter.add(static_cast<int64_t>(now) - static_cast<int64_t>(before), true);
        before = now;
        if (stop) fail(ErrorKind::cancelled, "{}: another file failed", file.path);
      };
      HttpAnswer told = http.send(sent);
      if (!told.ok()) fail_refused(told, quote(file.path), true);
      return told;
    };
    if (upload.parts.empty()) {
      put(upload.href, 0, file.size);
    } else {
      Json parts = Json::array();
      for (size_t part = 0; part < upload.parts.size(); ++part) {
        const uint64_t offset = part * upload.chunk;
        const HttpAnswer told = put(upload.parts[part], offset, std::min(upload.chunk, file.size - offset));
        parts.push_back({{"partNumber", part + 1}, {"etag", told.header("etag").value_or("")}});
      }
      HttpRequest end;  // authenticates itself by its address, as the parts do
      end.method = "POST";
      end.url = upload.href;
      end.headers = {{"Content-Type", "application/vnd.git-lfs+json"}, {"Accept", "application/vnd.git-lfs+json"}};
      end.body = dump_json({{"oid", file.hash}, {"parts", parts}});
      end.patience = kLongPatience;
      end.tries = options_.tries;
      if (const HttpAnswer told = http.send(end); !told.ok()) fail_refused(told, quote(file.path), true);
    }
    if (!upload.verify.empty()) {
      HttpRequest verify = json_request("POST", "", {{"oid", file.hash}, {"size", file.size}});
      verify.url = upload.verify;
      if (origin_of(verify.url) != origin_of(options_.endpoint)) verify.token.clear();
      if (const HttpAnswer told = http.send(verify); !told.ok()) fail_refused(told, quote(file.path), has_token);
    }
    meter.end_file();
  });
  pushed.sent = total;

  std::string lines = dump_json({{"key", "header"},
                                 {"value",
                                  {{"summary", push.message.empty() ? "Upload folder using glassbox" : push.message},
                                   {"description", ""}}}}) +
                      "\n";
  for (const LocalFile& file : files) {
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
      fail(ErrorKind::unsupported, "{}: small files of more than {} bytes in one commit", push.folder.string(),
           kMostCommit);
  }
  HttpRequest commit = request("POST", api + "/commit/" + branch);
  commit.headers = {{"Content-Type", "application/x-ndjson"}};
  commit.body = std::move(lines);
  commit.patience = kLongPatience;
  const HttpAnswer told = answer(commit, push.repository);
  pushed.commit = read_answer(told, [](const Json& json) { return json.at("commitOid").get<std::string>(); });
  return pushed;
}

}  // namespace glassbox::hub
