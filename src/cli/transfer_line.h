// Shows how far a transfer is, on standard error where that is a terminal.
#pragma once

#include <chrono>

#include "hub/client/client.h"

namespace glassbox {

// For one thread at a time, any.
class TransferLine {
 public:
  TransferLine();
  ~TransferLine();
  TransferLine(const TransferLine&) = delete;
  TransferLine& operator=(const TransferLine&) = delete;

  void show(const hub::Transfer& transfer);
  void clear();  // before anything else is written
  // What a client's call takes; `this` outlives it.
  hub::Progress progress() {
    return [this](const hub::Transfer& transfer) { show(transfer); };
  }

 private:
  bool terminal_, styles_;
  bool shown_ = false;
  std::string_view doing_;
  std::chrono::steady_clock::time_point since_;
};

// "fetching  1.2 GB of 3.4 GB  85 MB/s  0:26 left", after so many seconds.
std::string transfer_text(const hub::Transfer& transfer, double seconds);

}  // namespace glassbox
