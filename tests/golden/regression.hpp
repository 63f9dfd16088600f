// SPDX-License-Identifier: Apache-2.0
// Made by tests/golden/make_regression.py, which says what it is. Rows: weights, intercept.
// clang-format off
#pragma once

#include <array>

namespace partita::golden {

inline constexpr std::array<std::array<double, 5>, 1> kLogistic = {{
    {-0.39443347857725364, -0.5132774044215314, 2.930751383822227, 2.4170321883335126, -14.430758180002849},
}};

inline constexpr std::array<std::array<double, 5>, 3> kSoftmax = {{
    {-0.42350988344249146, 0.9673505995345835, -2.517152370681233, -1.079336649160297, 9.849567768735335},
    {0.5344614949942278, -0.3215878654181354, -0.2063920712858889, -0.9442984622492943, 2.237205724855035},
    {-0.1109516115517428, -0.6457627341164487, 2.723544441967116, 2.0236351114095883, -12.086773493590433},
}};

}  // namespace partita::golden
