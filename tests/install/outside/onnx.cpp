// SPDX-License-Identifier: Apache-2.0
// A user of the installed package's ONNX component.
#include <partita/base/error.hpp>
#include <partita/onnx/onnx_model.hpp>

#include <cstdio>

int main() try {
  const partita::OnnxModel model("none.onnx", {.end_token = 2});
  return 1;
} catch (const partita::IoError& error) {
  std::printf("%s\n", error.what());
  return 0;
}
