// SPDX-License-Identifier: Apache-2.0
#include "partita/onnx/internal/onnx_session.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>
#include <string_view>

#include "partita/base/error.hpp"
#include "partita/base/float16.hpp"
#include "partita/io/file.hpp"

namespace partita {
namespace {

constexpr std::string_view kPast = "past_key_values.";
constexpr std::string_view kPresent = "present.";

/// f(), with what ONNX Runtime throws as a DataError of one line.
template <class F>
auto with_errors(const std::string& path, const F& f) {
  try {
    return f();
  } catch (const Ort::Exception& error) {
    const std::string_view text = error.what();
    throw DataError(path, fmt::format("ONNX Runtime: {}", text.substr(0, text.find('\n'))));
  }
}

/// What must be made first: without the table of functions, even destructors cannot run.
Ort::Env make_environment() {
  const OrtApi* const api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  if (api == nullptr) {
    throw Error(fmt::format("ONNX Runtime {} is older than 1.{}, which partita was compiled with",
                            OrtGetApiBase()->GetVersionString(), ORT_API_VERSION));
  }
  Ort::InitApi(api);
  return {ORT_LOGGING_LEVEL_FATAL, "partita"};  // what matters is thrown
}

std::size_t size_of(ONNXTensorElementDataType type) {
  return type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT ? 4 : 2;
}

bool is_float(ONNXTensorElementDataType type) {
  return type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT ||
         type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16;
}

std::size_t count(const std::vector<std::int64_t>& shape) {
  return std::accumulate(
      shape.begin(), shape.end(), std::size_t{1},
      [](std::size_t n, std::int64_t d) { return n * static_cast<std::size_t>(d); });
}

std::string text_of(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// A tensor over memory that outlives it.
template <class T>
Ort::Value view(T* data, const std::vector<std::int64_t>& shape) {
  const auto cpu = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  return Ort::Value::CreateTensor<T>(cpu, data, count(shape), shape.data(), shape.size());
}

}  // namespace

std::vector<std::int64_t> OnnxSession::Past::shape_of(std::size_t rows, std::size_t length) const {
  std::vector<std::int64_t> out = shape;
  out[0] = static_cast<std::int64_t>(rows);
  out[growing] = static_cast<std::int64_t>(length);
  return out;
}

OnnxSession::OnnxSession(const std::string& path, int threads)
    : path_(path), env_(make_environment()) {
  const MappedFile file(path);  // the system's own word on why it cannot be read
  with_errors(path, [&] {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(threads);
    options.AddConfigEntry("session.intra_op.allow_spinning", "0");  // idle between calls
    session_ = Ort::Session(env_, path.c_str(), options);
    know_inputs();
    know_outputs();
    const std::array<OnnxRow, 1> nothing{};
    const std::array<std::int64_t, 1> any_token{0};
    const Output output = run(nothing, any_token);
    vocabulary_ =
        static_cast<std::size_t>(output.logits.GetTensorTypeAndShapeInfo().GetShape().back());
  });
}

void OnnxSession::know_inputs() {
  const Ort::AllocatorWithDefaultOptions allocator;
  bool has_tokens = false;
  for (std::size_t i = 0; i < session_.GetInputCount(); ++i) {
    const std::string name = session_.GetInputNameAllocated(i, allocator).get();
    const Ort::TypeInfo type = session_.GetInputTypeInfo(i);
    if (name.starts_with(kPast)) {
      past_.push_back(past(name, type));
      continue;
    }
    bool* const known = name == "input_ids"        ? &has_tokens
                        : name == "attention_mask" ? &has_mask_
                        : name == "position_ids"   ? &has_positions_
                                                   : nullptr;
    if (known == nullptr) {
      throw DataError(path_, fmt::format("the input {}: expected input_ids, attention_mask, "
                                         "position_ids or past_key_values.*",
                                         name));
    }
    *known = true;
    if (type.GetONNXType() != ONNX_TYPE_TENSOR ||
        type.GetTensorTypeAndShapeInfo().GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64) {
      throw DataError(path_, fmt::format("the input {}: expected a tensor of int64", name));
    }
  }
  if (!has_tokens) throw DataError(path_, "no input input_ids");
}

OnnxSession::Past OnnxSession::past(const std::string& name, const Ort::TypeInfo& type) const {
  if (type.GetONNXType() != ONNX_TYPE_TENSOR ||
      !is_float(type.GetTensorTypeAndShapeInfo().GetElementType())) {
    throw DataError(path_,
                    fmt::format("the input {}: expected a tensor of float or float16", name));
  }
  const auto tensor = type.GetTensorTypeAndShapeInfo();
  Past out{.name = name,
           .present = fmt::format("{}{}", kPresent, name.substr(kPast.size())),
           .type = tensor.GetElementType(),
           .shape = tensor.GetShape(),
           .growing = 0};
  std::size_t dynamic = 0;
  for (std::size_t axis = 1; axis < out.shape.size(); ++axis) {
    if (out.shape[axis] >= 0) continue;
    out.growing = axis;
    ++dynamic;
  }
  if (dynamic != 1 || out.shape[0] >= 0) {
    throw DataError(path_, fmt::format("the input {}: expected a shape with a batch and one other "
                                       "dimension that grows, got {}",
                                       name, text_of(out.shape)));
  }
  return out;
}

void OnnxSession::know_outputs() {
  const Ort::AllocatorWithDefaultOptions allocator;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < session_.GetOutputCount(); ++i) {
    names.emplace_back(session_.GetOutputNameAllocated(i, allocator).get());
  }
  const auto need = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw DataError(
          path_, fmt::format("no output {}: its outputs are {}", name, fmt::join(names, ", ")));
    }
  };
  need("logits");
  for (const Past& each : past_) need(each.present);
}

