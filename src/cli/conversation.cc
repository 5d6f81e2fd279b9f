#include "cli/conversation.h"

#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "engine/model.h"

namespace glassbox {
namespace {

constexpr size_t kLargestFile = size_t{64} << 20;

// A file's messages and settings, checked; the system prompt becomes a setting.
struct Saved {
  std::string model;
  OrderedJson messages = OrderedJson::array();
  Settings settings;
};

Saved read_saved(const std::filesystem::path& file) {
  const std::string text = read_file(file, kLargestFile);
  OrderedJson json = parse_ordered_json(text, file.string());
  if (json.is_array()) json = {{"messages", std::move(json)}};
  if (!json.is_object() || !json.contains("messages") || !json["messages"].is_array())
    fail(ErrorKind::bad_file, "{}: no conversation: expected an object with \"messages\", or a list of them",
         file.string());
  Saved saved;
  try {
    if (json.contains("settings")) saved.settings = Settings::from_json(json["settings"]);
  } catch (const Error& error) { fail(ErrorKind::bad_file, "{}: {}", file.string(), error.what()); }
  if (json.contains("model") && json["model"].is_string()) saved.model = json["model"];
  for (const OrderedJson& message : json["messages"]) {
    const size_t number = saved.messages.size() + 1;
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string() ||
        !message.contains("content") || !message["content"].is_string())
      fail(ErrorKind::bad_file, "{}: message {}: expected an object with the texts \"role\" and \"content\"",
           file.string(), number);
    if (message["role"] == "system" && saved.messages.empty() && saved.settings.system.empty())
      saved.settings.system = message["content"];
    else
      saved.messages.push_back(message);
  }
  return saved;
}

}  // namespace

Conversation::Conversation(Options options, Settings settings)
    : options_(std::move(options)), settings_(std::move(settings)) {
  open(options_.model);
}

void Conversation::open(const ModelOptions& options) {
  auto model = options.open();
  auto adapter = options.open_adapter(*model);
  auto engine = std::make_unique<Engine>(model, EngineOptions{.threads = options.threads, .context = options_.context});
  engine_ = std::move(engine);  // the old one ends before its model goes
  model_ = std::move(model);
  adapter_ = std::move(adapter);
  defaults_ = sampling_defaults(model_->generation);
  prompt_.clear();
  ids_.clear();
}

void Conversation::change_model(const std::string& reference) {
  ModelOptions next = options_.model;
  next.model = reference;
  next.adapter.clear();
  open(next);
  options_.model = std::move(next);
}

void Conversation::clear() {
  messages_ = OrderedJson::array();
  text_.clear();
}

GenerationRequest Conversation::request() const {
  GenerationRequest request;
  request.adapter = adapter_;
  request.sampling = settings_.sampling.over(defaults_);
  request.max_tokens = settings_.max_tokens.value_or(-1);
  request.stop = settings_.stop;
  const auto& published = model_->generation.stop_strings;
  request.stop.insert(request.stop.end(), published.begin(), published.end());
  request.skip_special = true;
  return request;
}

Answer Conversation::continue_text(const std::string& text, const Told& told) {
  GenerationRequest asked = request();
  ids_ = asked.prompt = model_->tokenizer.encode(text);
  asked.continues = true;
  prompt_ = text;
  return ask(*engine_, std::move(asked), std::nullopt, told);
}

Answer Conversation::answer_messages(const Told& told) {
  OrderedJson all = OrderedJson::array();
  if (!settings_.system.empty()) all.push_back({{"role", "system"}, {"content", settings_.system}});
  for (const OrderedJson& message : messages_) all.push_back(message);
  GenerationRequest asked = request();
  Rendered prompt = model_->render({{"messages", std::move(all)}, {"add_generation_prompt", true}});
  ids_ = asked.prompt = model_->encode_prompt(prompt);
  prompt_ = std::move(prompt.text);
  const ChatSyntax syntax = ChatSyntax::of_template(model_->chat_template->all_sources());
  const SpecialTokens specials = special_tokens(model_->tokenizer);
  asked.kept_special = syntax.special_marks(specials, false);
  AnswerParser parser(syntax, nullptr, prompt_, texts_of(specials, asked.kept_special));
  return ask(*engine_, std::move(asked), std::move(parser), told);
}

Answer Conversation::answer(const std::string& text, const Told& told) {
  if (!chats()) {
    text_ = text;
    return continue_text(text, told);
  }
  OrderedJson before = messages_;
  messages_.push_back({{"role", "user"}, {"content", text}});
  return answer_or_undo(std::move(before), told);
}

Answer Conversation::answer_or_undo(OrderedJson before, const Told& told) {
  try {
    Answer answer = answer_messages(told);
    messages_.push_back({{"role", "assistant"}, {"content", answer.text}});
    return answer;
  } catch (...) {
    messages_ = std::move(before);
    throw;
  }
}

std::optional<Answer> Conversation::retry(const Told& told) {
  if (!chats()) {
    if (text_.empty()) return std::nullopt;
    return continue_text(text_, told);
  }
  if (messages_.empty() || messages_.back()["role"] != "assistant") return std::nullopt;
  OrderedJson before = messages_;
  messages_.erase(messages_.size() - 1);
  return answer_or_undo(std::move(before), told);
}

void Conversation::save(const std::filesystem::path& file) const {
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) {
    try {
      read_saved(file);
    } catch (const Error&) {
      fail(ErrorKind::bad_request, "{}: is there already and no conversation: expected another name", file.string());
    }
  }
  OrderedJson messages = OrderedJson::array();
  if (!settings_.system.empty()) messages.push_back({{"role", "system"}, {"content", settings_.system}});
  for (const OrderedJson& message : messages_) messages.push_back(message);
  OrderedJson settings = settings_.to_json();
  settings.erase("system");
  const OrderedJson all = {
      {"model", model_->name}, {"messages", std::move(messages)}, {"settings", std::move(settings)}};
  write_file(file, dump_ordered_json(all, 1) + "\n");
}

std::string Conversation::load(const std::filesystem::path& file) {
  Saved saved = read_saved(file);
  messages_ = std::move(saved.messages);
  settings_ = std::move(saved.settings);
  text_.clear();
  return saved.model;
}

}  // namespace glassbox
