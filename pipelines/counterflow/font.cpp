#include "pipelines/counterflow/font.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace counterflow {
namespace {

// A letter on a grid: y = 0 the top of capitals, 3 of small letters, 8 the baseline, b the lowest; strokes are lists of points,
// two digits each (x, y; a = 10, b = 11). "~" before a stroke rounds its corners (quadratic B-spline), "@" closes it as well.
struct Glyph {
  char letter;
  int width;
  std::string_view strokes;
};

constexpr Glyph kGlyphs[] = {
    {'A', 6, "083068 1555"},
    {'B', 5, "0800 ~002040442404 ~042454582808"},
    {'C', 5, "~525000085856"},
    {'D', 5, "0800 ~002050582808"},
    {'E', 4, "40000848 0434"},
    {'F', 4, "400008 0434"},
    {'G', 5, "~525000085854 5434"},
    {'H', 5, "0008 5058 0454"},
    {'I', 0, "0008"},
    {'J', 4, "~4044480806"},
    {'K', 5, "0008 5005 2358"},
    {'L', 4, "000848"},
    {'M', 6, "0800356068"},
    {'N', 5, "08005850"},
    {'O', 6, "@00606808"},
    {'P', 5, "0800 ~002050552505"},
    {'Q', 6, "@00606808 4669"},
    {'R', 5, "0800 ~002050552505 2558"},
    {'S', 5, "~5150000454580807"},
    {'T', 6, "0060 3038"},
    {'U', 5, "~000408585450"},
    {'V', 6, "003860"},
    {'W', 8, "0028426880"},
    {'X', 5, "0058 5008"},
    {'Y', 6, "003460 3438"},
    {'Z', 5, "00500858"},
    {'a', 4, "4348 @03434808"},
    {'b', 4, "0008 @03434808"},
    {'c', 4, "~444303084847"},
    {'d', 4, "4048 @03434808"},
    {'e', 4, "0545 ~454303084847"},
    {'f', 3, "~30101418 0333"},
    {'g', 4, "@03434808 ~43484b0b0a"},
    {'h', 4, "0008 ~0603434548"},
    {'i', 0, "0308 01"},
    {'j', 2, "~23282b0b 21"},
    {'k', 4, "0008 4306 1548"},
    {'l', 1, "~00040818"},
    {'m', 6, "0308 ~0603333538 ~3633636568"},
    {'n', 4, "0308 ~0603434548"},
    {'o', 4, "@03434808"},
    {'p', 4, "030b @03434808"},
    {'q', 4, "434b @03434808"},
    {'r', 3, "0308 ~060333"},
    {'s', 4, "~4443030546480807"},
    {'t', 3, "~11141838 0333"},
    {'u', 4, "~030608484643 4348"},
    {'v', 4, "032843"},
    {'w', 6, "0328344863"},
    {'x', 4, "0348 4308"},
    {'y', 4, "0328 431b"},
    {'z', 4, "03430848"},
    {'0', 4, "@004044480804"},
    {'1', 4, "123038"},
    {'2', 4, "~0200404308 0848"},
    {'3', 4, "~0100404414 ~1444480807"},
    {'4', 4, "300646 3038"},
    {'5', 4, "400003 ~0343480807"},
    {'6', 4, "@03434808 ~400005"},
    {'7', 4, "004018"},
    {'8', 4, "@00404404 @04444808"},
    {'9', 4, "@00404505 ~434808"},
    {'.', 0, "08"},
    {',', 1, "180a"},
    {':', 0, "04 08"},
    {';', 1, "14 180a"},
    {'-', 3, "0535"},
    {'+', 4, "0545 2327"},
    {'/', 4, "4008"},
    {'(', 2, "~20000828"},
    {')', 2, "~00202808"},
    {'[', 2, "20000828"},
    {']', 2, "00202808"},
    {'=', 4, "0444 0646"},
    {'%', 6, "6008 @00202303 @45656848"},
    {'_', 4, "0949"},
    {'\'', 0, "0002"},
    {'"', 2, "0002 2022"},
    {'<', 4, "420548"},
    {'>', 4, "024508"},
    {'*', 4, "2126 0245 4205"},
    {'#', 4, "1008 4038 0343 0545"},
    {'!', 0, "0005 08"},
    {'?', 4, "~010040432425 28"},
    {'|', 0, "000a"},
    {' ', 2, ""},
};
constexpr Glyph kUnknown{'\0', 4, "0040480800"};
constexpr double kGap = 2.3;                           // between letters, in grid units
constexpr double kCapital = 8;                         // height of a capital, in grid units
constexpr double kStroke = 0.145;                      // of the size
constexpr double kRaisedSize = 0.62, kRaisedBy = 0.5;  // of the size

const Glyph& glyph_of(char letter) {
  const auto found = std::ranges::find(kGlyphs, letter, &Glyph::letter);
  return found == std::end(kGlyphs) ? kUnknown : *found;
}

double digit(char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; }

Point middle(Point a, Point b) { return {(a.x + b.x) / 2, (a.y + b.y) / 2}; }

void add_arc(std::vector<Point>& out, Point from, Point control, Point to) {
  constexpr int kPieces = 8;
  for (int k = 1; k <= kPieces; ++k) {
    const double t = static_cast<double>(k) / kPieces, s = 1 - t;
    out.push_back({s * s * from.x + 2 * s * t * control.x + t * t * to.x, s * s * from.y + 2 * s * t * control.y + t * t * to.y});
  }
}

// Quadratic B-spline of a control polygon: through the middles of its inner sides.
std::vector<Point> rounded(const std::vector<Point>& p, bool closed) {
  const std::size_t n = p.size();
  std::vector<Point> out{closed ? middle(p[n - 1], p[0]) : p[0]};
  const std::size_t first = closed ? 0 : 1, end = closed ? n : n - 1;
  for (std::size_t k = first; k < end; ++k) {
    const bool last = !closed && k + 2 == n;
    add_arc(out, out.back(), p[k], last ? p[n - 1] : middle(p[k], p[(k + 1) % n]));
  }
  return out;
}

std::vector<std::vector<Point>> strokes_of(const Glyph& glyph) {
  std::vector<std::vector<Point>> out;
  std::string_view rest = glyph.strokes;
  while (!rest.empty()) {
    std::string_view stroke = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(rest.size(), stroke.size() + 1));
    const char kind = stroke[0];
    if (kind == '~' || kind == '@') stroke.remove_prefix(1);
    std::vector<Point> points;
    for (std::size_t k = 0; k + 1 < stroke.size(); k += 2) points.push_back({digit(stroke[k]), digit(stroke[k + 1])});
    out.push_back(kind == '~' || kind == '@' ? rounded(points, kind == '@') : points);
  }
  return out;
}

