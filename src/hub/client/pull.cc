// Fetching a repository's files into the cache.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <thread>

#include "base/quote.h"
#include "formats/model_cache.h"
#include "hub/client/client.h"
#include "hub/client/parts.h"

namespace glassbox::hub {
namespace {

namespace fs = std::filesystem;

std::vector<ListedFile> wanted_of(const PullRequest& request, const std::vector<ListedFile>& all) {
  const auto fits_any = [](const std::string& path, const std::vector<std::string>& patterns) {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) { return fits(path, pattern); });
  };
  std::optional<std::set<std::string>> chosen;
  if (request.choose) {
    std::vector<std::string> paths;
    for (const ListedFile& file : all) paths.push_back(file.path);
    const std::vector<std::string> choice = request.choose(paths);
    chosen.emplace(choice.begin(), choice.end());
  }
  std::vector<ListedFile> wanted;
  for (const ListedFile& file : all)
    if ((!chosen || chosen->contains(file.path)) && (request.include.empty() || fits_any(file.path, request.include)) &&
        !fits_any(file.path, request.exclude))
      wanted.push_back(file);
  if (wanted.empty() && !all.empty())
    fail(ErrorKind::not_found, "{}: none of its {} files is wanted", request.repository, all.size());
  return wanted;
}

// Where a 206 begins: "bytes 7-99/100".
std::optional<uint64_t> range_begin(const HttpAnswer& answer) {
  const std::string range = answer.header("content-range").value_or("");
  if (!range.starts_with("bytes ")) return std::nullopt;
  uint64_t begin = 0;
  const char* first = range.data() + 6;
  const auto [end, problem] = std::from_chars(first, range.data() + range.size(), begin);
  if (problem != std::errc() || *end != '-') return std::nullopt;
  return begin;
}

}  // namespace

void Client::fetch(Http& http, const PullRequest& wanted, const CachedRepository& cached, const std::string& commit,
                   const ListedFile& file, const std::function<void(int64_t bytes, bool moved)>& count) {
  BlobDownload download(cached, file);
  if (download.is_there()) {
    count(static_cast<int64_t>(file.size), false);
    return cached.link(commit, file);
  }
  count(static_cast<int64_t>(download.size()), false);
  const auto restart = [&] {
    count(-static_cast<int64_t>(download.size()), false);
    download.restart();
  };
  HttpRequest get = request(
      "GET", fmt::format("{}/resolve/{}/{}", file_path(wanted.kind, wanted.repository), commit, url_path(file.path)));
  bool disk_failed = false;
  Http::Sink sink;
  sink.begin = [&](const HttpAnswer& head) {
    if (head.status == 206) {
      if (range_begin(head) != download.size())
        fail(ErrorKind::bad_file, "{}: asked for bytes from {} on, got {}", quote(file.path), download.size(),
             quote(head.header("content-range").value_or("none")));
    } else if (download.size() > 0) {
      restart();  // it knows no ranges
    }
  };
  sink.take = [&](std::string_view bytes) {
    try {
      download.append(bytes);
    } catch (...) {
      disk_failed = true;
      throw;
    }
    count(static_cast<int64_t>(bytes.size()), true);
  };
  for (;;) {
    const bool was_resumed = download.is_resumed();
    if (download.size() < file.size) {
      const uint64_t before = download.size();
      get.headers = {{"Accept-Encoding", "identity"}};
      if (before > 0) get.headers.emplace_back("Range", fmt::format("bytes={}-", before));
      try {
        const HttpAnswer answer = http.send(get, &sink);
        if (answer.status == 416 && before > 0) {
          restart();
          continue;
        }
        if (!answer.ok()) fail_refused(answer, wanted.repository + ": " + quote(file.path), !options_.token.empty());
      } catch (const Error& error) {
        // A connection that brought something is taken up again where it broke; send() tried the others again itself.
        if (error.kind() != ErrorKind::io || disk_failed || download.size() == before) throw;
        std::this_thread::sleep_for(std::chrono::seconds(1));
        continue;
      }
    }
    try {
      return download.commit(), cached.link(commit, file);
    } catch (const Error& error) {
      // What an earlier process left may be broken (a machine that lost power): once more, from the beginning.
      if (error.kind() != ErrorKind::bad_file || !was_resumed) throw;
      restart();
    }
  }
}

Pulled Client::pull(const PullRequest& request, const Progress& progress) {
  const CachedRepository cached(options_.cache, request.kind, request.repository);
  Pulled pulled;
  if (is_commit_name(request.revision)) {
    pulled.commit = request.revision;
  } else if (options_.offline) {
    const auto commit = cached.commit_of(request.revision);
    if (!commit)
      fail(ErrorKind::not_found, "{}: revision {} is not in the cache ({}), and HF_HUB_OFFLINE is set",
           request.repository, quote(request.revision), options_.cache.string());
    pulled.commit = *commit;
  } else {
    pulled.commit = commit_of(request.kind, request.repository, request.revision);
  }
  pulled.snapshot = cached.snapshot(pulled.commit);
  auto all = cached.listing(pulled.commit);
  if (!all) {
    all = listing(request.kind, request.repository, pulled.commit);
    if (!request.dry_run) cached.keep_listing(pulled.commit, *all);
  }
  pulled.files = wanted_of(request, *all);
  std::vector<ListedFile> missing;
  uint64_t space = 0;
  for (const ListedFile& file : pulled.files) {
    pulled.size += file.size;
    if (cached.has_file(pulled.commit, file.path)) continue;
    missing.push_back(file);
    if (cached.has_blob(file)) continue;
    pulled.fetched.push_back(file);
    pulled.fetched_size += file.size;
    space += file.size;
  }
  if (request.dry_run) return pulled;
  if (options_.offline && !pulled.fetched.empty())
    fail(ErrorKind::not_found, "{}: {} of {} files are not in the cache ({}), and HF_HUB_OFFLINE is set",
         request.repository, pulled.fetched.size(), pulled.files.size(), quote(pulled.fetched.front().path));
  std::error_code problem;
  fs::create_directories(pulled.snapshot, problem);
  if (problem) fail(ErrorKind::io, "{}: cannot make the folder: {}", pulled.snapshot.string(), problem.message());
  if (const fs::space_info disk = fs::space(pulled.snapshot, problem); !problem && disk.available < space)
    fail(ErrorKind::full, "{}: {} bytes to fetch, {} are free in {}", request.repository, space, disk.available,
         options_.cache.string());
  // Small files first: whoever finds the weights finds all that they need.
  std::ranges::stable_sort(missing, {}, &ListedFile::size);
  uint64_t total = 0;
  for (const ListedFile& file : missing) total += file.size;
  Meter meter(progress, "fetching", total, missing.size());
  in_parallel(missing.size(), [&](Http& http, size_t i, const std::atomic<bool>& stop) {
    fetch(http, request, cached, pulled.commit, missing[i], [&](int64_t bytes, bool moved) {
      meter.add(bytes, moved);
      if (stop) fail(ErrorKind::cancelled, "{}: another file failed", missing[i].path);
    });
    meter.end_file();
  });
  cached.set_reference(request.revision, pulled.commit);
  return pulled;
}

}  // namespace glassbox::hub
