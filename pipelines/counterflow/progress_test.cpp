#include "pipelines/counterflow/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace counterflow {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

TEST(Progress, writes_a_plain_line_every_tenth_where_there_is_no_terminal) {
  std::ostringstream out;
  double now = 0;
  Progress progress(out, "views", 1000, false, false, [&] { return now; });
  for (std::size_t k = 1; k <= 1000; ++k) {
    now = 0.01 * static_cast<double>(k);
    progress.at(k);
  }
  progress.finish();
  const std::string text = out.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10);
  EXPECT_THAT(text, HasSubstr("200 of 1000 views (20 %), 100/s, 8.0 s left\n"));
  EXPECT_THAT(text, EndsWith("1000 of 1000 views (100 %), 100/s, took 10 s\n"));
}

TEST(Progress, draws_a_bar_ten_times_a_second_at_most_on_a_terminal) {
  std::ostringstream out;
  double now = 0;
  Progress progress(out, "views", 1000, false, true, [&] { return now; });
  for (std::size_t k = 1; k <= 1000; ++k) {
    now = 0.001 * static_cast<double>(k);
    progress.at(k);
  }
  progress.finish();
  const std::string text = out.str();
  EXPECT_LE(std::count(text.begin(), text.end(), '\r'), 12);
  EXPECT_THAT(text, HasSubstr("[###"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST(Progress, says_nothing_when_quiet) {
  std::ostringstream out;
  Progress progress(out, "views", 10, true, true, [] { return 0.0; });
  progress.at(10);
  progress.finish();
  EXPECT_EQ(out.str(), "");
}

TEST(Progress, leaves_the_line_when_work_fails) {
  std::ostringstream out;
  {
    Progress(out, "views", 10, false, true, [] { return 0.0; }).at(3);
  }
  EXPECT_THAT(out.str(), EndsWith("\n"));
}

TEST(Progress, counts_where_the_total_is_unknown) {
  std::ostringstream out;
  Progress progress(out, "views", 0, false, false, [] { return 0.0; });
  progress.at(7);
  progress.finish();
  EXPECT_THAT(out.str(), HasSubstr("7 views"));
}

}  // namespace
}  // namespace counterflow