// One letter of a laid-out text: where its grid's origin (left, baseline) lies and how large its grid unit is.
struct Placed {
  const Glyph* glyph;
  double x, y, unit;
};

std::vector<Placed> layout(const std::string& text, double size, double& width) {
  std::vector<Placed> out;
  double x = 0, gap = 0;
  for (std::size_t k = 0; k < text.size(); ++k) {
    const bool raised = text[k] == '^' && k + 1 < text.size();
    if (raised) ++k;
    const double unit = (raised ? kRaisedSize : 1.0) * size / kCapital;
    const Glyph& glyph = glyph_of(text[k]);
    x += std::min(gap, kGap * unit);
    out.push_back({&glyph, x, raised ? -kRaisedBy * size : 0.0, unit});
    x += glyph.width * unit;
    gap = kGap * size / kCapital;
  }
  width = x;
  return out;
}

}  // namespace

double text_width(const std::string& text, double size) {
  double width = 0;
  layout(text, size, width);
  return width;
}

void draw_text(Picture& picture, Point at, const std::string& text, double size, Color color, Align align, Direction direction) {
  double width = 0;
  const std::vector<Placed> letters = layout(text, size, width);
  const double start = align == Align::left ? 0 : align == Align::center ? -width / 2 : -width;
  for (const Placed& letter : letters)
    for (std::vector<Point> stroke : strokes_of(*letter.glyph)) {
      for (Point& p : stroke) {
        const double along = start + letter.x + p.x * letter.unit, down = letter.y + (p.y - kCapital) * letter.unit;
        p = direction == Direction::right ? Point{at.x + along, at.y + down} : Point{at.x + down, at.y - along};
      }
      picture.stroke(stroke, std::max(1.1, kStroke * size), color);
    }
}

}  // namespace counterflow
