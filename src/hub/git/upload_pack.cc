#include "hub/git/upload_pack.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "hub/git/history.h"
#include "hub/git/object_walk.h"
#include "hub/git/pack.h"
#include "hub/git/packets.h"
#include "hub/refusal.h"

namespace glassbox::hub::git {
namespace {

constexpr size_t kStepEntries = 20'000;  // of trees, looked at before the next sign of life
constexpr size_t kMostPrefixes = 1000;   // more than these are as good as none
constexpr size_t kMostMessage = 1000;

template <class... Args>
void append_line(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  append_packet(out, fmt::format(format, std::forward<Args>(args)...) + "\n");
}

std::optional<ObjectId> head_of(const std::vector<Reference>& references) {
  const auto main = std::ranges::find(references, kMainBranch, &Reference::name);
  return main == references.end() ? std::nullopt : std::optional(main->target);
}

class Sending : public PackStream {
 public:
  // `band`: the size of a packet with its length; 0: no packets.
  Sending(ObjectWalk walk, size_t band, bool progress) : walk_(std::move(walk)), band_(band), progress_(progress) {}

  std::string next(Store& store, size_t most) override {
    if (!writer_) {
      if (const std::string sign = count(store); !sign.empty()) return sign;
    }
    const std::string bytes = writer_->next(store, std::max<size_t>(most, 1));
    if (band_ == 0) return bytes;
    if (bytes.empty()) return std::exchange(ended_, true) ? "" : std::string(kFlush);
    std::string out;
    for (size_t at = 0; at < bytes.size(); at += room())
      append_band(out, 1, std::string_view(bytes).substr(at, room()));
    return out;
  }

 private:
  size_t room() const { return band_ - 5; }
  static void append_band(std::string& out, char band, std::string_view data) {
    append_packet(out, band + std::string(data));
  }

  // Goes on counting, and says so; says nothing once there is nothing more to count, or where nobody could be told.
  std::string count(Store& store) {
    bool has_more = true;
    do has_more = walk_.step(store, kStepEntries);
    while (has_more && band_ == 0);
    std::string out;
    if (progress_ && band_ != 0)
      append_band(out, 2, fmt::format("Counting objects: {}{}", walk_.found(), has_more ? "\r" : ", done.\n"));
    else if (has_more)
      append_band(out, 1, "");
    if (!has_more) writer_ = std::make_unique<PackWriter>(walk_.take());
    return out;
  }

  ObjectWalk walk_;
  const size_t band_;
  const bool progress_;
  std::unique_ptr<PackWriter> writer_;
  bool ended_ = false;
};

// What a fetch is about, once the wants are known to be fit to give.
struct Fetch {
  explicit Fetch(Store& store, const FetchRequest& asked) : request(asked), history(store) {
    for (const auto& [id, kind] : kinds_of_wants(history, request.wants)) {
      if (kind == ObjectKind::commit)
        commits.push_back(id);
      else
        named.push_back({id, kind});
    }
    common = common_commits(store, request.haves);
    shallow = shallow_of(history, request, commits);
  }
  bool is_ready() { return git::is_ready(history, commits, common); }
  void append_shallow(std::string& out) const {
    // Without a newline, as git has it: libgit2 takes none.
    for (const ObjectId& id : shallow.ends) append_packet(out, "shallow " + id.hex());
    for (const ObjectId& id : shallow.opened) append_packet(out, "unshallow " + id.hex());
  }
  std::shared_ptr<PackStream> pack() {
    ObjectWalk walk(commits_to_send(history, request, commits, common, shallow), named, request.filter);
    return std::make_shared<Sending>(std::move(walk), request.band, request.progress);
  }

