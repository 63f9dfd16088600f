// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/rows.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

using partita::testing::message_of;
using ::testing::ElementsAre;

Tensor matrix() { return at::arange(6, at::kDouble).view({2, 3}); }

TEST(TensorRows, AreTheTensorsOwnMemory) {
  const Tensor values = matrix();
  const Rows rows = rows_of(values);
  EXPECT_EQ(rows.data(), values.data_ptr());
  EXPECT_EQ(rows.rows(), 2U);
  EXPECT_EQ(rows.columns(), 3U);
  // Any strides: the softmax of a transposed matrix is the softmax of its columns.
  const Tensor transposed = matrix().t();
  const Tensor out = at::empty({3, 2}, at::kDouble);
  softmax(rows_of(transposed), mutable_rows_of(out));
  EXPECT_TRUE(at::allclose(out, transposed.softmax(1), 1e-14));
  // Into every other column, and nowhere else.
  const Tensor wide = at::full({2, 6}, -1, at::kDouble);
  softmax(rows_of(values), mutable_rows_of(wide.slice(1, 0, 6, 2)));
  EXPECT_TRUE(at::allclose(wide.slice(1, 0, 6, 2), values.softmax(1), 1e-14));
  EXPECT_TRUE((wide.slice(1, 1, 6, 2) == -1).all().item<bool>());
}

TEST(TensorRows, ComeBackAsACopyOfEachType) {
  for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const Tensor values = matrix().to(type);
    for (const Tensor& each : {values, values.t(), values.slice(1, 0, 3, 2)}) {
      const Tensor back = to_tensor(rows_of(each));
      EXPECT_EQ(back.scalar_type(), type);
      EXPECT_TRUE(back.is_contiguous());
      EXPECT_TRUE(at::equal(back, each));
      EXPECT_FALSE(back.is_alias_of(values));
    }
  }
}

TEST(TensorRows, RefuseWhatIsNoMatrixOfNumbers) {
  EXPECT_EQ(message_of<InvalidArgument>([] { rows_of(at::zeros({3}), "logits"); }),
            "logits: expected a matrix, got [3]");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              mutable_rows_of(at::zeros({3, 2}, at::kLong));
            }),
            "matrix: expected a floating-point type, got Long");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              rows_of(at::empty({3, 2}, at::TensorOptions().device(at::kMeta)));
            }),
            "matrix: expected it on the CPU, got meta");
}

TEST(ToVector, IsInRowMajorOrder) {
  EXPECT_THAT(to_vector(matrix().t()), ElementsAre(0, 3, 1, 4, 2, 5));
  EXPECT_THAT(to_vector(matrix() > 4), ElementsAre(0, 0, 0, 0, 0, 1));
  EXPECT_THAT(to_vector(at::full({}, 2.5).set_requires_grad(true)), ElementsAre(2.5));
}

}  // namespace
}  // namespace partita
