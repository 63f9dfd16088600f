#include "partita/base/parallel.hpp"

#include <fmt/format.h>

#include <exception>
#include <thread>

namespace partita {

void parallel_for(std::size_t n, int threads,
                  const std::function<void(std::size_t first, std::size_t last)>& body) {
  if (threads < 1)
    throw InvalidArgument("threads", fmt::format("expected 1 or more, got {}", threads));
  const std::size_t parts = std::min(static_cast<std::size_t>(threads), n);
  if (parts <= 1) {
    if (n > 0) body(0, n);
    return;
  }
  std::vector<std::exception_ptr> thrown(parts);
  const auto run = [&](std::size_t part) {
    try {
      body(n * part / parts, n * (part + 1) / parts);
    } catch (...) {
      thrown[part] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    helpers.reserve(parts - 1);
    for (std::size_t part = 1; part < parts; ++part) helpers.emplace_back(run, part);
    run(0);
  }
  for (const auto& exception : thrown) {
    if (exception) std::rethrow_exception(exception);
  }
}

}  // namespace partita
