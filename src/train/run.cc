#include "train/run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/output.h"
#include "base/random.h"
#include "models/registry.h"
#include "tensor/machine.h"
#include "train/publish.h"

namespace glassbox {
namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// The recipe's documents, for training and held out, before they are tokens.
struct Documents {
  int64_t count = 0, held_out = 0;
  std::function<OrderedJson(int64_t)> document, held_out_document;
  std::function<std::string(int64_t)> where, held_out_where;
};

const DocumentSource& source_named(const std::string& name, const std::vector<DocumentSource>& sources) {
  std::vector<std::string> known;
  for (const DocumentSource& source : sources) {
    if (source.name == name) return source;
    known.push_back(source.name);
  }
  fail(ErrorKind::bad_file, "data.source: expected one of [{}], got \"{}\"", fmt::join(known, ", "), name);
}

Documents find_documents(const Recipe& recipe, const std::vector<DocumentSource>& sources) {
  Documents found;
  if (!recipe.data.source.empty()) {
    const DocumentSource source = source_named(recipe.data.source, sources);
    const uint64_t seed = recipe.data.seed;
    found.count = recipe.data.documents;
    found.document = [=](int64_t i) { return source.document(seed, static_cast<uint64_t>(i), false); };
    found.where = [=](int64_t i) { return fmt::format("{} document {}", source.name, i); };
    found.held_out = recipe.evaluate.documents;
    found.held_out_document = [=](int64_t i) { return source.document(seed, static_cast<uint64_t>(i), true); };
    found.held_out_where = [=](int64_t i) { return fmt::format("{} held-out document {}", source.name, i); };
  } else {
    const auto all = std::make_shared<const std::vector<OrderedJson>>(read_documents(recipe.data.files));
    // Drawn once, by the seed: the first of a shuffled list are held out, the others learnt.
    std::vector<std::pair<uint32_t, int64_t>> drawn;
    const uint64_t key = key_of(recipe.train.seed, "held-out documents");
    for (size_t i = 0; i < all->size(); ++i) drawn.emplace_back(philox(key, i)[0], static_cast<int64_t>(i));
    std::ranges::sort(drawn);
    found.held_out = recipe.evaluate.documents;
    if (found.held_out >= static_cast<int64_t>(all->size()))
      fail(ErrorKind::bad_file, "evaluate.documents: expected fewer than the {} documents there are, got {}",
           all->size(), found.held_out);
    std::vector<int64_t> held_out, learnt;
    for (const auto& [bits, i] : drawn)
      (static_cast<int64_t>(held_out.size()) < found.held_out ? held_out : learnt).push_back(i);
    std::ranges::sort(learnt);
    found.count = static_cast<int64_t>(learnt.size());
    const auto pick = [all](std::vector<int64_t> list) {
      return [=](int64_t i) { return (*all)[static_cast<size_t>(list[static_cast<size_t>(i)])]; };
    };
    const auto name = [](std::vector<int64_t> list) {
      return [=](int64_t i) { return fmt::format("data.files, document {}", list[static_cast<size_t>(i)] + 1); };
    };
    found.document = pick(learnt), found.where = name(learnt);
    found.held_out_document = pick(held_out), found.held_out_where = name(held_out);
  }
  if (!recipe.evaluate.files.empty()) {
    const auto all = std::make_shared<const std::vector<OrderedJson>>(read_documents(recipe.evaluate.files));
    found.held_out = static_cast<int64_t>(all->size());
    found.held_out_document = [all](int64_t i) { return (*all)[static_cast<size_t>(i)]; };
    found.held_out_where = [](int64_t i) { return fmt::format("evaluate.files, document {}", i + 1); };
  }
  if (found.count == 0) fail(ErrorKind::bad_file, "data: there are no documents");
  return found;
}

std::string first_difference(const Json& before, const Json& now) {
  const Json steps = Json::diff(before, now);
  std::string path = steps[0].value("path", "");
  std::ranges::replace(path, '/', '.');
  return path.substr(1);
}

// What may change between a run and its continuation.
Json comparable(Json recipe) {
  for (const char* free : {"checkpoint", "evaluate", "publish", "name"}) recipe.erase(free);
  recipe["train"].erase("log_every");
  return recipe;
}

class TrainingRun {
 public:
  TrainingRun(Recipe recipe, const RunOptions& options)
      : recipe_(std::move(recipe)), options_(options), workspace_(options.threads) {
    if (options.steps) {
      recipe_.train.tokens = 0;
      recipe_.train.trainer.schedule.steps = *options.steps;
      recipe_.json["train"].erase("tokens");
      recipe_.json["train"]["steps"] = *options.steps;
    }
  }

