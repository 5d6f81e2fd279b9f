#include "hub/publish.h"

#include "formats/shipped.h"
#include "hub/refusal.h"

namespace glassbox::hub {

void publish_shipped(Hub& hub) {
  const Caller owner = hub.owner();
  for (const std::string_view full_name : shipped_models()) {
    const ShippedModel model = *shipped_model(full_name);
    const size_t slash = full_name.find('/');
    try {
      hub.create(owner, RepositoryKind::model, std::string(full_name.substr(0, slash)),
                 std::string(full_name.substr(slash + 1)), false);
    } catch (const Refusal& refusal) {
      if (refusal.refused() != Refused::exists) throw;
    }
    CommitRequest commit{std::string(kMainBranch), "Files as this version of Glassbox ships them", "", {}, {}};
    const auto put = [&](std::string_view name, std::string_view bytes) {
      commit.changes.push_back(PutFile{std::string(name), std::string(bytes)});
    };
    put("README.md", model.card);
    put("config.json", model.config);
    put("generation_config.json", model.generation_config);
    put("tokenizer.json", model.tokenizer);
    put("tokenizer_config.json", model.tokenizer_config);
    put("chat_template.jinja", model.chat_template);
    put("loss.json", model.loss);
    for (const ShippedFile& file : model.making) put("making/" + std::string(file.name), file.bytes);
    const std::string_view weights(reinterpret_cast<const char*>(model.weights.data()), model.weights.size());
    const Sha256 sha256 = digest_of<Sha256>(weights);
    if (!hub.contents().find(sha256)) {
      const auto writer = hub.contents().create();
      writer->append(weights);
      writer->finish(sha256);
    }
    commit.changes.push_back(PutStored{"model.safetensors", sha256, weights.size()});
    hub.commit(owner, RepositoryKind::model, full_name, commit);
  }
}

}  // namespace glassbox::hub
