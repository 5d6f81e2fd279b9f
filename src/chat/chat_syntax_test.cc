#include "chat/chat_syntax.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "chat/chat_template.h"
#include "tests/testing.h"

namespace glassbox {
namespace {

using Calls = std::vector<ToolCall>;

const OrderedJson& tools() {
  static const OrderedJson list = OrderedJson::parse(R"([
    {"type": "function", "function": {"name": "get_weather", "description": "Weather of a place.", "parameters": {"type": "object",
      "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "units": {"type": "string"}, "tags": {"type": "array"}}, "required": ["city"]}}},
    {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object",
      "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}}}])");
  return list;
}

struct Parsed {
  std::string reasoning, content;
  Calls calls;
  bool operator==(const Parsed&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Parsed& parsed) {
  out << "reasoning " << OrderedJson(parsed.reasoning) << " content " << OrderedJson(parsed.content);
  for (const ToolCall& call : parsed.calls) out << " call " << call.id << ":" << call.name << call.arguments;
  return out;
}

Parsed parse(const ChatSyntax& syntax, const std::vector<std::string_view>& pieces, std::string_view prompt,
             const OrderedJson& offered) {
  AnswerParser parser(syntax, offered, prompt);
  Parsed all;
  auto add = [&](AnswerParser::Delta delta) {
    all.reasoning += delta.reasoning;
    all.content += delta.content;
    for (ToolCall& call : delta.calls) all.calls.push_back(std::move(call));
  };
  for (std::string_view piece : pieces) add(parser.push(piece));
  add(parser.finish());
  return all;
}

// Whole, in two at every place, and byte by byte: always the same.
Parsed everywhere(const ChatSyntax& syntax, std::string_view text, std::string_view prompt = "",
                  const OrderedJson& offered = tools()) {
  const Parsed whole = parse(syntax, {text}, prompt, offered);
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    bytes.push_back(text.substr(i, 1));
    EXPECT_EQ(parse(syntax, {text.substr(0, i), text.substr(i)}, prompt, offered), whole) << text << " cut at " << i;
  }
  EXPECT_EQ(parse(syntax, bytes, prompt, offered), whole) << text;
  return whole;
}

ChatSyntax with(const CallSyntax* calls) { return {calls, ChatSyntax::Reasoning::think}; }

const std::string kOslo = R"({"city":"Oslo","days":2})";

TEST(ChatSyntax, TaggedJson) {
  const ChatSyntax syntax = with(call_syntax("tagged"));
  const Parsed one = everywhere(syntax,
                                "<think>\nhm\n</think>\n\nLet me see.\n<tool_call>\n{\"name\": \"get_weather\", "
                                "\"arguments\": {\"city\": \"Oslo\", \"days\": 2}}\n</tool_call>\n");
  EXPECT_EQ(one, (Parsed{"hm", "Let me see.", {{"", "get_weather", kOslo}}}));
  const Parsed two = everywhere(
      syntax,
      "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 1, \"b\": 2}}</tool_call>\n<tool_call>{\"name\": "
      "\"add\", \"arguments\": \"{\\\"a\\\": 3}\"}</tool_call>");
  EXPECT_EQ(two, (Parsed{"", "", {{"", "add", R"({"a":1,"b":2})"}, {"", "add", R"({"a":3})"}}}));
  // A mark inside an argument is text; a missing last mark does no harm.
  const Parsed inside = everywhere(
      syntax, R"(<tool_call>{"name": "get_weather", "arguments": {"city": "a </tool_call> \" b"}}</tool_call>)");
  EXPECT_EQ(inside.calls, (Calls{{"", "get_weather", R"({"city":"a </tool_call> \" b"})"}}));
  EXPECT_EQ(everywhere(syntax, R"(<tool_call>{"name": "add", "arguments": {}})").calls, (Calls{{"", "add", "{}"}}));
}

TEST(ChatSyntax, MalformedCallsAreContent) {
  const ChatSyntax syntax = with(call_syntax("tagged"));
  for (const char* text :
       {"see <tool_call>{\"name\": }</tool_call> then", "<tool_call>", "a <tool_call", "<tool_call>[]</tool_call>",
        "<tool_call>{\"name\": 5, \"arguments\": {}}</tool_call>", "<tool_call>{\"name\": \"x y\"}</tool_call>",
        "<tool_call>{\"name\": \"add\", \"arguments\": [1]}</tool_call> b",
        "x  \n<tool_call>\n<function=add>\n<parameter=a>\n1", "<tool_call>{\"name\": \"add\"",
        "<function=", "<tool_call>{\"a\": \"\xff\"}</tool_call>", "  <", "\n\n "}) {
    EXPECT_EQ(everywhere(syntax, text), (Parsed{"", text, {}}));
  }
  // What follows a malformed call is still looked at.
  const Parsed after = everywhere(
      syntax, "<tool_call>{oops}</tool_call>\n<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>");
  EXPECT_EQ(after, (Parsed{"", "<tool_call>{oops}</tool_call>", {{"", "add", "{}"}}}));
}

TEST(ChatSyntax, WithoutToolsNothingIsACall) {
  const std::string text = "<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>\n";
  for (const OrderedJson& none : {OrderedJson(), OrderedJson::array()})
    EXPECT_EQ(everywhere(with(call_syntax("tagged")), text, "", none), (Parsed{"", text, {}}));
}

TEST(ChatSyntax, TaggedElements) {
  const Parsed parsed = everywhere(
      with(call_syntax("tagged")),
      "I look.\n<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n"
      "</parameter>\n<parameter=units>\n7\n</parameter>\n<parameter=tags>\n[\"a\", "
      "1]\n</parameter>\n</function>\n</tool_call>");
  EXPECT_EQ(parsed,
            (Parsed{"", "I look.", {{"", "get_weather", R"({"city":"Oslo","days":2,"units":"7","tags":["a",1]})"}}}));
  // Without the outer mark too; of many lines, only the marks' own breaks go.
  EXPECT_EQ(
      everywhere(with(call_syntax("tagged")), "<function=get_weather><parameter=city>\na\n\nb\n</parameter></function>")
          .calls,
      (Calls{{"", "get_weather", R"({"city":"a\n\nb"})"}}));
}

TEST(ChatSyntax, JsonAsTheWholeAnswer) {
  const ChatSyntax syntax = with(call_syntax("json"));
  EXPECT_EQ(everywhere(syntax, R"(
{"name": "get_weather", "parameters": {"city": "Oslo", "days": 2}})"),
            (Parsed{"", "", {{"", "get_weather", kOslo}}}));
  EXPECT_EQ(everywhere(syntax, R"(<|python_tag|>{"type": "function", "name": "add", "parameters": {"a": 1}})").calls,
            (Calls{{"", "add", R"({"a":1})"}}));
  EXPECT_EQ(
      everywhere(syntax, R"({"name": "add", "parameters": {"a": 1}}; {"name": "add", "parameters": {"a": 2}})").calls,
      (Calls{{"", "add", R"({"a":1})"}, {"", "add", R"({"a":2})"}}));
  EXPECT_EQ(everywhere(syntax, "<|python_tag|>brave_search.call(query=\"who's \\\"he\\\"\")").calls,
            (Calls{{"", "brave_search", R"({"query":"who's \"he\""})"}}));
  for (const char* text : {R"({"answer": 5})", R"({"name": "unknown_tool", "parameters": {}})", "{", "{}",
                           "text {\"name\": \"add\"}", "<|python_tag|>print(1)"})
    EXPECT_EQ(everywhere(syntax, text), (Parsed{"", text, {}}));
}

// Llama 4 was taught Llama 3's way as well.
TEST(ChatSyntax, PythonicOrJson) {
  const ChatSyntax syntax{call_syntax("pythonic")};
  const Parsed both{"", "", {{"", "get_weather", R"({"city":"Oslo"})"}, {"", "add", R"({"a":1,"b":2})"}}};
  const std::string calls =
      R"({"name": "get_weather", "parameters": {"city": "Oslo"}}{"name": "add", "parameters": {"a": 1, "b": 2}})";
  EXPECT_EQ(everywhere(syntax, calls), both);
  EXPECT_EQ(everywhere(syntax, "<|python_start|><|python_end|>" + calls), both);
  EXPECT_EQ(everywhere(syntax, R"({"name": "Ada"})"), (Parsed{"", R"({"name": "Ada"})", {}}));
}

TEST(ChatSyntax, PythonicCalls) {
  const ChatSyntax syntax = with(call_syntax("pythonic"));
  EXPECT_EQ(
      everywhere(
          syntax,
          R"([get_weather(city="Os\u006co, \"N\"", days=-2, tags=['a', {"b": None, 'c': [1.5, True]}]), add(a=1e3)])")
          .calls,
      (Calls{{"", "get_weather", R"({"city":"Oslo, \"N\"","days":-2,"tags":["a",{"b":null,"c":[1.5,true]}]})"},
             {"", "add", R"({"a":1000.0})"}}));
  EXPECT_EQ(everywhere(syntax, "<|python_start|>[other(x='it\\'s')]<|python_end|>").calls,
            (Calls{{"", "other", R"({"x":"it's"})"}}));
  for (const char* text : {"[1] says so", "[unknown_tool(a=1)]", "[add(1)]", "[add(a=1]", "[", "[add(a=1, a=2)]",
                           "[add(a=open('x'))]", "[]", "Well, [add(a=1)]"})
    EXPECT_EQ(everywhere(syntax, text), (Parsed{"", text, {}}));
}

TEST(ChatSyntax, DeepSeek) {
  const ChatSyntax syntax = with(call_syntax("deepseek"));
  EXPECT_EQ(
      everywhere(
          syntax,
          "why\n</think>\n\nOne moment.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n"
          "```json\n{\"city\": \"Oslo\", \"days\": "
          "2}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n"
          "```json\n{\"a\": \"```\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
          "<｜Assistant｜><think>\n"),
      (Parsed{"why", "One moment.", {{"", "get_weather", kOslo}, {"", "add", R"({"a":"```"})"}}}));
  EXPECT_EQ(everywhere(syntax,
                       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>{\"a\": "
                       "1}<｜tool▁call▁end｜><｜tool▁call▁begin｜>"
                       "add<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"),
            (Parsed{"", "", {{"", "add", R"({"a":1})"}, {"", "add", "{}"}}}));
  const std::string bad =
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>oops<｜tool▁call▁end｜><｜tool▁calls▁end｜>";
  EXPECT_EQ(everywhere(syntax, bad), (Parsed{"", bad, {}}));
}

TEST(ChatSyntax, Kimi) {
  const ChatSyntax syntax{call_syntax("kimi")};
  const std::string call =
      "<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{\"city\": \"Oslo\"}<|tool_call_end|>";
  EXPECT_EQ(
      everywhere(syntax, "Let me see.<|tool_calls_section_begin|>" + call +
                             "<|tool_call_begin|>functions.add:1<|tool_call_argument_begin|>{\"a\": 1}<|tool_call_end|>"
                             "<|tool_calls_section_end|>"),
      (Parsed{"",
              "Let me see.",
              {{"functions.get_weather:0", "get_weather", R"({"city":"Oslo"})"},
               {"functions.add:1", "add", R"({"a":1})"}}}));
  // What stands between a call and the end of its section is content, the end is none.
  EXPECT_EQ(everywhere(syntax, "<|tool_calls_section_begin|>" + call + "and<|tool_calls_section_end|>"),
            (Parsed{"", "and", {{"functions.get_weather:0", "get_weather", R"({"city":"Oslo"})"}}}));
  EXPECT_EQ(everywhere(syntax, "<|tool_calls_section_begin|>" +
                                   std::string("<|tool_call_begin|>add<|tool_call_argument_begin|>{\"a\": "
                                               "\"<|tool_call_end|>\"}}<|tool_call_end|><|tool_calls_section_end|>\n")),
            (Parsed{"", "", {{"add", "add", R"({"a":"<|tool_call_end|>"})"}}}));
  const std::string broken = "<|tool_calls_section_begin|><|tool_call_begin|>add<|tool_call_argument_begin|>oops";
  EXPECT_EQ(everywhere(syntax, broken), (Parsed{"", broken, {}}));
}

TEST(ChatSyntax, Mistral) {
  const ChatSyntax syntax{call_syntax("mistral"), ChatSyntax::Reasoning::brackets};
  EXPECT_EQ(
      everywhere(
          syntax,
          R"([TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "O]'slo"}, "id": "abc123def"}, {"name": "add", "arguments": {}}])"),
      (Parsed{"", "", {{"abc123def", "get_weather", R"({"city":"O]'slo"})"}, {"", "add", "{}"}}}));
  EXPECT_EQ(
      everywhere(
          syntax,
          R"([THINK]so[/THINK]Yes.[TOOL_CALLS]get_weather[CALL_ID]abc123def[ARGS]{"city": "Oslo", "days": 2}[TOOL_CALLS]add[ARGS]{"a": {"b": 1}})"),
      (Parsed{"so", "Yes.", {{"abc123def", "get_weather", kOslo}, {"", "add", R"({"a":{"b":1}})"}}}));
  EXPECT_EQ(everywhere(syntax, R"([TOOL_CALLS]add{"a": 1})").calls, (Calls{{"", "add", R"({"a":1})"}}));
  for (const char* text : {"[TOOL_CALLS]", "[TOOL_CALLS][]", "[TOOL_CALLS][1]", "a [TOOL_CALLS]x y{}",
                           "[TOOL_CALLS]add[ARGS]{1}", "[TOOL_"})
    EXPECT_EQ(everywhere(syntax, text), (Parsed{"", text, {}}));
  const std::string endless = "[TOOL_CALLS]" + std::string(2000, 'n');
  EXPECT_EQ(parse(syntax, {endless}, "", tools()), (Parsed{"", endless, {}}));
}

TEST(ChatSyntax, Gemma) {
  const ChatSyntax syntax = with(call_syntax("gemma"));
  EXPECT_EQ(everywhere(syntax, "Sure.\n```tool_code\nprint(get_weather(city=\"Oslo\", days=2))\n```"),
            (Parsed{"", "Sure.", {{"", "get_weather", kOslo}}}));
  EXPECT_EQ(everywhere(syntax, "```tool_code\n[add(a=1), add(a=2)]\n```").calls,
            (Calls{{"", "add", R"({"a":1})"}, {"", "add", R"({"a":2})"}}));
  EXPECT_EQ(everywhere(syntax, "```json\n[{\"name\": \"add\", \"parameters\": {\"a\": 1}}]\n```").calls,
            (Calls{{"", "add", R"({"a":1})"}}));
  const std::string block = "An example:\n```json\n{\"answer\": 4}\n```\nThat is it.";
  EXPECT_EQ(everywhere(syntax, block), (Parsed{"", block, {}}));
}

TEST(ChatSyntax, ListedCalls) {
  const ChatSyntax syntax = with(call_syntax("listed"));
  EXPECT_EQ(everywhere(syntax, "<function_calls>get_weather(city=\"Oslo\", days=2)\nadd(a=1, b=null)</function_calls>"),
            (Parsed{"", "", {{"", "get_weather", kOslo}, {"", "add", R"({"a":1,"b":null})"}}}));
  const std::string bad = "so <function_calls>add(1)</function_calls>";
  EXPECT_EQ(everywhere(syntax, bad), (Parsed{"", bad, {}}));
}

TEST(ChatSyntax, Harmony) {
  const ChatSyntax syntax{call_syntax("harmony"), ChatSyntax::Reasoning::channels};
  const std::string prompt = "<|start|>user<|message|>hi<|end|><|start|>assistant";
  EXPECT_EQ(
      everywhere(
          syntax,
          "<|channel|>analysis<|message|>Simple < that.<|end|><|start|>assistant<|channel|>final<|message|>Hello!",
          prompt),
      (Parsed{"Simple < that.", "Hello!", {}}));
  EXPECT_EQ(everywhere(syntax,
                       "<|channel|>analysis<|message|>need "
                       "it<|end|><|start|>assistant<|channel|>commentary<|message|>Looking.<|end|>"
                       "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
                       "{\"city\": \"Oslo\", \"days\": 2}<|call|>",
                       prompt),
            (Parsed{"need it", "Looking.", {{"", "get_weather", kOslo}}}));
  // The recipient may stand before the channel, and the last mark is what stopped the model.
  EXPECT_EQ(everywhere(syntax, " to=functions.add<|channel|>commentary json<|message|>{\"a\": 1}", prompt).calls,
            (Calls{{"", "add", R"({"a":1})"}}));
  EXPECT_EQ(everywhere(syntax, "yes<|return|>", prompt + "<|channel|>final<|message|>It is: "),
            (Parsed{"", "yes", {}}));
  EXPECT_EQ(everywhere(syntax, "cut off", prompt + "<|channel|>analysis<|message|>"), (Parsed{"cut off", "", {}}));
  // What is no object is content, without the marks of the message.
  EXPECT_EQ(everywhere(syntax, "<|channel|>commentary to=functions.add<|message|>{oops<|call|>", prompt),
            (Parsed{"", "{oops", {}}));
  // A bracket too many or, before a mark, too few; marks within a text; one parameter of another type.
  const std::string call = "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>";
  EXPECT_EQ(everywhere(syntax, call + R"({"city": "Oslo", "days": 2}])", prompt),
            (Parsed{"", "", {{"", "get_weather", kOslo}}}));
  EXPECT_EQ(everywhere(syntax, call + R"({"city": "Oslo", "days": 2<|call|>)", prompt).calls,
            (Calls{{"", "get_weather", kOslo}}));
  EXPECT_EQ(everywhere(syntax, call + R"({"city": "a <|end|> and <|call|> b <|start|>", "days": "2"}<|call|>)", prompt),
            (Parsed{"", "", {{"", "get_weather", R"({"city":"a <|end|> and <|call|> b <|start|>","days":2})"}}}));
  EXPECT_EQ(everywhere(syntax, call + R"({"city": "Os)", prompt), (Parsed{"", R"({"city": "Os)", {}}));
  // A head that never became a message says nothing; no head at all is plain speech.
  EXPECT_EQ(everywhere(syntax, "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>fin", prompt),
            (Parsed{"hm", "", {}}));
  EXPECT_EQ(everywhere(syntax, "Just so <|message|> said.", prompt), (Parsed{"", "Just so <|message|> said.", {}}));
  EXPECT_EQ(everywhere(syntax, "final words", prompt), (Parsed{"", "final words", {}}));
  AnswerParser plain(syntax, tools(), prompt);
  EXPECT_EQ(plain.push("Yes").content, "Yes");
}

// Parameters written as bare text are of the type that the schema says, by whatever way it says it.
TEST(ChatSyntax, ParametersAreTypedByTheSchema) {
  const auto read = [](const char* schema, std::string_view text) {
    const OrderedJson list = OrderedJson::array(
        {{{"type", "function"},
          {"function",
           {{"name", "f"},
            {"parameters",
             {{"type", "object"},
              {"properties", {{"a", OrderedJson::parse(schema)}}},
              {"$defs", {{"Size", {{"type", "integer"}}}, {"Loop", {{"$ref", "#/$defs/Loop"}}}}},
              {"definitions", {{"Names", {{"type", "array"}, {"items", {{"type", "string"}}}}}}}}}}}}});
    const std::string call =
        fmt::format("<tool_call>\n<function=f>\n<parameter=a>\n{}\n</parameter>\n</function>\n</tool_call>", text);
    const Parsed parsed = parse(with(call_syntax("tagged")), {call}, "", list);
    return parsed.calls.empty() ? "no call: " + parsed.content
                                : parsed.calls[0].arguments.substr(5, parsed.calls[0].arguments.size() - 6);
  };
  const char* optional_integer = R"({"anyOf": [{"type": "integer"}, {"type": "null"}]})";
  EXPECT_EQ(read(optional_integer, "80"), "80");
  EXPECT_EQ(read(optional_integer, "null"), "null");
  EXPECT_EQ(read(optional_integer, "None"), "null");
  EXPECT_EQ(read(optional_integer, "eighty"), "\"eighty\"");
  EXPECT_EQ(read(optional_integer, "123456789012345678901234567890"), "123456789012345678901234567890");
  const char* optional_text = R"({"anyOf": [{"type": "string"}, {"type": "null"}]})";
  EXPECT_EQ(read(optional_text, "12"), "\"12\"");
  EXPECT_EQ(read(optional_text, "null"), "null");
  EXPECT_EQ(read(R"({"type": "string"})", "null"), "\"null\"");
  EXPECT_EQ(read(R"({"type": "string"})", "{\"a\": 1}"), R"("{\"a\": 1}")");
  EXPECT_EQ(read(R"({"type": ["string", "null"]})", "1300"), "\"1300\"");
  EXPECT_EQ(read(R"({"type": ["integer", "null"]})", "7"), "7");
  EXPECT_EQ(read(R"({"oneOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}]})", "['p', \"q\"]"),
            R"(["p","q"])");
  EXPECT_EQ(read(R"({"anyOf": [{"type": "object"}, {"type": "string"}]})", "{'city': 'Oslo', 'ok': True, 'n': None}"),
            R"({"city":"Oslo","ok":true,"n":null})");
  EXPECT_EQ(read(R"({"anyOf": [{"type": "object"}, {"type": "string"}]})", "{not a dict}"), "\"{not a dict}\"");
  EXPECT_EQ(read(R"({"allOf": [{"type": ["string", "integer"]}, {"type": ["integer", "null"]}]})", "5"), "5");
  EXPECT_EQ(read(R"({"$ref": "#/$defs/Size"})", "5"), "5");
  EXPECT_EQ(read(R"({"anyOf": [{"$ref": "#/$defs/Size"}, {"type": "null"}]})", "None"), "null");
  EXPECT_EQ(read(R"({"$ref": "#/definitions/Names"})", "[\"x\"]"), "[\"x\"]");
  EXPECT_EQ(read(R"({"$ref": "#/$defs/Loop"})", "x"), "\"x\"");
  EXPECT_EQ(read(R"({"$ref": "elsewhere.json"})", "5"), "5");
  EXPECT_EQ(read(R"({"type": "integer", "nullable": true})", "null"), "null");
  EXPECT_EQ(read(R"({"type": "STRING", "nullable": true})", "5"), "\"5\"");
  EXPECT_EQ(read(R"({"type": "boolean"})", "True"), "true");
  EXPECT_EQ(read(R"({"type": "boolean"})", "FALSE"), "false");
  EXPECT_EQ(read(R"({"type": "number"})", "1.0"), "1.0");
  EXPECT_EQ(read(R"({"type": "number"})", "+.5"), "0.5");
  EXPECT_EQ(read(R"({"type": "number"})", "3"), "3");
  EXPECT_EQ(read(R"({"type": ["integer", "string"]})", "1.5"), "\"1.5\"");
  EXPECT_EQ(read(R"({"enum": ["1", "2"]})", "1"), "\"1\"");
  EXPECT_EQ(read(R"({"enum": [1, 2]})", "1"), "1");
  EXPECT_EQ(read(R"({"enum": ["a", null]})", "None"), "null");
  EXPECT_EQ(read(R"({"const": "5"})", "5"), "\"5\"");
  EXPECT_EQ(read(R"({"items": {}})", "[1]"), "[1]");
  EXPECT_EQ(read("{}", "5"), "5");
  EXPECT_EQ(read("{}", "five"), "\"five\"");
  EXPECT_EQ(read(R"({"type": "object"})", "{\"text\": \"two\nlines\ttab\", \"re\": \"\\d+\"}"),
            R"({"text":"two\nlines\ttab","re":"\\d+"})");
}

TEST(ChatSyntax, MarksInAValueAreText) {
  const ChatSyntax syntax = with(call_syntax("tagged"));
  for (const char* value :
       {"ends with </tool_call> and goes on", "shut </function> and </tool_call> both", "a </parameter> b",
        "x </parameter></function> y", "open <tool_call> and <function=add> and <parameter=days>", "<parameter=x>",
        "</function></tool_call> first", "1 < 2 </",
        "<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>\nwas it",
        "say:\n<parameter=zone>\n5\n</parameter>\nthere"}) {
    const std::string call = fmt::format(
        "<tool_call>\n<function=get_weather>\n<parameter=city>\n{}\n</parameter>\n</function>\n</tool_call>", value);
    EXPECT_EQ(everywhere(syntax, call), (Parsed{"", "", {{"", "get_weather", OrderedJson({{"city", value}}).dump()}}}));
    // And with another call behind it.
    EXPECT_EQ(
        everywhere(syntax, "Now:\n" + call + "\n<tool_call>{\"name\": \"add\", \"arguments\": {}}</tool_call>Done."),
        (Parsed{"", "Now:Done.", {{"", "get_weather", OrderedJson({{"city", value}}).dump()}, {"", "add", "{}"}}}));
  }
  for (const char* value : {"a </tool_call> b", "<tool_call>{", "it's </tool_call>", "```", "\\\" </tool_call>"}) {
    const std::string json = OrderedJson({{"city", value}}).dump();
    EXPECT_EQ(everywhere(syntax, R"(<tool_call>{"name": "get_weather", "arguments": )" + json + "}</tool_call>"),
              (Parsed{"", "", {{"", "get_weather", json}}}));
  }
}

TEST(ChatSyntax, AnUnclosedParameterEndsWhereTheNextBegins) {
  const ChatSyntax syntax = with(call_syntax("tagged"));
  const Parsed both{"", "", {{"", "get_weather", kOslo}}};
  for (const char* call :
       {"<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n<parameter=days>\n2\n</parameter>\n</"
        "function>\n</tool_call>",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n</"
        "function>\n</tool_call>",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n<parameter=days>\n2\n</function>\n</tool_call>",
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n</"
        "parameter>\n</tool_call>",
        "<tool_call><function=get_weather><parameter=city>Oslo<parameter=days>2</function></tool_call>",
        "<function=get_weather><parameter=city>Oslo<parameter=days>2</parameter></function>",
        "<function=get_weather>\n<parameter=city>\nOslo\n<parameter=days>\n2\n</function>"})
    EXPECT_EQ(everywhere(syntax, call), both);
  // The end of an unclosed one is not the end of the next call.
  EXPECT_EQ(
      everywhere(syntax,
                 "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</function>\n</tool_call>\n<tool_call>\n"
                 "<function=add>\n<parameter=a>\n1\n</parameter>\n</function>\n</tool_call>"),
      (Parsed{"", "", {{"", "get_weather", R"({"city":"Oslo"})"}, {"", "add", R"({"a":1})"}}}));
}

// Calls without their marks, as Qwen2.5-Coder writes them: bare or in a fence, alone or after other text, if they name
// a tool that was offered and give it an object.
TEST(ChatSyntax, CallsWithoutTheirMarks) {
  const std::string json = R"({"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}})";
  const Parsed alone{"", "", {{"", "get_weather", kOslo}}};
  for (const char* name : {"tagged", "json", "pythonic", "mistral", "gemma"}) {
    const ChatSyntax syntax = with(call_syntax(name));
    for (const std::string& said :
         {json, "\n" + json + "\n", "```json\n" + json + "\n```", "```\n" + json + "\n```\n", "[" + json + "]",
          json + "}", "```json\n[" + json + "]\n```", R"({"type": "function", "function": )" + json + "}"})
      EXPECT_EQ(everywhere(syntax, said), alone);
    EXPECT_EQ(everywhere(syntax, "I look it up.\n\n" + json), (Parsed{"", "I look it up.", alone.calls}));
    EXPECT_EQ(everywhere(syntax, "I look it up:\n```json\n" + json + "\n```\nThere."),
              (Parsed{"", "I look it up:There.", alone.calls}));
    EXPECT_EQ(everywhere(syntax, json + "\n" + json).calls.size(), 2u);
    for (const char* text :
         {R"({"name": "unknown", "arguments": {}})", R"({"name": "add"})", R"({"name": "add", "arguments": [1]})",
          R"({"answer": 5})", "```json\n{\"answer\": 5}\n```", R"(so {"name": "add", "arguments": {}})",
          R"({"name": "add", "arguments": {"a": 1)", "```python\nprint(1)\n```", "```json\n", "``", "[1] see", "[x](y)",
          "{", "{\"na", "- [ ] todo\n{}"})
      EXPECT_EQ(everywhere(syntax, text), (Parsed{"", text, {}}));
  }
  // No more is held back than may become a call.
  AnswerParser parser(with(call_syntax("tagged")), tools());
  EXPECT_EQ(parser.push("{\"na").content, "");
  EXPECT_EQ(parser.push("me\": \"get_").content, "");
  EXPECT_EQ(parser.push("there\"").content, "{\"name\": \"get_there\"");
  EXPECT_EQ(parser.push("\n```py").content, "\n```py");
  for (const char* name : {"deepseek", "kimi", "listed"})
    EXPECT_EQ(everywhere(with(call_syntax(name)), json), (Parsed{"", json, {}}));
  // Around elements, and with marks that are made up.
  EXPECT_EQ(everywhere(with(call_syntax("tagged")), "```xml\n<tool_call>\n" + json + "\n</tool_call>\n```"), alone);
  EXPECT_EQ(everywhere(with(call_syntax("tagged")),
                       "```xml\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n<parameter=days>\n2\n"
                       "</parameter>\n</function>\n```"),
            alone);
  EXPECT_EQ(everywhere(with(call_syntax("tagged")), "<tools>\n" + json + "\n</tools>"), alone);
  EXPECT_EQ(everywhere(with(call_syntax("tagged")), "<response>fine</response>"),
            (Parsed{"", "<response>fine</response>", {}}));
}

TEST(ChatSyntax, WhatModelsWriteForJson) {
  const ChatSyntax syntax = with(call_syntax("tagged"));
  const auto arguments = [&](const std::string& written) {
    const Parsed parsed =
        everywhere(syntax, "<tool_call>{\"name\": \"get_weather\", \"arguments\": " + written + "}</tool_call>");
    EXPECT_EQ(parsed.content, "");
    return parsed.calls.empty() ? "no call" : parsed.calls[0].arguments;
  };
  EXPECT_EQ(arguments(R"({"city": "a
b	c", "days": None})"),
            R"({"city":"a\nb\tc","days":null})");
  EXPECT_EQ(arguments(R"({'city': 'O\'Brien "x"', 'tags': [True, False, None]})"),
            R"({"city":"O'Brien \"x\"","tags":[true,false,null]})");
  EXPECT_EQ(arguments(R"({"city": "it's", "days": 2,})"), R"({"city":"it's","days":2})");
  EXPECT_EQ(arguments(R"({"city": "x", "days": "2"})"), R"({"city":"x","days":2})");
  EXPECT_EQ(arguments(R"({"city": 5, "days": "two"})"), R"({"city":5,"days":"two"})");
  EXPECT_EQ(arguments(R"({"days": 123456789012345678901234567890, "x": 1.0, "y": 1e2})"),
            R"({"days":123456789012345678901234567890,"x":1.0,"y":100.0})");
  EXPECT_EQ(arguments(R"({"city": "x"}})"), R"({"city":"x"})");
  EXPECT_EQ(arguments("\"\""), "{}");
  EXPECT_EQ(arguments("null"), "{}");
  EXPECT_EQ(everywhere(syntax, R"(<tool_call>{"name": "add", "arguments": {"a": 1}</tool_call>)"),
            (Parsed{"", "", {{"", "add", R"({"a":1})"}}}));
  // Two in one pair of marks, and marks left out between two.
  EXPECT_EQ(everywhere(syntax,
                       "<tool_call>{\"name\": \"add\", \"arguments\": {}}\n{\"name\": \"add\", \"arguments\": {\"b\": "
                       "1}}</tool_call>")
                .calls,
            (Calls{{"", "add", "{}"}, {"", "add", R"({"b":1})"}}));
  EXPECT_EQ(everywhere(syntax,
                       "<tool_call>{\"name\": \"add\", \"arguments\": {}}\n<tool_call>{\"name\": \"add\", "
                       "\"arguments\": {\"b\": 1}}</tool_call>")
                .calls,
            (Calls{{"", "add", "{}"}, {"", "add", R"({"b":1})"}}));
}

// Whatever ends a call is no content, in any family, nor are special tokens that mark nothing.
TEST(ChatSyntax, NothingOfACallsMarksIsContent) {
  const Calls tea = {{"", "add", R"({"a":1})"}};
  EXPECT_EQ(everywhere(with(call_syntax("pythonic")), "<|python_start|>[add(a=1)]<|python_end|>"),
            (Parsed{"", "", tea}));
  EXPECT_EQ(everywhere(with(call_syntax("pythonic")), "[add(a=1)]\n<|python_end|>\n"), (Parsed{"", "", tea}));
  EXPECT_EQ(everywhere(with(call_syntax("pythonic")), "<|python_start|>add(a=1)<|python_end|> So."),
            (Parsed{"", "So.", tea}));
  EXPECT_EQ(everywhere(with(call_syntax("pythonic")), "Sure.\n[add(a=1)]]<|python_e"), (Parsed{"", "Sure.", tea}));
  EXPECT_EQ(everywhere(with(call_syntax("mistral")), R"([TOOL_CALLS][{"name": "add", "arguments": {"a": 1}}]])"),
            (Parsed{"", "", tea}));
  EXPECT_EQ(everywhere(with(call_syntax("json")), R"({"name": "add", "parameters": {"a": 1}}<|eom_id|>)"),
            (Parsed{"", "", tea}));
  EXPECT_EQ(everywhere(with(call_syntax("gemma")), "[add(a=1)]"), (Parsed{"", "", tea}));
  EXPECT_EQ(everywhere(with(call_syntax("json")), "So:\n[add(a=1)]"), (Parsed{"", "So:", tea}));
  EXPECT_EQ(everywhere(with(call_syntax("tagged")),
                       "<tool_call><function=add><parameter=a>1</parameter></function></tool_call></tool_call>\n"),
            (Parsed{"", "", tea}));
  EXPECT_EQ(everywhere(with(call_syntax("deepseek")),
                       "<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{\"a\": 1}}\n```<｜tool▁calls▁end｜>"),
            (Parsed{"", "", tea}));
  EXPECT_EQ(everywhere(with(call_syntax("deepseek")),
                       "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": "
                       "\"<｜tool▁call▁end｜>\"}<｜tool▁call▁end｜>"),
            (Parsed{"", "", {{"", "get_weather", "{\"city\":\"<｜tool▁call▁end｜>\"}"}}}));
  EXPECT_EQ(everywhere(with(call_syntax("listed")),
                       "<function_calls>get_weather(city=\"</function_calls>\")</function_calls>\n"),
            (Parsed{"", "", {{"", "get_weather", R"({"city":"</function_calls>"})"}}}));
}

// Anything put together from pieces of calls: cut anywhere it comes to the same, arguments are JSON, and no end of a
// call is content behind one.
TEST(ChatSyntax, AnyAnswerComesToTheSameHoweverItIsCut) {
  const char* const kPieces[] = {"<tool_call>",
                                 "</tool_call>",
                                 "\n",
                                 "<function=add>",
                                 "<function=get_weather>",
                                 "</function>",
                                 "<parameter=a>",
                                 "<parameter=city>",
                                 "<parameter=x>",
                                 "</parameter>",
                                 "{\"name\": \"add\", \"arguments\": ",
                                 "{\"a\": 1}",
                                 "}",
                                 "]",
                                 "[",
                                 "{",
                                 "\"",
                                 "'",
                                 "```",
                                 "json\n",
                                 "tool_code\n",
                                 "<|python_tag|>",
                                 "<|python_start|>",
                                 "<|python_end|>",
                                 "[add(a=1)]",
                                 "add(a='x')",
                                 "print(",
                                 ")",
                                 "[TOOL_CALLS]",
                                 "[ARGS]",
                                 "[CALL_ID]",
                                 "add",
                                 "word ",
                                 "<｜tool▁calls▁begin｜>",
                                 "<｜tool▁call▁begin｜>",
                                 "function",
                                 "<｜tool▁sep｜>",
                                 "<｜tool▁call▁end｜>",
                                 "<｜tool▁calls▁end｜>",
                                 "<function_calls>",
                                 "</function_calls>",
                                 "<|tool_calls_section_begin|>",
                                 "<|tool_call_begin|>",
                                 "functions.add:0",
                                 "<|tool_call_argument_begin|>",
                                 "<|tool_call_end|>",
                                 "<|tool_calls_section_end|>",
                                 "<|channel|>",
                                 "commentary to=functions.add",
                                 "analysis",
                                 "<|message|>",
                                 "<|end|>",
                                 "<|start|>",
                                 "<|call|>",
                                 "<",
                                 "<|",
                                 " ",
                                 ";",
                                 ",",
                                 ":",
                                 "\\",
                                 "<think>",
                                 "</think>",
                                 "<tools>",
                                 "é"};
  uint64_t state = 7;
  const auto drawn = [&](size_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>(state >> 33) % below;
  };
  for (int round = 0; round < 4000; ++round) {
    const size_t which = static_cast<size_t>(round) % (call_syntaxes().size() + 1);
    ChatSyntax syntax{which == 0 ? nullptr : &call_syntaxes()[which - 1]};
    if (syntax.calls == call_syntax("mistral")) syntax.reasoning = ChatSyntax::Reasoning::brackets;
    if (syntax.calls == call_syntax("harmony")) syntax.reasoning = ChatSyntax::Reasoning::channels;
    std::string text;
    for (size_t i = 1 + drawn(14); i > 0; --i) text += kPieces[drawn(std::size(kPieces))];
    const Parsed whole = parse(syntax, {text}, "", tools());
    std::vector<std::string_view> pieces;
    for (std::string_view rest = text; !rest.empty();) {
      const size_t size = std::min(rest.size(), 1 + drawn(round % 3 == 0 ? 1 : 12));
      pieces.push_back(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    ASSERT_EQ(parse(syntax, pieces, "", tools()), whole)
        << text << " in " << pieces.size() << " pieces, syntax " << round % 10;
    for (const ToolCall& call : whole.calls) ASSERT_TRUE(OrderedJson::parse(call.arguments).is_object()) << text;
  }
}

TEST(ChatSyntax, SilentMarksAreLeftOut) {
  const auto said = [](const CallSyntax* calls, std::string_view text, std::vector<std::string> silent,
                       const OrderedJson& offered) {
    Parsed all;
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      AnswerParser parser({calls}, offered, "", silent);
      Parsed one;
      for (AnswerParser::Delta delta :
           {parser.push(text.substr(0, cut)), parser.push(text.substr(cut)), parser.finish()}) {
        one.content += delta.content;
        one.reasoning += delta.reasoning;
        for (ToolCall& call : delta.calls) one.calls.push_back(std::move(call));
      }
      if (cut > 0) { EXPECT_EQ(one, all) << cut; }
      all = std::move(one);
    }
    return all;
  };
  EXPECT_EQ(said(call_syntax("json"), "<|python_tag|>print(1)", {"<|python_tag|>"}, tools()),
            (Parsed{"", "print(1)", {}}));
  EXPECT_EQ(said(call_syntax("json"), "<|python_tag|>print(1)", {}, tools()),
            (Parsed{"", "<|python_tag|>print(1)", {}}));
  EXPECT_EQ(said(nullptr, "<think>a</think>b <think> c", {"<think>", "</think>"}, {}), (Parsed{"a", "b  c", {}}));
  EXPECT_EQ(said(call_syntax("kimi"), "a <|tool_call_begin|>b<|tool_call_end|>",
                 {"<|tool_call_begin|>", "<|tool_call_end|>"}, tools()),
            (Parsed{"", "a b", {}}));
}

TEST(ChatSyntax, SpecialMarks) {
  const SpecialTokens tokens = {
      {"<|python_tag|>", 1}, {"<|eot_id|>", 2}, {"</think>", 3}, {"[ARGS]", 4}, {"<|call|>", 5}};
  EXPECT_EQ(with(call_syntax("json")).special_marks(tokens, true), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(with(call_syntax("json")).special_marks(tokens, false), (std::set<int32_t>{3}));
  EXPECT_EQ((ChatSyntax{call_syntax("mistral"), ChatSyntax::Reasoning::brackets}).special_marks(tokens, true),
            (std::set<int32_t>{4}));
  EXPECT_EQ((ChatSyntax{call_syntax("harmony"), ChatSyntax::Reasoning::channels}).special_marks(tokens, false),
            (std::set<int32_t>{5}));
}

// What templates of published models write of a call is what the parser reads.
TEST(ChatSyntax, TemplatesWriteWhatIsParsed) {
  GLASSBOX_NEEDS_DATA();
  struct Case {
    const char* file;
    const CallSyntax* calls;
    std::vector<const char*> ends;  // of a message
    bool text_arguments = false;    // this template wants them as JSON text
  };
  const Case cases[] = {
      {"llama.cpp/Qwen-Qwen2.5-7B-Instruct.jinja", call_syntax("tagged"), {"<|im_end|>"}},
      {"llama.cpp/Qwen-Qwen3-0.6B.jinja", call_syntax("tagged"), {"<|im_end|>"}},
      {"llama.cpp/Qwen3-Coder.jinja", call_syntax("tagged"), {"<|im_end|>"}},
      {"llama.cpp/Qwen-QwQ-32B.jinja", call_syntax("tagged"), {"<|im_end|>"}},
      {"llama.cpp/NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja", call_syntax("tagged"), {"<|im_end|>"}},
      {"llama.cpp/meta-llama-Llama-3.1-8B-Instruct.jinja", call_syntax("json"), {"<|eot_id|>", "<|eom_id|>"}},
      {"llama.cpp/meta-llama-Llama-3.2-3B-Instruct.jinja", call_syntax("json"), {"<|eot_id|>", "<|eom_id|>"}},
      {"llama.cpp/meta-llama-Llama-3.3-70B-Instruct.jinja", call_syntax("json"), {"<|eot_id|>", "<|eom_id|>"}},
      {"llama.cpp/deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja", call_syntax("deepseek"), {"<｜end▁of▁sentence｜>"}},
      {"llama.cpp/deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja",
       call_syntax("deepseek"),
       {"<｜end▁of▁sentence｜>"},
       true},
      {"llama.cpp/deepseek-ai-DeepSeek-V3.1.jinja", call_syntax("deepseek"), {"<｜end▁of▁sentence｜>"}},
      {"llama.cpp/mistralai-Mistral-Nemo-Instruct-2407.jinja", call_syntax("mistral"), {"</s>"}},
      {"llama.cpp/Mistral-Small-3.2-24B-Instruct-2506.jinja", call_syntax("mistral"), {"</s>"}},
      {"llama.cpp/mistralai-Ministral-3-14B-Reasoning-2512.jinja", call_syntax("mistral"), {"</s>"}},
      {"llama.cpp/unsloth-mistral-Devstral-Small-2507.jinja", call_syntax("mistral"), {"</s>"}},
      {"llama.cpp/moonshotai-Kimi-K2.jinja", call_syntax("kimi"), {"<|im_end|>"}},
      {"axolotl/llama4.jinja", call_syntax("pythonic"), {"<|eot|>"}},
      {"axolotl/llama3_2_vision.jinja", call_syntax("json"), {"<|eot_id|>", "<|eom_id|>"}},
      {"axolotl/qwen3.jinja", call_syntax("tagged"), {"<|im_end|>"}},
      {"axolotl/qwen_25.jinja", call_syntax("tagged"), {"<|im_end|>"}},
      {"axolotl/deepseek_v3.jinja", call_syntax("deepseek"), {"<｜end▁of▁sentence｜>"}, true},
      {"axolotl/mistral_v2v3.jinja", call_syntax("mistral"), {"</s>"}},
      {"axolotl/mistral_v3_tekken.jinja", call_syntax("mistral"), {"</s>"}},
      {"mistral.rs/mistral_nemo_tool_call.jinja", call_syntax("mistral"), {"</s>"}},
      {"mistral.rs/deepseek_tool_call.jinja", call_syntax("deepseek"), {"<｜end▁of▁sentence｜>"}},
      {"mistral.rs/nousresearch_hermes3_tool_use.jinja", call_syntax("tagged"), {"<|im_end|>"}},
      {"llama.cpp/openai-gpt-oss-120b.jinja", call_syntax("harmony"), {"<|call|>"}},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.file);
    const std::string source = read_file(testing::data_folder() / "chat_templates" / one.file);
    const ChatSyntax syntax = ChatSyntax::of_template(source);
    EXPECT_EQ(syntax.calls, one.calls);
    const ChatTemplate chat =
        ChatTemplate::parse(source, one.file).with_variables({{"bos_token", ""}, {"eos_token", one.ends[0]}});
    const OrderedJson arguments = OrderedJson::parse(kOslo);
    OrderedJson call = {
        {"id", "abc123def"}, {"type", "function"}, {"function", {{"name", "get_weather"}, {"arguments", arguments}}}};
    if (one.text_arguments) call["function"]["arguments"] = arguments.dump();
    OrderedJson context = {{"messages", OrderedJson::array({{{"role", "user"}, {"content", "Weather?"}}})},
                           {"tools", tools()},
                           {"add_generation_prompt", true}};
    const std::string prompt = chat.render(context).text;
    context["add_generation_prompt"] = false;
    context["messages"].push_back(
        {{"role", "assistant"},
         {"content", one.calls == call_syntax("deepseek") ? OrderedJson(nullptr) : OrderedJson("")},
         {"tool_calls", OrderedJson::array({call})}});
    std::string rendered = chat.render(context).text;
    // What the model would have said: what comes after the prompt as far as both agree, up to the end of the message.
    size_t same = 0;
    while (same < std::min(prompt.size(), rendered.size()) && prompt[same] == rendered[same]) ++same;
    while (same > 0 && std::string_view("\n>]").find(rendered[same - 1]) == std::string_view::npos) --same;
    std::string said = rendered.substr(same);
    size_t end = std::string::npos;
    for (const char* mark : one.ends) end = std::min(end, said.find(mark));
    said.resize(std::min(end, said.size()));  // or the end of the text: this one leaves its mark out
    const Parsed parsed = everywhere(syntax, said, prompt.substr(0, same));
    EXPECT_EQ(parsed.calls.size(), 1u) << said;
    if (parsed.calls.size() != 1) continue;
    EXPECT_EQ(parsed.calls[0].name, "get_weather");
    EXPECT_EQ(OrderedJson::parse(parsed.calls[0].arguments), arguments) << said;
    EXPECT_EQ(parsed.content, "") << said;
  }
}

TEST(ChatSyntax, IsReadOffTheTemplate) {
  EXPECT_EQ(ChatSyntax::of_template("{{ messages }}").calls, nullptr);
  EXPECT_EQ(ChatSyntax::of_template("<start_of_turn>user").calls, call_syntax("gemma"));
  EXPECT_EQ(ChatSyntax::of_template("<|header_start|>user<|header_end|>").calls, call_syntax("pythonic"));
  EXPECT_EQ(ChatSyntax::of_template("<function_calls>").calls, call_syntax("listed"));
  EXPECT_EQ(ChatSyntax::of_template("[THINK] [TOOL_CALLS]").reasoning, ChatSyntax::Reasoning::brackets);
}

}  // namespace
}  // namespace glassbox
