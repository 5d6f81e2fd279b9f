#include "unicode/classes.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "unicode/utf8.h"

namespace glassbox::unicode {

const Class* class_table() {
  static const std::unique_ptr<const Class[]> table = [] {
    auto made = std::make_unique<Class[]>(0x110000);
    for (size_t i = 0; i < kClassRunsSize; ++i) {
      const uint32_t begin = kClassRuns[i] >> 4;
      const uint32_t end = i + 1 < kClassRunsSize ? kClassRuns[i + 1] >> 4 : 0x110000;
      std::memset(&made[begin], static_cast<int>(kClassRuns[i] & 15), end - begin);
    }
    return std::unique_ptr<const Class[]>(std::move(made));
  }();
  return table.get();
}

const uint8_t* symbol_table() {
  static const std::unique_ptr<const uint8_t[]> table = [] {
    auto made = std::make_unique<uint8_t[]>(0x110000);
    const Class* classes = class_table();
    for (int32_t c = 0; c < 0x110000; ++c) {
      if (classes[c] != Class::Other) continue;
      const utf8proc_category_t category = utf8proc_category(c);
      made[static_cast<size_t>(c)] = category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_SO;
    }
    for (size_t i = 0; i < kNewerSymbolRunsSize; ++i) {
      const uint32_t begin = kNewerSymbolRuns[i] >> 4;
      const uint32_t end = i + 1 < kNewerSymbolRunsSize ? kNewerSymbolRuns[i + 1] >> 4 : 0x110000;
      if (kNewerSymbolRuns[i] & 15) std::memset(&made[begin], 1, end - begin);
    }
    return std::unique_ptr<const uint8_t[]>(std::move(made));
  }();
  return table.get();
}

const uint8_t* trait_table() {
  static const std::unique_ptr<const uint8_t[]> table = [] {
    auto made = std::make_unique<uint8_t[]>(0x110000);
    for (size_t i = 0; i < kTraitRunsSize; ++i) {
      const uint32_t begin = kTraitRuns[i] >> 4;
      const uint32_t end = i + 1 < kTraitRunsSize ? kTraitRuns[i + 1] >> 4 : 0x110000;
      std::memset(&made[begin], static_cast<int>(kTraitRuns[i] & 15), end - begin);
    }
    return std::unique_ptr<const uint8_t[]>(std::move(made));
  }();
  return table.get();
}

void append_lower(std::string& out, char32_t c) {
  if (c == 0x130) {
    out += "i\xCC\x87";
    return;
  }
  const LowerRun* end = kLowerRuns + kLowerRunsSize;
  const LowerRun* run = std::partition_point(kLowerRuns, end, [&](const LowerRun& r) { return r.last < c; });
  if (run != end && c >= run->first && (c - run->first) % run->step == 0)
    c = static_cast<char32_t>(static_cast<int64_t>(c) + run->difference);
  append(out, c);
}

bool is_unnormalized(char32_t c) {
  const auto key = static_cast<uint32_t>(c << 4 | 15);
  const uint32_t* after = std::upper_bound(kUnnormalizedRuns, kUnnormalizedRuns + kUnnormalizedRunsSize, key);
  return after != kUnnormalizedRuns && (after[-1] & 15) == 1;
}

bool is_word(char32_t c) {
  if (c >= 0x110000) return false;
  const Class k = class_table()[c];
  if (is_letter(k) || k == Class::M) return true;
  // Of the numbers decimal digits and letter numbers count, other numbers do not; of the rest connectors, joiners and
  // the circled and squared letters that Unicode calls Other_Alphabetic.
  struct Range {
    char32_t first, last;
  };
  static constexpr Range kOtherNumbers[] = {
      {0xB2, 0xB3},       {0xB9, 0xB9},       {0xBC, 0xBE},       {0x9F4, 0x9F9},     {0xB72, 0xB77},
      {0xBF0, 0xBF2},     {0xC78, 0xC7E},     {0xD58, 0xD5E},     {0xD70, 0xD78},     {0xF2A, 0xF33},
      {0x1369, 0x137C},   {0x17F0, 0x17F9},   {0x19DA, 0x19DA},   {0x2070, 0x2070},   {0x2074, 0x2079},
      {0x2080, 0x2089},   {0x2150, 0x215F},   {0x2189, 0x2189},   {0x2460, 0x249B},   {0x24EA, 0x24FF},
      {0x2776, 0x2793},   {0x2CFD, 0x2CFD},   {0x3192, 0x3195},   {0x3220, 0x3229},   {0x3248, 0x324F},
      {0x3251, 0x325F},   {0x3280, 0x3289},   {0x32B1, 0x32BF},   {0xA830, 0xA835},   {0x10107, 0x10133},
      {0x10175, 0x10178}, {0x1018A, 0x1018B}, {0x102E1, 0x102FB}, {0x10320, 0x10323}, {0x10858, 0x1085F},
      {0x10879, 0x1087F}, {0x108A7, 0x108AF}, {0x108FB, 0x108FF}, {0x10916, 0x1091B}, {0x109BC, 0x109BD},
      {0x109C0, 0x109CF}, {0x109D2, 0x109FF}, {0x10A40, 0x10A48}, {0x10A7D, 0x10A7E}, {0x10A9D, 0x10A9F},
      {0x10AEB, 0x10AEF}, {0x10B58, 0x10B5F}, {0x10B78, 0x10B7F}, {0x10BA9, 0x10BAF}, {0x10CFA, 0x10CFF},
      {0x10E60, 0x10E7E}, {0x10F1D, 0x10F26}, {0x10F51, 0x10F54}, {0x10FC5, 0x10FCB}, {0x11052, 0x11065},
      {0x111E1, 0x111F4}, {0x1173A, 0x1173B}, {0x118EA, 0x118F2}, {0x11C5A, 0x11C6C}, {0x11FC0, 0x11FD4},
      {0x16B5B, 0x16B61}, {0x16E80, 0x16E96}, {0x1D2C0, 0x1D2D3}, {0x1D2E0, 0x1D2F3}, {0x1D360, 0x1D378},
      {0x1E8C7, 0x1E8CF}, {0x1EC71, 0x1ECAB}, {0x1ECAD, 0x1ECAF}, {0x1ECB1, 0x1ECB4}, {0x1ED01, 0x1ED2D},
      {0x1ED2F, 0x1ED3D}, {0x1F100, 0x1F10C}};
  static constexpr Range kOthers[] = {{'_', '_'},         {0x200C, 0x200D},   {0x203F, 0x2040},  {0x2054, 0x2054},
                                      {0x24B6, 0x24E9},   {0xFE33, 0xFE34},   {0xFE4D, 0xFE4F},  {0xFF3F, 0xFF3F},
                                      {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
  if (k == Class::N) {
    for (const Range& range : kOtherNumbers)
      if (c >= range.first && c <= range.last) return false;
    return true;
  }
  for (const Range& range : kOthers)
    if (c >= range.first && c <= range.last) return true;
  return false;
}

}  // namespace glassbox::unicode
