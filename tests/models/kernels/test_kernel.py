"""The kernel exponential family: routes that agree, reference numbers, invariances, what is refused."""

import pickle

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity
from skscore.datasets import Banana, Moons
from skscore.formulas import score_losses
from skscore.formulas.moments import moments
from skscore.levels.ladder import fit_ladder, gather
from skscore.maps.affine import Affine
from skscore.models import GaussianBase, Kernel
from skscore.models.base import MappedBase
from skscore.models.family import Sample
from skscore.models.kernels.landmarks import distinct_rows, median_bandwidth, place_landmarks
from skscore.models.kernels.rkhs import orthonormal_basis
from skscore.models.objectives import Denoising, Explicit, Implicit, Sliced


def density(model, alpha=0.01, **parameters):
    return ScoreMatchingDensity(model, alpha=alpha, **{"random_state": 0, **parameters})


def bound(model, X, alpha=0.01):
    """The family that a model is for these rows."""
    return model.choose(Sample(X, None, None, moments(X)), Implicit(), alpha, "log_likelihood").family


def test_many_and_few_rows_take_routes_that_agree(rng, skew_rows):
    """Below four rows for each kernel the form is built from functions; above from kernels."""
    X = skew_rows(rng, 60, 3)
    model = Kernel(landmarks=X[:20], bandwidth=0.8, whiten=False)
    few = density(model).fit(X)
    many = density(model).fit(np.repeat(X, 2, axis=0))
    np.testing.assert_allclose(many.grad_log_density(X), few.grad_log_density(X), rtol=1e-8, atol=1e-9)


# ---- reference numbers ---------------------------------------------------------------------------

LITE = ["lite_m=n_R=K_nobase", "lite_m=12_R=K_nobase", "lite_m=12_R=I_nobase", "lite_m=12_R=K_gaussbase"]


def test_no_case_is_left_out(cases):
    assert {name for name in cases if name.startswith("lite")} == set(LITE)


@pytest.mark.parametrize("name", LITE)
def test_reference(cases, rows, name):
    case = cases[name]
    X, evaluated, held_out = (rows(case[part]) for part in ("train", "eval", "heldout"))
    m, base = len(case["theta"]), GaussianBase(case["base"]["mu"], case["base"]["s"]) if case["base"] else None
    regularizer = {"K": "rkhs", "I": "identity"}[case["R"]]
    model = Kernel(landmarks=X[:m], bandwidth=case["sigma"], base=base, regularizer=regularizer, whiten=False)
    fitted = density(model, case["lam"]).fit(X)
    if m < len(X):
        np.testing.assert_allclose(fitted.theta_, case["theta"], rtol=1e-8)
    # at m = n, θ is near 6e4, and the rounding of K alone, whose condition is 3e10, moves the slopes by some 1e-9
    slopes = {"rtol": 1e-9} if m < len(X) else {"rtol": 1e-8, "atol": 1e-8}
    np.testing.assert_allclose(fitted.objective_, case["J_train"], rtol=1e-9)
    np.testing.assert_allclose(fitted.grad_log_density(evaluated), case["grad"], **slopes)
    laplacian = fitted.hyvarinen_score(evaluated) - 0.5 * np.sum(np.square(case["grad"]), axis=1)
    np.testing.assert_allclose(laplacian, case["laplacian"], **slopes)
    np.testing.assert_allclose(fitted.hyvarinen_score(held_out).mean(), case["J_heldout"], **slopes)
    log_q0_constant = 0.0 if base is None else -np.log(2 * np.pi * np.prod(base.scale))  # left out of the reference
    log_unnormalised = fitted._fit.family.log_density(fitted._fit.density.theta, evaluated) - log_q0_constant
    np.testing.assert_allclose(log_unnormalised, case["log_unnorm"], **slopes)


# ---- the basis -----------------------------------------------------------------------------------


