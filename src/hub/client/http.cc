#include "hub/client/http.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <exception>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "base/percent.h"
#include "base/quote.h"
#include "hub/names.h"

namespace glassbox::hub {
namespace {

constexpr size_t kMostInMemory = size_t{64} << 20;
constexpr size_t kMostHeaders = 1000;
constexpr int kMostRedirects = 10;
constexpr int kTriesToReach = 2;       // who never answered is soon taken for not there
constexpr int64_t kLongestPause = 60;  // seconds: a server that asks for more is not waited for

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// A sentence of a stranger's, without what moves cursors, and not for ever.
std::string one_line(const std::string& text) {
  constexpr size_t kLongest = 400;
  std::string line = dump_json(Json(text.substr(0, kLongest)));
  line = line.substr(1, line.size() - 2);
  for (size_t at = 0; (at = line.find("\\\"", at)) != std::string::npos; ++at) line.erase(at, 1);
  return line;
}

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;

// Null for what is no address of http or https. A relative one is seen from `base`.
Url parse_url(const std::string& base, const std::string& url) {
  Url parsed(curl_url());
  if (!base.empty() && curl_url_set(parsed.get(), CURLUPART_URL, base.c_str(), 0) != CURLUE_OK) return nullptr;
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return nullptr;
  return parsed;
}

std::string part_of(const Url& url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) return "";
  std::string out(text);
  curl_free(text);
  return out;
}

std::optional<std::string> origin_of(const Url& url) {
  if (!url) return std::nullopt;
  const std::string scheme = part_of(url, CURLUPART_SCHEME), host = part_of(url, CURLUPART_HOST);
  if ((scheme != "http" && scheme != "https") || host.empty()) return std::nullopt;
  return fmt::format("{}://{}:{}", scheme, folded(host), part_of(url, CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

bool worth_another_try(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      return true;
    default:
      return false;
  }
}

bool worth_another_try(int status) {
  return status == 408 || status == 429 || (status >= 500 && status <= 599 && status != 501);
}

std::optional<int64_t> number_in(std::string_view text) {
  int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// libcurl's own state for the process, made before any thread uses it.
void prepare_curl() {
  static std::once_flag once;
  std::call_once(once, [] { check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "libcurl starts"); });
}

// One request on its way and the answer as it comes. libcurl is C: what a callback throws waits in `thrown`.
struct Exchange {
  HttpAnswer answer;
  const Http::Sink* sink = nullptr;
  bool begun = false;     // the sink heard of this answer
  bool streamed = false;  // and got bytes
  std::exception_ptr thrown;
  std::string_view body;
  size_t body_at = 0;
  std::ifstream file;
  uint64_t file_offset = 0, file_size = 0, file_at = 0;
  const std::function<void(uint64_t)>* sent = nullptr;

  template <class Does>
  size_t guarded(size_t otherwise, const Does& does) {
    try {
      return does();
    } catch (...) { thrown = std::current_exception(); }
    return otherwise;
  }

  void begin_body() {
    if (begun) return;
    begun = true;
    if (sink && answer.ok()) sink->begin(answer);
  }

  void take_header(std::string_view line) {
    if (line.starts_with("HTTP/")) {  // after "100 Continue", another
      answer.headers.clear();
      const size_t space = line.find(' ');
      answer.status = space == std::string_view::npos
                          ? 0
                          : static_cast<int>(number_in(trimmed(line).substr(space + 1, 3)).value_or(0));
      return;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return;
    if (answer.headers.size() >= kMostHeaders) fail(ErrorKind::bad_file, "{}: too many headers", answer.url);
    answer.headers.emplace_back(folded(trimmed(line.substr(0, colon))), trimmed(line.substr(colon + 1)));
  }

  void take_body(std::string_view bytes) {
    begin_body();
    if (sink && answer.ok()) {
      streamed = true;
      sink->take(bytes);
      return;
    }
    if (bytes.size() > kMostInMemory - answer.body.size())
      fail(ErrorKind::bad_file, "{}: an answer of more than {} bytes", answer.url, kMostInMemory);
    answer.body += bytes;
  }

  size_t give(char* out, size_t most) {
    if (!file.is_open()) {
      const size_t size = std::min(most, body.size() - body_at);
      std::copy_n(body.data() + body_at, size, out);
      body_at += size;
      return size;
    }
    const size_t size = static_cast<size_t>(std::min<uint64_t>(most, file_size - file_at));
    file.read(out, static_cast<std::streamsize>(size));
    if (static_cast<size_t>(file.gcount()) != size)
      fail(ErrorKind::io, "{}: the file became shorter while it was sent", answer.url);
    file_at += size;
    if (sent && *sent) (*sent)(file_at);
    return size;
  }

  void seek(uint64_t to) {
    body_at = static_cast<size_t>(std::min<uint64_t>(to, body.size()));
    if (!file.is_open()) return;
    file.clear();
    file.seekg(static_cast<std::streamoff>(file_offset + to));
    file_at = to;
    if (sent && *sent) (*sent)(file_at);
  }
};

size_t on_header(char* bytes, size_t size, size_t count, void* exchange) {
  auto& x = *static_cast<Exchange*>(exchange);
  return x.guarded(0, [&] { return x.take_header({bytes, size * count}), size * count; });
}
size_t on_body(char* bytes, size_t size, size_t count, void* exchange) {
  auto& x = *static_cast<Exchange*>(exchange);
  return x.guarded(0, [&] { return x.take_body({bytes, size * count}), size * count; });
}
size_t on_read(char* bytes, size_t size, size_t count, void* exchange) {
  auto& x = *static_cast<Exchange*>(exchange);
  return x.guarded(CURL_READFUNC_ABORT, [&] { return x.give(bytes, size * count); });
}
int on_seek(void* exchange, curl_off_t offset, int origin) {
  auto& x = *static_cast<Exchange*>(exchange);
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_FAIL;
  x.seek(static_cast<uint64_t>(offset));
  return CURL_SEEKFUNC_OK;
}

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, FreeList>;

void add_header(List& list, const std::string& name, const std::string& value) {
  for (const char c : name + value)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      fail(ErrorKind::bad_request, "header {}: control characters in {}", quote(name), quote(value));
  // "Name;" is libcurl's way to send a header without a value.
  const std::string line = value.empty() ? name + ";" : name + ": " + value;
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  check(longer != nullptr, "libcurl has memory for a header");
  (void)list.release();
  list.reset(longer);
}

}  // namespace

std::optional<std::string> origin_of(std::string_view url) { return origin_of(parse_url("", std::string(url))); }
std::string url_segment(std::string_view text) { return percent_encoded(text); }
std::string url_path(std::string_view path) { return percent_encoded(path, true); }

std::optional<std::string> HttpAnswer::header(std::string_view name) const {
  for (const auto& [known, value] : headers)
    if (known == name) return value;
  return std::nullopt;
}

std::string HttpAnswer::words() const {
  if (const auto said = header("x-error-message"); said && !said->empty()) return *said;
  try {
    const Json json = parse_json(body, "the answer");
    if (const auto error = json.find("error"); error != json.end()) {
      if (error->is_string()) return *error;
      if (error->is_array() && !error->empty() && error->front().is_string()) return error->front();
    }
    if (const auto errors = json.find("errors"); errors != json.end() && errors->is_array() && !errors->empty())
      if (const auto message = errors->front().find("message");
          message != errors->front().end() && message->is_string())
        return *message;
    if (const auto message = json.find("message"); message != json.end() && message->is_string()) return *message;
  } catch (const std::exception&) {}  // an answer of another program
  return "";
}

std::string HttpAnswer::refusal() const {
  const std::string said = words();
  return fmt::format("{} answered {}{}", origin_of(url).value_or(quote(url)), status,
                     said.empty() ? "" : ": " + one_line(said));
}

struct Http::State {
  CURL* handle = nullptr;
  std::array<char, CURL_ERROR_SIZE> words{};  // of libcurl
  std::string problem;                        // why there was no answer
  bool unreachable = false;                   // there was not even a connection
  bool reached = false;                       // there was one before

  // One answer without redirects or another try. Nothing where the connection broke: `problem` says how.
  std::optional<HttpAnswer> once(const HttpRequest& request, const std::string& method, const std::string& url,
                                 bool with_token, Exchange& exchange);
};

Http::Http(bool reached) : state_(std::make_unique<State>()) {
  state_->reached = reached;
  prepare_curl();
  state_->handle = curl_easy_init();
  check(state_->handle != nullptr, "libcurl gives a handle");
}

Http::~Http() { curl_easy_cleanup(state_->handle); }

std::optional<HttpAnswer> Http::State::once(const HttpRequest& request, const std::string& method,
                                            const std::string& url, bool with_token, Exchange& exchange) {
  curl_easy_reset(handle);  // keeps connections
  exchange.answer = {};
  exchange.answer.url = url;
  exchange.begun = exchange.streamed = false;
  const auto set = [&](CURLoption option, auto value) {
    check(curl_easy_setopt(handle, option, value) == CURLE_OK, "libcurl knows the option");
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_USERAGENT, "glassbox");
  set(CURLOPT_CONNECTTIMEOUT, 10L);
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.patience));
  set(CURLOPT_BUFFERSIZE, 256L << 10);
  set(CURLOPT_ERRORBUFFER, words.data());
  set(CURLOPT_HEADERFUNCTION, &on_header);
  set(CURLOPT_HEADERDATA, &exchange);
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, &exchange);
  set(CURLOPT_READFUNCTION, &on_read);
  set(CURLOPT_READDATA, &exchange);
  set(CURLOPT_SEEKFUNCTION, &on_seek);
  set(CURLOPT_SEEKDATA, &exchange);
  const auto length = static_cast<curl_off_t>(request.file ? request.file->size : request.body.size());
  if (method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else if (method == "PUT") {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, length);
  } else if (method == "POST" || length > 0) {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, length);
    set(CURLOPT_CUSTOMREQUEST, method.c_str());
  } else if (method != "GET") {
    set(CURLOPT_CUSTOMREQUEST, method.c_str());
  }
  List headers;
  for (const auto& [name, value] : request.headers) add_header(headers, name, value);
  if (with_token) add_header(headers, "Authorization", "Bearer " + request.token);
  // A body begins at once, without asking first whether it may.
  curl_slist* longer = curl_slist_append(headers.get(), "Expect:");
  check(longer != nullptr, "libcurl has memory for a header");
  (void)headers.release();
  headers.reset(longer);
  set(CURLOPT_HTTPHEADER, headers.get());
  exchange.seek(0);
  words.fill('\0');
  const CURLcode code = curl_easy_perform(handle);
  if (exchange.thrown) std::rethrow_exception(std::exchange(exchange.thrown, nullptr));
  unreachable = code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT;
  reached = reached || !unreachable;
  if (code == CURLE_OK) {
    exchange.begin_body();  // of an empty one
    return std::move(exchange.answer);
  }
  problem = words[0] ? words.data() : curl_easy_strerror(code);
  if (!worth_another_try(code)) fail(ErrorKind::bad_file, "{}: {}", origin_of(url).value_or(quote(url)), problem);
  return std::nullopt;
}

