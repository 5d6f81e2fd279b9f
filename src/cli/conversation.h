// A conversation with a model: what was said, how answers are drawn, and the engine that gives them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "cli/ask.h"
#include "cli/model_options.h"
#include "cli/settings.h"

namespace glassbox {

class Conversation {
 public:
  struct Options {
    ModelOptions model;
    int64_t context = 0;  // 0: the model's own
    bool raw = false;     // continues texts, without the chat template
  };
  // Throws what opening the model does.
  Conversation(Options options, Settings settings);

  const Model& model() const { return *model_; }
  bool chats() const { return model_->chat_template && !options_.raw; }
  const Engine& engine() const { return *engine_; }
  const SamplingDefaults& defaults() const { return defaults_; }
  Settings& settings() { return settings_; }
  const OrderedJson& messages() const { return messages_; }  // without the system prompt
  // What the model read last: where it chats, the template's text.
  const std::string& prompt() const { return prompt_; }
  const std::vector<int32_t>& ids() const { return ids_; }

  // What is not answered, for an error, was not said. Throws Error; the conversation is then as before.
  Answer answer(const std::string& text, const Told& told);
  // The last answer once more; nothing where there is none.
  std::optional<Answer> retry(const Told& told);
  void clear();

  // Another model goes on with the same messages, without an adapter. Throws what opening does; the old one then stays.
  void change_model(const std::string& reference);

  // {"model", "messages", "settings"}: `messages` as APIs and `glassbox render` take them. Throws Error(bad_request)
  // for a file that is there and no conversation, Error(io).
  void save(const std::filesystem::path& file) const;
  // Takes the messages and settings of such a file, or of any that has "messages". Gives the model's name it was had
  // with, if it says. Throws Error, and nothing is changed.
  std::string load(const std::filesystem::path& file);

 private:
  void open(const ModelOptions& options);
  Answer continue_text(const std::string& text, const Told& told);
  Answer answer_messages(const Told& told);
  // The same, and what is answered becomes part of the conversation; where it fails, the conversation is `before`.
  Answer answer_or_undo(OrderedJson before, const Told& told);
  GenerationRequest request() const;

  Options options_;
  Settings settings_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Adapter> adapter_;
  std::unique_ptr<Engine> engine_;
  SamplingDefaults defaults_;
  OrderedJson messages_ = OrderedJson::array();
  std::string prompt_, text_;  // text_: the last that was continued
  std::vector<int32_t> ids_;
};

}  // namespace glassbox
