// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/language/text_model.hpp"

#include <utility>

#include "partita/base/error.hpp"
#include "partita/learn/training/module_state.hpp"

namespace partita::language {
namespace {

constexpr std::uint32_t kVersion = 1;

std::shared_ptr<LanguageModel> build(const LstmOptions& options, const Random& random) {
  return std::make_shared<LstmLanguageModel>(options, random);
}
std::shared_ptr<LanguageModel> build(const TransformerOptions& options, const Random& random) {
  return std::make_shared<TransformerLanguageModel>(options, random);
}

/// What is left of a damaged file must not make a network of a terabyte.
std::int64_t size_from(ArchiveReader& in, const char* what) {
  constexpr std::uint32_t kMost = 1U << 20U;
  const std::uint32_t size = in.u32();
  if (size < 1 || size > kMost) in.damaged(std::string(what) + " out of range");
  return size;
}

ArchiveWriter archive_of(const TextModel& model) {
  ArchiveWriter out(TextModel::kArchive, kVersion);
  model.units.write(out);
  out.u8(static_cast<std::uint8_t>(model.options.index()));
  std::visit(
      [&](const auto& each) {
        out.u32(static_cast<std::uint32_t>(each.dim));
        out.u32(static_cast<std::uint32_t>(each.layers));
        out.f64(each.dropout);
        out.u8(each.tied ? 1 : 0);
        out.array(each.cutoffs);
      },
      model.options);
  const auto* const transformer = std::get_if<TransformerOptions>(&model.options);
  if (transformer != nullptr) out.u32(static_cast<std::uint32_t>(transformer->heads));
  training::write_state(out, *model.network);
  return out;
}

TextModel model_in(ArchiveReader in) {
  TextUnits units = TextUnits::read(in);
  const std::uint8_t which = in.u8();
  if (which >= std::variant_size_v<NetworkOptions>) in.damaged("unknown kind of network");
  NetworkOptions options =
      which == 0 ? NetworkOptions(LstmOptions{}) : NetworkOptions(TransformerOptions{});
  std::visit(
      [&](auto& each) {
        each.dim = size_from(in, "dim");
        each.layers = size_from(in, "layers");
        each.dropout = in.f64();
        each.tied = in.u8() != 0;
        each.cutoffs = in.array<std::int64_t>();
      },
      options);
  auto* const transformer = std::get_if<TransformerOptions>(&options);
  if (transformer != nullptr) transformer->heads = size_from(in, "heads");
  TextModel model = [&] {
    try {
      return TextModel::make(std::move(units), options, Stream{});
    } catch (const InvalidArgument& error) {
      in.damaged(error.what());
    }
  }();
  training::read_state(in, *model.network);
  in.finish();
  return model;
}

}  // namespace

TextModel TextModel::make(TextUnits units, NetworkOptions options, const Random& random) {
  auto network = std::visit(
      [&](auto& each) {
        each.vocabulary = static_cast<std::int64_t>(units.size());
        return build(each, random);
      },
      options);
  return {std::move(units), options, std::move(network)};
}

void TextModel::save(const std::filesystem::path& path) const { archive_of(*this).save(path); }

TextModel TextModel::load(const std::filesystem::path& path) {
  return model_in(ArchiveReader::open(path, kArchive, kVersion));
}

std::string TextModel::serialize() const { return archive_of(*this).bytes(); }

TextModel TextModel::parse(std::string_view bytes, std::string_view name) {
  return model_in(ArchiveReader::from_bytes(std::string(name), bytes, kArchive, kVersion));
}

}  // namespace partita::language
