// Lettering for pictures: letters are strokes on a small grid, drawn with smooth edges at any size. ASCII; "^" raises what
// follows it
// ("g/cm^3"). Sizes are the height of a capital letter in pixels.
#pragma once
#include <string>

#include "pipelines/counterflow/picture.h"

namespace counterflow {

enum class Align { left, center, right };
enum class Direction { right, up };

// Length of a line of text in pixels.
double text_width(const std::string& text, double size);
// Draws a line of text from (or about, or up to) a point on its baseline.
void draw_text(Picture& picture, Point at, const std::string& text, double size, Color color, Align align = Align::left,
               Direction direction = Direction::right);

}  // namespace counterflow
