// SPDX-License-Identifier: Apache-2.0
// The part of libtorch that learn/ uses, compiled once for all its sources.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>
