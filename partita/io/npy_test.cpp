// SPDX-License-Identifier: Apache-2.0
#include "partita/io/npy.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryDirectory;

/// A file as NumPy writes it, with `data_bytes` bytes of zeros.
std::string npy(std::string_view dictionary, std::size_t data_bytes, int version = 1) {
  std::string header(dictionary);
  header += '\n';
  std::string bytes = "\x93NUMPY";
  bytes += {static_cast<char>(version), '\0', static_cast<char>(header.size() & 0xFFU),
            static_cast<char>(header.size() >> 8U)};
  if (version > 1) bytes += {'\0', '\0'};
  return bytes + header + std::string(data_bytes, '\0');
}

std::string dictionary(std::string_view descr, std::string_view shape, bool fortran = false) {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", descr,
                     fortran ? "True" : "False", shape);
}

std::string refusal(const std::string& bytes) {
  return message_of<DataError>([&] { parse_npy_array("a.npy", bytes).rows(); });
}

TEST(Npy, RoundTrip) {
  const TemporaryDirectory dir;
  const std::vector<float> f{1, 2, 3, 4, 5, 6};
  save_npy(dir / "a.npy", std::span(f), 2, 3);
  const NpyFile file(dir / "a.npy");
  const Rows rows = file.rows();
  EXPECT_EQ(rows.rows(), 2U);
  EXPECT_EQ(rows.columns(), 3U);
  EXPECT_EQ(rows.dtype(), DType::f32);
  EXPECT_EQ(rows.row_data<float>(1)[2], 6);
  EXPECT_EQ(read_file(dir / "a.npy").size(), 128U + 24U);  // data at a multiple of 64, as NumPy's

  const std::vector<double> d{-1.5, 2.5};
  save_npy(dir / "d.npy", std::span(d), 1, 2);
  EXPECT_EQ(NpyFile(dir / "d.npy").rows().dtype(), DType::f64);

  const std::vector<std::int64_t> i{-1, 2};
  save_npy(dir / "i.npy", std::span(i), 2, 1);
  EXPECT_THAT(read_file(dir / "i.npy"),
              HasSubstr("{'descr': '<i8', 'fortran_order': False, 'shape': (2, 1), }"));
  EXPECT_THROW(save_npy(dir / "i.npy", std::span(i), 2, 2), InvalidArgument);
  EXPECT_THROW(save_npy(dir / "i.npy", std::span(i), 1ULL << 63U, 1ULL << 63U), InvalidArgument);
}

TEST(Npy, WhatNumPyWrites) {
  const auto rows = [](const std::string& bytes) {
    return parse_npy_array("a", bytes).rows();  // zeros, which nothing looks at
  };
  for (const int version : {1, 2, 3}) {
    const Rows h = rows(npy(dictionary("<f8", "(2, 3)"), 48, version));
    EXPECT_EQ(h.rows(), 2U);
    EXPECT_EQ(h.columns(), 3U);
    EXPECT_EQ(h.dtype(), DType::f64);
  }
  // A list is a column, unless it is asked for as a row.
  const std::string list = npy(dictionary("<f2", "(5,)"), 10);
  EXPECT_EQ(rows(list).rows(), 5U);
  EXPECT_EQ(rows(list).columns(), 1U);
  EXPECT_EQ(rows(list).dtype(), DType::f16);
  EXPECT_EQ(parse_npy_array("a", list).rows(OneDimension::row).columns(), 5U);
  // Keys in another order, other quotes, no last comma; Python 2's long integers.
  EXPECT_EQ(rows(npy(R"({"shape":(1,1),"descr":"<f4","fortran_order":False})", 4)).rows(), 1U);
  EXPECT_EQ(rows(npy(dictionary("<f4", "(2000L, 2L)"), 16000)).rows(), 2000U);
}

/// The numbers 0 ... 5 of shape (2, 3).
template <class T>
std::string six(std::string_view descr, bool big_endian, bool fortran) {
  std::string bytes = npy(dictionary(descr, "(2, 3)", fortran), 0);
  for (const int i : fortran ? std::array{0, 3, 1, 4, 2, 5} : std::array{0, 1, 2, 3, 4, 5}) {
    const T value = static_cast<T>(i);
    std::string of(reinterpret_cast<const char*>(&value), sizeof value);
    if (big_endian) std::reverse(of.begin(), of.end());
    bytes += of;
  }
  return bytes;
}

