#include "hub/client/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "base/file.h"
#include "base/quote.h"
#include "formats/model_cache.h"
#include "hub/client/parts.h"
#include "hub/names.h"

namespace glassbox::hub {
namespace {

constexpr size_t kMostListed = 2'000'000;
constexpr int kTransfers = 4;

std::string in_environment(const char* variable) {
  const char* set = std::getenv(variable);
  return set ? set : "";
}

bool is_true(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text == "1" || text == "ON" || text == "YES" || text == "TRUE";
}

std::string token_in(std::string text, std::string_view source) {
  constexpr std::string_view kAround = " \t\r\n";
  text.erase(0, text.find_first_not_of(kAround));
  text.resize(text.find_last_not_of(kAround) + 1);
  if (!std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; }))
    fail(ErrorKind::bad_request, "{}: expected a token: letters and digits without spaces", source);
  return text;
}

// The next page, in a Link header: <URL>; rel="next".
std::optional<std::string> next_page(const HttpAnswer& answer) {
  const std::string links = answer.header("link").value_or("");
  for (size_t at = 0; (at = links.find('<', at)) != std::string::npos;) {
    const size_t end = links.find('>', at);
    if (end == std::string::npos) break;
    const std::string_view parameters = std::string_view(links).substr(end, links.find('<', end) - end);
    if (parameters.find("rel=\"next\"") != std::string_view::npos) return links.substr(at + 1, end - at - 1);
    at = end;
  }
  return std::nullopt;
}

ListedFile listed_file(const Json& item, const std::string& source) {
  ListedFile file;
  file.path = item.at("path").get<std::string>();
  check_path(file.path);
  const auto size_in = [&](const Json& object) {
    const Json& size = object.at("size");
    if (!size.is_number_unsigned())
      fail(ErrorKind::bad_file, "{}: {}: size: expected bytes, got {}", source, quote(file.path), brief(size));
    return size.get<uint64_t>();
  };
  file.size = size_in(item);
  const auto wrong = [&](const Json& value, int digits) {
    fail(ErrorKind::bad_file, "{}: {}: expected a hash of {} hexadecimal digits, got {}", source, quote(file.path),
         digits, brief(value));
  };
  const auto blob = Sha1::parse(item.at("oid").get_ref<const std::string&>());
  if (!blob) wrong(item.at("oid"), 40);
  file.blob = *blob;
  if (const auto large = item.find("lfs"); large != item.end() && large->is_object()) {
    file.sha256 = Sha256::parse(large->at("oid").get_ref<const std::string&>());
    if (!file.sha256) wrong(large->at("oid"), 64);
    file.size = size_in(*large);
  }
  if (const auto hash = item.find("xetHash");
      hash != item.end() && hash->is_string() && Sha256::parse(hash->get<std::string>()))
    file.xet_hash = *hash;
  return file;
}

}  // namespace

std::string_view plural_of(RepositoryKind kind) {
  return kind == RepositoryKind::model ? "models" : kind == RepositoryKind::dataset ? "datasets" : "spaces";
}

std::string_view word_for(RepositoryKind kind) {
  return kind == RepositoryKind::model ? "model" : kind == RepositoryKind::dataset ? "dataset" : "space";
}

ClientOptions ClientOptions::of_environment(const std::string& hub) {
  ClientOptions options;
  options.endpoint = !hub.empty() ? hub : in_environment("HF_ENDPOINT");
  if (options.endpoint.empty()) options.endpoint = kDefaultHub;
  while (options.endpoint.ends_with('/')) options.endpoint.pop_back();
  if (!origin_of(options.endpoint) || options.endpoint.find_first_of("?#") != std::string::npos)
    fail(ErrorKind::bad_request, "{}: expected a hub's address, such as {}", quote(options.endpoint), kDefaultHub);
  options.token = token_in(in_environment("HF_TOKEN"), "HF_TOKEN");
  const bool is_of_login = hub.empty() && !in_environment("HF_ENDPOINT").empty();
  if (const auto file = hub_token_file();
      options.token.empty() && is_of_login && !is_true(in_environment("HF_HUB_DISABLE_IMPLICIT_TOKEN")))
    if (std::error_code ignored; std::filesystem::is_regular_file(file, ignored))
      options.token = token_in(read_file(file, size_t{1} << 16), file.string());
  options.cache = hub_cache();
  if (options.cache.empty())
    fail(ErrorKind::io, "no place for what is fetched: neither HF_HUB_CACHE, HF_HOME nor HOME is set");
  options.offline = is_true(in_environment("HF_HUB_OFFLINE"));
  return options;
}

