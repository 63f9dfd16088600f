// SPDX-License-Identifier: Apache-2.0
#include "partita/io/array_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "array_bytes.hpp"
#include "errors.hpp"
#include "gzip_bytes.hpp"
#include "partita/base/error.hpp"
#include "partita/io/csv.hpp"
#include "partita/io/file.hpp"
#include "partita/io/npy.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using testing::bytes_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::npy;
using testing::TemporaryDirectory;
using testing::zip;

std::string safetensors(const std::string& header, const std::string& data) {
  return bytes_of<std::uint64_t>(header.size()) + header + data;
}

const std::string kLogits = npy("<f4", "(2, 3)", bytes_of(1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F));
const std::string kLabels = npy("<i8", "(2,)", bytes_of<std::int64_t, std::int64_t>(2, 0));

class ArrayFiles : public ::testing::Test {
 protected:
  std::string file(const std::string& name, const std::string& bytes) const {
    write_file(directory_ / name, bytes);
    return directory_ / name;
  }
  /// What is wrong with a file, without its path.
  std::string refusal(const std::string& name, const std::string& bytes,
                      const std::string& array = "") const {
    const std::string path = file(name, bytes);
    const std::string line = message_of<DataError>([&] {
      const ArrayFile opened(path + array);
      (void)opened.integers();
    });
    EXPECT_EQ(line.substr(0, path.size()), path);
    const std::size_t start = line.find_first_not_of(": ", path.size());
    return start == std::string::npos ? line : line.substr(start);
  }
  TemporaryDirectory directory_;
};

void expect_logits(const ArrayFile& opened) {
  const Rows rows = opened.rows();
  ASSERT_EQ(rows.rows(), 2U);
  ASSERT_EQ(rows.columns(), 3U);
  ASSERT_EQ(rows.dtype(), DType::f32);
  EXPECT_EQ(rows.row_data<float>(0)[0], 1);
  EXPECT_EQ(rows.row_data<float>(1)[2], 6);
}

TEST_F(ArrayFiles, EveryFormatGivesTheSame) {
  expect_logits(ArrayFile(file("a.npy", kLogits)));
  EXPECT_THAT(ArrayFile(file("b.npy", kLabels)).integers(), ElementsAre(2, 0));
  for (const bool compressed : {false, true}) {
    for (const bool zip64 : {false, true}) {
      const std::string path =
          file("c.npz",
               zip({{"logits.npy", kLogits, compressed}, {"y.npy", kLabels, compressed}}, zip64));
      expect_logits(ArrayFile(path + ":logits"));
      EXPECT_THAT(ArrayFile(path + ":y").integers(), ElementsAre(2, 0));
    }
  }
  expect_logits(ArrayFile(file("one.npz", zip({{"logits.npy", kLogits}}))));

  const std::string path = file(
      "d.safetensors",
      safetensors(
          R"({"__metadata__":{"by":"test"},"y":{"dtype":"I64","shape":[2],"data_offsets":[24,40]},"logits":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})",
          kLogits.substr(kLogits.size() - 24) + kLabels.substr(kLabels.size() - 16)));
  expect_logits(ArrayFile(path + ":logits"));  // the header leaves it misaligned
  EXPECT_THAT(ArrayFile(path + ":y").integers(), ElementsAre(2, 0));

  const ArrayFile csv(file("e.csv", "a,b,c\r\n1, 2,3\r\n# note\r\n\r\n4,5e0,+6"));
  ASSERT_EQ(csv.rows().rows(), 2U);
  EXPECT_EQ(csv.rows().row_data<double>(1)[1], 5);
  EXPECT_EQ(csv.rows().row_data<double>(1)[2], 6);
  EXPECT_THAT(ArrayFile(file("f.csv", "label\n2\n0\n")).integers(), ElementsAre(2, 0));
  expect_logits(ArrayFile(file("a:b.npy", kLogits)));
}

