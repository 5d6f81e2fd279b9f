// Splits what a model says into its reasoning, between <think> and </think> (or other marks), and its answer.
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

  // `open`: the prompt already ended inside <think>, as some templates write it. The tags are string literals.
  explicit ReasoningSplitter(bool open = false, std::string_view open_tag = "<think>",
                             std::string_view close_tag = "</think>")
      : open_(open_tag), close_(close_tag), state_(open ? State::reasoning : State::start), skip_space_(open) {}

  // True if a rendered prompt ends inside an opened <think>.
  static bool opened_by(std::string_view prompt, std::string_view open_tag = "<think>");

  Delta push(std::string_view piece);
  Delta finish();                                          // what was held back, when nothing will follow
  bool ended() const { return state_ == State::content; }  // all that follows is the answer

 private:
  enum class State { start, reasoning, content };
  Delta take(bool last);

  std::string_view open_, close_;
  State state_;
  bool skip_space_;
  std::string held_;
};

}  // namespace glassbox