  Json operator()() {
    prepare_folder();
    documents_ = find_documents(recipe_, options_.sources);
    prepare_tokenizer();
    open_model();
    encode();
    batches_.emplace(corpus_, recipe_.train.seed, recipe_.train.batch_tokens);
    Schedule& schedule = recipe_.train.trainer.schedule;
    if (recipe_.train.tokens > 0) schedule.steps = batches_->steps_for(recipe_.train.tokens);
    const NextToken objective(recipe_.train.loss);
    AdamW adamw(trainable_->tensors(), recipe_.train.adamw);
    Trainer trainer(*trainable_, objective, adamw, recipe_.train.trainer, workspace_);
    describe(trainer);
    if (resuming_) go_on(trainer);
    train(trainer);
    return curve_;
  }

 private:
  void note(const std::string& line) const {
    if (options_.watcher.note) options_.watcher.note(line);
  }
  int64_t tokens_done(const Trainer& trainer) { return batches_->tokens_before(trainer.steps_done()); }
  int64_t tokens_in_all(const Trainer& trainer) { return batches_->tokens_before(trainer.steps()); }
  bool stopped() const { return options_.stop && options_.stop->load(); }
  // While nothing is worth keeping yet.
  void leave_if_stopped() const {
    if (stopped()) fail(ErrorKind::cancelled, "stopped before the first step");
  }
  std::filesystem::path model_folder() const { return options_.out / "model"; }
  std::filesystem::path state_file() const { return options_.out / "state.json"; }

  void prepare_folder() {
    const bool holds_a_run = std::filesystem::exists(state_file());
    if (holds_a_run && !options_.resume && !options_.force)
      fail(ErrorKind::bad_request,
           "{}: holds a run already: --resume goes on with it, --force begins anew, another --out leaves it alone",
           options_.out.string());
    resuming_ = holds_a_run && options_.resume;
    if (!resuming_) {
      const std::filesystem::path inputs[] = {recipe_.model.weights, recipe_.tokenizer.path};
      check_output(model_folder(), inputs, true);
    }
    for (const char* of_a_model : {"config.json", "model.safetensors"})
      if (!holds_a_run && !options_.force && std::filesystem::exists(model_folder() / of_a_model))
        fail(ErrorKind::bad_request, "{}: holds a model that no run made: --force replaces it",
             model_folder().string());
    std::error_code error;
    std::filesystem::create_directories(options_.out / "checkpoints", error);
    if (!error) std::filesystem::create_directories(model_folder(), error);
    if (error) fail(ErrorKind::io, "{}: cannot make the folder: {}", options_.out.string(), error.message());
    lock_.emplace(options_.out);
    for (const auto& folder : {options_.out, options_.out / "checkpoints", model_folder()})
      remove_unfinished_in(folder);
    if (!holds_a_run || resuming_) return;
    // What would be gone on from goes first.
    std::filesystem::remove(state_file(), error);
    std::filesystem::remove(options_.out / "loss.json", error);
    for (const auto& entry : std::filesystem::directory_iterator(options_.out / "checkpoints", error))
      if (entry.path().extension() == ".safetensors") std::filesystem::remove(entry.path(), error);
  }

