// SPDX-License-Identifier: Apache-2.0
#include "apps/data/rendered.hpp"

#include <fmt/format.h>
#include <fontconfig/fontconfig.h>
#include <ft2build.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <new>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include FT_FREETYPE_H
#include FT_OUTLINE_H

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::app {
namespace {

constexpr int kSide = 28;           // an image's, in pixels
constexpr double kBox = 20;         // pixels that a character fills before it is scaled
constexpr double kNoise = 0.05;     // as a share of white
constexpr double kFixed26 = 64;     // FreeType's outlines count 1/64 of a pixel,
constexpr double kFixed16 = 65536;  // its matrices 1/65536

template <class T, void (*destroy)(T*)>
struct Destroy {
  void operator()(T* it) const { destroy(it); }
};
template <class T, void (*destroy)(T*)>
using Owned = std::unique_ptr<T, Destroy<T, destroy>>;

/// A font in a file that may hold several.
struct FontFile {
  std::string path;
  int index = 0;
};

/// Those of kFonts.
constexpr std::array kFamilies = {"DejaVu Sans", "DejaVu Sans Mono", "DejaVu Serif"};
constexpr std::array kWeights = {FC_WEIGHT_REGULAR, FC_WEIGHT_BOLD};

Owned<FcPattern, FcPatternDestroy> pattern_of(std::string_view characters, const char* family,
                                              int weight) {
  Owned<FcPattern, FcPatternDestroy> pattern(FcPatternCreate());
  const Owned<FcCharSet, FcCharSetDestroy> set(FcCharSetCreate());
  const Owned<FcLangSet, FcLangSetDestroy> language(FcLangSetCreate());
  if (!pattern || !set || !language) throw std::bad_alloc();
  for (const char c : characters) FcCharSetAddChar(set.get(), static_cast<FcChar32>(c));
  FcLangSetAdd(language.get(), reinterpret_cast<const FcChar8*>("en"));
  FcPatternAddCharSet(pattern.get(), FC_CHARSET, set.get());
  FcPatternAddLangSet(pattern.get(), FC_LANG, language.get());
  FcPatternAddBool(pattern.get(), FC_SCALABLE, FcTrue);
  FcPatternAddBool(pattern.get(), FC_COLOR, FcFalse);
  FcPatternAddString(pattern.get(), FC_FAMILY, reinterpret_cast<const FcChar8*>(family));
  FcPatternAddInteger(pattern.get(), FC_WEIGHT, weight);
  FcPatternAddInteger(pattern.get(), FC_WIDTH, FC_WIDTH_NORMAL);
  FcPatternAddInteger(pattern.get(), FC_SLANT, FC_SLANT_ROMAN);
  return pattern;
}

/// One for each family and weight, in that order.
std::vector<FontFile> fonts_with(std::string_view characters) {
  const Owned<FcConfig, FcConfigDestroy> config(FcInitLoadConfigAndFonts());
  const Owned<FcObjectSet, FcObjectSetDestroy> wanted(FcObjectSetBuild(FC_FILE, FC_INDEX, nullptr));
  if (!config || !wanted) throw IoError("fontconfig", "cannot be initialized");
  std::vector<FontFile> fonts;
  for (const char* family : kFamilies) {
    for (const int weight : kWeights) {
      const Owned<FcFontSet, FcFontSetDestroy> found(
          FcFontList(config.get(), pattern_of(characters, family, weight).get(), wanted.get()));
      FcChar8* path = nullptr;
      int index = 0;
      if (!found || found->nfont == 0 ||
          FcPatternGetString(found->fonts[0], FC_FILE, 0, &path) != FcResultMatch ||
          FcPatternGetInteger(found->fonts[0], FC_INDEX, 0, &index) != FcResultMatch) {
        throw IoError("fonts",
                      fmt::format("{}{} is not installed, or has not all of the characters "
                                  "{}: install fonts-dejavu-core",
                                  family, weight == FC_WEIGHT_BOLD ? " Bold" : "", characters));
      }
      fonts.push_back({reinterpret_cast<const char*>(path), index});
    }
  }
  return fonts;
}

void done_library(FT_Library library) { FT_Done_FreeType(library); }
void done_face(FT_Face face) { FT_Done_Face(face); }

/// The matrix of a random affine map, applied to column vectors.
struct Affine {
  double xx, xy, yx, yy;
};

double between(Draws& draws, double low, double high) {
  return low + (high - low) * draws.uniform();
}

std::size_t one_of(Draws& draws, std::size_t count) {
  const auto chosen = static_cast<std::size_t>(draws.uniform() * static_cast<double>(count));
  return std::min(chosen, count - 1);
}

/// Scale in width, shear, rotation, scale.
Affine random_affine(Draws& draws) {
  const double angle = between(draws, -15, 15) * std::numbers::pi / 180;
  const double shear = between(draws, -0.2, 0.2);
  const double scale = between(draws, 0.8, 1.1);
  const double width = between(draws, 0.85, 1.15);
  const double c = scale * std::cos(angle);
  const double s = scale * std::sin(angle);
  return {c * width, c * shear - s, s * width, s * shear + c};
}

FT_Fixed fixed16(double value) { return static_cast<FT_Fixed>(std::lround(value * kFixed16)); }
FT_Pos fixed26(double value) { return static_cast<FT_Pos>(std::lround(value * kFixed26)); }

FT_BBox box_of(FT_Outline& outline) {
  FT_BBox box;
  FT_Outline_Get_CBox(&outline, &box);
  return box;
}

class Renderer {
 public:
  explicit Renderer(std::string_view characters) : characters_(characters) {
    FT_Library library = nullptr;
    if (FT_Init_FreeType(&library) != 0) throw IoError("FreeType", "cannot be initialized");
    library_.reset(library);
    for (const FontFile& font : fonts_with(characters)) {
      FT_Face face = nullptr;
      if (FT_New_Face(library, font.path.c_str(), font.index, &face) != 0) {
        throw IoError(font.path, "FreeType cannot read this font");
      }
      faces_.emplace_back(face);
      if (FT_Set_Pixel_Sizes(face, 0, kSide) != 0) throw IoError(font.path, "cannot be scaled");
    }
  }

  /// Draws an image over zeros, and returns its label.
  std::uint8_t render(Draws& draws, std::span<std::uint8_t> pixels) {
    const std::size_t label = one_of(draws, characters_.size());
    FT_Face face = faces_[one_of(draws, faces_.size())].get();
    const auto code = FT_ULong{static_cast<unsigned char>(characters_[label])};
    if (FT_Load_Char(face, code, FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP) != 0 ||
        face->glyph->format != FT_GLYPH_FORMAT_OUTLINE) {
      throw IoError("fonts", fmt::format("{} has no outline for {}",
                                         face->family_name == nullptr ? "?" : face->family_name,
                                         characters_[label]));
    }
    place(face->glyph->outline, draws);
    draw(face->glyph->outline, pixels);
    for (std::uint8_t& pixel : pixels) {
      const double value = pixel + 255 * kNoise * draws.normal();
      pixel = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
    }
    return static_cast<std::uint8_t>(label);
  }

 private:
  /// Maps a character as it stands in the font to its place in the image.
  static void place(FT_Outline& outline, Draws& draws) {
    const FT_BBox box = box_of(outline);
    const auto side =
        static_cast<double>(std::max({box.xMax - box.xMin, box.yMax - box.yMin, FT_Pos{1}}));
    const double size = kBox * kFixed26 / side;
    const Affine map = random_affine(draws);
    const FT_Matrix matrix{fixed16(size * map.xx), fixed16(size * map.xy), fixed16(size * map.yx),
                           fixed16(size * map.yy)};
    FT_Outline_Transform(&outline, &matrix);
    const FT_BBox mapped = box_of(outline);
    const double x = kSide / 2.0 + between(draws, -2, 2);
    const double y = kSide / 2.0 + between(draws, -2, 2);
    FT_Outline_Translate(&outline, fixed26(x) - (mapped.xMin + mapped.xMax) / 2,
                         fixed26(y) - (mapped.yMin + mapped.yMax) / 2);
  }

  void draw(FT_Outline& outline, std::span<std::uint8_t> pixels) {
    FT_Bitmap bitmap{};
    bitmap.rows = kSide;
    bitmap.width = kSide;
    bitmap.pitch = kSide;  // from the top row down
    bitmap.buffer = pixels.data();
    bitmap.num_grays = 256;
    bitmap.pixel_mode = FT_PIXEL_MODE_GRAY;
    if (FT_Outline_Get_Bitmap(library_.get(), &outline, &bitmap) != 0) {
      throw IoError("FreeType", "cannot draw an outline");
    }
  }

  std::string characters_;
  Owned<FT_LibraryRec_, done_library> library_;
  std::vector<Owned<FT_FaceRec_, done_face>> faces_;  // destroyed before their library
};

}  // namespace

LabeledImages render_characters(std::string_view characters, std::size_t count,
                                const Stream& stream) {
  check_between("characters", characters.size(), 1, 255);
  for (const char c : characters) {
    if (c <= ' ' || c > '~') {
      throw InvalidArgument("characters",
                            fmt::format("expected printable ASCII, got byte {}",
                                        static_cast<unsigned>(static_cast<unsigned char>(c))));
    }
  }
  Renderer renderer(characters);
  LabeledImages images{.rows = kSide,
                       .columns = kSide,
                       .pixels = std::vector<std::uint8_t>(count * kSide * kSide),
                       .labels = std::vector<std::uint8_t>(count)};
  for (std::size_t i = 0; i < count; ++i) {
    Draws draws(stream.child(i));
    images.labels[i] = renderer.render(
        draws, std::span(images.pixels).subspan(i * kSide * kSide, std::size_t{kSide} * kSide));
  }
  return images;
}

}  // namespace partita::app
