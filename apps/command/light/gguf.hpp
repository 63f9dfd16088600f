// SPDX-License-Identifier: Apache-2.0
// GGUF files for generate and lm evaluate: models of llama.cpp.
#pragma once

#include <string>
#include <string_view>

#include "apps/command/text_generator.hpp"

namespace partita::app {

/// By its first bytes or its name.
bool is_gguf(const std::string& path, std::string_view bytes);

/// llama.cpp is loaded when it is first needed: the command starts without it, and says what is
/// missing.
/// @throws Error if the command was built without llama.cpp or cannot load it, IoError, DataError
TextGenerator open_gguf(const ModelFile& file);

/// The one symbol of libpartita_llama_module.so: a pointer to what open_gguf() calls.
using OpenGguf = TextGenerator (*)(const ModelFile& file);
inline constexpr const char* kOpenGguf = "partita_open_gguf";

}  // namespace partita::app
