#include "hub/git/request.h"

#include <algorithm>
#include <charconv>

#include "base/quote.h"
#include "hub/git/packets.h"
#include "hub/refusal.h"

namespace glassbox::hub::git {
namespace {

using Kind = Packet::Kind;

// Takes `word` and the space behind it off a line that begins so.
bool take_word(std::string_view& line, std::string_view word) {
  if (!line.starts_with(word) || line.size() <= word.size() || line[word.size()] != ' ') return false;
  line.remove_prefix(word.size() + 1);
  return true;
}

ObjectId wire_id(std::string_view hex) {
  const auto id = ObjectId::parse(hex);
  if (!id) refuse(Refused::bad_value, "git request: expected 40 hexadecimal digits, got {}", quote(hex));
  return *id;
}

template <class T>
T wire_number(std::string_view what, std::string_view digits, T least) {
  T value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value < least)
    refuse(Refused::bad_value, "git request: {}: expected a whole number of {} or more, got {}", what, least,
           quote(digits));
  return value;
}

[[noreturn]] void refuse_line(std::string_view line) {
  refuse(Refused::bad_value, "git request: unexpected line {}", quote(line));
}

// Each is looked for among all references.
void add_excluded(FetchRequest& request, std::string_view name) {
  constexpr size_t kMostExcluded = 100;
  if (request.excluded.size() == kMostExcluded)
    refuse(Refused::bad_value, "git request: deepen-not: expected at most {} references", kMostExcluded);
  request.excluded.emplace_back(name);
}

// Lines that both protocols have.
bool take_line(std::string_view line, FetchRequest& request) {
  if (take_word(line, "have"))
    request.haves.push_back(wire_id(line));
  else if (take_word(line, "shallow"))
    request.shallow.push_back(wire_id(line));
  else if (take_word(line, "deepen"))
    request.depth = wire_number<uint32_t>("deepen", line, 1);
  else if (take_word(line, "deepen-since"))
    request.since = wire_number<int64_t>("deepen-since", line, 0);
  else if (take_word(line, "deepen-not"))
    add_excluded(request, line);
  else if (take_word(line, "filter"))
    request.filter = parse_filter(line);
  else if (line == "done")
    request.done = true;
  else
    return false;
  return true;
}

void check_history(const FetchRequest& request) {
  if (request.depth && (request.since || !request.excluded.empty()))
    refuse(Refused::bad_value, "git request: deepen goes with neither deepen-since nor deepen-not");
}

FetchRequest parse_fetch_arguments(PacketReader& packets) {
  FetchRequest request;
  request.band = kMostPacketData + 4;
  while (const auto packet = packets.next()) {
    if (packet->kind == Kind::flush) break;
    if (packet->kind != Kind::data) refuse(Refused::bad_value, "git request: a mark in the middle of the arguments");
    std::string_view line = packet->line();
    if (take_word(line, "want"))
      request.wants.push_back(wire_id(line));
    else if (line == "no-progress")
      request.progress = false;
    else if (line == "deepen-relative")
      request.depth_is_more = true;
    // What packs of whole objects and tags without objects of their own need not heed.
    else if (line != "thin-pack" && line != "ofs-delta" && line != "include-tag" && !take_line(line, request))
      refuse_line(line);
  }
  check_history(request);
  return request;
}

ListReferences parse_list_arguments(PacketReader& packets) {
  ListReferences request;
  while (const auto packet = packets.next()) {
    if (packet->kind == Kind::flush) break;
    if (packet->kind != Kind::data) refuse(Refused::bad_value, "git request: a mark in the middle of the arguments");
    std::string_view line = packet->line();
    if (line == "symrefs")
      request.symrefs = true;
    else if (line == "unborn")
      request.unborn = true;
    else if (take_word(line, "ref-prefix"))
      request.prefixes.emplace_back(line);
    else if (line != "peel")  // every reference names a commit
      refuse_line(line);
  }
  return request;
}

void take_capabilities(std::string_view words, FetchRequest& request) {
  using Acks = FetchRequest::Acks;
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    words.remove_prefix(std::min(words.size(), word.size() + 1));
    if (word == "multi_ack_detailed") request.acks = Acks::detailed;
    if (word == "multi_ack") request.acks = std::max(request.acks, Acks::many);
    if (word == "no-done") request.without_done = true;
    if (word == "side-band") request.band = std::max<size_t>(request.band, 1000);
    if (word == "side-band-64k") request.band = kMostPacketData + 4;
    if (word == "no-progress") request.progress = false;
    if (word == "deepen-relative") request.depth_is_more = true;
    if (word.starts_with("object-format=") && word != "object-format=sha1")
      refuse(Refused::bad_value, "git request: expected object-format=sha1, got {}", quote(word));
  }
}

}  // namespace

