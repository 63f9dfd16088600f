// The report of `partita openset train`.
#pragma once

#include <string>

#include "openset_experiment.hpp"

namespace partita::app {

std::string openset_report(const OpensetResult& result, const OpensetOptions& options);

}  // namespace partita::app
