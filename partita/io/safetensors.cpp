#include "partita/io/safetensors.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "partita/base/error.hpp"

namespace partita {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLengthSize = 8;

ElementType type_from(const std::string& name, const std::string& dtype) {
  static const std::map<std::string, ElementType> types = {
      {"BOOL", ElementType::boolean}, {"I8", ElementType::i8},     {"I16", ElementType::i16},
      {"I32", ElementType::i32},      {"I64", ElementType::i64},   {"U8", ElementType::u8},
      {"U16", ElementType::u16},      {"U32", ElementType::u32},   {"U64", ElementType::u64},
      {"F16", ElementType::f16},      {"BF16", ElementType::bf16}, {"F32", ElementType::f32},
      {"F64", ElementType::f64}};
  const auto found = types.find(dtype);
  if (found == types.end()) {
    throw DataError(
        name,
        fmt::format("elements are {}, expected floating-point numbers or integers",
                    Json(dtype.substr(0, 32)).dump(-1, ' ', true, Json::error_handler_t::replace)));
  }
  return found->second;
}

std::string_view header_of(const std::string& name, std::string_view bytes) {
  if (bytes.empty()) throw DataError(name, "the file is empty, expected .safetensors");
  std::uint64_t length = 0;
  if (bytes.size() < kLengthSize) {
    throw DataError(name, fmt::format("cut short in the header: {} bytes", bytes.size()));
  }
  std::memcpy(&length, bytes.data(), kLengthSize);
  if (bytes.size() > kLengthSize && bytes[kLengthSize] != '{') {
    throw DataError(name, "not a .safetensors file (no header in JSON)");
  }
  if (length > bytes.size() - kLengthSize) {
    throw DataError(name, fmt::format("cut short in the header: {} bytes, expected {} or more",
                                      bytes.size() - kLengthSize, length));
  }
  return bytes.substr(kLengthSize, static_cast<std::size_t>(length));
}

ArrayView array_from(const std::string& name, const Json& entry, std::string_view data) {
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> offsets;
  try {
    dtype = entry.at("dtype").get<std::string>();
    const auto numbers = [](const Json& list) {
      std::vector<std::uint64_t> out;
      for (const Json& n : list) {
        if (!n.is_number_unsigned()) throw std::invalid_argument("not a size");
        out.push_back(n.get<std::uint64_t>());
      }
      return out;
    };
    shape = numbers(entry.at("shape"));
    offsets = numbers(entry.at("data_offsets"));
  } catch (const std::exception&) {
    throw DataError(name, "damaged header, expected dtype, shape and data_offsets");
  }
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    throw DataError(name, "damaged header: data_offsets");
  }
  if (offsets[1] > data.size()) {
    throw DataError(name,
                    fmt::format("cut short: {} bytes of data in the file, expected {} or more",
                                data.size(), offsets[1]));
  }
  return checked_array(name, type_from(name, dtype), std::move(shape),
                       data.substr(offsets[0], offsets[1] - offsets[0]));
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : name_(path.string()), file_(path) {
  const std::string_view text = header_of(name_, file_.bytes());
  const std::string_view data = file_.bytes().substr(kLengthSize + text.size());
  const Json header = Json::parse(text, nullptr, false);
  if (!header.is_object()) throw DataError(name_, "damaged header, expected an object in JSON");
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    tensors_.push_back({name, array_from(fmt::format("{}:{}", name_, name), entry, data)});
  }
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> out;
  for (const Tensor& tensor : tensors_) out.push_back(tensor.name);
  return out;
}

const ArrayView& SafetensorsFile::tensor(std::string_view name) const {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [&](const Tensor& t) { return t.name == name; });
  if (found == tensors_.end()) {
    throw DataError(name_,
                    fmt::format("no tensor {}, expected {}", name, fmt::join(names(), ", ")));
  }
  return found->array;
}

}  // namespace partita
