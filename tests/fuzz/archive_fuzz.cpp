// SPDX-License-Identifier: Apache-2.0
// Any bytes are either an archive or a DataError, in any order of reads; Mahalanobis' and those of
// units of text are made of them.
#include "partita/io/archive.hpp"

#include <string>
#include <vector>

#include "partita/detection/mahalanobis.hpp"
#include "partita/text/text_units.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

namespace {

void read(std::string_view bytes, Input reads) {
  may_refuse([&] {
    ArchiveReader in = ArchiveReader::from_bytes("fuzz", bytes, archive_kind(bytes), 3);
    while (!reads.empty() && in.remaining() > 0) {
      switch (reads.below(7)) {
        case 0:
          (void)in.u8();
          break;
        case 1:
          (void)in.u32();
          break;
        case 2:
          (void)in.f64();
          break;
        case 3:
          (void)in.string();
          break;
        case 4:
          (void)in.array<float>();
          break;
        case 5:
          (void)in.array<std::uint64_t>();
          break;
        default:
          (void)in.u64();
      }
    }
    in.finish();
  });
  may_refuse([&] { (void)Mahalanobis::parse(bytes, "fuzz"); });
  may_refuse([&] {
    ArchiveReader in = ArchiveReader::from_bytes("fuzz", bytes, archive_kind(bytes), 3);
    const TextUnits units = TextUnits::read(in);
    for (Token token = 0; static_cast<std::size_t>(token) < units.size(); ++token) {
      if (token == units.end_token()) continue;
      const std::vector<Token> one = {token};
      const std::string text = units.decode(one);
      if (units.kind() == UnitKind::character) require(units.encode(text) == one);
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 8) return 0;
  const Input reads(data, 8);
  const std::string bytes(text_of(data + 8, size - 8));
  read(bytes, reads);
  read(resealed(bytes), reads);
  return 0;
}