TEST_F(ArrayFiles, EveryIntegerType) {
  const auto of = [&](const std::string& descr, const std::string& data) {
    return ArrayFile(file("a.npy", npy(descr, "(2, 1)", data))).integers();
  };
  EXPECT_THAT(of("|b1", bytes_of<char, char>(1, 0)), ElementsAre(1, 0));
  EXPECT_THAT(of("|i1", bytes_of<char, char>(-1, 2)), ElementsAre(-1, 2));
  EXPECT_THAT(of("|u1", bytes_of<char, char>(-1, 2)), ElementsAre(255, 2));
  EXPECT_THAT(of("<i2", bytes_of<std::int16_t, std::int16_t>(-300, 2)), ElementsAre(-300, 2));
  EXPECT_THAT(of("<u2", bytes_of<std::uint16_t, std::uint16_t>(65535, 2)), ElementsAre(65535, 2));
  EXPECT_THAT(of("<i4", bytes_of(-70000, 2)), ElementsAre(-70000, 2));
  EXPECT_THAT(of("<u4", bytes_of(4000000000U, 2U)), ElementsAre(4000000000, 2));
  EXPECT_THAT(of("<u8", bytes_of<std::uint64_t, std::uint64_t>(7, 2)), ElementsAre(7, 2));
  EXPECT_EQ(refusal("a.npy", npy("<u8", "(1,)", bytes_of(~std::uint64_t{0}))),
            "element 0: 18446744073709551615 is 2^63 or more");
}

TEST_F(ArrayFiles, WhatIsWrongIsSaidInOneLine) {
  EXPECT_EQ(refusal("a.npy", npy("<f4", "(1,)", bytes_of(1.0F))),
            "elements are float32, expected integers");
  EXPECT_EQ(refusal("a.npy", npy("<i4", "(1, 2)", bytes_of(1, 2))),
            "shape (1, 2), expected (n,) or (n, 1) integers with n of 1 or more");
  EXPECT_THAT(refusal("a.npy", npy("<i4", "(0,)", "")), HasSubstr("with n of 1 or more"));
  EXPECT_EQ(refusal("a.npy", kLabels, ":y"), "holds a single array, and none named y");
  EXPECT_EQ(refusal("a.txt", "1"), "unknown format: expected .npy, .npz, .safetensors or .csv");

  const std::string two = zip({{"logits.npy", kLogits}, {"y.npy", kLabels}});
  EXPECT_THAT(refusal("a.npz", two), HasSubstr("holds several arrays (logits, y): name one, as "));
  EXPECT_EQ(refusal("a.npz", two, ":z"), "no array z, expected logits, y");
  EXPECT_EQ(refusal("a.npz", zip({{"readme.txt", "hello"}})), "holds no arrays");
  EXPECT_EQ(refusal("a.npz", ""), "the file is empty, expected a .npz archive");
  EXPECT_EQ(refusal("a.npz", "hello, world"), "not a .npz file (wrong first bytes)");
  for (std::size_t n = 2; n < two.size(); n += 7) {
    EXPECT_EQ(refusal("a.npz", two.substr(0, n), ":y"),
              "cut short: the directory at the end of the archive is missing");
  }
  std::string flipped = zip({{"y.npy", kLabels, false}});
  flipped[140] ^= 1;
  EXPECT_EQ(refusal("a.npz", flipped), "y: damaged: wrong checksum");
  std::string squashed = zip({{"y.npy", kLabels, true}});
  squashed[60] ^= 0x55;
  EXPECT_THAT(refusal("a.npz", squashed), HasSubstr("y: damaged: "));

  const std::string header = R"({"y":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}})";
  EXPECT_EQ(refusal("a.safetensors", ""), "the file is empty, expected .safetensors");
  EXPECT_THAT(refusal("a.safetensors", safetensors(header, "12345678")),
              HasSubstr("y: cut short: 8 bytes of data in the file, expected 16 or more"));
  EXPECT_THAT(refusal("a.safetensors", safetensors(header, "").substr(0, 30)),
              HasSubstr("cut short in the header"));
  EXPECT_THAT(refusal("a.safetensors", safetensors("{]", "")), HasSubstr("damaged header"));
  EXPECT_THAT(
      refusal("a.safetensors",
              safetensors(R"({"y":{"dtype":"F8","shape":[2],"data_offsets":[0,2]}})", "ab")),
      HasSubstr("elements are \"F8\", expected floating-point numbers or integers"));
  EXPECT_THAT(
      refusal("a.safetensors",
              safetensors(R"({"y":{"dtype":"I64","shape":[-2],"data_offsets":[0,16]}})", "")),
      HasSubstr("damaged header"));

  EXPECT_EQ(refusal("a.csv", ""), "no numbers, expected lines of comma-separated values");
  EXPECT_EQ(refusal("a.csv", "1\n2\nx\n"), "line 3: field 1: expected a number, got x");
  EXPECT_EQ(refusal("a.csv", "1,2\n3,4\n5\n"),
            "line 3: 1 fields, expected 2 as in the lines before");
  EXPECT_EQ(refusal("a.csv", "1,2\n,4\n"), "line 2: field 1: expected a number, got nothing");
  EXPECT_EQ(refusal("a.csv", "1,2\n"), "2 numbers per line, expected one integer");
  EXPECT_EQ(refusal("a.csv", "1\n2.5\n"), "line 2: expected an integer, got 2.5");
}

