"""Numbers that are Gaussian given levels: the fit and every conditional."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from skscore.models.mixed import conditional_gaussian
from skscore.models.mixed.conditional_gaussian import ConditionalGaussian, fit_conditional_gaussian
from skscore.models.mixed.conditional_student import ConditionalStudent
from skscore.models.mixed.rows import ALWAYS, Layout, Rows

LEVELS = (2, 3)
LAYOUT = Layout(LEVELS, (ALWAYS,) * 3)


@pytest.fixture
def density():
    rng = np.random.default_rng(5)
    A = rng.standard_normal((3, 3))
    return ConditionalGaussian(LEVELS, rng.standard_normal((6, 3)), A @ A.T + np.eye(3))


def draw(density, n, rng):
    codes = np.stack([rng.integers(0, K, n) for K in LEVELS], axis=1)
    numbers = density.sample(np.full((n, 3), np.nan), codes, np.zeros((n, 3), dtype=bool), rng)
    return Rows(codes, numbers)


def patterns(n, rng):
    """Cells asked for and cells given, at random."""
    kind = rng.integers(0, 3, (n, 3))
    return kind == 1, kind == 0


def test_the_joint_density_is_that_of_scipy(density):
    rows, every = draw(density, 5, np.random.default_rng(0)), np.ones((5, 3), dtype=bool)
    expected = [
        multivariate_normal.logpdf(x, m, density.covariance)
        for x, m in zip(rows.numbers, density.features(rows.codes) @ density.coef, strict=True)
    ]
    np.testing.assert_allclose(density.log_prob(rows.numbers, rows.codes, every, ~every), expected)


def test_a_conditional_is_the_joint_over_the_marginal(density):
    rng = np.random.default_rng(1)
    rows, (target, given) = draw(density, 40, rng), patterns(40, rng)

    def marginal(mask):
        numbers = np.where(mask, rows.numbers, np.nan)
        return density.log_prob(numbers, rows.codes, mask, np.zeros_like(mask))

    found = density.log_prob(rows.numbers, rows.codes, target, given)
    np.testing.assert_allclose(found, marginal(target | given) - marginal(given), atol=1e-12)


@pytest.mark.parametrize("df", [None, 3.0])
def test_every_way_of_a_kind_of_rows_has_the_density_of_its_levels(density, df):
    rng, kind = np.random.default_rng(2), np.array([2, 0, 1, 0, 3, 2])
    known = np.array([[True, True, False], [False, True, True], [True, True, False], [False] * 3])
    ways, numbers = rng.integers(0, LEVELS, (4, 5, 2)), np.where(known[kind], rng.standard_normal((6, 3)), np.nan)
    law = density if df is None else ConditionalStudent(density, df)
    many, asked = np.repeat(numbers, 5, axis=0), np.repeat(known[kind], 5, axis=0)
    each = law.log_prob(many, np.concatenate(ways[kind]), asked, np.zeros_like(asked)).reshape(6, 5)
    np.testing.assert_allclose(law.log_prob_of_ways(numbers, known, ways, kind), each, atol=1e-12)


def test_white_coordinates_come_back(density):
    rng = np.random.default_rng(2)
    rows, (target, given) = draw(density, 40, rng), patterns(40, rng)
    R, _ = density.whiten(rows.numbers, rows.codes, target, given)
    back = density.unwhiten(R, np.where(target, np.nan, rows.numbers), rows.codes, target, given)
    np.testing.assert_allclose(back, rows.numbers)
    assert (R[~target & ~given] == 0.0).all()


def test_draws_have_the_conditional_moments(density):
    n, given = 40_000, np.array([True, False, False])
    x, c = np.array([1.5, np.nan, np.nan]), np.array([1, 2])
    drawn = density.sample(np.tile(x, (n, 1)), np.tile(c, (n, 1)), np.tile(given, (n, 1)), np.random.default_rng(3))
    S, mean = density.covariance, density.mean(c[None])[0]
    slope = S[1:, 0] / S[0, 0]
    assert (drawn[:, 0] == 1.5).all()
    np.testing.assert_allclose(drawn[:, 1:].mean(axis=0), mean[1:] + slope * (1.5 - mean[0]), atol=0.05)
    np.testing.assert_allclose(np.cov(drawn[:, 1:].T), S[1:, 1:] - np.outer(slope, S[0, 1:]), atol=0.1)


def test_the_fit_finds_the_law_with_a_third_of_the_numbers_missing(density):
    rng = np.random.default_rng(4)
    train, test = draw(density, 6000, rng), draw(density, 4000, rng)
    holes = np.where(rng.random((6000, 3)) < 1 / 3, np.nan, train.numbers)
    fitted, every = fit_conditional_gaussian(train._replace(numbers=holes), LAYOUT), np.ones((4000, 3), dtype=bool)
    loss = density.log_prob(test.numbers, test.codes, every, ~every) - fitted.log_prob(
        test.numbers, test.codes, every, ~every
    )
    assert loss.mean() < 0.01
    np.testing.assert_allclose(fitted.covariance, density.covariance, atol=0.2)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_weights_are_repetition(density, missing):
    rng = np.random.default_rng(6)
    rows, weight = draw(density, 80, rng), rng.integers(1, 4, 80)
    rows = rows._replace(numbers=np.where(rng.random((80, 3)) < missing, np.nan, rows.numbers))
    weighted = fit_conditional_gaussian(rows, LAYOUT, weight.astype(float))
    repeated = fit_conditional_gaussian(rows.at(np.repeat(np.arange(80), weight)), LAYOUT)
    np.testing.assert_allclose(weighted.coef, repeated.coef, atol=1e-10)
    np.testing.assert_allclose(weighted.covariance, repeated.covariance, atol=1e-10)


@pytest.mark.parametrize(("scale", "offset"), [(1e-9, 0.0), (1e6, 1e8)])
def test_units_shift_the_log_density_by_their_logarithm(density, scale, offset):
    rng = np.random.default_rng(7)
    rows, every = draw(density, 200, rng), np.ones((200, 3), dtype=bool)

    def log_prob(numbers):
        fitted = fit_conditional_gaussian(Rows(rows.codes, numbers), LAYOUT)
        return fitted.log_prob(numbers, rows.codes, every, ~every)

    moved = log_prob(rows.numbers * scale + offset)
    np.testing.assert_allclose(moved, log_prob(rows.numbers) - 3 * np.log(scale), atol=1e-5)


def test_columns_that_repeat_or_are_told_by_levels_keep_a_density():
    rng = np.random.default_rng(8)
    codes, x = rng.integers(0, 2, (100, 1)), rng.standard_normal(100)
    rows = Rows(codes, np.column_stack([x, 2.0 * x, codes[:, 0]]))
    fitted, every = fit_conditional_gaussian(rows, Layout((2,), (ALWAYS,) * 3)), np.ones((100, 3), dtype=bool)
    assert np.isfinite(fitted.log_prob(rows.numbers, codes, every, ~every)).all()


def test_pairs_of_levels_sum_to_the_product_of_features(density):
    rng = np.random.default_rng(8)
    rows, weight = draw(density, 50, rng), rng.random(50)
    phi = density.features(rows.codes)
    np.testing.assert_allclose(conditional_gaussian._gram(rows.codes, LEVELS, weight), (phi.T * weight) @ phi)


def test_rows_without_numbers_and_tables_without_levels_are_fitted():
    numbers = np.array([[np.nan], [1.0], [2.0], [4.0]])
    fitted = fit_conditional_gaussian(Rows(np.empty((4, 0), dtype=int), numbers), Layout((), (ALWAYS,)))
    np.testing.assert_allclose(fitted.mean(np.empty((1, 0), dtype=int)), [[7 / 3]])
    nothing = fit_conditional_gaussian(Rows(np.zeros((3, 1), dtype=int), np.empty((3, 0))), Layout((1,), ()))
    empty = np.empty((3, 0), dtype=bool)
    assert (nothing.log_prob(np.empty((3, 0)), np.zeros((3, 1), dtype=int), empty, empty) == 0.0).all()
