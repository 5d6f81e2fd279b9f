// From a conversation to the text that a model reads: what its chat template is given, and where that is cut.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/conversation.h"
#include "server/generator.h"

namespace glassbox::api {

// True if the model's template has this word: what it never names it cannot read.
bool mentions(const ModelCard& card, std::string_view word);

// A message's texts as one, joined by line ends, as servers of local models do.
std::string text_of(const Message& message);

// What a template is given: messages (text for content, a call's arguments as an object, reasoning under the name that
// this template reads), tools, documents, add_generation_prompt, and the conversation's variables. Throws
// Error(unsupported) for an image.
OrderedJson template_context(const Conversation& conversation, const ModelCard& card);

// What the model reads: rendered, and where the answer continues the last message, cut right after that message's
// content, as transformers cuts it. Throws Error(bad_request), of a template's errors without their file, and where the
// template leaves out what is to be continued.
using Render = std::function<Rendered(const OrderedJson& context)>;
Rendered render_prompt(const Conversation& conversation, const ModelCard& card, const Render& render);

// Sets what a request says to the template alone. A template that does not read it cannot follow it; clients send some
// of it to every model, so that is noted, not refused. `path` is the request's field, for notes and errors. All throw
// ApiError(400) where an earlier field says otherwise.
class TemplateSettings {
 public:
  // Adds to `variables` and `notes`, which outlive this.
  TemplateSettings(const ModelCard& card, OrderedJson& variables, std::vector<std::string>& notes);

  // Any variable by its name. Throws ApiError(400) for those that a conversation has itself.
  void variable(const std::string& name, const OrderedJson& value, const std::string& path);
  // Templates know one of several switches of thinking, or none.
  void think(bool on, const std::string& path);
  // Where a template knows only a switch, "none" and "minimal" are off.
  void effort(const std::string& word, const std::string& path);
  void verbosity(const std::string& word, const std::string& path);

 private:
  void set(const std::string& name, OrderedJson value, const std::string& path);
  void note_unread(const std::string& path);

  const ModelCard& card_;
  OrderedJson& variables_;
  std::vector<std::string>& notes_;
  std::string switch_;                             // of thinking; empty: none
  std::map<std::string, std::string> said_where_;  // each variable's field
};

}  // namespace glassbox::api