def test_the_basis_is_orthonormal_and_cuts_what_rounding_hides(rng):
    Z = rng.standard_normal((60, 2))
    K = np.exp(-0.5 * ((Z[:, None] - Z) ** 2).sum(axis=2) / 9.0)  # of rank about 30 in float64
    W = orthonormal_basis(K)
    assert W.shape[1] < 60
    np.testing.assert_allclose(W.T @ K @ W, np.eye(W.shape[1]), atol=1e-3)
    K = np.exp(-0.5 * ((Z[:, None] - Z) ** 2).sum(axis=2) / 0.01)
    W = orthonormal_basis(K)
    np.testing.assert_allclose(W.T @ K @ W, np.eye(60), atol=1e-12)


def test_repeated_landmarks_change_nothing(rng, skew_rows):
    X = skew_rows(rng, 200, 2)
    fits = [density(Kernel(landmarks=Z, bandwidth=0.7)).fit(X) for Z in (X[:15], X[np.arange(30) // 2])]
    np.testing.assert_allclose(fits[1].grad_log_density(X), fits[0].grad_log_density(X), rtol=1e-7, atol=1e-8)


# ---- whitened coordinates ------------------------------------------------------------------------


@pytest.mark.parametrize("objective", [Implicit(), Explicit(), Sliced(), Denoising(0.3)], ids=repr)
def test_the_objective_is_that_of_whitened_coordinates(rng, skew_rows, objective):
    """s_u = A⁻¹ s_x, in which the form must equal the formula; the denoising one stays in the units of X."""
    X = skew_rows(rng, 80, 3)
    Y = rng.standard_normal(X.shape) - X if isinstance(objective, Explicit) else None
    name = {Implicit: "implicit", Explicit: "explicit", Sliced: "sliced", Denoising: "denoising"}[type(objective)]
    fitted = density(Kernel(12, bandwidth=0.9), objective=name, noise_level=0.3).fit(X, Y)
    inverse = Affine.whitening(moments(X)).inverted.matrix
    s = fitted.grad_log_density(X) @ inverse.T
    if name == "implicit":
        expected = score_losses.implicit(s, sum(fitted.curvature(X, axis) for axis in inverse)).mean()
    elif name == "explicit":
        expected = score_losses.explicit(s, Y @ inverse.T).mean()
    elif name == "sliced":
        directions = np.sqrt(3.0) * objective.frame(3)
        expected = np.mean([score_losses.sliced(s, fitted.curvature(X, v @ inverse), v[None]) for v in directions])
    else:
        draws = objective.draws(3)
        expected = np.mean([score_losses.denoising(fitted.grad_log_density(X + 0.3 * z), z, 0.3) for z in draws])
    assert fitted.objective_ == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("base", ["gaussian", "student"])
def test_an_affine_map_of_the_table_changes_nothing(rng, skew_rows, base):
    X, T = skew_rows(rng, 90, 3), skew_rows(rng, 20, 3)
    A, b = np.array([[3.0, 1.0, 0.0], [0.0, 0.1, 2.0], [0.0, 0.0, 40.0]]), np.array([1e4, -7.0, 0.0])
    before, after = (density(Kernel(base=base)).fit(table) for table in (X, X @ A + b))
    assert after.bandwidth_ == pytest.approx(before.bandwidth_, rel=1e-9)
    np.testing.assert_allclose(
        after.grad_log_density(T @ A + b) @ A.T, before.grad_log_density(T), rtol=1e-6, atol=1e-7
    )
    shift = np.log(np.abs(np.linalg.det(A)))
    fits = (before._fit, T), (after._fit, T @ A + b)
    unnormalised = [fit.family.log_density(fit.density.theta, t) for fit, t in fits]
    np.testing.assert_allclose(unnormalised[1], unnormalised[0] - shift, rtol=1e-7)


def test_a_table_far_from_the_origin(rng, skew_rows):
    X = skew_rows(rng, 100, 2)
    near, far = density(Kernel(20, bandwidth=0.8)).fit(X), density(Kernel(20, bandwidth=0.8)).fit(X + 1e8)
    np.testing.assert_allclose(far.grad_log_density(X + 1e8), near.grad_log_density(X), atol=1e-4)


@pytest.mark.parametrize("basis", ["lite", "fourier"])
def test_in_raw_units_the_origin_does_not_matter(rng, skew_rows, basis):
    """Of folds, landmarks and waves alike."""
    X = skew_rows(rng, 60, 2)
    moved_rows, model = X + np.array([300.0, -1000.0]), Kernel(10, basis=basis, whiten=False)
    first, moved = (density(model, alpha="auto").fit(rows) for rows in (X, moved_rows))
    assert moved.bandwidth_ == pytest.approx(first.bandwidth_)
    np.testing.assert_allclose(moved.score_samples(moved_rows), first.score_samples(X), rtol=1e-6)


def test_constant_and_collinear_columns_fit(rng, skew_rows):
    X = np.column_stack([skew_rows(rng, 80, 2), np.ones(80), np.zeros(80)])
    X[:, 3] = X[:, 0] + X[:, 1]
    with pytest.warns(ConvergenceWarning, match=r"2 of 4 directions have no variance \(constant columns: \[2\]"):
        fitted = density(Kernel(20)).fit(X)
    assert np.isfinite(fitted.grad_log_density(X)).all()


# ---- base measures -------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["gaussian", "student", GaussianBase([1.0, 2.0, 0.0], 2.0)], ids=str)
def test_base_measures_have_the_derivatives_of_their_logarithm(rng, skew_rows, base):
    X, V, step = skew_rows(rng, 30, 3), rng.standard_normal((30, 3)), 1e-5
    base = bound(Kernel(5, bandwidth=1.0, base=base, base_scale=1.3), X).base

    def slope(function, direction):
        return (function(X + step * direction) - function(X - step * direction)) / (2 * step)

    for j, axis in enumerate(np.eye(3)):
        np.testing.assert_allclose(base.score(X)[:, j], slope(base.log_density, axis), atol=1e-7)
    along = (V * slope(base.score, V)).sum(axis=1)
    np.testing.assert_allclose(base.curvature(X, V), along, atol=1e-6)
    np.testing.assert_allclose(base.divergence(X), sum(base.curvature(X, axis) for axis in np.eye(3)), rtol=1e-10)


def test_a_gaussian_base_takes_on_noise(rng, skew_rows):
    X = skew_rows(rng, 200, 3)
    table = moments(X)
    base = MappedBase(GaussianBase(), Affine.whitening(table)).blurred(0.49 * np.eye(3))
    precision = np.linalg.inv(table.covariance + 0.49 * np.eye(3))
    np.testing.assert_allclose(base.score(X), -(X - table.mean) @ precision, rtol=1e-10, atol=1e-12)
    log_det = np.linalg.slogdet(precision)[1]
    assert base.log_density(table.mean[None])[0] == pytest.approx(0.5 * (log_det - 3 * np.log(2 * np.pi)))


def test_a_flat_base_has_scores_and_no_density(rng, skew_rows):
    X = skew_rows(rng, 50, 2)
    fitted = density(Kernel(10, base=None)).fit(X)
    assert np.isfinite(fitted.grad_log_density(X)).all()
    for method in (lambda: fitted.score_samples(X), lambda: fitted.sample(2)):
        with pytest.raises(ValueError, match="base=None"):
            method()


def test_a_heavy_ridge_leaves_the_base_measure(rng, skew_rows):
    X = skew_rows(rng, 100, 2)
    fitted = density(Kernel(20), alpha=1e9).fit(X)
    gaussian = ScoreMatchingDensity("gaussian").fit(X)
    np.testing.assert_allclose(fitted.score_samples(X), gaussian.score_samples(X), atol=1e-6)


# ---- rows, weights, chunks -----------------------------------------------------------------------


def test_weights_are_repetition(rng, skew_rows):
    """Of landmarks, bandwidth and the fit alike, on a table longer than the sample that k-means sees."""
    X, weight = skew_rows(rng, 400, 2), rng.integers(0, 4, 400)
    fits = [
        density(Kernel(5)).fit(X, sample_weight=weight.astype(float)),
        density(Kernel(5)).fit(np.repeat(X, weight, axis=0)),
        density(Kernel(5)).fit(rng.permutation(np.repeat(X, weight, axis=0))),
    ]
    for other in fits[1:]:
        np.testing.assert_allclose(other.landmarks_, fits[0].landmarks_, rtol=1e-9)
        assert other.bandwidth_ == pytest.approx(fits[0].bandwidth_, rel=1e-9)
        np.testing.assert_allclose(other.grad_log_density(X), fits[0].grad_log_density(X), rtol=1e-7, atol=1e-8)


def test_a_hundred_chunks_are_one_fit(rng, skew_rows):
    X = skew_rows(rng, 1000, 3)
    model = Kernel(landmarks=X[:25], bandwidth=1.0, base=GaussianBase(1.5, 1.2), whiten=False)
    whole, chunked = density(model).fit(X), density(model)
    for chunk in np.split(X, 100):
        chunked.partial_fit(chunk)
    np.testing.assert_allclose(chunked.grad_log_density(X), whole.grad_log_density(X), rtol=1e-8, atol=1e-9)
    assert chunked.objective_ == pytest.approx(whole.objective_, rel=1e-9)


def test_later_chunks_keep_the_landmarks_of_the_first(rng, skew_rows):
    X = skew_rows(rng, 300, 2)
    fitted = density(Kernel(15)).fit(X[:100])
    landmarks = fitted.landmarks_
    fitted.partial_fit(X[100:])
    np.testing.assert_array_equal(fitted.landmarks_, landmarks)
    assert fitted._fit.summary.form.n == 300


def test_landmarks_are_distinct_rows_where_these_are_few():
    X = np.array([[1.0, 2.0], [0.0, 1.0], [1.0, 2.0], [5.0, 5.0]])
    distinct, weight = distinct_rows(X, np.array([1.0, 2.0, 3.0, 0.0]))
    np.testing.assert_array_equal(distinct, [[0.0, 1.0], [1.0, 2.0]])
    np.testing.assert_array_equal(weight, [2.0, 4.0])
    np.testing.assert_array_equal(place_landmarks(distinct, weight, 2), distinct)
    assert median_bandwidth(distinct[:1], weight[:1]) == 1.0
    assert median_bandwidth(np.array([[0.0], [1e-200]]), np.ones(2)) == 1.0  # whose square is zero
    assert median_bandwidth(distinct, weight) == pytest.approx(1.0)


# ---- the density as a whole ----------------------------------------------------------------------


def test_moons_are_normalised_and_sampled(rng):
    X = Moons().sample(300, rng)
    fitted = density(Kernel(100, bandwidth=0.5, base="student"), alpha=0.1).fit(X)
    step, reach = 0.05, 8.0
    axis = np.arange(-reach, reach, step)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    p = np.exp(fitted.score_samples(grid))
    assert p.sum() * step**2 == pytest.approx(1.0, abs=2e-3)  # a little of the Student's tail lies outside
    draws = fitted.sample(4000)
    inside = draws[(np.abs(draws) < reach).all(axis=1)]
    mean, spread = p @ grid / p.sum(), np.sqrt(p @ grid**2 / p.sum())
    np.testing.assert_allclose(inside.mean(axis=0), mean, atol=5 * spread.max() / np.sqrt(4000))


def test_a_banana_is_fitted_better_than_by_a_gaussian(rng):
    law = Banana()
    X, T = law.sample(300, rng), law.sample(2000, rng)
    fits = [density(Kernel(100), alpha=1e-3), ScoreMatchingDensity("gaussian")]
    errors = [((fit.fit(X).grad_log_density(T) - law.grad_log_density(T)) ** 2).sum(axis=1).mean() for fit in fits]
    assert errors[0] < 0.5 * errors[1]


def test_without_a_ridge_a_fit_that_follows_noise_warns(rng, skew_rows):
    X = skew_rows(rng, 60, 2)
    with pytest.warns(ConvergenceWarning, match="alpha=0"):
        density(Kernel(20, bandwidth=1.0, base_scale=1.0), alpha=0.0).fit(X)


@pytest.mark.parametrize("bandwidth", [1e-8, 0.01])
def test_spikes_that_no_node_meets_warn(rng, skew_rows, bandwidth):
    X = skew_rows(rng, 60, 2)
    fitted = density(Kernel(20, bandwidth=bandwidth, base_scale=1.0)).fit(X)
    with pytest.warns(ConvergenceWarning, match="misses the mass of a narrow mode.*greater bandwidth"):
        fitted.score_samples(X)


def test_a_single_row_has_its_mass_near_itself():
    """No warning of that, that is."""
    with pytest.warns(ConvergenceWarning, match="no variance"):
        fitted = density(Kernel(), alpha="auto").fit(np.ones((5, 2)))
    assert fitted.log_normalizer_ == pytest.approx(0.0, abs=0.1)


def test_a_mode_has_the_mass_of_its_gaussian():
    """Of one kernel so high that log p̃ is a parabola wherever it has mass; the base measure does not matter there."""
    height, width = 1e4, 0.5
    family = bound(Kernel(landmarks=np.zeros((1, 2)), bandwidth=width, base=None, whiten=False), np.eye(2) - 0.5)
    mass = family.log_mass_of_a_mode(np.array([height]))
    assert mass == pytest.approx(height + np.log(2.0 * np.pi * width**2 / height))


def test_a_fit_survives_pickling(rng, skew_rows):
    X = skew_rows(rng, 50, 2)
    fitted = density("kernel").fit(X)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.score_samples(X), fitted.score_samples(X))


def test_at_high_noise_a_ladder_is_the_noisy_gaussian(rng, skew_rows):
    X = skew_rows(rng, 100, 2)
    levels = np.array([20.0, 1.0])
    family = bound(Kernel(10, bandwidth=2.0, base_scale=1.0), X)
    ladder = fit_ladder(gather(family, X, None, levels), X.var(axis=0), alpha=1e-3)
    noisy = X + 20.0 * rng.standard_normal(X.shape)
    precision = np.linalg.inv(np.cov(X.T, ddof=0) + 400.0 * np.eye(2))
    expected = -(noisy - X.mean(axis=0)) @ precision
    np.testing.assert_allclose(ladder.score(noisy, 20.0), expected, atol=0.02 * np.abs(expected).max())


@pytest.mark.parametrize("base", ["gaussian", "student", None, GaussianBase(0.1, 1.5)], ids=str)
def test_every_base_climbs_a_ladder(rng, skew_rows, base):
    X = skew_rows(rng, 100, 2)
    options = {"dequantize": False, "tail": None, "n_likelihood_steps": 4, "alpha": 1e-2}
    fitted = DenoisingScoreEstimator(Kernel(10, bandwidth=2.0, base=base), noise_levels=[3.0, 1.0, 0.5], **options)
    assert np.isfinite(fitted.fit(X).grad_log_density(X)).all()


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Kernel(n_landmarks=0), "n_landmarks"),
        (Kernel(landmarks=np.ones((3, 1))), r"landmarks of shape \(3, 1\)"),
        (Kernel(landmarks=np.full((3, 2), np.nan)), "finite"),
        (Kernel(landmarks=[["a", "b"]]), "landmarks=.*not numbers"),
        (Kernel(landmarks=[[1.0, 2.0], [3.0]]), "landmarks=.*not numbers"),
        (Kernel(bandwidth=0.0), "bandwidth"),
        (Kernel(bandwidth=1e200), "bandwidth"),
        (Kernel(bandwidth=["a", "b"], whiten=False), "bandwidth=.*not numbers"),
        (Kernel(bandwidth=[1.0, 1e-200], whiten=False), "from 1e-50 to 1e"),
        (Kernel(smoothing=1e200), "smoothing"),
        (Kernel(bandwidth=[1.0, 2.0]), "whiten=False"),
        (Kernel(bandwidth=[1.0, 2.0, 3.0], whiten=False), "one for each of the 2 columns"),
        (Kernel(bandwidth=[1.0, -2.0], whiten=False), "positive"),
        (Kernel(base="flat"), "base"),
        (Kernel(regularizer="ridge"), "regularizer"),
    ],
    ids=repr,
)
def test_bad_parameters_are_named(rng, skew_rows, model, message):
    with pytest.raises(ValueError, match=message):
        density(model).fit(skew_rows(rng, 20, 2))
