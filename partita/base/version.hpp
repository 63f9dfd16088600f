// SPDX-License-Identifier: Apache-2.0
// Which version of Partita a program runs with.
#pragma once

namespace partita {

/// "0.1.0": MAJOR.MINOR.PATCH of the library that was linked or loaded.
const char* version();

}  // namespace partita
