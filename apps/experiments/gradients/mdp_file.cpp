// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "apps/experiments/gradients/mdp.hpp"
#include "apps/report/numbers.hpp"
#include "apps/report/shown.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMostSteps = 10'000;
constexpr std::size_t kMostStates = 1000;
constexpr double kTolerance = 1e-6;

/// What is read from one file, whose name every complaint begins with.
class MdpFile {
 public:
  explicit MdpFile(const std::string& path) : path_(path) {
    try {
      root_ = Json::parse(read_file(path));
    } catch (const Json::parse_error& error) {
      throw DataError(path, fmt::format("not JSON at byte {}", error.byte));
    } catch (const Json::out_of_range&) {
      throw DataError(path, "a number that no double holds");
    }
    if (!root_.is_object()) throw DataError(path, "expected an object with transitions, rewards");
    for (const auto& [key, value] : root_.items()) {
      if (key != "horizon" && key != "transitions" && key != "rewards" && key != "start") {
        throw DataError(path, key + ": no such field (horizon, transitions, rewards, start)");
      }
    }
  }

  Mdp read() const {
    Mdp mdp{.title = "A decision process from " + path_};
    const Json& horizon = field("horizon");
    if (!horizon.is_number_integer() || horizon < 1 || horizon > kMostSteps) {
      throw DataError(path_, fmt::format("horizon: expected a whole number of 1..{}, got {}",
                                         kMostSteps, shown(horizon)));
    }
    mdp.horizon = horizon.get<std::int64_t>();

    const Json& rewards = list("rewards", field("rewards"), 0, "states");
    const std::size_t states = rewards.size();
    const std::size_t actions = list("rewards[0]", rewards[0], 0, "actions").size();
    if (states > kMostStates || actions > kMostStates) {
      throw DataError(path_, fmt::format("rewards: {} states of {} actions, more than {}", states,
                                         actions, kMostStates));
    }
    const Json& transitions = list("transitions", field("transitions"), states, "states");
    for (std::size_t s = 0; s < states; ++s) {
      const std::string row = fmt::format("rewards[{}]", s);
      append(row, list(row, rewards[s], actions, "actions"), mdp.rewards);
      const std::string of_state = fmt::format("transitions[{}]", s);
      const Json& of_actions = list(of_state, transitions[s], actions, "actions");
      for (std::size_t a = 0; a < actions; ++a) {
        append_distribution(fmt::format("{}[{}]", of_state, a), of_actions[a], states,
                            mdp.transitions);
      }
    }
    if (root_.contains("start")) {
      append_distribution("start", root_["start"], states, mdp.start);
    } else {
      mdp.start.assign(states, 0);
      mdp.start.front() = 1;
    }
    mdp.description = fmt::format(
        "Expected return of {} among {} and {}. The best value is that of a policy "
        "that may differ from step to step.",
        counted(static_cast<std::uint64_t>(mdp.horizon), "step"), counted(states, "state"),
        counted(actions, "action"));
    return mdp;
  }

 private:
  const Json& field(const char* name) const {
    if (!root_.contains(name)) throw DataError(path_, fmt::format("{} is missing", name));
    return root_[name];
  }

  /// @param size 0: any but none
  const Json& list(const std::string& where, const Json& value, std::size_t size,
                   const char* of) const {
    if (!value.is_array() || value.empty()) {
      throw DataError(path_, fmt::format("{}: expected a list over {}", where, of));
    }
    if (size > 0 && value.size() != size) {
      throw DataError(path_,
                      fmt::format("{}: expected {} {}, got {}", where, size, of, value.size()));
    }
    return value;
  }

  void append(const std::string& where, const Json& values, std::vector<double>& to) const {
    for (const Json& value : values) {
      if (!value.is_number() || !std::isfinite(value.get<double>())) {
        throw DataError(path_, fmt::format("{}: expected numbers, got {}", where, shown(value)));
      }
      to.push_back(value.get<double>());
    }
  }

  void append_distribution(const std::string& where, const Json& value, std::size_t states,
                           std::vector<double>& to) const {
    std::vector<double> p;
    append(where, list(where, value, states, "states"), p);
    for (const double each : p) {
      if (each < 0) throw DataError(path_, fmt::format("{}: {} is no probability", where, each));
    }
    const double sum = std::accumulate(p.begin(), p.end(), 0.0);
    if (std::abs(sum - 1) > kTolerance) {
      throw DataError(path_, fmt::format("{}: probabilities sum to {}, not to 1", where, sum));
    }
    for (const double each : p) to.push_back(each / sum);
  }

  std::string path_;
  Json root_;
};

}  // namespace

Mdp read_mdp(const std::string& path) { return MdpFile(path).read(); }

}  // namespace partita::app