TEST(Npy, EveryOrderOfBytesAndOfElements) {
  const auto check = [&]<class T>(T, const std::string& type) {
    for (const std::string order : {"<", "=", ">", "|", ""}) {
      for (const bool fortran : {false, true}) {
        const std::string bytes = six<T>(order + type, order == ">", fortran);
        const ArrayView array = parse_npy_array("a", bytes);
        for (std::size_t i = 0; i < 6; ++i) {
          T value;
          std::memcpy(&value, array.bytes.data() + i * sizeof(T), sizeof(T));
          EXPECT_EQ(value, static_cast<T>(i)) << order + type << " " << fortran;
        }
      }
    }
  };
  check(float{}, "f4");
  check(double{}, "f8");
  check(std::uint8_t{}, "u1");
  check(std::int8_t{}, "i1");
  check(std::int16_t{}, "i2");
  check(std::uint16_t{}, "u2");
  check(std::int32_t{}, "i4");
  check(std::uint32_t{}, "u4");
  check(std::int64_t{}, "i8");
  check(std::uint64_t{}, "u8");
  // Three dimensions: element (i, j, k) of (2, 3, 2) lies at i + 2 j + 6 k.
  std::string bytes = npy(dictionary("|u1", "(2, 3, 2)", true), 0);
  for (char i = 0; i < 12; ++i) bytes += i;
  const ArrayView array = parse_npy_array("a", bytes);
  EXPECT_EQ(array.bytes, std::string("\0\6\2\10\4\12\1\7\3\11\5\13", 12));
  EXPECT_EQ(parse_npy_array("a", npy(dictionary("<b1", "(3,)"), 3)).integers().size(), 3U);
}

TEST(Npy, MisalignedDataAreCopied) {
  const TemporaryDirectory dir;
  for (int pad = 0; pad < 8; ++pad) {
    write_file(
        dir / "a.npy",
        npy(dictionary("<f8", "(1, 2)") + std::string(static_cast<std::size_t>(pad), ' '), 16));
    EXPECT_EQ(NpyFile(dir / "a.npy").rows().row_data<double>(0)[1], 0);
  }
}

TEST(Npy, EveryPrefixIsRefusedAsCutShort) {
  const std::string bytes = npy(dictionary("<f4", "(3, 4)"), 48);
  EXPECT_EQ(refusal(""), "a.npy: the file is empty, expected a .npy array");
  for (std::size_t n = 1; n < bytes.size(); ++n)
    EXPECT_THAT(refusal(bytes.substr(0, n)), HasSubstr("cut short")) << n;
}

TEST(Npy, EachReasonIsItsOwn) {
  EXPECT_EQ(refusal(std::string(1000, '\0')), "a.npy: not a .npy file (wrong first bytes)");
  EXPECT_EQ(refusal(npy(dictionary("<f4", "(3, 4)"), 47)),
            "a.npy: cut short: 47 bytes of data, expected 48 for shape (3, 4)");
  EXPECT_EQ(refusal(npy(dictionary("<f4", "(3, 4)"), 50)),
            "a.npy: 2 bytes too many: 50 bytes of data, expected 48 for shape (3, 4)");
  EXPECT_EQ(refusal(npy(dictionary("<i8", "(3,)"), 24)),
            "a.npy: elements are int64, expected float16, float32 or float64");
  EXPECT_THAT(refusal(npy(dictionary("|b1", "(3,)"), 3)), HasSubstr("elements are bool, expected"));
  EXPECT_THAT(refusal(npy(dictionary("<c16", "(3,)"), 48)),
              HasSubstr("elements are complex128 (<c16)"));
  EXPECT_THAT(refusal(npy(dictionary("|O", "(3,)"), 24)), HasSubstr("elements are |O"));
  EXPECT_THAT(
      refusal(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }", 12)),
      HasSubstr("elements are records"));
  EXPECT_EQ(refusal(npy(dictionary("<f4", "(0, 4)"), 0)),
            "a.npy: shape (0, 4): no elements, expected 1 row and 1 column or more");
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(4, 0)"), 0)), HasSubstr("no elements"));
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(0,)"), 0)), HasSubstr("shape (0,): no elements"));
  EXPECT_EQ(refusal(npy(dictionary("<f4", "(2, 3, 4)"), 96)),
            "a.npy: shape (2, 3, 4): 3 dimensions, expected 2 (rows, columns) or 1");
  EXPECT_THAT(refusal(npy(dictionary("<f4", "()"), 4)), HasSubstr("shape (): 0 dimensions"));
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(4294967296, 4294967296)"), 8)),
              HasSubstr("impossibly large"));
  EXPECT_THAT(refusal(npy(dictionary("<f8", "(2305843009213693952, 4)"), 8)),
              HasSubstr("impossibly large"));
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(99999999999999999999, 4)"), 8)),
              HasSubstr("2^64 or more"));
  EXPECT_THAT(refusal(npy(dictionary("<f4", "(3,)"), 12, 4)),
              HasSubstr(".npy version 4.0, expected 1.0, 2.0 or 3.0"));
}

TEST(Npy, DamagedHeadersAreRefused) {
  for (const std::string header :
       {"", "{", "{}", "{'descr': '<f4'}", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 3}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (3,)}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} x", "{'descr: '<f4'}",
        "{'other': '<f4', 'fortran_order': False, 'shape': (3,)}"}) {
    EXPECT_THAT(refusal(npy(header, 12)), HasSubstr("damaged .npy header")) << header;
  }
}

}  // namespace
}  // namespace partita