TEST_F(ArrayFiles, NamesMayHoldColons) {
  const std::string path = file("d:e.npz", zip({{"a:b.npy", kLogits}, {"b.npy", kLabels}}));
  expect_logits(ArrayFile(path + ":a:b"));
  EXPECT_THAT(ArrayFile(path + ":b").integers(), ElementsAre(2, 0));
  EXPECT_EQ(array_path(path + ":a:b"), path);
  const std::string header = R"({"x:y:z":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}})";
  const std::string tensors =
      file("f.safetensors", safetensors(header, kLabels.substr(kLabels.size() - 16)));
  EXPECT_THAT(ArrayFile(tensors + ":x:y:z").integers(), ElementsAre(2, 0));
  EXPECT_THAT(message_of<IoError>([&] { ArrayFile(path + "z:b"); }), HasSubstr("cannot open"));
}

TEST_F(ArrayFiles, EveryFormatMayBeGzippedOrHaveNoExtension) {
  const std::string tensors =
      safetensors(R"({"y":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}})",
                  kLabels.substr(kLabels.size() - 16));
  for (const auto& [name, bytes] : {std::pair<std::string, std::string>(".npy", kLabels),
                                    {".npz", zip({{"y.npy", kLabels}})},
                                    {".safetensors", tensors},
                                    {".csv", "y\n2\n0\n"}}) {
    const std::string packed = testing::gzip_bytes(bytes);
    EXPECT_THAT(ArrayFile(file("a" + name + ".gz", packed)).integers(), ElementsAre(2, 0));
    EXPECT_THAT(ArrayFile(file("b" + name, packed)).integers(), ElementsAre(2, 0)) << name;
    EXPECT_THAT(ArrayFile(file("c", bytes)).integers(), ElementsAre(2, 0)) << name;
  }
}

