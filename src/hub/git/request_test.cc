#include "hub/git/request.h"

#include <gmock/gmock.h>

#include "hub/git/testing.h"
#include "hub/refusal.h"

namespace glassbox::hub::git {
namespace {

using ::testing::ElementsAre;
using testing::fetch_command;
using ::testing::HasSubstr;
using testing::said;

const std::string kOne(40, '1'), kTwo(40, '2');

std::string refusal_of(const auto& work) {
  try {
    work();
  } catch (const Refusal& refusal) {
    EXPECT_EQ(refusal.refused(), Refused::bad_value);
    return refusal.what();
  }
  return "";
}

FetchRequest fetch_of(const std::vector<std::string>& lines) {
  return std::get<FetchRequest>(parse_command(fetch_command(lines)));
}

TEST(GitRequest, AFetchIsRead) {
  const FetchRequest request =
      fetch_of({"thin-pack", "no-progress", "include-tag", "ofs-delta", "want " + kOne, "want " + kTwo, "have " + kTwo,
                "shallow " + kOne, "deepen 3", "deepen-relative", "filter blob:limit=2k", "done"});
  EXPECT_THAT(request.wants, ElementsAre(*ObjectId::parse(kOne), *ObjectId::parse(kTwo)));
  EXPECT_THAT(request.haves, ElementsAre(*ObjectId::parse(kTwo)));
  EXPECT_THAT(request.shallow, ElementsAre(*ObjectId::parse(kOne)));
  EXPECT_EQ(request.depth, 3u);
  EXPECT_TRUE(request.depth_is_more && request.done && !request.progress);
  EXPECT_EQ(request.filter, (Filter{true, 2048}));
  const FetchRequest by_rule = fetch_of({"want " + kOne, "deepen-since 5", "deepen-not refs/tags/v1"});
  EXPECT_EQ(by_rule.since, 5);
  EXPECT_THAT(by_rule.excluded, ElementsAre("refs/tags/v1"));
  EXPECT_FALSE(by_rule.done);
}

// Each is looked for among all references.
TEST(GitRequest, ReferencesToLeaveOutAreFew) {
  std::vector<std::string> lines{"want " + kOne};
  for (int i = 0; i < 100; ++i) lines.push_back("deepen-not v" + std::to_string(i));
  EXPECT_EQ(fetch_of(lines).excluded.size(), 100u);
  lines.push_back("deepen-not main");
  EXPECT_THAT(refusal_of([&] { fetch_of(lines); }), HasSubstr("deepen-not"));
}

TEST(GitRequest, AListIsRead) {
  const auto list =
      std::get<ListReferences>(parse_command(said({"command=ls-refs", "<delimiter>", "peel", "symrefs", "unborn",
                                                   "ref-prefix refs/heads/", "ref-prefix HEAD", "<flush>"})));
  EXPECT_TRUE(list.symrefs && list.unborn);
  EXPECT_THAT(list.prefixes, ElementsAre("refs/heads/", "HEAD"));
  EXPECT_TRUE(std::get<ListReferences>(parse_command(said({"command=ls-refs", "<flush>"}))).prefixes.empty());
}

TEST(GitRequest, AnOlderClientsFetchIsRead) {
  const FetchRequest request = parse_fetch(
      said({"want " + kOne + " multi_ack_detailed no-done side-band-64k agent=x", "want " + kTwo, "shallow " + kOne,
            "deepen 1", "filter tree:0", "<flush>", "have " + kTwo, "have " + kOne, "done"}));
  EXPECT_EQ(request.wants.size(), 2u);
  EXPECT_EQ(request.haves.size(), 2u);
  EXPECT_EQ(request.acks, FetchRequest::Acks::detailed);
  EXPECT_EQ(request.band, 65520u);
  EXPECT_TRUE(request.without_done && request.done && request.asks && !request.filter.trees);
  const FetchRequest plain = parse_fetch(said({"want " + kOne, "<flush>"}));
  EXPECT_FALSE(plain.asks);
  EXPECT_EQ(plain.band, 0u);
  EXPECT_EQ(parse_fetch(said({"want " + kOne + " side-band multi_ack", "<flush>", "<flush>"})).band, 1000u);
  EXPECT_TRUE(parse_fetch("0000").wants.empty());
}

TEST(GitRequest, WhatIsMalformedIsRefusedByName) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> wrong{
      {{"want x"}, "40 hexadecimal digits"},
      {{"want " + kOne + "1"}, "40 hexadecimal digits"},
      {{"want"}, "unexpected line"},
      {{"have " + std::string(40, 'A')}, "40 hexadecimal digits"},
      {{"deepen 0"}, "1 or more"},
      {{"deepen -1"}, "1 or more"},
      {{"deepen 4294967296"}, "1 or more"},
      {{"deepen 1x"}, "1 or more"},
      {{"deepen-since -5"}, "0 or more"},
      {{"deepen 1", "deepen-since 5"}, "neither deepen-since"},
      {{"filter sparse:oid=x"}, "expected blob:none"},
      {{"filter blob:limit=99999999999g"}, "too large"},
      {{"filter tree:1"}, "expected blob:none"},
      {{"packfile-uris https"}, "unexpected line"},
      {{"a\nb\x01"}, "unexpected line"},
      {{"<delimiter>"}, "a mark"},
  };
  for (const auto& [lines, why] : wrong) {
    const std::string told = refusal_of([&] { fetch_of(lines); });
    EXPECT_THAT(told, HasSubstr(why)) << lines[0];
    EXPECT_EQ(told.find('\n'), std::string::npos);
  }
  const auto command = [](const std::vector<std::string>& lines) {
    return refusal_of([&] { parse_command(said(lines)); });
  };
  EXPECT_THAT(command({"command=push", "<flush>"}), HasSubstr("expected the command"));
  EXPECT_THAT(command({"<flush>"}), HasSubstr("expected the command"));
  EXPECT_THAT(command({"command=fetch", "command=fetch", "<flush>"}), HasSubstr("two commands"));
  EXPECT_THAT(command({"command=fetch", "object-format=sha256", "<flush>"}), HasSubstr("sha1"));
  EXPECT_THAT(command({"command=fetch", "server-option=x", "<flush>"}), HasSubstr("was not offered"));
  const auto older = [](const std::vector<std::string>& lines) {
    return refusal_of([&] { parse_fetch(said(lines)); });
  };
  EXPECT_THAT(older({"want " + kOne}), HasSubstr("wants are cut off"));
  EXPECT_THAT(older({"want " + kOne, "<flush>", "have " + kTwo}), HasSubstr("haves are cut off"));
  EXPECT_THAT(older({"want " + kOne, "have " + kTwo, "<flush>"}), HasSubstr("unexpected line"));
  EXPECT_THAT(older({"want " + kOne, "<flush>", "want " + kTwo}), HasSubstr("unexpected line"));
  EXPECT_THAT(older({"want " + kOne + " object-format=sha256", "<flush>"}), HasSubstr("sha1"));
  EXPECT_THAT(older({"want short"}), HasSubstr("40 hexadecimal digits"));
}

}  // namespace
}  // namespace glassbox::hub::git
