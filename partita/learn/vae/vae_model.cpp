// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/vae/vae_model.hpp"

#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/io/archive.hpp"

namespace partita::vae {
namespace {

constexpr std::uint32_t kVersion = 1;

}  // namespace

void VaeModel::save(const std::filesystem::path& path) const {
  if (vae == nullptr) throw InvalidArgument("vae", "expected a model, got none");
  if (rows < 1 || columns < 1 || rows * columns != vae->options().inputs) {
    throw InvalidArgument("rows", fmt::format("{} x {} does not match the model's {} inputs", rows,
                                              columns, vae->options().inputs));
  }
  ArchiveWriter out(kArchive, kVersion);
  out.u64(static_cast<std::uint64_t>(rows));
  out.u64(static_cast<std::uint64_t>(columns));
  write_vae(out, *vae);
  out.save(path);
}

VaeModel VaeModel::load(const std::filesystem::path& path) {
  ArchiveReader in = ArchiveReader::open(path, kArchive, kVersion);
  const std::uint64_t rows = in.u64();
  const std::uint64_t columns = in.u64();
  VaeModel model{.rows = static_cast<std::int64_t>(rows),
                 .columns = static_cast<std::int64_t>(columns),
                 .vae = read_vae(in)};
  if (rows * columns != static_cast<std::uint64_t>(model.vae->options().inputs)) {
    in.damaged(
        fmt::format("images of {} x {} for {} inputs", rows, columns, model.vae->options().inputs));
  }
  in.finish();
  return model;
}

}  // namespace partita::vae
