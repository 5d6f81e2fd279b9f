// What the client's parts share: answers read strictly, work shared out, progress told.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>

#include "base/json.h"
#include "hub/client/client.h"

namespace glassbox::hub {

// Throws what a refusal means: Error(not_found) where something is not there, Error(io) for others. `subject` is what
// was asked for.
[[noreturn]] void fail_refused(const HttpAnswer& answer, const std::string& subject, bool has_token);

// What an answer's JSON says. Throws Error(bad_file) where `read` does not find what it looks for.
template <class Read>
auto read_answer(const HttpAnswer& answer, const Read& read) {
  const std::string source = origin_of(answer.url).value_or("the hub");
  const Json json = parse_json(answer.body, source);
  try {
    return read(json);
  } catch (const Json::exception& error) {
    const std::string_view what = error.what();
    fail(ErrorKind::bad_file, "{}: an answer that is not as the protocol has it: {}", source,
         what.substr(std::min(what.size(), what.find("] ") + 2)));
  }
}

// Calls does(http, i, stop) for every i in [0, count), on up to four threads, each with a connection of its own, to a
// hub that has answered before. After the first exception `stop` is set, nothing begins any more, and it is rethrown
// here.
void in_parallel(size_t count, const std::function<void(Http& http, size_t i, const std::atomic<bool>& stop)>& does);

// Adds up and tells. Any thread.
class Meter {
 public:
  Meter(const Progress& progress, std::string_view doing, uint64_t total, size_t files)
      : progress_(progress), now_{doing, 0, total, 0, 0, files} {}
  void add(int64_t bytes, bool moved);  // negative where something begins anew
  void end_file();

 private:
  void tell(bool at_once);
  const Progress& progress_;
  std::mutex mutex_;
  Transfer now_;
  std::chrono::steady_clock::time_point told_{};
};

std::string_view plural_of(RepositoryKind kind);
std::string_view word_for(RepositoryKind kind);  // "model", as the API's bodies have it

}  // namespace glassbox::hub
