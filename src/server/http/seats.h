// Which connections are open, and who gives way when there are too many. Private to the transport.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace glassbox::http {

class Connection;

// What a connection is doing, those that give way first at the front: a connection that waits costs its peer nothing,
// so that strangers who only wait must not keep out those who have something to say.
enum class Standing {
  leaving,   // it is being closed
  stranger,  // no request of it was admitted yet, or its last was refused
  idle,      // between requests
  sending,   // the body of an admitted request is on its way
  busy,      // being answered: never gives way
};

// Any thread.
class Seats {
 public:
  // At most `limit` connections are open, of them at most `strangers` such.
  Seats(size_t limit, size_t strangers) : limit_(limit), strangers_(strangers) {}

  // Seats a stranger; whoever must give way for it is asked to (Connection::give_way(), on its own strand). False if
  // all others are busy: then it is seated all the same, to be told so and closed.
  bool take(const std::shared_ptr<Connection>& connection);
  void leave(Connection* connection);
  void stand(Connection* connection, Standing standing);

  // Asks whoever would give way first; false if nobody would.
  bool make_room();
  // The answer to having been asked: true if it still must go. It may have become busy meanwhile.
  bool must_go(Connection* connection);

  bool empty() const;
  // Calls `what` for each, on its own strand.
  void post_to_all(void (Connection::*what)());

 private:
  struct Seat {
    std::weak_ptr<Connection> connection;
    Standing standing = Standing::stranger;
    uint64_t since = 0;  // when it began to stand so
    bool asked = false;  // to give way: no longer counted
  };

  // REQUIRES: mutex_ is held. The one that gives way first, of those that stand between `least` and `most`, but for
  // `spared`.
  Seat* first_to_go(Standing least, Standing most, const Connection* spared);
  void ask(Seat& seat);
  size_t counted(Standing standing) const;
  size_t counted() const;

  const size_t limit_, strangers_;
  mutable std::mutex mutex_;
  std::unordered_map<Connection*, Seat> seats_;
  uint64_t clock_ = 0;
};

}  // namespace glassbox::http
