// SPDX-License-Identifier: Apache-2.0
// llama.cpp's sampler chain as a peer: its C API, declared here as far as it is called, from a
// shared library whose path is in the environment variable LLAMA_CPP_LIBRARY. (One for Linux on
// x86-64 is in the npm package @node-llama-cpp/linux-x64: libllama.*.so.) Absent, it is skipped.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

namespace partita::benchmark {

class LlamaCpp {
 public:
  struct Candidate {
    std::int32_t id;
    float logit;
    float p;
  };
  struct Candidates {
    Candidate* data;
    std::size_t size;
    std::int64_t selected;
    bool sorted;
  };
  struct ChainParams {
    bool no_perf;
  };
  using Sampler = void;

  LlamaCpp() {
    const char* path = std::getenv("LLAMA_CPP_LIBRARY");
    if (path == nullptr) return;
    library_ = dlopen(path, RTLD_NOW);
    if (library_ == nullptr) std::fprintf(stderr, "%s\n", dlerror());
  }
  ~LlamaCpp() {
    if (library_ != nullptr) dlclose(library_);
  }
  LlamaCpp(const LlamaCpp&) = delete;
  LlamaCpp& operator=(const LlamaCpp&) = delete;

  explicit operator bool() const { return library_ != nullptr; }

  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(dlsym(library_, name));
  }

 private:
  void* library_ = nullptr;
};

/// One chain, and the list of candidates that llama.cpp makes from the logits at each draw.
class LlamaCppChain {
 public:
  explicit LlamaCppChain(const LlamaCpp& library) : library_(library) {
    chain_ = library.function<void*(LlamaCpp::ChainParams)>("llama_sampler_chain_init")({true});
    apply_ = library.function<void(void*, LlamaCpp::Candidates*)>("llama_sampler_apply");
  }
  ~LlamaCppChain() { library_.function<void(void*)>("llama_sampler_free")(chain_); }
  LlamaCppChain(const LlamaCppChain&) = delete;
  LlamaCppChain& operator=(const LlamaCppChain&) = delete;

  void top_k(std::int32_t k) {
    add(library_.function<void*(std::int32_t)>("llama_sampler_init_top_k")(k));
  }
  void top_p(float p) { add(init("llama_sampler_init_top_p")(p, 1)); }
  void min_p(float p) { add(init("llama_sampler_init_min_p")(p, 1)); }
  void typical(float p) { add(init("llama_sampler_init_typical")(p, 1)); }
  void top_n_sigma(float n) {
    add(library_.function<void*(float)>("llama_sampler_init_top_n_sigma")(n));
  }
  /// @param history the tokens before, which are penalized
  void penalties(std::int32_t last_n, float repeat, float frequency, float presence,
                 std::span<const std::int32_t> history) {
    using Init = void*(std::int32_t, float, float, float);
    add(library_.function<Init>("llama_sampler_init_penalties")(last_n, repeat, frequency,
                                                                presence));
    const auto accept = library_.function<void(void*, std::int32_t)>("llama_sampler_accept");
    for (const std::int32_t token : history) accept(chain_, token);
  }
  void temperature(float t) { add(library_.function<void*(float)>("llama_sampler_init_temp")(t)); }
  void draw() { add(library_.function<void*(std::uint32_t)>("llama_sampler_init_dist")(1)); }

  std::int32_t sample(std::span<const float> logits) {
    candidates_.resize(logits.size());
    for (std::size_t i = 0; i < logits.size(); ++i) {
      candidates_[i] = {static_cast<std::int32_t>(i), logits[i], 0};
    }
    LlamaCpp::Candidates all{candidates_.data(), candidates_.size(), -1, false};
    apply_(chain_, &all);
    return all.data[all.selected].id;
  }

 private:
  void* (*init(const char* name))(float, std::size_t) {
    return library_.function<void*(float, std::size_t)>(name);
  }
  void add(void* sampler) {
    library_.function<void(void*, void*)>("llama_sampler_chain_add")(chain_, sampler);
  }

  const LlamaCpp& library_;
  void* chain_;
  void (*apply_)(void*, LlamaCpp::Candidates*);
  std::vector<LlamaCpp::Candidate> candidates_;
};

}  // namespace partita::benchmark
