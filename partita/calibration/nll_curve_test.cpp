// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/nll_curve.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "calibration_test_support.hpp"
#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/calibration/temperature.hpp"

namespace partita {
namespace {

using testing::Labeled;
using testing::make_labeled;
using testing::message_of;

TEST(NllCurve, FallsToTheFitAndRises) {
  for (const double truth : {0.2, 1.0, 3.0}) {
    const Labeled data = make_labeled(2000, 5, truth, 1);
    const TemperatureFit fit = fit_temperature(data.view(), data.labels);
    const NllCurve curve = nll_curve(data.view(), data.labels, fit.temperature);
    ASSERT_EQ(curve.temperature.size(), 25U);
    ASSERT_EQ(curve.nll.size(), 25U);
    EXPECT_NEAR(curve.temperature.front(), std::min(1.0, fit.temperature) / 2, 1e-12);
    EXPECT_NEAR(curve.temperature.back(), std::max(1.0, fit.temperature) * 2, 1e-12);
    for (std::size_t i = 0; i < 25; ++i) {
      EXPECT_EQ(curve.nll[i], temperature_nll(data.view(), data.labels, curve.temperature[i]));
      EXPECT_GE(curve.nll[i], fit.nll);
      if (i == 0) continue;
      const bool falls = curve.temperature[i] <= fit.temperature;
      const bool rises = curve.temperature[i - 1] >= fit.temperature;
      EXPECT_TRUE(!falls || curve.nll[i] < curve.nll[i - 1]) << i;
      EXPECT_TRUE(!rises || curve.nll[i] > curve.nll[i - 1]) << i;
    }
  }
}

TEST(NllCurve, RefusesWhatIsNoTemperature) {
  const Labeled data = make_labeled(10, 3, 1, 1);
  EXPECT_EQ(message_of<InvalidArgument>([&] { nll_curve(data.view(), data.labels, 0); }),
            "temperature: expected a number in (0, inf), got 0");
  EXPECT_THROW(nll_curve(data.view(), data.labels, std::numeric_limits<double>::infinity()),
               InvalidArgument);
}

}  // namespace
}  // namespace partita
