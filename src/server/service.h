// What the server serves: the dialects' APIs over generators, the pages, training runs, health and figures.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hub/hub.h"
#include "server/generator.h"
#include "server/guard.h"
#include "server/http/http.h"
#include "server/metrics.h"
#include "server/routes.h"
#include "server/training_runs.h"
#include "web/embed/assets.h"

namespace glassbox {

struct ServiceOptions {
  std::vector<std::shared_ptr<Generator>> models;  // at least one; ids differ
  GuardOptions guard;
  std::optional<std::filesystem::path> runs;  // folder of training runs to show
  std::vector<KnownRun> known_runs;
  int64_t most_waiting = 256;  // sequences; a request that would make it more is answered 429
  std::function<std::optional<Asset>(std::string_view path)> find_page = find_asset;
  std::vector<Route> routes = {};  // beside its own; they go before the pages
  hub::Hub* hub = nullptr;         // which is served, too; outlives the service
};

// Outlives the run() of the server it is given to.
class Service : public http::Site {
 public:
  // Throws Error(bad_request) as Guard does, and for two models of one name.
  explicit Service(ServiceOptions options);
  ~Service() override;

  void handle(http::Request request, std::shared_ptr<http::ResponseStream> stream) override;
  std::optional<http::Response> admit(const http::Request& head) override;
  http::Intake intake(const http::Request& head) override;
  bool quick(const http::Request& head) override;
  http::Response failure(const http::Request& head, int status, std::string_view message) override;
  http::Response thrown(const http::Request& head, std::exception_ptr what) override;
  void served(const http::Served& served) override;

  const Routes& routes() const;  // all that is served

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace glassbox