Filter parse_filter(std::string_view text) {
  constexpr std::string_view kLimit = "blob:limit=";
  if (text == "blob:none") return {true, 0};
  if (text == "tree:0") return {false, 0};
  if (!text.starts_with(kLimit))
    refuse(Refused::bad_value, "filter {}: expected blob:none, blob:limit=BYTES or tree:0", quote(text));
  text.remove_prefix(kLimit.size());
  int shift = 0;
  if (text.ends_with('k')) shift = 10;
  if (text.ends_with('m')) shift = 20;
  if (text.ends_with('g')) shift = 30;
  if (shift) text.remove_suffix(1);
  const auto limit = wire_number<uint64_t>("blob:limit", text, 0);
  if (limit << shift >> shift != limit) refuse(Refused::bad_value, "blob:limit: {} is too large", quote(text));
  return {true, limit << shift};
}

std::variant<ListReferences, FetchRequest> parse_command(std::string_view body) {
  PacketReader packets(body);
  std::string_view command;
  bool has_arguments = false;
  while (const auto packet = packets.next()) {
    if (packet->kind == Kind::flush) break;
    if ((has_arguments = packet->kind == Kind::delimiter)) break;
    if (packet->kind != Kind::data) refuse(Refused::bad_value, "git request: a mark in the middle of the command");
    std::string_view line = packet->line();
    constexpr std::string_view kCommand = "command=";
    if (line.starts_with(kCommand)) {
      if (!command.empty()) refuse(Refused::bad_value, "git request: two commands");
      command = line.substr(kCommand.size());
    } else if (line.starts_with("object-format=")) {
      if (line != "object-format=sha1")
        refuse(Refused::bad_value, "git request: expected object-format=sha1, got {}", quote(line));
    } else if (!line.starts_with("agent=")) {
      refuse(Refused::bad_value, "git request: {} was not offered", quote(line));
    }
  }
  PacketReader nothing("");
  PacketReader& arguments = has_arguments ? packets : nothing;
  if (command == "ls-refs") return parse_list_arguments(arguments);
  if (command == "fetch") return parse_fetch_arguments(arguments);
  refuse(Refused::bad_value, "git request: expected the command ls-refs or fetch, got {}", quote(command));
}

FetchRequest parse_fetch(std::string_view body) {
  FetchRequest request;
  PacketReader packets(body);
  bool ended = false;
  while (const auto packet = packets.next()) {
    if ((ended = packet->kind == Kind::flush)) break;
    if (packet->kind != Kind::data) refuse(Refused::bad_value, "git request: a mark in the middle of the wants");
    std::string_view line = packet->line();
    if (take_word(line, "want")) {
      if (request.wants.empty() && line.size() > 40) take_capabilities(line.substr(40), request);
      request.wants.push_back(wire_id(request.wants.empty() ? line.substr(0, 40) : line));
    } else if (line.starts_with("have ") || line == "done" || !take_line(line, request)) {
      refuse_line(line);
    }
  }
  if (!ended && !request.wants.empty()) refuse(Refused::bad_value, "git request: the wants are cut off");
  // Of a client that came for a new end of its history first, nothing follows.
  while (const auto packet = packets.next()) {
    request.asks = true;
    if ((ended = packet->kind == Kind::flush)) break;
    const std::string_view line = packet->line();
    if (packet->kind != Kind::data || (!line.starts_with("have ") && line != "done")) refuse_line(line);
    take_line(line, request);
    if ((ended = request.done)) break;
    ended = false;
  }
  if (request.asks && !ended) refuse(Refused::bad_value, "git request: the haves are cut off");
  check_history(request);
  return request;
}

}  // namespace glassbox::hub::git
