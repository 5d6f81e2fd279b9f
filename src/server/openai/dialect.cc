#include "server/openai/dialect.h"

#include <ctime>

#include "server/openai/request.h"
#include "server/openai/writer.h"

namespace glassbox::openai {
namespace {

api::Asked asked(Request request, std::shared_ptr<Generator> generator, std::string_view id_prefix) {
  Writer::Options options;
  options.id = api::new_id(id_prefix);
  options.created = std::time(nullptr);
  if (request.generation.skip_special)
    for (const auto& [text, id] : generator->card().special_tokens) options.textless.insert(id);
  options.piece = [generator](int32_t id) { return generator->piece(id); };
  auto writer = std::make_unique<Writer>(request, std::move(options));
  return {std::move(request), std::move(generator), std::move(writer)};
}

api::Asked read_completion(const http::Request& request, const Route::Parts&, const api::FindModel& find) {
  const OrderedJson body = parse_body(request.body);
  auto generator = find(model_of(body));
  return asked(parse_completion(body, generator->card()), generator, "cmpl-");
}

}  // namespace

api::Asked read_chat(const http::Request& request, const Route::Parts&, const api::FindModel& find) {
  const OrderedJson body = parse_body(request.body);
  auto generator = find(model_of(body));
  return asked(parse_chat(body, generator->card()), generator, "chatcmpl-");
}

bool Dialect::matches(const http::Request&) const { return true; }

std::vector<api::Endpoint> Dialect::endpoints() const {
  return {{"/v1/chat/completions", read_chat}, {"/v1/completions", read_completion}};
}

std::string Dialect::error(const ApiError& error) const { return dump_ordered_json(error_json(error)); }

std::string Dialect::model(const Model& model) const { return dump_ordered_json(model_json(model)); }

std::string Dialect::models(const std::vector<Model>& models) const {
  OrderedJson list = OrderedJson::array();
  for (const Model& model : models) list.push_back(model_json(model));
  return dump_ordered_json({{"object", "list"}, {"data", std::move(list)}});
}

OrderedJson error_json(const ApiError& error) {
  std::string_view type = error.status >= 500   ? "server_error"
                          : error.status == 429 ? "rate_limit_error"
                          : error.status == 401 ? "authentication_error"
                                                : "invalid_request_error";
  OrderedJson inner = {{"message", error.what()}, {"type", type}, {"param", nullptr}, {"code", nullptr}};
  if (!error.subject.empty()) inner["param"] = error.subject;
  if (!error.code.empty()) inner["code"] = error.code;
  return {{"error", std::move(inner)}};
}

OrderedJson model_json(const api::Dialect::Model& model) {
  const ModelCard& card = model.card;
  OrderedJson own = {{"context", card.context},
                     {"vocabulary", card.vocabulary},
                     {"parameters", card.parameters},
                     {"dtype", card.dtype},
                     {"memory_bytes", card.memory_bytes},
                     {"has_chat_template", card.has_template},
                     {"sampling", values_json(card.defaults)},
                     {"sampling_from", sources_json(card.defaults)}};
  if (!card.base.empty()) own["adapter_of"] = card.base;
  if (model.changed_on_disk) own["changed_on_disk"] = true;
  return {{"id", card.id},
          {"object", "model"},
          {"created", card.created},
          {"owned_by", "glassbox"},
          {"glassbox", std::move(own)}};
}

}  // namespace glassbox::openai
