#include "chat/call_marks.h"

namespace glassbox {

Marks opening_marks(CallSyntax syntax) {
  switch (syntax) {
    case CallSyntax::tagged:
      return {"<tool_call>", "<function=", "<tools>", "<function_call>", "<tool>", "<response>", "```"};
    case CallSyntax::json:
      return {"<|python_tag|>", "```"};
    case CallSyntax::pythonic:
      return {"<|python_start|>", "```"};
    case CallSyntax::deepseek:
      return {"<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"};
    case CallSyntax::mistral:
      return {"[TOOL_CALLS]", "```"};
    case CallSyntax::kimi:
      return {"<|tool_calls_section_begin|>", "<|tool_call_begin|>"};
    case CallSyntax::gemma:
      return {"```"};
    case CallSyntax::listed:
      return {"<function_calls>"};
    case CallSyntax::none:
    case CallSyntax::harmony:
      break;
  }
  return {};
}

Marks closing_marks(CallSyntax syntax) {
  switch (syntax) {
    case CallSyntax::tagged:
      return {"</tool_call>", "</function>", "</parameter>", "</tools>", "</function_call>", "</tool>", "</response>"};
    case CallSyntax::json:
      return {";", ",", "<|eom_id|>", "<|eot_id|>"};
    case CallSyntax::pythonic:
      return {"<|python_end|>", ";", ",", "<|eom|>", "<|eot|>"};
    case CallSyntax::deepseek:
      return {"<｜tool▁calls▁end｜>", "<｜tool▁call▁end｜>"};
    case CallSyntax::kimi:
      return {"<|tool_call_end|>", "<|tool_calls_section_end|>"};
    case CallSyntax::gemma:
      return {";", ","};
    case CallSyntax::listed:
      return {"</function_calls>"};
    case CallSyntax::mistral:
      return {","};
    case CallSyntax::none:
    case CallSyntax::harmony:
      break;
  }
  return {};
}

std::vector<std::string_view> call_marks(CallSyntax syntax) {
  switch (syntax) {
    case CallSyntax::tagged:
      return {"<tool_call>", "</tool_call>", "<function=", "</function>", "<parameter=", "</parameter>"};
    case CallSyntax::json:
      return {"<|python_tag|>"};
    case CallSyntax::pythonic:
      return {"<|python_start|>", "<|python_end|>"};
    case CallSyntax::deepseek:
      return {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
              "<｜tool▁sep｜>"};
    case CallSyntax::mistral:
      return {"[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"};
    case CallSyntax::gemma:
      return {"```"};
    case CallSyntax::listed:
      return {"<function_calls>", "</function_calls>"};
    case CallSyntax::kimi:
      return {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>",
              "<|tool_call_argument_begin|>", "<|tool_call_end|>"};
    case CallSyntax::none:
    case CallSyntax::harmony:  // its channels' marks
      break;
  }
  return {};
}

std::vector<std::string_view> end_marks(CallSyntax syntax) {
  switch (syntax) {
    case CallSyntax::tagged:
      return {"</tool_call>"};
    case CallSyntax::pythonic:
      return {"<|python_end|>"};
    case CallSyntax::deepseek:
      return {"<｜tool▁calls▁end｜>", "<｜tool▁call▁end｜>"};
    case CallSyntax::listed:
      return {"</function_calls>"};
    case CallSyntax::kimi:
      return {"<|tool_call_end|>", "<|tool_calls_section_end|>"};
    default:
      return {};
  }
}

}  // namespace glassbox