TEST_F(ArrayFiles, AHeaderOfSafetensorsIsThatOfTheOfficialReader) {
  const auto refused = [&](const std::string& header, std::size_t bytes) {
    return refusal("a.safetensors", safetensors(header, std::string(bytes, '\0')), ":y");
  };
  const std::string y = R"("y":{"dtype":"I64","shape":[1],"data_offsets":[0,8]})";
  const auto x = [](int begin, int end) {
    return R"("x":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[)" + std::to_string(begin) + "," +
           std::to_string(end) + "]}";
  };
  // Another tensor's element type does not matter.
  const std::string path =
      file("b.safetensors", safetensors("{" + y + "," + x(8, 10) + "}", std::string(10, '\0')));
  EXPECT_THAT(ArrayFile(path + ":y").integers(), ElementsAre(0));
  EXPECT_THAT(message_of<DataError>([&] { ArrayFile(path + ":x"); }),
              HasSubstr(":x: elements are \"F8_E4M3\", expected floating-point numbers"));
  EXPECT_EQ(refused("{" + y + "," + x(7, 9) + "}", 9),
            "damaged header: overlapping bytes of data at 7");
  EXPECT_EQ(refused("{" + y + "," + x(9, 11) + "}", 11),
            "damaged header: unused bytes of data at 8");
  EXPECT_EQ(refused("{" + y + "}", 9), "9 bytes of data, expected 8 by the header");
  EXPECT_EQ(refused("{" + y + "," + y + "}", 8), "damaged header: \"y\" occurs twice");
}

TEST_F(ArrayFiles, CsvOfPandas) {
  const auto values = [](std::string_view bytes) { return parse_csv("a.csv", bytes).values; };
  const auto refused = [](std::string_view bytes) {
    return message_of<DataError>([&] { parse_csv("a.csv", bytes); });
  };
  EXPECT_THAT(values(",0,1\n0,.25,.75\n7,.5,.5\n"), ElementsAre(.25, .75, .5, .5));
  EXPECT_THAT(values(",a,b\nrow 1,.25,.75\n"), ElementsAre(.25, .75));
  EXPECT_THAT(values("\"\",\"a, b\"\n\"0\",\"2.5\"\n"), ElementsAre(2.5));
  EXPECT_THAT(values("0,1,2\n.5,.25,.25\n1.0,0,0\n"), ElementsAre(.5, .25, .25, 1, 0, 0));
  // Numbers or a heading? Numbers or an index?
  for (const char* text : {"0,1\n.5,.5\n", "0\n.5\n", "0,1,2\n4,5,6\n"}) {
    EXPECT_THAT(refused(text), HasSubstr("line 1: may be a heading")) << text;
  }
  EXPECT_THAT(refused("0,.5\n1,.25\n2,.75\n"), HasSubstr("the first column may be an index"));
  EXPECT_THAT(refused("id,p\n0,.5\n1,.25\n2,.75\n"), HasSubstr("may be an index"));
  EXPECT_THAT(values("0,1\n1,0\n.5,.5\n"), ElementsAre(0, 1, 1, 0, .5, .5));
  EXPECT_THAT(values("0\n1\n2\n"), ElementsAre(0, 1, 2));
  EXPECT_THAT(values("1e400,-1e400,1e-400\n"), ElementsAre(INFINITY, -INFINITY, 0));
}

TEST_F(ArrayFiles, WhatIsSavedReadsTheSame) {
  const std::vector<double> values = {0.1, -1e-300, 5, 1.0 / 3};
  for (const std::string name : {"a.npy", "a.csv"}) {
    save_array(directory_ / name, std::span<const double>(values), 2, 2);
    const ArrayFile again(directory_ / name);
    EXPECT_EQ(std::memcmp(again.rows().data(), values.data(), 4 * sizeof(double)), 0) << name;
  }
  EXPECT_EQ(message_of<InvalidArgument>(
                [&] { save_array("out.txt", std::span<const double>(values), 2, 2); }),
            "path: expected an extension of .npy or .csv, got out.txt");
}

TEST_F(ArrayFiles, CsvKnowsWhatIsNotFinite) {
  const CsvTable table = parse_csv("a.csv", "inf,-inf,nan\n");
  ASSERT_EQ(table.columns, 3U);
  EXPECT_EQ(table.values[0], INFINITY);
  EXPECT_EQ(table.values[1], -INFINITY);
  EXPECT_TRUE(std::isnan(table.values[2]));
}

}  // namespace
}  // namespace partita
