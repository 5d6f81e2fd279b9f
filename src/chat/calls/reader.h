// What readers of calls share: calls without marks, in fenced blocks, and up to a mark.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "chat/calls/scan.h"
#include "chat/tool_calls.h"

namespace glassbox {

using Calls = std::optional<std::vector<ToolCall>>;

constexpr std::string_view kFence = "```";

constexpr size_t kLongestHead = 600;  // of what stands between a mark and the arguments

// The characters of a name, the last of which may not be all there yet.
bool may_be_name(std::string_view name);

// The head of a call: what stands from `at` to `mark`, which may name a tool; `end`: where the mark is. `open` until it
// comes; `none` if no name looks so.
CallReader::State read_name(std::string_view text, size_t at, char mark, bool last, size_t& end);
// The same before a mark of a family's own, where more than a name may stand: anything short without brackets.
CallReader::State read_head(std::string_view text, size_t at, std::string_view mark, bool last, size_t& end);

// A call without marks: an object, a list of them, or if `python` a list of Python's calls.
class BareReader : public CallReader {
 public:
  BareReader(const OrderedJson& tools, bool python) : CallReader(tools), python_(python) {}
  State read(std::string_view text, bool last) override;

 private:
  bool python_;
  enum class Form { unknown, json, python } form_ = Form::unknown;
  BracketScan bracket_;
};

// Reads what stands between a place and a mark.
class MarkedReader : public CallReader {
 public:
  using CallReader::CallReader;

 protected:
  using Parse = std::function<Calls(std::string_view between, bool closed)>;
  // `marks`: where marks may first stand.
  void begin(size_t body, size_t marks);
  bool begun() const { return begun_; }
  // Parsed at each of the marks outside of quotes, and at the first few that end a call inside of them, for quotes may
  // be broken; at the end of the text, if that comes first. `ends`: belong to the call; `stops`: begin what follows.
  State until(std::string_view text, const Marks& ends, const Marks& stops, bool last, const Parse& parse);

 private:
  bool begun_ = false;
  size_t body_ = 0;
  MarkScan marks_;
  int tries_ = 0;
};

// The marks of a syntax whose calls stand in a section: SECTION CALL HEAD ARGUMENTS {...} CALL_END ... SECTION_END.
struct SectionMarks {
  std::string_view section, section_end, call, call_end, arguments;
};

// Reads one call of a section, whose opening mark may be missing.
class SectionReader : public MarkedReader {
 public:
  SectionReader(const SectionMarks& marks, const OrderedJson& tools) : MarkedReader(tools), marks_(marks) {}
  State read(std::string_view text, bool last) final;

 protected:
  // What stands before the arguments; false if that is the head of no call.
  virtual bool take_head(std::string_view head) = 0;
  virtual Calls parse(std::string_view arguments, bool closed) const = 0;

 private:
  SectionMarks marks_;
};

// All of such a syntax but its reader.
CallSyntax section_syntax(std::string_view name, const SectionMarks& marks);

// A fenced block that holds calls and nothing else.
class FenceReader : public MarkedReader {
 public:
  FenceReader(const CallSyntax& syntax, const OrderedJson& tools) : MarkedReader(tools), syntax_(syntax) {}
  State read(std::string_view text, bool last) override;

 private:
  State read_marked(std::string_view text, size_t at, bool last);

  const CallSyntax& syntax_;
  bool code_ = false;  // Python, not JSON
  std::unique_ptr<CallReader> inner_;
  std::optional<size_t> inner_end_;
};

}  // namespace glassbox
