// SPDX-License-Identifier: Apache-2.0
#include "partita/io/safetensors.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "partita/base/error.hpp"

namespace partita {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLengthSize = 8;

std::string shown(const std::string& text) {
  return Json(text.substr(0, 32)).dump(-1, ' ', true, Json::error_handler_t::replace);
}

std::optional<ElementType> type_from(const std::string& dtype) {
  static const std::map<std::string, ElementType> types = {
      {"BOOL", ElementType::boolean}, {"I8", ElementType::i8},     {"I16", ElementType::i16},
      {"I32", ElementType::i32},      {"I64", ElementType::i64},   {"U8", ElementType::u8},
      {"U16", ElementType::u16},      {"U32", ElementType::u32},   {"U64", ElementType::u64},
      {"F16", ElementType::f16},      {"BF16", ElementType::bf16}, {"F32", ElementType::f32},
      {"F64", ElementType::f64}};
  const auto found = types.find(dtype);
  return found == types.end() ? std::nullopt : std::optional(found->second);
}

/// The header as JSON. @throws DataError, also for a name that occurs twice
Json parse_header(const std::string& name, std::string_view text) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int, Json::parse_event_t event, Json& value) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      throw DataError(
          name, fmt::format("damaged header: {} occurs twice", shown(value.get<std::string>())));
    }
    return true;
  };
  Json header = Json::parse(text, watch, false);
  if (!header.is_object()) throw DataError(name, "damaged header, expected an object in JSON");
  return header;
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

/// What the header says of a tensor.
struct Entry {
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin;
  std::uint64_t end;
};

Entry entry_from(const std::string& name, const Json& json) {
  const auto numbers = [](const Json& list) {
    std::vector<std::uint64_t> out;
    for (const Json& n : list) {
      if (!n.is_number_unsigned()) throw std::invalid_argument("not a size");
      out.push_back(n.get<std::uint64_t>());
    }
    return out;
  };
  Entry entry;
  std::vector<std::uint64_t> offsets;
  try {
    entry.dtype = json.at("dtype").get<std::string>();
    entry.shape = numbers(json.at("shape"));
    offsets = numbers(json.at("data_offsets"));
  } catch (const std::exception&) {
    throw DataError(name, "damaged header, expected dtype, shape and data_offsets");
  }
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    throw DataError(name, "damaged header: data_offsets");
  }
  entry.begin = offsets[0];
  entry.end = offsets[1];
  return entry;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : SafetensorsFile(input_name(path), MappedFile(path)) {}

SafetensorsFile::SafetensorsFile(std::string name, MappedFile file)
    : name_(std::move(name)), file_(std::move(file)) {
  const std::string_view text = header_of(name_, file_.bytes());
  const std::string_view data = file_.bytes().substr(kLengthSize + text.size());
  const Json header = parse_header(name_, text);
  std::vector<std::array<std::uint64_t, 2>> extents;
  for (const auto& [key, json] : header.items()) {
    if (key == "__metadata__") continue;
    const std::string full = fmt::format("{}:{}", name_, key);
    Entry entry = entry_from(full, json);
    if (entry.end > data.size()) {
      throw DataError(full,
                      fmt::format("cut short: {} bytes of data in the file, expected {} or more",
                                  data.size(), entry.end));
    }
    const std::string_view bytes = data.substr(entry.begin, entry.end - entry.begin);
    if (const auto type = type_from(entry.dtype)) check_array(full, *type, entry.shape, bytes);
    extents.push_back({entry.begin, entry.end});
    tensors_.push_back({key, std::move(entry.dtype), std::move(entry.shape), bytes});
  }
  std::sort(extents.begin(), extents.end());
  std::uint64_t end = 0;
  for (const auto& [begin, next] : extents) {
    if (begin != end) {
      throw DataError(name_,
                      fmt::format("damaged header: {} bytes of data at {}",
                                  begin < end ? "overlapping" : "unused", std::min(begin, end)));
    }
    end = next;
  }
  if (end != data.size()) {
    throw DataError(name_,
                    fmt::format("{} bytes of data, expected {} by the header", data.size(), end));
  }
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> out;
  for (const Tensor& tensor : tensors_) out.push_back(tensor.name);
  return out;
}

ArrayView SafetensorsFile::tensor(std::string_view name) const {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(),
                                  [&](const Tensor& t) { return t.name == name; });
  if (found == tensors_.end()) {
    throw DataError(name_,
                    fmt::format("no tensor {}, expected {}", name, fmt::join(names(), ", ")));
  }
  std::string full = fmt::format("{}:{}", name_, name);
  const auto type = type_from(found->dtype);
  if (!type) {
    throw DataError(full,
                    fmt::format("elements are {}, expected floating-point numbers or integers",
                                shown(found->dtype)));
  }
  return checked_array(std::move(full), *type, found->shape, found->bytes);
}

}  // namespace partita
