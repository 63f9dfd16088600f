// SPDX-License-Identifier: Apache-2.0
#include "partita/io/word_vectors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/io/file.hpp"
#include "partita/io/internal/word_vector_format.hpp"
#include "partita/io/npy.hpp"

namespace partita {
namespace {

namespace fs = std::filesystem;

bool is_npy(const fs::path& path) { return path.extension() == ".npy"; }

/// Nothing for an extension that says neither.
std::optional<VectorFormat> format_of(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".txt" || extension == ".vec") return VectorFormat::text;
  if (extension == ".bin") return VectorFormat::binary;
  return std::nullopt;
}

VectorFormat format_to_write(const fs::path& path) {
  if (is_stream(path)) return VectorFormat::text;
  if (const auto format = format_of(path)) return *format;
  throw InvalidArgument(
      "path",
      fmt::format("expected an extension of .txt, .vec, .bin or .npy, got {}", path.string()));
}

/// The path without .gz.
fs::path plain(fs::path path) {
  return path.extension() == ".gz" ? path.replace_extension() : path;
}

fs::path words_path(const fs::path& path) { return plain(path).replace_extension(".words.txt"); }

/// All lines, blank ones too, since a space is a word; what follows the last line end is none.
std::vector<std::string_view> lines_of(std::string_view rest) {
  std::vector<std::string_view> lines;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
  }
  return lines;
}

WordVectors load_npy(const fs::path& path, const WordVectorOptions& options) {
  const NpyFile file(path);
  const Rows rows = file.rows();
  if (rows.dtype() != DType::f32) throw DataError(path.string(), "expected float32 elements");
  const fs::path beside = words_path(path);
  const MappedFile words(beside);
  const auto lines = lines_of(words.bytes());
  if (lines.size() != rows.rows()) {
    throw DataError(beside.string(), fmt::format("{} words, but {} has {} rows", lines.size(),
                                                 path.string(), rows.rows()));
  }
  WordVectors out;
  out.dim = rows.columns();
  const std::string name = beside.string();
  WordCollector collector(name, options);
  for (std::size_t i = 0; i < lines.size() && !collector.is_enough(); ++i) {
    if (!collector.add(lines[i], fmt::format("line {}", i + 1))) continue;
    const float* const row = rows.row_data<float>(i);
    for (std::size_t c = 0; c < out.dim; ++c) {
      if (!std::isfinite(row[c])) {
        throw DataError(path.string(), fmt::format("row {}: number {} is {}", i, c + 1, row[c]));
      }
    }
    out.values.insert(out.values.end(), row, row + out.dim);
  }
  collector.finish(out);
  return out;
}

}  // namespace

WordVectors load_word_vectors(const fs::path& path, const WordVectorOptions& options) {
  const fs::path name = plain(path);
  if (is_npy(name)) return load_npy(path, options);
  const MappedFile file(path);
  return parse_word_vectors(input_name(path), file.bytes(), format_of(name), options);
}

void check_word_vectors_path(const fs::path& path) {
  if (!is_npy(path)) format_to_write(path);
  check_writable(path);
  if (is_npy(path)) check_writable(words_path(path));
}

void save_word_vectors(const fs::path& path,
                       const std::function<std::string_view(std::size_t i)>& word, Rows vectors) {
  if (vectors.dtype() != DType::f32 || vectors.column_stride() != 1) {
    throw InvalidArgument("vectors", "expected rows of contiguous float");
  }
  const bool npy = is_npy(path);
  const std::string_view excluded(" \n\r\0", 4);
  const auto checked = [&](std::size_t i) {
    const std::string_view text = word(i);
    if (text.empty() ||
        text.find_first_of(excluded.substr(npy ? 1 : 0)) != std::string_view::npos) {
      throw InvalidArgument("words", fmt::format("word {}: empty, or contains a {}line ending", i,
                                                 npy ? "" : "space or "));
    }
    return text;
  };
  if (!npy) {
    const VectorFormat format = format_to_write(path);
    write_file(path, [&](const Sink& sink) { write_word_vectors(sink, format, checked, vectors); });
    return;
  }
  write_file(words_path(path), [&](const Sink& sink) {
    for (std::size_t i = 0; i < vectors.rows(); ++i) sink(fmt::format("{}\n", checked(i)));
  });
  save_npy(path, vectors);
}

void save_word_vectors(const fs::path& path, std::span<const std::string> words, Rows vectors) {
  check_size("words", words.size(), vectors.rows(), "one for each row");
  save_word_vectors(
      path, [&](std::size_t i) { return std::string_view(words[i]); }, vectors);
}

}  // namespace partita
