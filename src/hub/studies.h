// What takes longer than a commit may wait: weights held against those they are said to come from.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "hub/repository.h"

namespace glassbox::hub {

class Hub;

// One thread that studies repositories one after another. What it finds is the repository's fact "lineage": of each
// base that is here what compare() says. Outlived by the hub.
class Studies {
 public:
  explicit Studies(Hub& hub);
  ~Studies();  // what is being studied is ended first, the rest is studied at the next start
  Studies(const Studies&) = delete;
  Studies& operator=(const Studies&) = delete;

  // Of a model whose head moved: it is studied, and whatever is said to be made of it.
  void add(const Repository& repository);
  void wait();  // until there is nothing left to study

 private:
  void run();
  void study(const Repository& repository);
  void put(Repository repository);

  Hub& hub_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Repository> waiting_;
  bool busy_ = false, over_ = false;
  std::thread thread_;
};

}  // namespace glassbox::hub
