// The table of what is served: each route's method and pattern, who may ask, and who answers.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/http.h"

namespace glassbox {

// Who may ask where keys are demanded.
enum class Access {
  key,      // who shows one
  everyone  // tells nothing of anybody
};

struct Route {
  // What stood for the pattern's braces, as it was sent (not percent-decoded).
  using Parts = std::map<std::string, std::string, std::less<>>;
  using Handler = std::function<void(http::Request& request, const Parts& parts,
                                     const std::shared_ptr<http::ResponseStream>& stream)>;

  std::string method;  // "GET" answers HEAD as well
  // "/v1/models/{model...}": a name in braces stands for one part of a path, with dots for all that is left of it.
  std::string pattern;
  Handler handle;
  Access access = Access::key;
  // Of what asks for a key of its own, which is not the server's: whether it does now. The server then asks for none.
  std::function<bool()> asks_itself = nullptr;
  std::string label = pattern;  // for figures: one of few
  bool quick = false;           // answered at once, whatever else there is to do (http::Site::quick)
  bool takes_json = false;      // a body of any other type is refused before it comes
  http::Intake intake = {};     // how its body is taken, and how large it may be
  // Of a pattern that fits nearly any path: whether there is anything at it. What is not there may be meant for others,
  // and is the handler's to refuse only where nobody else takes it.
  std::function<bool(std::string_view path)> has = nullptr;
};

// What a request is for.
struct Target {
  const Route* route = nullptr;  // null: no such path, or not with this method
  std::string path;              // as the table has it: "/v1/chat/completions" for "//chat/completions/"
  Route::Parts parts;
  std::vector<std::string> methods;  // where there is a path but no route: those that there are
  Access access = Access::key;       // of what is not there, too: a stranger need not learn what is
  std::string label;                 // "other" where there is no such path
};

// Any thread.
class Routes {
 public:
  // The first that fits is meant. A failed check() for two of one method and pattern.
  explicit Routes(std::vector<Route> table);

  // Clients put a base address and a path together, and people leave off its /v1 or write it twice: a slash too many, a
  // /v1 missing or double lead where they are meant to lead. A page that exists goes before a route meant so.
  Target find(std::string_view method, std::string_view path) const;

  // "POST /openai/v1/chat/completions: no such path; did you mean /v1/chat/completions?", else with what there is.
  std::string no_such_path(std::string_view method, std::string_view path) const;

  const std::vector<Route>& table() const { return table_; }
  std::vector<std::string> methods() const;  // of all, HEAD included

 private:
  bool is_of_an_api(std::string_view path) const;

  const std::vector<Route> table_;
};

}  // namespace glassbox
