#include "core/text.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <sstream>
#include <utility>

namespace counterflow {
namespace {

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j)
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])}));
  }
  return row.back();
}

}  // namespace

std::string joined(const std::vector<std::string>& names, const char* separator) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : separator) + name;
  return text;
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::string number_text(double value) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return {buffer, end};
}

std::string printable(const std::string& text) {
  constexpr std::size_t kLongest = 100;
  std::string out;
  for (const char c : text.substr(0, kLongest)) {
    if (c >= ' ' && c <= '~') out += c;
    else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'\\', 'x', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    }
  }
  return text.size() > kLongest ? out + "..." : out;
}

std::string nearest(const std::string& wrong, const std::vector<std::string>& names) {
  const auto best = std::min_element(names.begin(), names.end(), [&](const auto& a, const auto& b) {
    return edit_distance(wrong, a) < edit_distance(wrong, b);
  });
  return best == names.end() ? "" : *best;
}

std::string did_you_mean(const std::string& wrong, const std::vector<std::string>& names) {
  if (names.empty()) return "; there is none";
  const std::string best = nearest(wrong, names);
  if (edit_distance(wrong, best) <= std::max<std::size_t>(2, best.size() / 3)) return "; did you mean '" + best + "'?";
  return "; there is: " + joined(names, ", ");
}

}  // namespace counterflow
