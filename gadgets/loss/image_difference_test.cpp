#include "gadgets/loss/image_difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/testing/gadget_with.h"
#include "core/testing/gradient_check.h"
#include "core/testing/refusal.h"
#include "gadgets/loss/test_images.h"

namespace counterflow {
namespace {

using testing::empty_image;
using testing::gadget_with;
using ::testing::HasSubstr;
using testing::image_header;
using testing::kWaterIodine;
using testing::random_images;
using testing::refusal;
using testing::Settings;

const Channels kEnergies{"monoenergetic", "HU", {"50 keV", "70 keV", "120 keV"}};

// Noise of water 0.03, of iodine 0.002 g/cm^3, correlation -0.9.
constexpr double kSigma[2] = {0.03, 0.002}, kCorrelation = -0.9;
template <class Real>
void add_covariance(Image<Real>& x) {
  auto shape = x.value.shape();
  shape[0] = 3;
  x.covariance = Array<Real, 4>(shape);
  const double pairs[] = {kSigma[0] * kSigma[0], kCorrelation * kSigma[0] * kSigma[1], kSigma[1] * kSigma[1]};
  for (std::size_t k = 0; k < 3; ++k) std::ranges::fill(x.covariance.block(k), static_cast<Real>(pairs[k]));
}

// Water of about 1 g/cm^3 with some iodine, `slices` images, with the covariance of their noise.
template <class Real>
std::vector<Image<Real>> reference_of(const ScanHeader& h, std::mt19937_64& random) {
  auto images = random_images<Real>(h, kWaterIodine, {1, 0.005}, {0.02, 0.001}, random);
  for (auto& image : images) add_covariance(image);
  return images;
}

template <class G>
typename G::State state_of(const G& gadget, const ScanHeader& h, const std::vector<typename G::In>& reference) {
  auto state = gadget.begin({}, h);
  for (const auto& r : reference) gadget.refer(state, r);
  return state;
}

template <class G>
double loss_of(const G& gadget, const ScanHeader& h, const std::vector<typename G::In>& reference,
               const std::vector<typename G::In>& xs) {
  auto state = state_of(gadget, h, reference);
  for (const auto& x : xs) gadget.consume(state, x);
  return gadget.loss(state);
}

// x with normal noise of the covariance above, correlated between the materials.
Image<double> with_noise(Image<double> x, std::mt19937_64& random, double factor = 1) {
  std::normal_distribution<double> normal;
  const std::size_t n = x.value.size() / 2;
  for (std::size_t i = 0; i < n; ++i) {
    const double a = normal(random), b = normal(random);
    x.value[i] += factor * kSigma[0] * a;
    x.value[n + i] += factor * kSigma[1] * (kCorrelation * a + std::sqrt(1 - kCorrelation * kCorrelation) * b);
  }
  return x;
}

// ---- values

TEST(MaterialReference, halves_are_the_product_of_mean_differences_of_even_and_odd_slices) {
  const auto h = image_header(3);
  std::mt19937_64 random(1);
  const auto reference = reference_of<double>(h, random),
             xs = random_images<double>(h, kWaterIodine, {1, 0.005}, {0.1, 0.01}, random);
  const auto gadget = gadget_with<MaterialReference<double>>({{"weights", "40 9000"}, {"radius", "100"}, {"inside", "0"}});
  double sum = 0;
  for (std::size_t c = 0; c < 2; ++c)
    for (std::size_t i = 0; i < 99; ++i) {
      const auto d = [&](std::size_t z) { return xs[z].value[c * 99 + i] - reference[z].value[c * 99 + i]; };
      sum += (c == 0 ? 40 : 9000) * (d(0) + d(2)) / 2 * d(1);
    }
  const double expected = sum / (2 * 99);
  EXPECT_NEAR(loss_of(gadget, h, reference, xs), expected, 1e-12 * std::abs(expected));
}

TEST(MaterialReference, square_is_one_where_images_are_off_by_their_noise) {
  auto h = image_header(6);
  h.grid.nx = 60, h.grid.ny = 50;
  std::mt19937_64 random(2);
  const auto reference = reference_of<double>(h, random);
  auto xs = reference;
  for (auto& x : xs) x = with_noise(x, random);
  const Settings all{{"radius", "1000"}, {"inside", "0"}, {"form", "square"}};
  const double n = 6 * 60 * 50 * 2;
  EXPECT_NEAR(loss_of(gadget_with<MaterialReference<double>>(all), h, reference, xs), 1, 5 * std::sqrt(2 / n));
}

TEST(MaterialReference, weights_by_noise_see_what_anticorrelation_hides) {
  const auto h = image_header(2);
  std::mt19937_64 random(3);
  const auto reference = reference_of<double>(h, random);
  const auto off_by = [&](double water, double iodine) {
    auto xs = reference;
    for (auto& x : xs)
      for (std::size_t i = 0; i < 99; ++i) x.value[i] += water * kSigma[0], x.value[99 + i] += iodine * kSigma[1];
    return loss_of(gadget_with<MaterialReference<double>>(), h, reference, xs);
  };
  const double r = kCorrelation;
  EXPECT_NEAR(off_by(1, 1), (1 - r) / (1 - r * r), 1e-9);
  EXPECT_NEAR(off_by(1, -1), (1 + r) / (1 - r * r), 1e-9);
}

TEST(MaterialReference, only_voxels_inside_the_object_and_away_from_edges_are_compared) {
  auto h = image_header(2);
  h.grid.nx = h.grid.ny = 41;
  h.grid.voxel_x = h.grid.voxel_y = 1;
  std::vector<Image<double>> reference;
  const auto radius = [&](std::size_t i) {
    return std::hypot(h.grid.x(static_cast<double>(i % 41)), h.grid.y(static_cast<double>(i / 41)));
  };
  for (std::size_t z = 0; z < 2; ++z) {
    reference.push_back(empty_image<double>(h, kWaterIodine, z));
    for (std::size_t i = 0; i < 1681; ++i) reference.back().value[i] = radius(i) < 15 ? 1 : 0;
  }
  // Voxels that are compared nearer than `most`, and all that are not within `least`.
  const auto expect_compared = [&](const Settings& more, double least, double most) {
    Settings settings{{"weights", "equal"}, {"radius", "18"}};
    for (const auto& [name, value] : more) settings[name] = value;
    const auto gadget = gadget_with<MaterialReference<double>>(settings);
    auto xs = reference;
    for (auto& x : xs)
      for (double& v : x.value) v += 1;
    auto state = state_of(gadget, h, reference);
    for (const auto& x : xs) gadget.consume(state, x);
    EXPECT_NEAR(gadget.loss(state), 1, 1e-12);
    const auto bar = gadget.adjoint(state, xs[1]);
    for (std::size_t i = 0; i < 1681; ++i) {
      const bool compared = bar.value[i] != 0;
      EXPECT_TRUE(compared || radius(i) > least) << radius(i);
      EXPECT_TRUE(!compared || radius(i) <= most) << radius(i);
    }
  };
  expect_compared({{"inside", "0"}}, 18, 18);
  expect_compared({}, 14.99, 15);
  expect_compared({{"border", "3"}}, 10, 12);
}

TEST(MonoenergeticReference, compares_energies_in_hounsfield_units) {
  const auto h = image_header(2);
  std::mt19937_64 random(4);
  const auto reference = random_images<double>(h, kEnergies, {20, 10, 0}, {5, 5, 5}, random);
  auto xs = reference;
  for (auto& x : xs)
    for (double& v : x.value) v += 7;
  EXPECT_NEAR(loss_of(gadget_with<MonoenergeticReference<double>>({{"weights", "equal"}}), h, reference, xs), 49, 1e-10);
  const auto none = [&](const auto& images) {
    return refusal([&] { loss_of(gadget_with<MonoenergeticReference<double>>(), h, images, xs); });
  };
  EXPECT_THAT(none(reference), HasSubstr("needs the covariance of the reference"));
  auto known = reference;
  for (auto& image : known) image.covariance = Array<double, 4>({6, 1, h.grid.ny, h.grid.nx}, 4.0);  // of rank one
  EXPECT_NEAR(loss_of(gadget_with<MonoenergeticReference<double>>(), h, known, xs), 49. / 4, 1e-10);
}

// ---- noise

// The theta that makes the loss of images r + (1 - theta) noise + theta bias smallest; it is quadratic in theta. Noise that a
// parameter can shrink is what a plain square trades for a bias (physics of drift: docs/losses.md).
double best_theta(const MaterialReference<double>& gadget, std::size_t slices, std::mt19937_64& random) {
  auto h = image_header(slices);
  h.grid.nx = 64, h.grid.ny = 48;
  const auto reference = reference_of<double>(h, random);
  std::vector<Image<double>> noise, bias;
  for (const auto& r : reference) {
    Image<double> zero = r;
    std::ranges::fill(zero.value, 0.0);
    noise.push_back(with_noise(zero, random));
    for (std::size_t i = 0; i < zero.value.size() / 2; ++i) zero.value[i] = kSigma[0];
    bias.push_back(zero);
  }
  const auto loss_at = [&](double theta) {
    auto xs = reference;
    for (std::size_t z = 0; z < slices; ++z)
      for (std::size_t i = 0; i < xs[z].value.size(); ++i)
        xs[z].value[i] += (1 - theta) * noise[z].value[i] + theta * bias[z].value[i];
    return loss_of(gadget, h, reference, xs);
  };
  const double minus = loss_at(-1), zero = loss_at(0), plus = loss_at(1);
  return 0.5 * (minus - plus) / (minus - 2 * zero + plus);
}

TEST(MaterialReference, square_is_biased_by_noise_and_halves_are_not) {
  const Settings all{{"radius", "1000"}, {"inside", "0"}};
  Settings square = all;
  square["form"] = "square";
  double of_square = 0, of_halves = 0;
  constexpr unsigned kScans = 5;
  for (unsigned seed = 0; seed < kScans; ++seed) {
    std::mt19937_64 random(seed + 10);
    of_square += best_theta(gadget_with<MaterialReference<double>>(square), 8, random) / kScans;
    of_halves += best_theta(gadget_with<MaterialReference<double>>(all), 8, random) / kScans;
  }
  std::printf("  best at theta = %.4f by squares, %.4f by halves; true 0\n", of_square, of_halves);
  const double bias = 1 / (1 - kCorrelation * kCorrelation) / 2;  // of the bias alone; the noise counts 1
  EXPECT_NEAR(of_square, 1 / (1 + bias), 0.01);
  EXPECT_NEAR(of_halves, 0, 0.005);
}

// ---- adjoint

template <class G>
struct Mutant : G {  // one channel is wrong by a ten-thousandth
  typename G::In adjoint(const typename G::State& state, const typename G::In& x) const {
    auto bar = G::adjoint(state, x);
    for (double& v : bar.value.block(1)) v *= 1.0001;
    return bar;
  }
};

template <template <class> class G>
void expect_right_adjoint(const Channels& channels, const Settings& settings, std::size_t slices_an_image) {
  const auto h = image_header(5 - 5 % slices_an_image);
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    const bool materials = channels.quantity == "density";
    const std::vector<double> mean = materials ? std::vector<double>{1, 0.005} : std::vector<double>{20, 10, 0};
    const std::vector<double> sd = materials ? std::vector<double>{0.3, 0.02} : std::vector<double>{300, 50, 50};
    auto reference = random_images<double>(h, channels, mean, sd, random);
    if (materials)
      for (auto& image : reference) add_covariance(image);
    std::vector<Image<double>> xs;
    for (std::size_t z = 0; z < h.grid.nz; z += slices_an_image) {
      xs.push_back(empty_image<double>(h, channels, z, slices_an_image));
      for (std::size_t c = 0; c < mean.size(); ++c)
        for (double& v : xs.back().value.block(c)) v = mean[c] + sd[c] * std::normal_distribution<double>()(random);
    }
    const auto error = [&](const auto& gadget) {
      return testing::sink_adjoint_error(gadget, h, xs, seed,
                                         [&](auto& state) {
                                           for (const auto& r : reference) gadget.refer(state, r);
                                         })
          .value;
    };
    EXPECT_LT(error(gadget_with<G<double>>(settings)), 1e-8);
    EXPECT_GT(error(gadget_with<Mutant<G<double>>>(settings)), 1e-6);
  }
}

TEST(MaterialReference, adjoint_of_halves) { expect_right_adjoint<MaterialReference>(kWaterIodine, {{"blur", "3"}}, 1); }
TEST(MaterialReference, adjoint_of_squares) {
  expect_right_adjoint<MaterialReference>(kWaterIodine, {{"blur", "3"}, {"form", "square"}}, 1);
}
TEST(MaterialReference, adjoint_in_a_part_of_the_images) {
  expect_right_adjoint<MaterialReference>(kWaterIodine, {{"radius", "7"}, {"inside", "0.5"}}, 1);
}
TEST(MaterialReference, adjoint_of_volumes) { expect_right_adjoint<MaterialReference>(kWaterIodine, {{"blur", "2"}}, 2); }
TEST(MonoenergeticReference, adjoint_of_halves) {
  expect_right_adjoint<MonoenergeticReference>(kEnergies, {{"weights", "1 2 0.5"}, {"inside", "0"}}, 1);
}

// ---- runs

TEST(MaterialReference, a_restarted_run_keeps_its_reference_and_nothing_else) {
  const auto h = image_header(4);
  std::mt19937_64 random(5);
  const auto reference = reference_of<float>(h, random);
  const auto first = random_images<float>(h, kWaterIodine, {1, 0.005}, {0.1, 0.01}, random);
  const auto second = random_images<float>(h, kWaterIodine, {1, 0.005}, {0.1, 0.01}, random);
  for (const char* form : {"halves", "square"}) {
    const auto gadget = gadget_with<MaterialReference<float>>({{"form", form}, {"blur", "2"}});
    auto state = state_of(gadget, h, reference);
    for (const auto& x : first) gadget.consume(state, x);
    EXPECT_EQ(gadget.loss(state), loss_of(gadget, h, reference, first));
    gadget.restart({}, state);
    for (const auto& x : second) gadget.consume(state, x);
    EXPECT_EQ(gadget.loss(state), loss_of(gadget, h, reference, second));
    EXPECT_NE(gadget.loss(state), loss_of(gadget, h, reference, first));
  }
}

TEST(MaterialReference, slices_meet_the_reference_at_their_place_whatever_the_order) {
  const auto h = image_header(4);
  std::mt19937_64 random(6);
  const auto reference = reference_of<double>(h, random);
  auto volume = empty_image<double>(h, kWaterIodine, 0, 4);
  volume.covariance = Array<double, 4>({3, 4, h.grid.ny, h.grid.nx});
  for (std::size_t z = 0; z < 4; ++z) {
    for (std::size_t c = 0; c < 2; ++c) std::ranges::copy(reference[z].value.block(c), volume.value.block(c, z).begin());
    for (std::size_t k = 0; k < 3; ++k)
      std::ranges::copy(reference[z].covariance.block(k), volume.covariance.block(k, z).begin());
  }
  const auto xs = random_images<double>(h, kWaterIodine, {1, 0.005}, {0.1, 0.01}, random);
  const std::vector<Image<double>> mixed{xs[2], xs[0], xs[3], xs[1]};
  const auto gadget = gadget_with<MaterialReference<double>>();
  const double loss = loss_of(gadget, h, reference, xs);
  EXPECT_EQ(loss_of(gadget, h, {volume}, xs), loss);
  EXPECT_NEAR(loss_of(gadget, h, {reference[3], reference[0], reference[2], reference[1]}, mixed), loss, 1e-13 * std::abs(loss));
}

TEST(MaterialReference, files_may_show_other_images_too_and_a_channel_at_a_time) {
  const auto h = image_header(2);
  std::mt19937_64 random(7);
  const auto reference = random_images<double>(h, kEnergies, {20, 10, 0}, {5, 5, 5}, random);
  const auto xs = random_images<double>(h, kEnergies, {20, 10, 0}, {5, 5, 5}, random);
  std::vector<Image<double>> file = random_images<double>(h, kWaterIodine, {1, 0.005}, {0.1, 0.01}, random);
  for (std::size_t c : {2u, 0u, 1u})
    for (const auto& r : reference) {
      file.push_back(empty_image<double>(h, {"monoenergetic", "HU", {kEnergies.names[c]}}, r.slice));
      std::ranges::copy(r.value.block(c), file.back().value.begin());
    }
  const auto gadget =
      gadget_with<MonoenergeticReference<double>>({{"weights", "equal"}, {"inside", "0"}, {"reference", "known.h5"}});
  EXPECT_EQ(gadget.reference(), "known.h5");
  EXPECT_EQ(loss_of(gadget, h, file, xs), loss_of(gadget, h, reference, xs));
}

TEST(MaterialReference, without_a_reference_there_is_no_loss_and_no_gradient) {
  const auto h = image_header(2);
  std::mt19937_64 random(8);
  const auto xs = reference_of<double>(h, random);
  const MaterialReference<double> gadget;
  EXPECT_EQ(gadget.reference(), "truth");
  EXPECT_TRUE(std::isnan(loss_of(gadget, h, {}, xs)));
  EXPECT_THAT(refusal([&] { gadget.adjoint(gadget.begin({}, h), xs[0]); }), HasSubstr("train on a scan with its truth"));
}

// ---- refusals

std::string refused(const Settings& settings) {
  return refusal<ConfigError>([&] { gadget_with<MaterialReference<double>>(settings).begin({}, image_header(2)); });
}

TEST(MaterialReference, halves_need_two_slices_when_they_are_trained) {
  const auto h = image_header(1);
  std::mt19937_64 random(10);
  const auto xs = reference_of<double>(h, random);
  const auto of = [&](const Settings& settings, const auto& reference) {
    return refusal([&] { loss_of(gadget_with<MaterialReference<double>>(settings), h, reference, xs); });
  };
  EXPECT_THAT(of({}, xs), HasSubstr("two slices and more, got 1; use more detector rows, or form square"));
  EXPECT_EQ(of({}, std::vector<Image<double>>{}), "accepted");
  EXPECT_EQ(of({{"form", "square"}}, xs), "accepted");
}

TEST(MaterialReference, refuses_settings_that_make_no_sense) {
  for (const char* weights : {"much", "1 -2", "1 0", "noise 1", "1e999", ""})
    EXPECT_THAT(refused({{"weights", weights}}), HasSubstr("expected weights noise, equal or")) << weights;
  EXPECT_THAT(refused({{"reference", ""}}), HasSubstr("expected the reference truth or"));
}

TEST(MaterialReference, refuses_images_that_do_not_fit) {
  const auto h = image_header(2);
  std::mt19937_64 random(9);
  const auto xs = reference_of<double>(h, random);
  const auto of = [&](const std::vector<Image<double>>& reference, const std::vector<Image<double>>& images,
                      const Settings& settings = {{"inside", "0"}}) {
    return refusal([&] { loss_of(gadget_with<MaterialReference<double>>(settings), h, reference, images); });
  };
  const auto changed = [&](auto&& change) {
    auto images = xs;
    for (auto& image : images) change(image);
    return images;
  };
  EXPECT_EQ(of(xs, xs), "accepted");
  const auto without = changed([](auto& x) { x.covariance = {}; });
  EXPECT_THAT(of(without, xs), HasSubstr("set covariance of MaximumLikelihood and noise of the reconstruction"));
  EXPECT_THAT(of(changed([](auto& x) { std::ranges::fill(x.covariance, 1.0); }), xs), HasSubstr("has no inverse"));
  EXPECT_THAT(of(xs, xs, {{"weights", "1 2 3"}}), HasSubstr("a weight for each of 2 channels, got 3"));
  EXPECT_THAT(of(changed([](auto& x) { x.grid.voxel_x = 1.9; }), xs), HasSubstr("reconstruct both on the same grid"));
  EXPECT_THAT(of(changed([](auto& x) { x.grid.centre_y = 1; }), xs), HasSubstr("reconstruct both on the same grid"));
  EXPECT_THAT(of(changed([](auto& x) { x.grid.centre_z = 20; }), xs), HasSubstr("no slice at z = -1.5 mm"));
  EXPECT_THAT(of({xs[0], xs[0]}, xs), HasSubstr("twice at z"));
  EXPECT_THAT(of(xs, xs, {{"border", "50"}, {"inside", "0.99"}}), HasSubstr("no voxel of the reference"));
  EXPECT_THAT(of(xs, {xs[0]}), HasSubstr("slices of even and of odd number"));
  const auto named = [&](Channels channels) {
    return changed([&](auto& x) { x.channels = std::make_shared<const Channels>(channels); });
  };
  EXPECT_THAT(of(xs, named({"attenuation", "1/cm", {"a", "b"}})), HasSubstr("got attenuation; set after to"));
  EXPECT_THAT(of(xs, named({"density", "g/cm^3", {"water", "calcium"}})), HasSubstr("got none of calcium"));
  EXPECT_THAT(of(named({"density", "g/cm^3", {"lead", "gold"}}), xs), HasSubstr("got images of lead, gold"));
  EXPECT_THAT(of(xs, named({"density", "g/cm^3", {"water"}})), HasSubstr("is not of its 1 channels"));
}

}  // namespace
}  // namespace counterflow
