// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "apps/command/sampler_options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/command/whole_number.hpp"
#include "apps/report/shown.hpp"
#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

/// Reads one setting's value. @throws InvalidArgument, or Json's own for another type
using Read = std::function<void(SamplerOptions&, const Json&, std::size_t categories)>;

template <class T>
Read field(T SamplerSettings::*member) {
  return [member](SamplerOptions& options, const Json& value, std::size_t) {
    options.values.*member = json_value<T>(value);
  };
}

Read tokens(std::vector<std::int32_t> SamplerOptions::*member) {
  return [member](SamplerOptions& options, const Json& value, std::size_t) {
    options.*member = whole_numbers<std::int32_t>(value);
  };
}

void read_allowed(SamplerOptions& options, const Json& value, std::size_t categories) {
  options.allowed.assign(categories, 0);
  for (const std::int64_t token : whole_numbers<std::int64_t>(value)) {
    check_index("", token, categories, "tokens");
    options.allowed[static_cast<std::size_t>(token)] = 1;
  }
}

void read_bias(SamplerOptions& options, const Json& value, std::size_t) {
  const auto refuse = [] {
    throw InvalidArgument("", "expected a list of pairs: a token, and what its logit is raised by");
  };
  if (!value.is_array()) refuse();
  options.logit_bias.clear();
  for (const Json& pair : value) {
    if (!pair.is_array() || pair.size() != 2) refuse();
    const bool forbids = pair.at(1) == "-inf";  // which JSON has no number for
    options.logit_bias.push_back(
        {whole_number<std::int32_t>(pair.at(0)),
         forbids ? -std::numeric_limits<double>::infinity() : pair.at(1).get<double>()});
  }
}

void read_order(SamplerOptions& options, const Json& value, std::size_t) {
  options.order.clear();
  for (const auto& step : value.get<std::vector<std::string>>()) {
    options.order.push_back(sampler_step(step));
  }
}

const std::map<std::string, Read, std::less<>>& readers() {
  using S = SamplerSettings;
  static const std::map<std::string, Read, std::less<>> kReaders = {
      {"adaptive_decay", field(&S::adaptive_decay)},
      {"adaptive_target", field(&S::adaptive_target)},
      {"allowed", read_allowed},
      {"dry_allowed_length", field(&S::dry_allowed_length)},
      {"dry_base", field(&S::dry_base)},
      {"dry_breakers", tokens(&SamplerOptions::dry_breakers)},
      {"dry_last_n", field(&S::dry_last_n)},
      {"dry_multiplier", field(&S::dry_multiplier)},
      {"dynatemp_exponent", field(&S::dynatemp_exponent)},
      {"dynatemp_range", field(&S::dynatemp_range)},
      {"epsilon_cutoff", field(&S::epsilon_cutoff)},
      {"eta_cutoff", field(&S::eta_cutoff)},
      {"frequency_penalty", field(&S::frequency_penalty)},
      {"history", tokens(&SamplerOptions::history)},
      {"logit_bias", read_bias},
      {"min_k", field(&S::min_k)},
      {"min_p", field(&S::min_p)},
      {"mirostat", field(&S::mirostat)},
      {"mirostat_eta", field(&S::mirostat_eta)},
      {"mirostat_mu", [](SamplerOptions& options, const Json& value,
                         std::size_t) { options.mirostat.mu = value.get<double>(); }},
      {"mirostat_tau", field(&S::mirostat_tau)},
      {"no_repeat_ngram", field(&S::no_repeat_ngram)},
      {"order", read_order},
      {"p_less", field(&S::p_less)},
      {"penalty_last_n", field(&S::penalty_last_n)},
      {"presence_penalty", field(&S::presence_penalty)},
      {"repeat_penalty", field(&S::repeat_penalty)},
      {"temperature", field(&S::temperature)},
      {"top_h", field(&S::top_h)},
      {"top_k", field(&S::top_k)},
      {"top_n_sigma", field(&S::top_n_sigma)},
      {"top_p", field(&S::top_p)},
      {"typical_p", field(&S::typical_p)},
      {"xtc_probability", field(&S::xtc_probability)},
      {"xtc_threshold", field(&S::xtc_threshold)},
  };
  return kReaders;
}

void read_line(std::string_view line, std::size_t categories, SamplerOptions& options) {
  const Json object = Json::parse(line);
  if (!object.is_object()) throw InvalidArgument("", "expected an object of settings");
  for (const auto& [key, value] : object.items()) {
    const auto reader = readers().find(key);
    if (reader == readers().end()) throw InvalidArgument("", key + ": no such setting");
    try {
      reader->second(options, value, categories);
    } catch (const InvalidArgument& error) {
      throw InvalidArgument("", key + ": " + error.reason());
    } catch (const Json::exception&) {
      throw InvalidArgument("", fmt::format("{}: cannot be {}", key, shown(value)));
    }
  }
  try {
    options.settings().check(categories);
  } catch (const InvalidArgument& error) {
    throw InvalidArgument("", error.what());
  }
}

}  // namespace

std::deque<SamplerOptions> read_sampler_settings(const std::string& path, std::size_t rows,
                                                 std::size_t categories,
                                                 const SamplerOptions& defaults) {
  const std::string text(MappedFile(path).bytes());
  std::deque<SamplerOptions> each;
  std::size_t number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    try {
      read_line(line, categories, each.emplace_back(defaults));
    } catch (const InvalidArgument& error) {
      throw DataError(path, fmt::format("line {}: {}", number, error.reason()));
    } catch (const Json::parse_error& error) {
      throw DataError(path, fmt::format("line {}: not JSON at byte {}", number, error.byte));
    } catch (const Json::out_of_range&) {
      throw DataError(path, fmt::format("line {}: a number that no double holds", number));
    }
  }
  if (each.size() != rows) {
    throw DataError(
        path, fmt::format("expected settings of {} rows, one a line, got {}", rows, each.size()));
  }
  return each;
}

}  // namespace partita::app
