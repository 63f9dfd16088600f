// SPDX-License-Identifier: Apache-2.0
// BLAS as the product of linear_softmax.hpp: whoever includes this links a library with CBLAS
// (OpenBLAS, BLIS, MKL). Its own threads are set as that library says.
#pragma once

#include <cblas.h>

#include "partita/linear/linear_softmax.hpp"

namespace partita {

inline void multiply_by_cblas(const MatrixProduct& p) {
  cblas_sgemm(CblasRowMajor, p.transpose_a ? CblasTrans : CblasNoTrans,
              p.transpose_b ? CblasTrans : CblasNoTrans, static_cast<int>(p.m),
              static_cast<int>(p.n), static_cast<int>(p.k), 1, p.a, static_cast<int>(p.a_stride),
              p.b, static_cast<int>(p.b_stride), p.beta, p.c, static_cast<int>(p.c_stride));
}

}  // namespace partita
