// What a request asks of a model, in no vendor's words. Dialects (dialect.h) read their clients' requests into it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/json.h"
#include "engine/engine.h"

namespace glassbox::api {

struct Text {
  std::string text;
};
struct Image {
  std::string media_type;  // "image/png"
  std::string bytes;       // as its file has them
};
struct Reasoning {
  std::string text;
};
struct Call {
  std::string id, name;
  OrderedJson arguments;  // an object
};
struct Result {
  std::string call;  // the call's id
  std::vector<std::variant<Text, Image>> content;
};
using Part = std::variant<Text, Image, Reasoning, Call, Result>;

enum class Role { system, user, assistant, tool };

struct Message {
  Role role = Role::user;
  std::vector<Part> parts;  // in order; a tool's message holds one Result and nothing else
  std::optional<std::string> name;
};

struct Conversation {
  std::vector<Message> messages;  // at least one
  // What the model may call, a list as chat templates are given it: {"type": "function", "function": {"name",
  // "description", "parameters", ...}}, written as the client wrote it. Null: nothing.
  OrderedJson tools;
  bool one_call = false;  // the answer ends with its first call
  // The answer goes on where the last message ends: an assistant's, with text and without calls. Named by the request's
  // field that asks for it, for errors; empty: the answer is a message of its own.
  std::string continued_by;
  bool opens_answer = true;  // the prompt ends with the beginning of an answer, where the template writes one
  OrderedJson variables = OrderedJson::object();  // of the template, beside all that (prompt.h, TemplateSettings)

  bool continues() const { return !continued_by.empty(); }
};

// Texts to go on with, each for itself, without a template.
struct Texts {
  std::vector<std::variant<std::string, std::vector<int32_t>>> prompts;  // at least one; or its token ids
  bool echo = false;                                                     // answers begin with their prompt
};

struct Request {
  std::string model;
  std::variant<Conversation, Texts> input;
  GenerationRequest generation;  // all but prompt and choice; its seed is set: the request's, or drawn
  int n = 1;                     // answers to each prompt
  bool stream = false;
  std::vector<std::string> notes;  // what was accepted and is not kept to the letter, a line each, for the client
};

}  // namespace glassbox::api
