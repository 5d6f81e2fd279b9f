// What git's clients are answered when they fetch (git-upload-pack): references, and packs of what they have not.
// It knows nothing of HTTP: bytes come in, bytes go out, and nothing is remembered between two requests.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "hub/git/request.h"
#include "hub/git/store.h"

namespace glassbox::hub::git {

// A pack on its way, as packets where the client takes them. For one thread.
class PackStream {
 public:
  virtual ~PackStream() = default;
  // The next bytes, some `most` of them; none at the end. While objects are counted, signs of life.
  virtual std::string next(Store& store, size_t most) = 0;
};

struct Answer {
  std::string text;                  // comes first
  std::shared_ptr<PackStream> pack;  // follows it; null: nothing does
};

// The first thing a client is told. `agent`: "glassbox/1.0".
std::string offer_v2(std::string_view agent);
std::string offer(Store& store, std::string_view agent);  // protocols 0 and 1: the references themselves

// Refuse (bad_value, no_revision) what is malformed, and what the client may not have.
Answer answer_v2(Store& store, std::string_view body);
Answer answer(Store& store, std::string_view body);

// A refusal in git's words, which its clients print.
std::string error_packet(std::string_view message);

}  // namespace glassbox::hub::git
