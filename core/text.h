// Small things that error messages and lists are made of.
#pragma once
#include <string>
#include <vector>

namespace counterflow {

// Text of a value in the shortest form that parses back to the same bits.
std::string number_text(double value);

// The words of a text, separated by white space; and back.
std::vector<std::string> words(const std::string& text);
std::string joined(const std::vector<std::string>& names, const char* separator);

// What came from outside, fit for a message: at most 100 bytes, what is not printable ASCII as \xNN.
std::string printable(const std::string& text);

// The name nearest to `wrong` by edit distance; "" where there are none.
std::string nearest(const std::string& wrong, const std::vector<std::string>& names);
// "; did you mean 'x'?" where something is near, else "; there is: a, b, c".
std::string did_you_mean(const std::string& wrong, const std::vector<std::string>& names);

}  // namespace counterflow
