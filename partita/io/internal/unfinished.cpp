// SPDX-License-Identifier: Apache-2.0
#include "partita/io/internal/unfinished.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace partita {
namespace {

enum class State : std::uint8_t { free, being_filled, filled };

struct Slot {
  std::atomic<State> state{State::free};
  std::array<char, 4096> path{};
};
constinit std::array<Slot, 16> slots{};

}  // namespace

Unfinished::Unfinished(const std::string& path) {
  if (path.size() >= slots[0].path.size()) return;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    State state = State::free;
    if (!slots[i].state.compare_exchange_strong(state, State::being_filled)) continue;
    slots[i].path[path.copy(slots[i].path.data(), path.size())] = '\0';
    slots[i].state = State::filled;
    slot_ = static_cast<int>(i);
    return;
  }
}

Unfinished::~Unfinished() {
  if (slot_ >= 0) slots[static_cast<std::size_t>(slot_)].state = State::free;
}

void Unfinished::remove_all() noexcept {
  for (const Slot& each : slots) {
    if (each.state == State::filled) ::unlink(each.path.data());
  }
}

}  // namespace partita
