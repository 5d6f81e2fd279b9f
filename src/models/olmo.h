// What OLMo's model and its descriptor share.
#pragma once

namespace glassbox {

constexpr float kOlmoNormEps = 1e-5f;  // of every norm; config.json has no key for it, GGUF has

}  // namespace glassbox
