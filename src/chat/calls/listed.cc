// OLMo 3: <function_calls>, one of Python's calls a line, </function_calls>
#include "chat/calls/python_calls.h"
#include "chat/calls/reader.h"

namespace glassbox {
namespace {

constexpr std::string_view kBegin = "<function_calls>", kEnd = "</function_calls>";

class ListedReader : public MarkedReader {
 public:
  using MarkedReader::MarkedReader;

  State read(std::string_view text, bool last) override {
    if (!begun()) begin(kBegin.size(), kBegin.size());
    return until(text, {kEnd}, {kBegin}, last, [&](std::string_view code, bool) {
      code = trim(code);
      if (code.starts_with('[') && code.ends_with(']')) code = code.substr(1, code.size() - 2);
      auto calls = read_python_calls(code, false);
      return typed_python_calls(calls ? std::move(calls) : read_python_calls(code, true), tools());
    });
  }
};

}  // namespace

CallSyntax listed_calls() {
  CallSyntax listed;
  listed.name = "listed";
  listed.taught_by = listed.opening = {kBegin};
  listed.marks = {kBegin, kEnd};
  listed.closing = listed.ends = {kEnd};
  listed.reader = [](const CallSyntax&, const OrderedJson& tools) -> std::unique_ptr<CallReader> {
    return std::make_unique<ListedReader>(tools);
  };
  return listed;
}

}  // namespace glassbox
