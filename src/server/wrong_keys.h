// Who showed wrong keys lately, and how long each waits for the next refusal.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace glassbox {

// Any thread. Only refusals wait: a right key is answered at once, whatever came from its address before.
class WrongKeys {
 public:
  using Clock = std::chrono::steady_clock;

  // Remembers at most so many peers; of more, those who were wrong last.
  explicit WrongKeys(size_t most = 4096) : most_(most) {}

  // One more from `peer` ("192.0.2.7:51234"; of IPv6 the network of 64 bits counts, which one machine has whole). The
  // first three are refused at once, the next after 100 ms, and each after twice as long, up to 2 s. Five minutes
  // without any are a new beginning.
  std::chrono::milliseconds note(std::string_view peer, Clock::time_point now = Clock::now());

  size_t size() const;

 private:
  struct Peer {
    int count = 0;
    Clock::time_point last;
  };

  const size_t most_;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Peer> peers_;
};

}  // namespace glassbox
