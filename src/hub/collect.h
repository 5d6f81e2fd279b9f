// Garbage collection: at any time, without harm to whoever reads or uploads.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "hub/contents.h"

namespace glassbox::hub {

struct Collected {
  int64_t xorbs = 0, blobs = 0;  // that went: known ones, and files that nothing knew of
};

// Removes what no repository can reach any more and whose lease has ended at `now` (milliseconds since 1970).
Collected collect(Contents& contents, int64_t now);

// A thread that collects once an hour has passed and then every day. Outlived by the contents.
class Collector {
 public:
  explicit Collector(Contents& contents, std::chrono::milliseconds first = std::chrono::hours(1),
                     std::chrono::milliseconds every = std::chrono::hours(24));
  ~Collector();  // a collection that has begun is ended first
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

 private:
  void run(std::chrono::milliseconds wait, std::chrono::milliseconds every);

  Contents& contents_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace glassbox::hub