OnnxSession::Output OnnxSession::read(std::span<const OnnxRow> rows,
                                      std::span<const std::int64_t> tokens) {
  return with_errors(path_, [&] { return run(rows, tokens); });
}

/// One of the past_key_values of all rows.
Ort::Value OnnxSession::gather(std::size_t tensor, std::span<const OnnxRow> rows) const {
  const Past& past = past_[tensor];
  const std::size_t length = rows[0].length();
  const Ort::AllocatorWithDefaultOptions allocator;
  const auto shape = past.shape_of(rows.size(), length);
  Ort::Value out = Ort::Value::CreateTensor(allocator, shape.data(), shape.size(), past.type);
  if (length == 0) return out;
  const std::size_t bytes = count(past.shape_of(1, length)) * size_of(past.type);
  auto* to = static_cast<std::byte*>(out.GetTensorMutableRawData());
  for (const OnnxRow& row : rows) {
    const auto* from = static_cast<const std::byte*>(row.cache->tensors[tensor].GetTensorRawData());
    std::memcpy(to, from + row.index * bytes, bytes);
    to += bytes;
  }
  return out;
}

OnnxSession::Output OnnxSession::run(std::span<const OnnxRow> rows,
                                     std::span<const std::int64_t> tokens) {
  const std::size_t before = rows[0].length();
  const std::size_t added = tokens.size() / rows.size();
  const auto batch = static_cast<std::int64_t>(rows.size());
  const auto length = static_cast<std::int64_t>(before + added);

  std::vector<std::int64_t> ids(tokens.begin(), tokens.end());
  std::vector<std::int64_t> mask(rows.size() * (before + added), 1);
  std::vector<std::int64_t> positions(tokens.size());
  for (std::size_t i = 0; i < positions.size(); ++i) {
    positions[i] = static_cast<std::int64_t>(before + i % added);
  }
  std::vector<const char*> names;
  std::vector<Ort::Value> inputs;
  const auto add = [&](const char* name, Ort::Value value) {
    names.push_back(name);
    inputs.push_back(std::move(value));
  };
  const std::vector<std::int64_t> shape = {batch, static_cast<std::int64_t>(added)};
  add("input_ids", view(ids.data(), shape));
  if (has_mask_) add("attention_mask", view(mask.data(), {batch, length}));
  if (has_positions_) add("position_ids", view(positions.data(), shape));
  std::vector<const char*> outputs = {"logits"};
  for (std::size_t i = 0; i < past_.size(); ++i) {
    add(past_[i].name.c_str(), gather(i, rows));
    outputs.push_back(past_[i].present.c_str());
  }
  std::vector<Ort::Value> values =
      session_.Run(Ort::RunOptions{nullptr}, names.data(), inputs.data(), inputs.size(),
                   outputs.data(), outputs.size());

  const auto logits = values[0].GetTensorTypeAndShapeInfo();
  const auto found = logits.GetShape();
  if (!is_float(logits.GetElementType()) || found.size() != 3 || found[0] != batch ||
      (found[1] != 1 && found[1] != shape[1]) || found[2] < 1 ||
      (vocabulary_ != 0 && found[2] != static_cast<std::int64_t>(vocabulary_))) {
    throw DataError(path_,
                    fmt::format("logits: expected float or float16 [{}, {}, vocabulary], got "
                                "the shape {}",
                                batch, added, text_of(found)));
  }
  Output out{.cache = nullptr, .logits = std::move(values[0])};
  if (past_.empty()) return out;
  out.cache = std::make_shared<OnnxCache>();
  out.cache->length = before + added;
  for (std::size_t i = 0; i < past_.size(); ++i) {
    const auto expected = past_[i].shape_of(rows.size(), before + added);
    const auto present = values[i + 1].GetTensorTypeAndShapeInfo();
    if (present.GetShape() != expected || present.GetElementType() != past_[i].type) {
      throw DataError(path_, fmt::format("{}: expected the type of {} and the shape {}, got {}",
                                         past_[i].present, past_[i].name, text_of(expected),
                                         text_of(present.GetShape())));
    }
    out.cache->tensors.push_back(std::move(values[i + 1]));
  }
  return out;
}

void OnnxSession::copy_logits(const Output& output, std::size_t row, std::span<float> out) const {
  const auto tensor = output.logits.GetTensorTypeAndShapeInfo();
  const auto positions = static_cast<std::size_t>(tensor.GetShape()[1]);
  const std::size_t first = (row * positions + positions - 1) * vocabulary_;
  if (tensor.GetElementType() == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT) {
    std::copy_n(output.logits.GetTensorData<float>() + first, vocabulary_, out.data());
  } else {
    const auto* from = static_cast<const float16*>(output.logits.GetTensorRawData());
    std::copy_n(from + first, vocabulary_, out.data());
  }
}

}  // namespace partita
