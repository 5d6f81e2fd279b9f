#include "server/http/seats.h"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "server/http/connection.h"

namespace glassbox::http {

bool Seats::take(const std::shared_ptr<Connection>& connection) {
  const std::lock_guard lock(mutex_);
  seats_[connection.get()] = Seat{connection, Standing::stranger, ++clock_, false};
  if (counted(Standing::stranger) > strangers_)
    if (Seat* oldest = first_to_go(Standing::stranger, Standing::stranger, connection.get())) ask(*oldest);
  while (counted() > limit_) {
    Seat* next = first_to_go(Standing::leaving, Standing::sending, connection.get());
    if (!next) return false;
    ask(*next);
  }
  return true;
}

void Seats::leave(Connection* connection) {
  const std::lock_guard lock(mutex_);
  seats_.erase(connection);
}

void Seats::stand(Connection* connection, Standing standing) {
  const std::lock_guard lock(mutex_);
  const auto found = seats_.find(connection);
  if (found == seats_.end()) return;
  found->second.standing = standing;
  found->second.since = ++clock_;
}

bool Seats::make_room() {
  const std::lock_guard lock(mutex_);
  Seat* next = first_to_go(Standing::leaving, Standing::sending, nullptr);
  if (next) ask(*next);
  return next != nullptr;
}

bool Seats::must_go(Connection* connection) {
  const std::lock_guard lock(mutex_);
  const auto found = seats_.find(connection);
  if (found == seats_.end()) return true;
  if (found->second.standing != Standing::busy) return true;
  found->second.asked = false;
  return false;
}

bool Seats::empty() const {
  const std::lock_guard lock(mutex_);
  return seats_.empty();
}

void Seats::post_to_all(void (Connection::*what)()) {
  const std::lock_guard lock(mutex_);
  for (auto& [key, seat] : seats_)
    if (auto connection = seat.connection.lock())
      asio::post(connection->executor(), [connection, what] { ((*connection).*what)(); });
}

Seats::Seat* Seats::first_to_go(Standing least, Standing most, const Connection* spared) {
  Seat* first = nullptr;
  for (auto& [connection, seat] : seats_) {
    if (seat.asked || seat.standing < least || seat.standing > most || connection == spared) continue;
    if (!first || seat.standing < first->standing || (seat.standing == first->standing && seat.since < first->since))
      first = &seat;
  }
  return first;
}

void Seats::ask(Seat& seat) {
  seat.asked = true;
  if (auto connection = seat.connection.lock())
    asio::post(connection->executor(), [connection] { connection->give_way(); });
}

size_t Seats::counted(Standing standing) const {
  return static_cast<size_t>(std::count_if(seats_.begin(), seats_.end(), [&](const auto& one) {
    return !one.second.asked && one.second.standing == standing;
  }));
}

size_t Seats::counted() const {
  return static_cast<size_t>(
      std::count_if(seats_.begin(), seats_.end(), [](const auto& one) { return !one.second.asked; }));
}

}  // namespace glassbox::http