void fail_refused(const HttpAnswer& answer, const std::string& subject, bool has_token) {
  const std::string code = answer.header("x-error-code").value_or("");
  const bool missing = answer.status == 404 || code == "RepoNotFound";
  const bool anonymous = (answer.status == 401 || answer.status == 403) && !has_token;
  fail(missing ? ErrorKind::not_found : ErrorKind::io, "{}: {}{}", subject, answer.refusal(),
       anonymous ? " (no token was sent: neither HF_TOKEN nor `hf auth login` gave one)" : "");
}

void in_parallel(size_t count, const std::function<void(Http& http, size_t i, const std::atomic<bool>& stop)>& does) {
  std::atomic<size_t> next = 0;
  std::atomic<bool> stop = false;
  std::exception_ptr first;
  std::mutex mutex;
  const auto work = [&] {
    try {
      Http http(true);
      for (size_t i; !stop && (i = next++) < count;) does(http, i, stop);
    } catch (...) {
      const std::lock_guard hold(mutex);
      if (!first) first = std::current_exception();
      stop = true;
    }
  };
  std::vector<std::jthread> threads;
  for (size_t t = 0; t < std::min<size_t>(count, kTransfers); ++t) threads.emplace_back(work);
  threads.clear();  // waits
  if (first) std::rethrow_exception(first);
}

void Meter::tell(bool at_once) {
  if (!progress_) return;
  const auto now = std::chrono::steady_clock::now();
  if (!at_once && now - told_ < std::chrono::milliseconds(100)) return;
  told_ = now;
  progress_(now_);
}

void Meter::add(int64_t bytes, bool moved) {
  const std::lock_guard hold(mutex_);
  now_.done += static_cast<uint64_t>(bytes);
  if (moved) now_.moved += static_cast<uint64_t>(bytes);
  tell(false);
}

void Meter::end_file() {
  const std::lock_guard hold(mutex_);
  ++now_.files_done;
  tell(now_.files_done == now_.files);
}

