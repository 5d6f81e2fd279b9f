// Splits what a model says into its reasoning, between <think> and </think>, and its answer.
#pragma once

#include <string>
#include <string_view>

namespace glassbox {

// Piece by piece: a tag may be cut anywhere. White space right after either tag, and before </think>, belongs to
// neither part. Only reasoning that begins the answer counts: a <think> later on is text.
class ReasoningSplitter {
 public:
  struct Delta {
    std::string reasoning, content;
  };

  // `open`: the prompt already ended inside <think>, as some templates write it.
  explicit ReasoningSplitter(bool open = false) : state_(open ? State::reasoning : State::start), skip_space_(open) {}

  // True if a rendered prompt ends inside an opened <think>.
  static bool opened_by(std::string_view prompt);

  Delta push(std::string_view piece);
  Delta finish();  // what was held back, when nothing will follow

 private:
  enum class State { start, reasoning, content };
  Delta take(bool last);

  State state_;
  bool skip_space_;
  std::string held_;
};

}  // namespace glassbox
