// SPDX-License-Identifier: Apache-2.0
#include "partita/base/version.hpp"

namespace partita {

const char* version() { return PARTITA_VERSION; }

}  // namespace partita
