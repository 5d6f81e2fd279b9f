#include <spdlog/spdlog.h>

#include <chrono>
#include <mutex>
#include <optional>

#include "formats/file_set.h"
#include "server/generator.h"

namespace glassbox {
namespace {

int64_t seconds_since_1970(const std::filesystem::path& file) {
  std::error_code ec;
  auto time = std::filesystem::last_write_time(file, ec);
  if (ec) return 0;
  auto system = std::chrono::file_clock::to_sys(time);
  return std::chrono::duration_cast<std::chrono::seconds>(system.time_since_epoch()).count();
}

// When the model was put where it is.
int64_t created(const FileSet& files) {
  const auto config = files.file("config.json");
  if (config && !config->path.empty()) return seconds_since_1970(config->path);
  return seconds_since_1970(files.path().empty() ? "/proc/self/exe" : files.path());
}

std::string lower(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

// Whether files changed on disk: looked for at most once a second, and logged once.
class FilesWatch {
 public:
  explicit FilesWatch(MappedFiles files) : files_(std::move(files)) {}

  bool changed(const std::string& model) {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (changed_ || now < next_look_) return changed_;
    next_look_ = now + std::chrono::seconds(1);
    const std::string change = files_.change();
    if (change.empty()) return false;
    spdlog::warn("{}: {}; what was loaded answers on, until the server is started again", model, change);
    return changed_ = true;
  }

 private:
  const MappedFiles files_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point next_look_;
  bool changed_ = false;
};

class EngineGenerator : public Generator {
 public:
  EngineGenerator(std::shared_ptr<const Model> model, const EngineOptions& options)
      : model_(std::move(model)), watch_(model_->mapped), engine_(model_, options) {
    card_.id = model_->name;
    card_.context = engine_.context();
    card_.vocabulary = model_->network->shape().vocabulary;
    card_.has_template = model_->chat_template.has_value();
    if (card_.has_template) card_.template_source = model_->chat_template->all_sources();
    card_.defaults = sampling_defaults(model_->generation);
    card_.stop = model_->generation.stop_strings;
    card_.special_tokens = special_tokens(model_->tokenizer);
    card_.created = created(model_->files);
    card_.parameters = model_->facts.parameters;
    card_.memory_bytes = static_cast<int64_t>(model_->facts.bytes);
    card_.dtype = lower(model_->facts.dtype);
  }

  const ModelCard& card() const override { return card_; }
  Rendered render(const OrderedJson& context) const override { return model_->render(context); }
  std::vector<int32_t> encode_prompt(const Rendered& rendered) const override {
    check_length(rendered.text);
    return model_->encode_prompt(rendered);
  }
  std::vector<int32_t> encode(std::string_view text) const override {
    check_length(text);
    return model_->tokenizer.encode(text);
  }
  std::string_view piece(int32_t id) const override {
    // Checkpoints pad their vocabulary: a padding row is a token without text.
    if (id >= static_cast<int32_t>(model_->tokenizer.size()) && id < card_.vocabulary) return {};
    return model_->tokenizer.piece(id);
  }
  std::string decode(const std::vector<int32_t>& ids) const override { return model_->tokenizer.decode(ids); }

  Engine::RequestId submit(GenerationRequest request, Engine::OnToken on_token,
                           Engine::OnFinished on_finished) override {
    changed_on_disk();
    return engine_.submit(std::move(request), std::move(on_token), std::move(on_finished));
  }
  void cancel(Engine::RequestId request) override { engine_.cancel(request); }
  EngineStatistics statistics() const override { return engine_.statistics(); }
  bool changed_on_disk() const override { return watch_.changed(card_.id); }

 private:
  // What is hopelessly too long need not be tokenized to be refused.
  void check_length(std::string_view text) const {
    if (const auto least = static_cast<int64_t>(model_->tokenizer.least_tokens(text)); least >= card_.context)
      fail_at(ErrorKind::full, "prompt", "at least {} tokens leave no room for an answer in a context of {}", least,
              card_.context);
  }

  const std::shared_ptr<const Model> model_;
  mutable FilesWatch watch_;
  ModelCard card_;
  Engine engine_;  // last: it ends first, and its callbacks may use the rest
};

class AdaptedGenerator : public Generator {
 public:
  AdaptedGenerator(std::shared_ptr<Generator> base, std::string id, std::shared_ptr<const Adapter> adapter,
                   int64_t created)
      : base_(std::move(base)), adapter_(std::move(adapter)), watch_(adapter_->files()), card_(base_->card()) {
    card_.base = std::exchange(card_.id, std::move(id));
    card_.created = created;
    const auto count = [&](const Tensor& tensor) {
      if (!tensor) return;
      card_.parameters += tensor.shape().elements();
      card_.memory_bytes += static_cast<int64_t>(tensor.bytes());
    };
    for (const auto& [path, change] : adapter_->changes())
      for (const Tensor* tensor : {&change.a, &change.b, &change.magnitude}) count(*tensor);
    for (const auto& [name, weight] : adapter_->replacements()) count(weight);
  }

  const ModelCard& card() const override { return card_; }
  Rendered render(const OrderedJson& context) const override { return base_->render(context); }
  std::vector<int32_t> encode_prompt(const Rendered& rendered) const override { return base_->encode_prompt(rendered); }
  std::vector<int32_t> encode(std::string_view text) const override { return base_->encode(text); }
  std::string_view piece(int32_t id) const override { return base_->piece(id); }
  std::string decode(const std::vector<int32_t>& ids) const override { return base_->decode(ids); }

  Engine::RequestId submit(GenerationRequest request, Engine::OnToken on_token,
                           Engine::OnFinished on_finished) override {
    changed_on_disk();
    request.adapter = adapter_;
    return base_->submit(std::move(request), std::move(on_token), std::move(on_finished));
  }
  void cancel(Engine::RequestId request) override { base_->cancel(request); }
  EngineStatistics statistics() const override { return base_->statistics(); }
  bool changed_on_disk() const override {
    const bool own = watch_.changed(card_.id), others = base_->changed_on_disk();
    return own || others;
  }

 private:
  const std::shared_ptr<Generator> base_;
  const std::shared_ptr<const Adapter> adapter_;
  mutable FilesWatch watch_;
  ModelCard card_;
};

}  // namespace

std::unique_ptr<Generator> make_adapted_generator(std::shared_ptr<Generator> base, std::string id,
                                                  std::shared_ptr<const Adapter> adapter, int64_t created) {
  return std::make_unique<AdaptedGenerator>(std::move(base), std::move(id), std::move(adapter), created);
}

std::unique_ptr<Generator> make_generator(std::shared_ptr<const Model> model, const EngineOptions& options) {
  return std::make_unique<EngineGenerator>(std::move(model), options);
}

}  // namespace glassbox
