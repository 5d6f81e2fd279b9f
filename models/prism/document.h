// A document: one conversation to learn from, and how it is written as a line of JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace glassbox::prism {

enum class Role { system, user, assistant };
std::string_view name(Role role);

// What an assistant says may begin with "<think>...</think>": its reasoning, then at once the answer.
struct Message {
  Role role;
  std::string content;
  bool learn = true;  // false: an earlier answer as clients send it back, its reasoning left out; read, never imitated
  bool operator==(const Message&) const = default;
};

enum class Kind { sum, passage, story, chat, mixed };
std::string_view name(Kind kind);

// What training may see and what it may not. A sum is held out by its pair of operands, a passage by each of
// its facts, a story by its animal and place; greetings and questions about Prism itself have no held-out
// part.
enum class Split { training, held_out };

struct Document {
  Kind kind;
  std::vector<Message> messages;  // [system] then user and assistant in turn; the assistant speaks last
  bool operator==(const Document&) const = default;
};

// The document of this key. A pure function: safe from any thread, in any order, on any machine.
Document make_document(uint64_t seed, uint64_t index, Split split = Split::training);

// A tenth of all facts is held out; `key` names the fact ("sum 17 25").
bool is_held_out(std::string_view key);
inline bool belongs(std::string_view key, Split split) { return is_held_out(key) == (split == Split::held_out); }

// {"kind":"sum","messages":[{"role":"user","content":...},...]}; "learn" is written where it is false.
Json to_json(const Document& document);
Json to_json(const std::vector<Message>& messages);
// The inverse of the messages' part. Throws Error(bad_file) naming `source`.
std::vector<Message> messages_from(const Json& json, std::string_view source);

}  // namespace glassbox::prism