  const FetchRequest& request;
  History history;
  std::vector<ObjectId> commits, common;
  std::vector<PackedObject> named;
  Shallow shallow;
};

Answer list_references(Store& store, const ListReferences& request) {
  const auto is_asked = [&](std::string_view name) {
    return request.prefixes.empty() || request.prefixes.size() > kMostPrefixes ||
           std::ranges::any_of(request.prefixes, [&](const std::string& prefix) { return name.starts_with(prefix); });
  };
  Answer answer;
  const std::vector<Reference> references = store.references();
  const auto head = head_of(references);
  const std::string target = request.symrefs ? fmt::format(" symref-target:{}", kMainBranch) : "";
  if (is_asked("HEAD") && (head || request.unborn))
    append_line(answer.text, "{} HEAD{}", head ? head->hex() : "unborn", target);
  for (const Reference& reference : references)
    if (is_asked(reference.name)) append_line(answer.text, "{} {}", reference.target.hex(), reference.name);
  answer.text += kFlush;
  return answer;
}

}  // namespace

std::string error_packet(std::string_view message) {
  std::string out;
  append_packet(out, fmt::format("ERR {}", message.substr(0, kMostMessage)));
  return out;
}

std::string offer_v2(std::string_view agent) {
  std::string out;
  append_line(out, "version 2");
  append_line(out, "agent={}", agent);
  append_line(out, "ls-refs=unborn");
  append_line(out, "fetch=shallow filter");
  append_line(out, "object-format=sha1");
  out += kFlush;
  return out;
}

std::string offer(Store& store, std::string_view agent) {
  const std::vector<Reference> references = store.references();
  const auto head = head_of(references);
  std::string offers =
      "multi_ack_detailed multi_ack no-done side-band-64k side-band shallow deepen-since deepen-not "
      "deepen-relative no-progress include-tag filter allow-tip-sha1-in-want allow-reachable-sha1-in-want "
      "object-format=sha1 ";
  if (head) fmt::format_to(std::back_inserter(offers), "symref=HEAD:{} ", kMainBranch);
  fmt::format_to(std::back_inserter(offers), "agent={}", agent);
  std::string out;
  append_line(out, "# service=git-upload-pack");
  out += kFlush;
  const auto append_reference = [&](const ObjectId& id, std::string_view name) {
    append_line(out, "{} {}{}", id.hex(), name, offers.empty() ? "" : std::exchange(offers, "").insert(0, 1, '\0'));
  };
  if (head) append_reference(*head, "HEAD");
  for (const Reference& reference : references) append_reference(reference.target, reference.name);
  if (!offers.empty()) append_reference(ObjectId{}, "capabilities^{}");
  out += kFlush;
  return out;
}

Answer answer_v2(Store& store, std::string_view body) {
  const auto command = parse_command(body);
  if (const auto* list = std::get_if<ListReferences>(&command)) return list_references(store, *list);
  const auto& request = std::get<FetchRequest>(command);
  if (request.wants.empty()) return {std::string(kFlush), nullptr};
  Fetch fetch(store, request);
  Answer answer;
  if (!request.done && !request.haves.empty()) {
    const bool ready = fetch.is_ready();
    append_line(answer.text, "acknowledgments");
    if (fetch.common.empty()) append_line(answer.text, "NAK");
    for (const ObjectId& id : fetch.common) append_line(answer.text, "ACK {}", id.hex());
    if (ready) append_line(answer.text, "ready");
    answer.text += ready ? kDelimiter : kFlush;
    if (!ready) return answer;
  }
  if (request.limits_history()) {
    append_line(answer.text, "shallow-info");
    fetch.append_shallow(answer.text);
    answer.text += kDelimiter;
  }
  append_line(answer.text, "packfile");
  answer.pack = fetch.pack();
  return answer;
}

Answer answer(Store& store, std::string_view body) {
  using Acks = FetchRequest::Acks;
  const FetchRequest request = parse_fetch(body);
  if (request.wants.empty()) return {};
  Fetch fetch(store, request);
  Answer answer;
  if (request.limits_history()) {
    fetch.append_shallow(answer.text);
    answer.text += kFlush;
  }
  if (!request.asks) return answer;
  const auto& common = fetch.common;
  const auto acknowledge = [&](const ObjectId& id, std::string_view how) {
    append_line(answer.text, "ACK {}{}", id.hex(), how);
  };
  if (request.acks == Acks::one && !common.empty()) acknowledge(common.front(), "");
  if (request.acks != Acks::one)
    for (const ObjectId& id : common) acknowledge(id, request.acks == Acks::detailed ? " common" : " continue");
  const bool ready = !request.done && request.acks == Acks::detailed && fetch.is_ready();
  if (ready) acknowledge(common.back(), " ready");
  const bool sends = request.done || (ready && request.without_done);
  if (!request.done && (common.empty() || request.acks != Acks::one)) append_line(answer.text, "NAK");
  if (sends && request.acks != Acks::one && !common.empty()) acknowledge(common.back(), "");
  if (sends && common.empty()) append_line(answer.text, "NAK");
  if (sends) answer.pack = fetch.pack();
  return answer;
}

}  // namespace glassbox::hub::git
