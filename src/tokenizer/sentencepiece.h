// A SentencePiece model's contents, whichever file they came from.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer_impl.h"

namespace glassbox {

enum class PieceType { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

// What sentencepiece_model.proto calls ModelProto, as far as it decides anything. Views what it was read from.
struct SentencePieceModel {
  struct Piece {
    std::string_view text;
    float score = 0;
    int32_t type = 1;  // PieceType
  };
  std::vector<Piece> pieces;
  int32_t model_type = 1;  // 1 Unigram, 2 BPE
  bool byte_fallback = false, suffix = false;
  int32_t unk = 0, bos = 1, eos = 2, pad = -1;
  std::string_view charsmap;
  bool dummy_prefix = true, squeeze = true, escape = true;
  bool drop_unused = false;  // BPE: unused pieces are never made, else refused
};

// Throws Error(bad_file | unsupported) naming `source`. `legacy`: every stretch between special tokens is prepared as a
// text of its own, as transformers does by default.
TokenizerParts tokenizer_of(const SentencePieceModel& model, std::string_view source, bool legacy);

}  // namespace glassbox
