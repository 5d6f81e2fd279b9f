#include "prism/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "prism/arithmetic.h"
#include "prism/conversation.h"
#include "prism/greetings.h"
#include "prism/mixture.h"
#include "prism/story.h"

namespace glassbox::prism {
namespace {

constexpr std::array<std::string_view, 3> kRoles = {"system", "user", "assistant"};
constexpr std::array<std::string_view, 5> kKinds = {"sum", "passage", "story", "chat", "mixed"};

static_assert([] {
  int total = 0;
  for (const Share& share : kMixture) total += share.documents;
  return total;
}() == 100);

Kind draw_kind(Draw& draw, Split split) {
  for (;;) {
    int at = draw.between(0, 99);
    const Share* share = kMixture;
    for (; at >= share->documents; ++share) at -= share->documents;
    // Talk has no held-out part, and mixtures contain talk.
    if (split == Split::training || (share->kind != Kind::chat && share->kind != Kind::mixed)) return share->kind;
  }
}

void add(std::vector<Message>& to, std::vector<Message> more) {
  for (Message& message : more) to.push_back(std::move(message));
}

size_t size_of(const std::vector<Message>& messages) {
  size_t size = 0;
  for (const Message& message : messages) size += message.content.size();
  return size;
}

std::vector<Message> mixed(const Setting& setting, Draw& draw, Split split) {
  std::vector<Message> all;
  if (draw.percent(60)) add(all, exchange(Courtesy::hello, setting, draw));
  // Sums have the most tokens for their length, so one stretch of them is enough; what ends here fits 1,024
  // tokens.
  constexpr size_t kEnough = 1200;
  bool summed = false;
  for (int parts = draw.between(3, 5); parts > 0 && size_of(all) < kEnough; --parts) {
    switch (draw.below(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        add(all, passage_turns(setting, draw, split));
        break;
      case 4:
      case 5:
        if (!std::exchange(summed, true)) add(all, sum_turns(setting, draw, split));
        break;
      case 6:
      case 7:
        add(all, story_turns(draw, split));
        break;
      case 8:
        add(all, exchange(Courtesy::thanks, setting, draw));
        break;
      default:
        add(all, draw_talk(setting, draw).messages);
    }
  }
  if (draw.percent(40)) add(all, exchange(draw.percent(50) ? Courtesy::thanks : Courtesy::bye, setting, draw));
  return all;
}

// Conversations come back from clients with the answers' reasoning left out. The last reasoning stays.
void forget_reasoning(std::vector<Message>& messages) {
  bool last = true;
  for (size_t i = messages.size(); i-- > 0;) {
    std::string_view said = without_reasoning(messages[i].content);
    if (said.size() == messages[i].content.size()) continue;
    if (!std::exchange(last, false)) messages[i] = {messages[i].role, std::string(said), false};
  }
}

}  // namespace

std::string_view name(Role role) { return kRoles[static_cast<size_t>(role)]; }
std::string_view name(Kind kind) { return kKinds[static_cast<size_t>(kind)]; }

bool is_held_out(std::string_view key) { return hash(key) % 10 == 0; }

Document make_document(uint64_t seed, uint64_t index, Split split) {
  Draw draw(seed, index * 2 + (split == Split::held_out ? 1 : 0));
  Document document{draw_kind(draw, split), {}};
  Setting setting = draw_setting(draw);
  // Stories and talk are as long as they are: no document shows a brief prompt that is not followed.
  bool can_be_brief = document.kind == Kind::sum || document.kind == Kind::passage;
  while (setting.brief && !can_be_brief) setting = draw_setting(draw);
  if (!setting.system.empty()) document.messages.push_back({Role::system, setting.system});
  switch (document.kind) {
    case Kind::sum:
      add(document.messages, sum_turns(setting, draw, split));
      break;
    case Kind::passage:
      add(document.messages, passage_turns(setting, draw, split));
      break;
    case Kind::story:
      add(document.messages, story_turns(draw, split));
      break;
    case Kind::chat:
      add(document.messages, talk_turns(setting, draw));
      break;
    case Kind::mixed:
      add(document.messages, mixed(setting, draw, split));
      break;
  }
  // Of passages fewer: each answer that is not learnt is one less of what is hardest.
  if (draw.percent(document.kind == Kind::passage ? 15 : 35)) forget_reasoning(document.messages);
  return document;
}

Json to_json(const std::vector<Message>& messages) {
  Json list = Json::array();
  for (const Message& message : messages) {
    list.push_back({{"role", name(message.role)}, {"content", message.content}});
    if (!message.learn) list.back()["learn"] = false;
  }
  return list;
}

Json to_json(const Document& document) {
  return {{"kind", name(document.kind)}, {"messages", to_json(document.messages)}};
}

std::vector<Message> messages_from(const Json& json, std::string_view source) {
  if (!json.is_array()) fail(ErrorKind::bad_file, "{}: messages: expected a list, got {}", source, json.type_name());
  std::vector<Message> messages;
  for (const Json& item : json) {
    if (!item.is_object() || !item.contains("role") || !item.contains("content") || !item["role"].is_string() ||
        !item["content"].is_string())
      fail(ErrorKind::bad_file, "{}: message {}: expected a role and a content, both text", source, messages.size());
    auto role = std::ranges::find(kRoles, item["role"].get_ref<const std::string&>());
    if (role == kRoles.end())
      fail(ErrorKind::bad_file, "{}: message {}: role \"{}\", expected system, user or assistant", source,
           messages.size(), item["role"].get<std::string>());
    bool learn = true;
    if (auto given = item.find("learn"); given != item.end()) {
      if (!given->is_boolean())
        fail(ErrorKind::bad_file, "{}: message {}: learn: expected true or false", source, messages.size());
      learn = given->get<bool>();
    }
    messages.push_back({static_cast<Role>(role - kRoles.begin()), item["content"].get<std::string>(), learn});
  }
  return messages;
}

}  // namespace glassbox::prism
