// Calls written as elements: <function=NAME><parameter=KEY>VALUE</parameter></function> (Qwen3-Coder).
#pragma once

#include <optional>
#include <string_view>

#include "chat/tool_calls.h"

namespace glassbox {

// Reads one such call from the text it begins, which grows. Values are bare text: a closing mark ends one only where
// what follows it could follow it, so that marks quoted in a value are text; a value that was never closed ends where
// the next parameter, or the end of the call, begins a line. Nothing is decided that more text could change.
class ElementCall {
 public:
  // `tools` outlives this. `enclosed`: <tool_call> came before, so </tool_call> may follow.
  ElementCall(const OrderedJson& tools, bool enclosed) : tools_(&tools), enclosed_(enclosed) {}

  enum class State { open, read, none };
  // `text` begins with "<function=", as it did before; `last`: nothing will follow.
  State read(std::string_view text, bool last);
  size_t end() const { return at_; }  // of what was read
  ToolCall call() const;              // REQUIRES: read

 private:
  enum class Next { wait, parameter, function, function_end, call_end, call, end, other };
  enum class Part { head, between, value };

  State head(std::string_view text);
  State between(std::string_view text, bool last);
  State value(std::string_view text, bool last);
  Next after(std::string_view text, size_t at, bool last) const;
  // How a mark in a value counts: it ends the value, is text, or cannot be told yet.
  enum class Mark { ends, text, wait };
  Mark parameter_end(std::string_view text, bool last);
  Mark parameter(std::string_view text, bool last);
  Mark function_end(std::string_view text, bool last);
  Mark function(std::string_view text);
  bool keep(std::string_view value);

  const OrderedJson* tools_;
  bool enclosed_;
  bool lenient_ = false;  // a second reading, when nothing will follow: any closing mark closes
  Part part_ = Part::head;
  size_t at_ = 0;  // read up to here
  const OrderedJson* tool_ = nullptr;
  std::string name_, key_;
  OrderedJson arguments_ = OrderedJson::object();
  size_t value_ = 0;  // where the value begins, and how far it is looked at
  size_t scanned_ = 0;
  bool lines_ = false;                  // the value begins on a line of its own
  int parameters_ = 0, functions_ = 0;  // quoted in the value, open
};

}  // namespace glassbox
