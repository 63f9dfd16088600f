// SPDX-License-Identifier: Apache-2.0
#include "partita/base/fit_status.hpp"

namespace partita {

std::string_view name_of(FitStatus status) {
  switch (status) {
    case FitStatus::converged:
      return "converged";
    case FitStatus::zero_temperature:
      return "zero-temperature";
    case FitStatus::infinite_temperature:
      return "infinite-temperature";
    case FitStatus::undetermined:
      return "undetermined";
    case FitStatus::not_attained:
      return "not-attained";
    case FitStatus::iteration_limit:
      break;
  }
  return "iteration-limit";
}

}  // namespace partita