HttpAnswer Http::send(const HttpRequest& request, const Sink* sink) {
  if (!origin_of(request.url))
    fail(ErrorKind::bad_request, "{}: expected an address that begins with http:// or https://", quote(request.url));
  Exchange exchange;
  exchange.sink = sink;
  exchange.body = request.body;
  exchange.sent = &request.sent;
  if (request.file) {
    exchange.file.open(request.file->file, std::ios::binary);
    if (!exchange.file) fail(ErrorKind::io, "{}: cannot open", request.file->file.string());
    exchange.file_offset = request.file->offset;
    exchange.file_size = request.file->size;
  }
  std::string method = request.method, url = request.url;
  bool with_token = !request.token.empty();
  int redirects = 0;
  const auto gives_up = [&](int tried) {
    return tried >= request.tries || (state_->unreachable && !state_->reached && tried >= kTriesToReach);
  };
  for (int tried = 1;;) {
    const auto answer = state_->once(request, method, url, with_token, exchange);
    int64_t pause = int64_t{1} << std::min(tried - 1, 3);
    if (answer) {
      if (answer->status >= 300 && answer->status < 400 && answer->status != 304) {
        const auto location = answer->header("location");
        const Url to = location ? parse_url(url, *location) : nullptr;
        const bool is_read = method == "GET" || method == "HEAD";
        if (!origin_of(to) || ++redirects > kMostRedirects ||
            (!is_read && answer->status != 307 && answer->status != 308))  // nothing else says that a body goes along
          fail(ErrorKind::bad_file, "{}: answered {} to {}{}", origin_of(url).value_or(""), answer->status, method,
               location ? ", leading to " + quote(*location) : ", leading nowhere");
        // Nobody but whom it was meant for sees the token, not even by way of another.
        if (origin_of(to) != origin_of(request.url)) with_token = false;
        url = part_of(to, CURLUPART_URL);
        continue;
      }
      if (!worth_another_try(answer->status) || tried >= request.tries) return *answer;
      if (const auto after = number_in(answer->header("retry-after").value_or("")); after && *after >= 0) {
        if (*after > kLongestPause) return *answer;
        pause = *after;
      }
    } else if (exchange.streamed || gives_up(tried)) {
      fail(ErrorKind::io, "{}: {}", origin_of(url).value_or(quote(url)), state_->problem);
    }
    ++tried;
    std::this_thread::sleep_for(std::chrono::seconds(pause));
  }
}

}  // namespace glassbox::hub
