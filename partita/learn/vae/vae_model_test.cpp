// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/vae/vae_model.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "temporary_directory.hpp"

namespace partita::vae {
namespace {

using partita::testing::message_of;
using partita::testing::TemporaryDirectory;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::shared_ptr<Vae> six_inputs() {
  return std::make_shared<Vae>(VaeOptions{.inputs = 6, .hidden = {4}, .latent_dim = 2},
                               Stream{.seed = 1});
}

TEST(VaeModel, ComesBackFromItsFile) {
  const TemporaryDirectory dir;
  const VaeModel model{.rows = 2, .columns = 3, .vae = six_inputs()};
  model.save(dir / "model");
  const VaeModel back = VaeModel::load(dir / "model");
  EXPECT_EQ(back.rows, 2);
  EXPECT_EQ(back.columns, 3);
  const Tensor x = at::rand({5, 6});
  EXPECT_TRUE(at::equal(back.vae->posterior(x)->mean(), model.vae->posterior(x)->mean()));
  const Tensor z = at::rand({5, 2});
  EXPECT_TRUE(at::equal(back.vae->likelihood(z)->mean(), model.vae->likelihood(z)->mean()));
}

TEST(VaeModel, EveryDamagedFileIsOneLine) {
  const TemporaryDirectory dir;
  VaeModel{.rows = 2, .columns = 3, .vae = six_inputs()}.save(dir / "model");
  const std::string whole = read_file(dir / "model");
  const auto refusal = [&] {
    return message_of<DataError>([&] { VaeModel::load(dir / "model"); });
  };
  for (std::size_t n = 0; n < whole.size(); n += 37) {
    write_file(dir / "model", whole.substr(0, n));
    EXPECT_THAT(refusal(), StartsWith(dir / "model"));
    std::string flipped = whole;
    flipped[n] = static_cast<char>(flipped[n] ^ 0x10);
    write_file(dir / "model", flipped);
    EXPECT_THAT(refusal(), StartsWith(dir / "model"));
  }
  // Well-formed and with a correct checksum, but without an image.
  ArchiveWriter out("vae", 1);
  out.u64(2);
  out.u64(2);
  write_vae(out, *six_inputs());
  out.save(dir / "model");
  EXPECT_THAT(refusal(), HasSubstr("images of 2 x 2 for 6 inputs"));
}

TEST(VaeModel, SavesOnlyWhatCanBeLoaded) {
  const TemporaryDirectory dir;
  EXPECT_EQ(message_of<InvalidArgument>([&] { VaeModel{}.save(dir / "model"); }),
            "vae: expected a model, got none");
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              VaeModel{.rows = 2, .columns = 2, .vae = six_inputs()}.save(dir / "model");
            }),
            "rows: 2 x 2 does not match the model's 6 inputs");
}

}  // namespace
}  // namespace partita::vae