  void prepare_tokenizer() {
    const Recipe::Vocabulary& wanted = recipe_.tokenizer;
    if (!resuming_ && !wanted.path.empty()) {
      copy_tokenizer(wanted, model_folder());
    } else if (!resuming_) {
      const auto begin = Clock::now();
      std::optional<ChatTemplate> chat_template;
      if (!wanted.chat_template.empty())
        chat_template =
            ChatTemplate::parse(wanted.chat_template, "tokenizer.chat_template")
                .with_variables({{"bos_token", wanted.bos}, {"eos_token", wanted.eos}, {"pad_token", wanted.pad}});
      std::vector<std::string> texts(static_cast<size_t>(std::min(documents_.count, wanted.documents)));
      const int64_t stride = documents_.count / static_cast<int64_t>(texts.size());
      workspace_.pool.parallel_ranges(static_cast<int64_t>(texts.size()), 64, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i)
          texts[static_cast<size_t>(i)] =
              document_text(documents_.document(i * stride), documents_.where(i * stride), chat_template, wanted.eos)
                  .text;
      });
      leave_if_stopped();
      size_t bytes = 0;
      for (const std::string& text : texts) bytes += text.size();
      const int64_t context = recipe_.model.config.value("max_position_embeddings", int64_t{0});
      make_tokenizer(wanted, texts, static_cast<size_t>(std::max<int64_t>(context, 0)), model_folder());
      note(fmt::format("tokenizer: learnt from {} documents, {:.1f} MB, in {:.1f} s", texts.size(),
                       static_cast<double>(bytes) / 1e6, since(begin)));
    }
    tokenizer_.emplace(open_tokenizer(model_folder()));
    note("tokenizer: " + tokenizer_->tokenizer.describe());
  }

  void open_model() {
    config_json_ = complete_config(recipe_, tokenizer_->tokenizer);
    Config config(config_json_, "the recipe's [model]");
    config.judged_by([](std::string_view) -> std::string_view { return "a recipe"; });  // no tool leaves notes there
    const DType dtype = read_dtype(config).value_or(DType::bf16);
    if (dtype != DType::f32 && dtype != DType::bf16)
      fail(ErrorKind::unsupported, "model.torch_dtype: models are trained as float32 or bfloat16, not {}",
           info(dtype).name);
    if (recipe_.model.weights.empty())
      parameters_.emplace(dtype, recipe_.train.seed, static_cast<float>(recipe_.model.deviation));
    else
      parameters_.emplace(dtype, Checkpoint::open(recipe_.model.weights));
    model_ = make_model(config, *parameters_);
    trainable_.emplace(*model_).open(*parameters_);
    config_json_["tie_word_embeddings"] = model_->shape().tied;
    for (const std::string& warning : config.warnings()) note("warning: " + warning);
    note(fmt::format("model: {} parameters, {} layers, hidden {}, vocabulary {}, {}", trainable_->count(),
                     model_->shape().layers, model_->shape().hidden, model_->shape().vocabulary, info(dtype).name));
  }

  void encode() {
    const auto begin = Clock::now();
    const DocumentEncoder encoder(tokenizer_->tokenizer, tokenizer_->chat_template);
    const auto read = [&](int64_t count, const auto& document, const auto& where) {
      Encoded encoded =
          encode_documents(count, document, where, encoder, model_->shape().context, recipe_.data.long_documents,
                           workspace_.pool, [&](int64_t) { leave_if_stopped(); });
      if (encoded.skipped > 0)
        note(
            fmt::format("data: {} documents skipped, longer than {} tokens", encoded.skipped, model_->shape().context));
      return std::move(encoded.corpus);
    };
    corpus_ = read(documents_.count, documents_.document, documents_.where);
    held_out_ = read(documents_.held_out, documents_.held_out_document, documents_.held_out_where);
    if (corpus_.tokens() == 0) fail(ErrorKind::bad_file, "data: no document is left to learn from");
    digest_ = fmt::format("{:016x}", corpus_.digest());
    note(fmt::format("data: {} documents, {} tokens; {} held out, {} tokens; in {:.1f} s", corpus_.size(),
                     corpus_.tokens(), held_out_.size(), held_out_.tokens(), since(begin)));
  }

  void describe(Trainer& trainer) {
    curve_ = {{"name", recipe_.name},     {"status", "running"},
              {"recipe", recipe_.json},   {"parameters", trainable_->count()},
              {"kernels", kernel_set()},  {"threads", workspace_.pool.threads()},
              {"steps", trainer.steps()}, {"tokens", tokens_in_all(trainer)},
              {"points", Json::array()},  {"evaluations", Json::array()}};
    note(fmt::format("training: {} steps, {} tokens, {} kernels, {} threads", trainer.steps(), tokens_in_all(trainer),
                     kernel_set(), workspace_.pool.threads()));
  }

  void go_on(Trainer& trainer) {
    const Json state = read_json(state_file());
    const std::string file = state.value("checkpoint", "");
    if (file.empty() || std::filesystem::path(file).is_absolute() || file.find("..") != std::string::npos)
      fail(ErrorKind::bad_file, "{}: expected a checkpoint of this folder, got \"{}\"", state_file().string(), file);
    const Json notes = trainer.load(options_.out / file);
    if (const Json before = comparable(notes.at("recipe")), now = comparable(recipe_.json); before != now)
      fail(ErrorKind::bad_request, "{}: the run began with another recipe: {} differs", options_.out.string(),
           first_difference(before, now));
    if (notes.at("documents") != digest_)
      fail(ErrorKind::bad_request, "{}: the run began with other documents", options_.out.string());
    if (notes.at("kernels") != kernel_set())
      note(fmt::format("kernels: the run so far used {}, now {}; the two agree to the bit",
                       notes.at("kernels").get<std::string>(), kernel_set()));
    seconds_before_ = notes.at("seconds");
    smoothed_ = notes.at("smoothed");
    for (const char* list : {"points", "evaluations"})
      if (const auto file_of = options_.out / "loss.json"; std::filesystem::exists(file_of)) {
        const Json written = read_json(file_of).value(list, Json::array());
        for (const Json& entry : written)
          if (entry.value("step", int64_t{0}) <= trainer.steps_done()) curve_[list].push_back(entry);
      }
    note(fmt::format("resumed after step {}", trainer.steps_done()));
  }

  void write_curve(const char* status) {
    curve_["status"] = status;
    write_file(options_.out / "loss.json", dump_json(curve_) + "\n");
    written_ = Clock::now();
  }

  void checkpoint(Trainer& trainer) {
    write_curve("running");  // first, so that a run that goes on from here misses no point
    const std::string file = fmt::format("checkpoints/step-{:08}.safetensors", trainer.steps_done());
    const Json notes = {{"recipe", recipe_.json},
                        {"documents", digest_},
                        {"kernels", kernel_set()},
                        {"seconds", seconds()},
                        {"smoothed", smoothed_}};
    trainer.save(options_.out / file, notes);
    // Only once the checkpoint is safe does anything point at it, and only then do older ones go.
    write_file(state_file(), dump_json({{"checkpoint", file},
                                        {"step", trainer.steps_done()},
                                        {"tokens", tokens_done(trainer)},
                                        {"seconds", seconds()},
                                        {"kernels", kernel_set()}},
                                       2) +
                                 "\n");
    publish_model(recipe_, config_json_, *trainable_, tokenizer_->tokenizer, curve_, model_folder());
    std::vector<std::filesystem::path> all;
    for (const auto& entry : std::filesystem::directory_iterator(options_.out / "checkpoints"))
      if (entry.path().extension() == ".safetensors") all.push_back(entry.path());
    std::ranges::sort(all, std::greater{});
    std::error_code ignored;  // a file that stays is only space
    for (size_t i = static_cast<size_t>(recipe_.checkpoint.keep); i < all.size(); ++i)
      if (all[i].filename() != std::filesystem::path(file).filename()) std::filesystem::remove(all[i], ignored);
  }

  double seconds() const { return seconds_before_ + since(begun_); }

  void evaluate(Trainer& trainer) {
    if (held_out_.tokens() == 0) return;
    const auto begin = Clock::now();
    const Trainer::Evaluation result = trainer.evaluate(held_out_);
    if (!std::isfinite(result.loss)) {
      write_curve("failed");
      fail(ErrorKind::bad_request, "step {}: the held-out loss is {}: a lower learning rate, or a lower clip, may help",
           trainer.steps_done(), result.loss);
    }
    Json evaluation = {{"step", trainer.steps_done()}, {"tokens", tokens_done(trainer)}, {"loss", result.loss}};
    std::string line = fmt::format("step {}: held-out loss {:.4f}", trainer.steps_done(), result.loss);
    for (const auto& [name, mean] : result.metrics) {
      evaluation[name] = mean.value();
      line += fmt::format(", {} {:.4f} of {:.0f}", name, mean.value(), mean.count);
    }
    curve_["evaluations"].push_back(evaluation);
    note(fmt::format("{}, in {:.1f} s", line, since(begin)));
  }

  // Where numbers stop being finite the run ends: what was saved last is left as it is, and the curve says so.
  Trainer::Step step_of(Trainer& trainer) {
    try {
      return trainer.step(batches_->examples(trainer.steps_done()));
    } catch (const Error&) {
      write_curve("failed");
      throw;
    }
  }

  void train(Trainer& trainer) {
    begun_ = written_ = Clock::now();
    double rate = 0, sampled = 0;                      // tokens a second, smoothed over 20 steps
    double loss = 0, tokens = 0, took = 0, steps = 0;  // since the last point
    const auto is_due = [&](int64_t every) { return every > 0 && trainer.steps_done() % every == 0; };
    while (trainer.steps_done() < trainer.steps()) {
      if (stopped()) {
        checkpoint(trainer);
        write_curve("stopped");
        return;
      }
      const auto begin = Clock::now();
      const Trainer::Step step = step_of(trainer);
      const double now = since(begin);
      smoothed_ += (step.loss - smoothed_) / static_cast<double>(std::min<int64_t>(step.step, 20));
      const double speed = static_cast<double>(step.tokens) / now;
      rate += (speed - rate) / std::min(++sampled, 20.0);
      loss += step.loss, tokens += static_cast<double>(step.tokens), took += now, steps += 1;
      const bool last = trainer.steps_done() == trainer.steps();
      if (options_.watcher.progress)
        options_.watcher.progress({step.step, trainer.steps(), tokens_done(trainer), tokens_in_all(trainer), smoothed_,
                                   step.rate, rate, seconds(),
                                   static_cast<double>(tokens_in_all(trainer) - tokens_done(trainer)) / rate});
      if (is_due(recipe_.train.log_every) || last) {
        const Json point = {
            {"step", step.step}, {"tokens", tokens_done(trainer)}, {"loss", loss / steps}, {"learning_rate", step.rate},
            {"norm", step.norm}, {"tokens_per_s", tokens / took},  {"seconds", seconds()}};
        curve_["points"].push_back(point);
        if (options_.watcher.point) options_.watcher.point(point);
        loss = tokens = took = steps = 0;
        if (since(written_) > 2) write_curve("running");
      }
      if (is_due(recipe_.evaluate.every) && !last) evaluate(trainer);
      if (is_due(recipe_.checkpoint.every) && !last) checkpoint(trainer);
    }
    evaluate(trainer);
    checkpoint(trainer);
    write_curve("done");
  }

  Recipe recipe_;
  const RunOptions& options_;
  Workspace workspace_;
  bool resuming_ = false;
  Documents documents_;
  std::optional<PublishedTokenizer> tokenizer_;
  Json config_json_;
  std::optional<FolderLock> lock_;
  std::optional<Parameters> parameters_;
  std::unique_ptr<LanguageModel> model_;
  std::optional<Trainable> trainable_;
  Corpus corpus_, held_out_;
  std::optional<Batches> batches_;
  std::string digest_;
  Json curve_;
  Clock::time_point begun_ = Clock::now(), written_ = begun_;
  double seconds_before_ = 0, smoothed_ = 0;
};

}  // namespace

Json run_training(Recipe recipe, const RunOptions& options) { return TrainingRun(std::move(recipe), options)(); }

}  // namespace glassbox