bool fits(std::string_view path, std::string_view pattern) {
  const std::string whole = std::string(pattern) + (pattern.ends_with('/') ? "*" : "");
  pattern = whole;
  // The last star and what it stood for so far: only it need ever stand for more.
  size_t p = 0, at = 0, star = std::string_view::npos, star_at = 0;
  // Whether one character fits at `p`, and how long that part of the pattern is.
  const auto one = [&](char c) -> size_t {
    if (pattern[p] == '?') return 1;
    if (pattern[p] != '[') return pattern[p] == c ? 1 : 0;
    size_t i = p + 1;
    const bool negated = i < pattern.size() && pattern[i] == '!';
    if (negated) ++i;
    bool in = false;
    for (const size_t begin = i; i < pattern.size() && (pattern[i] != ']' || i == begin); ++i) {
      if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
        in = in || (pattern[i] <= c && c <= pattern[i + 2]);
        i += 2;
      } else {
        in = in || pattern[i] == c;
      }
    }
    if (i >= pattern.size()) return c == '[' ? 1 : 0;  // not closed: a character like others
    return in != negated ? i + 1 - p : 0;
  };
  while (at < path.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_at = at;
    } else if (const size_t length = p < pattern.size() ? one(path[at]) : 0; length > 0) {
      p += length;
      ++at;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

HttpRequest Client::request(std::string method, const std::string& path) const {
  HttpRequest request;
  request.method = std::move(method);
  request.url = options_.endpoint + path;
  request.token = options_.token;
  request.tries = options_.tries;
  return request;
}

HttpRequest Client::json_request(std::string method, const std::string& path, const Json& body) const {
  HttpRequest asked = request(std::move(method), path);
  asked.headers = {{"Content-Type", "application/json"}};
  asked.body = dump_json(body);
  return asked;
}

std::string Client::api_path(RepositoryKind kind, const std::string& repository) const {
  return fmt::format("/api/{}/{}", plural_of(kind), url_path(repository));
}

std::string Client::file_path(RepositoryKind kind, const std::string& repository) const {
  return (kind == RepositoryKind::model ? "/" : fmt::format("/{}/", plural_of(kind))) + url_path(repository);
}

HttpAnswer Client::answer(const HttpRequest& request, const std::string& subject) {
  if (options_.offline) fail(ErrorKind::io, "{}: HF_HUB_OFFLINE is set: {} is not asked", subject, options_.endpoint);
  HttpAnswer answer = http_.send(request);
  if (!answer.ok()) fail_refused(answer, subject, !options_.token.empty());
  return answer;
}

std::string Client::commit_of(RepositoryKind kind, const std::string& repository, const std::string& revision) {
  const HttpAnswer info =
      answer(request("GET", api_path(kind, repository) + "/revision/" + url_segment(revision)), repository);
  const std::string commit = read_answer(info, [](const Json& json) { return json.at("sha").get<std::string>(); });
  if (!is_commit_name(commit))
    fail(ErrorKind::bad_file, "{}: sha: expected 40 hexadecimal digits, got {}", options_.endpoint, quote(commit));
  return commit;
}

std::vector<ListedFile> Client::listing(RepositoryKind kind, const std::string& repository, const std::string& commit) {
  std::vector<ListedFile> files;
  HttpRequest page =
      request("GET", api_path(kind, repository) + "/tree/" + url_segment(commit) + "?recursive=true&expand=false");
  for (;;) {
    const HttpAnswer got = answer(page, repository);
    read_answer(got, [&](const Json& items) {
      if (!items.is_array()) fail(ErrorKind::bad_file, "{}: expected a list of files", options_.endpoint);
      for (const Json& item : items)
        if (item.at("type") == "file") files.push_back(listed_file(item, options_.endpoint));
    });
    if (files.size() > kMostListed)
      fail(ErrorKind::bad_file, "{}: {} lists more than {} files", options_.endpoint, repository, kMostListed);
    const auto next = next_page(got);
    if (!next) {
      uint64_t total = 0;
      for (const ListedFile& file : files)
        if (__builtin_add_overflow(total, file.size, &total))
          fail(ErrorKind::bad_file, "{}: {} lists more bytes than there are numbers", options_.endpoint, repository);
      return files;
    }
    if (origin_of(*next) != origin_of(options_.endpoint) || *next == page.url)
      fail(ErrorKind::bad_file, "{}: the next page of a list is said to be at {}", options_.endpoint, quote(*next));
    page.url = *next;
  }
}

std::vector<Found> Client::search(RepositoryKind kind, const std::vector<std::string>& words, size_t most) {
  std::string query = fmt::format("/api/{}?limit={}", plural_of(kind), most);
  for (const std::string& word : words) query += "&search=" + url_segment(word);
  const HttpAnswer got = answer(request("GET", query), options_.endpoint);
  return read_answer(got, [&](const Json& items) {
    std::vector<Found> found;
    for (const Json& item : items) {
      if (found.size() == most) break;
      Found one;
      one.repository = item.at("id").get<std::string>();
      const auto text = [&](const char* key) {
        const auto value = item.find(key);
        return value != item.end() && value->is_string() ? value->get<std::string>() : std::string();
      };
      const auto number = [&](const char* key) {
        const auto value = item.find(key);
        return value != item.end() && value->is_number_integer() ? value->get<int64_t>() : 0;
      };
      one.downloads = number("downloads");
      one.likes = number("likes");
      one.task = text("pipeline_tag");
      one.modified = text("lastModified");
      one.is_private = item.value("private", false);
      found.push_back(std::move(one));
    }
    return found;
  });
}

void Client::remove(RepositoryKind kind, const std::string& repository) {
  const CachedRepository named(options_.cache, kind, repository);  // refuses what is no name
  const size_t slash = repository.find('/');
  answer(json_request("DELETE", "/api/repos/delete",
                      {{"name", repository.substr(slash + 1)},
                       {"organization", repository.substr(0, slash)},
                       {"type", word_for(kind)}}),
         repository);
}

}  // namespace glassbox::hub
