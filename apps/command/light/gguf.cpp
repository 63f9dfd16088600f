// SPDX-License-Identifier: Apache-2.0
#include "apps/command/light/gguf.hpp"

#ifdef PARTITA_LLAMA
#include <dlfcn.h>
#endif

#include "partita/base/error.hpp"

namespace partita::app {

bool is_gguf(const std::string& path, std::string_view bytes) {
  return bytes.starts_with("GGUF") || path.ends_with(".gguf");
}

#ifdef PARTITA_LLAMA
TextGenerator open_gguf(const ModelFile& file) {
  void* const library = ::dlopen("libpartita_llama_module.so", RTLD_NOW | RTLD_LOCAL);
  void* const symbol = library == nullptr ? nullptr : ::dlsym(library, kOpenGguf);
  if (symbol == nullptr) {
    throw Error(std::string("llama.cpp, which reads GGUF files, cannot be loaded: ") + ::dlerror() +
                " (github.com/ggml-org/llama.cpp brings libllama)");
  }
  return (*static_cast<const OpenGguf*>(symbol))(file);
}
#else
TextGenerator open_gguf(const ModelFile& file) {
  throw Error(file.path +
              ": GGUF files need llama.cpp, but this partita was built without it "
              "(-DPARTITA_LLAMA=ON)");
}
#endif

}  // namespace partita::app
