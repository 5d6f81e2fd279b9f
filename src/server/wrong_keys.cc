#include "server/wrong_keys.h"

#include <arpa/inet.h>

#include <algorithm>

namespace glassbox {
namespace {

constexpr auto kForgotten = std::chrono::minutes(5);
constexpr int kFree = 3;
constexpr std::chrono::milliseconds kFirst(100), kMost(2000);

std::string network_of(std::string_view peer) {
  std::string address(peer.substr(0, peer.rfind(':')));
  if (!address.starts_with('[')) return address;
  in6_addr v6;
  if (::inet_pton(AF_INET6, address.substr(1, address.size() - 2).c_str(), &v6) != 1) return address;
  return std::string(reinterpret_cast<const char*>(v6.s6_addr), 8);
}

}  // namespace

std::chrono::milliseconds WrongKeys::note(std::string_view peer, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto [at, fresh] = peers_.try_emplace(network_of(peer));
  if (!fresh && now - at->second.last > kForgotten) at->second.count = 0;
  const int count = ++at->second.count;
  at->second.last = now;
  if (fresh && peers_.size() > most_)
    peers_.erase(std::min_element(peers_.begin(), peers_.end(),
                                  [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
  if (count <= kFree) return std::chrono::milliseconds(0);
  return std::min(kMost, kFirst * (1 << std::min(count - kFree - 1, 10)));
}

size_t WrongKeys::size() const {
  const std::lock_guard lock(mutex_);
  return peers_.size();
}

}  // namespace glassbox
