// SPDX-License-Identifier: Apache-2.0
// partita.SamplerSettings (a dataclass) as C++'s, with the memory that its spans point to.
#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "partita/sampler/sample.hpp"
#include "partita/sampler/settings.hpp"

namespace partita::python {

namespace py = pybind11;

class OwnedSettings {
 public:
  /// @param settings of Python, or None: the defaults
  explicit OwnedSettings(py::handle settings);
  OwnedSettings(const OwnedSettings&) = delete;
  OwnedSettings& operator=(const OwnedSettings&) = delete;
  ~OwnedSettings() = default;

  const SamplerSettings& get() const { return settings_; }

 private:
  SamplerSettings settings_;
  std::vector<LogitBias> logit_bias_;
  std::vector<std::uint8_t> allowed_;
  std::vector<std::int32_t> history_;
  std::vector<std::int32_t> dry_breakers_;
  std::vector<SamplerStep> order_;
  py::object mirostat_state_;
  py::object adaptive_state_;
};

/// Whether a call updates the states of its rows, each of which then needs one of its own.
enum class States { read, updated };

/// One for all rows, or a sequence with one for each.
class BatchSettings {
 public:
  BatchSettings(py::handle settings, std::size_t rows, States states);

  operator RowSettings() const {  // NOLINT(google-explicit-constructor)
    return each_.empty() ? RowSettings(owned_.front().get()) : RowSettings(each_);
  }

 private:
  std::deque<OwnedSettings> owned_;
  std::vector<SamplerSettings> each_;
};

}  // namespace partita::python
