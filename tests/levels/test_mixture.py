"""Mixtures: proper, with exact derivatives and draws whatever is mixed in, and no worse than their best part."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import integrate, stats
from scipy.special import logsumexp

from skscore.levels.gaussians import Gaussians
from skscore.levels.mixture import (
    FIRST,
    LEAST,
    WORTH,
    Offer,
    StackedMixture,
    choose_mixture,
    choose_weights,
    largest_likelihood,
)
from skscore.levels.parzen import ParzenWindows
from skscore.models.base import StudentT

VARIANCE = np.array([4.0, 1.0, 0.01])
PRECISION = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.5]])  # of the first part, here a Gaussian
CENTRES = np.random.default_rng(5).standard_normal((20, 3)) * [1.0, 1.0, 0.3]
COVARIANCES = np.array([np.diag([0.5, 1.0, 0.1]), np.linalg.inv(PRECISION)])


def gaussian(X):
    log_p = -0.5 * np.einsum("ni,ij,nj->n", X, PRECISION, X) + 0.5 * np.log(np.linalg.det(PRECISION / (2 * np.pi)))
    return log_p, -X @ PRECISION


PARTS = {
    "heavy": StudentT(2.5, VARIANCE),
    "light": StudentT(30.0, VARIANCE),
    "windows": ParzenWindows(CENTRES, np.full(20, 0.05), 0.8, np.array([0.5, 0.3, 0.2])),
    "gaussians": Gaussians(np.array([0.3, 0.7]), CENTRES[:2], COVARIANCES),
}


@pytest.fixture(
    params=[{"heavy": 1e-3}, {"light": 0.5}, {"windows": 0.2}, {"heavy": 0.1, "gaussians": 0.4, "windows": 0.3}]
)
def mixture(request):
    weights = np.array(list(request.param.values()))
    return StackedMixture(np.array([1.0 - weights.sum(), *weights]), {name: PARTS[name] for name in request.param})


def test_mixture_is_the_sum_of_its_parts(mixture, rows):
    log_p, _ = gaussian(rows)
    terms = mixture.weights * np.exp(np.column_stack([log_p, *(p.log_density(rows) for p in mixture.parts.values())]))
    assert_allclose(np.exp(mixture.log_density(log_p, rows)), terms.sum(axis=1), rtol=1e-10)
    assert_allclose(mixture.shares(log_p, rows), terms / terms.sum(axis=1, keepdims=True), rtol=1e-9, atol=1e-15)
    assert sum(mixture.weight_of.values()) == pytest.approx(1.0)


def test_mixture_has_mass_one():
    plane = {
        "tail": StudentT(10.0, VARIANCE[:2]),
        "gaussians": Gaussians(np.array([0.4, 0.6]), CENTRES[:2, :2], COVARIANCES[:, :2, :2]),
        "windows": ParzenWindows(CENTRES[:, :2].copy(), np.full(20, 0.05), 0.8, np.array([0.6, 0.4])),
    }
    mixture = StackedMixture(np.array([0.3, 0.2, 0.3, 0.2]), plane)
    x, dx = np.linspace(-40.0, 40.0, 401, retstep=True)
    X = np.stack(np.meshgrid(x, x), axis=-1).reshape(-1, 2)
    density = np.exp(mixture.log_density(stats.norm.logpdf(X).sum(axis=1), X)).reshape(len(x), -1)
    mass = integrate.trapezoid(integrate.trapezoid(density, dx=dx), dx=dx)
    assert mass == pytest.approx(1.0, abs=1e-5)


def test_mixture_derivatives(mixture, rows, rng, central):
    def log_density(X):
        return mixture.log_density(gaussian(X)[0], X)

    def score(X):
        return mixture.score(*gaussian(X), X)

    V = rng.standard_normal(rows.shape)
    hessian = central(score, rows)
    flat = -np.einsum("ni,ij,nj->n", V, PRECISION, V)
    assert_allclose(score(rows), central(log_density, rows), rtol=1e-6, atol=1e-6)
    expected = np.einsum("ni,nij,nj->n", V, hessian, V)
    assert_allclose(mixture.curvature(*gaussian(rows), flat, rows, V), expected, rtol=1e-6, atol=1e-5)
    one = mixture.curvature(*gaussian(rows), np.full(len(rows), -PRECISION[1, 1]), rows, np.eye(3)[1])
    assert_allclose(one, hessian[:, 1, 1], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("score", [np.nan, np.inf, 0.0])
@pytest.mark.parametrize("log_p", [-np.inf, np.nan])
@pytest.mark.parametrize("name", PARTS)
def test_where_the_first_has_no_mass_only_the_second_speaks(name, log_p, rows, score):
    mixture, part = StackedMixture(np.array([0.98, 0.02]), {name: PARTS[name]}), PARTS[name]
    nowhere, s = np.full(len(rows), log_p), np.full(rows.shape, score)
    assert_allclose(mixture.log_density(nowhere, rows), np.log(0.02) + part.log_density(rows))
    here = np.isfinite(part.log_density(rows))
    assert_array_equal(mixture.score(nowhere, s, rows)[here], part.score(rows)[here])
    curvature = mixture.curvature(nowhere, s, s[:, 0], rows, rows)
    assert_array_equal(curvature[here], part.curvature(rows, rows)[here])


@pytest.mark.parametrize("nothing", [-np.inf, np.nan])
def test_where_another_has_no_mass_the_first_is_left_as_it_is(nothing, rows):
    class Nowhere:
        def log_density(self, X):
            return np.full(len(X), nothing)

        def score(self, X):
            return np.full(X.shape, np.nan)

        def curvature(self, X, V):
            return np.full(len(X), np.inf)

    mixture, (log_p, score) = StackedMixture(np.array([0.25, 0.75]), {"nowhere": Nowhere()}), gaussian(rows)
    assert_allclose(mixture.log_density(log_p, rows), np.log(0.25) + log_p)
    assert_array_equal(mixture.score(log_p, score, rows), score)
    assert_array_equal(mixture.curvature(log_p, score, log_p, rows, rows), log_p)


def test_samples_of_the_mixture(rng):
    n, weights = 40_000, np.array([0.78, 0.02, 0.2])
    far = Gaussians(np.ones(1), np.full((1, 3), 1e6), np.eye(3)[None])
    mixture, X = StackedMixture(weights, {"tail": PARTS["heavy"], "gaussians": far}), np.zeros((n, 3))
    mixed = mixture.mix_samples(X, rng)
    from_far = (mixed > 1e5).all(axis=1)
    replaced = (mixed != 0).all(axis=1) & ~from_far
    assert (X == 0.0).all()  # the draws of the first part are left as they were
    assert (mixed[~(replaced | from_far)] == 0.0).all()
    for where, weight in zip((replaced, from_far), weights[1:], strict=True):
        assert abs(where.sum() - n * weight) < 4 * np.sqrt(n * weight * (1 - weight))
    assert stats.kstest(mixed[replaced, 0] / 2, stats.t(2.5).cdf).pvalue > 1e-3


def test_a_mixture_of_one_dimension_draws_what_its_density_says(rng):
    parts = {
        "tail": StudentT(4.0, np.array([2.0])),
        "gaussians": Gaussians(np.array([0.5, 0.5]), np.array([[-3.0], [3.0]]), np.array([[[0.1]], [[0.4]]])),
        "windows": ParzenWindows(np.array([[1.0], [7.0]]), np.array([0.5, 0.5]), 0.8, np.array([0.6, 0.4])),
    }
    mixture = StackedMixture(np.array([0.4, 0.1, 0.3, 0.2]), parts)
    draws = mixture.mix_samples(rng.standard_normal((5000, 1)), rng)[:, 0]
    x = np.linspace(-200.0, 200.0, 400_001)
    density = np.exp(mixture.log_density(stats.norm.logpdf(x), x[:, None]))
    cdf = integrate.cumulative_trapezoid(density, x, initial=0.0)
    assert stats.kstest(draws, lambda t: np.interp(t, x, cdf)).pvalue > 1e-3


def test_a_mixture_comes_back_from_a_pickle(mixture, rows):
    log_p = gaussian(rows)[0]
    assert_array_equal(pickle.loads(pickle.dumps(mixture)).log_density(log_p, rows), mixture.log_density(log_p, rows))


# ---- the weights --------------------


def test_weights_are_of_largest_likelihood(rng):
    """No step towards any column, nor any other weights, are likelier; floors hold."""
    log_p, weight = rng.standard_normal((300, 4)) * 2.0, rng.random(300)
    for least in (np.zeros(4), np.array([0.05, 0.0, 0.3, 0.0])):
        weights, value = largest_likelihood(log_p, weight, least, np.ones(4, dtype=bool))

        def likelihood(w):
            return np.average(logsumexp(log_p, axis=1, b=w), weights=weight)

        assert (weights >= least).all()
        assert weights.sum() == pytest.approx(1.0)
        assert value == pytest.approx(likelihood(weights))
        for other in rng.dirichlet(np.full(4, 0.3), 200):
            allowed = least + (1.0 - least.sum()) * other
            assert likelihood(0.9 * weights + 0.1 * allowed) <= value + 1e-5


def test_a_column_that_is_not_free_has_its_least_weight(rng):
    free = np.array([True, True, False, False])
    weights, _ = largest_likelihood(rng.standard_normal((50, 4)), np.ones(50), np.array([0.0, 0.0, 0.1, 0.0]), free)
    assert_array_equal(weights[2:], [0.1, 0.0])
    assert weights.sum() == pytest.approx(1.0)


def test_a_repeated_row_is_a_row_of_weight_two(rng):
    log_p, weight = rng.standard_normal((40, 3)) * 3.0, rng.integers(1, 4, 40)
    repeated = np.repeat(log_p, weight, axis=0)
    least, free = np.array([0.01, 0.1, 0.0]), np.ones(3, dtype=bool)
    weighted = largest_likelihood(log_p, weight.astype(float), least, free)
    assert_allclose(weighted[0], largest_likelihood(repeated, np.ones(len(repeated)), least, free)[0], rtol=1e-8)
    chosen = [choose_mixture(L[:, 0], _offers(L[:, 1:]), w) for L, w in ((log_p, weight), (repeated, None))]
    assert chosen[0].parts.keys() == chosen[1].parts.keys()
    assert_allclose(chosen[0].weights, chosen[1].weights, rtol=1e-8)


def test_weights_come_with_the_log_densities_that_they_make(rng):
    log_p = rng.standard_normal((300, 4)) * [1.0, 3.0, 1.0, 1.0]
    log_p[:, 1] = log_p[::-1, 0]
    offers = {"one": Offer(log_p[:, 1:2], tuple), "two": Offer(log_p[:, 2:], tuple, worth=50.0)}
    (of_model, of_one, of_two), log_mixed = choose_weights(log_p[:, 0], offers)
    assert (of_model + of_one).item() == pytest.approx(1.0)
    assert_array_equal(of_two, [0.0, 0.0])
    assert_allclose(log_mixed, np.log(of_model * np.exp(log_p[:, 0]) + of_one * np.exp(log_p[:, 1])), rtol=1e-12)


def test_without_offers_there_is_nothing_to_weigh():
    log_p = np.array([-1.0, np.nan, -np.inf])
    weights, log_mixed = choose_weights(log_p, {})
    assert_allclose(weights, [[1.0]])
    assert_array_equal(log_mixed, [-1.0, -np.inf, -np.inf])
    assert choose_mixture(log_p, {}) is None


def _offers(columns, **parameters):
    return {str(k): Offer(column[:, None], tuple, **parameters) for k, column in enumerate(columns.T, 1)}


@pytest.mark.parametrize("nothing", [-np.inf, np.nan, -1e300])
def test_rows_where_a_part_is_nothing(rng, nothing):
    log_p = rng.standard_normal((200, 2))
    log_p[:100, 0] = log_p[100:, 1] = nothing
    log_p[:3] = nothing  # and rows where all are
    mixture = choose_mixture(log_p[:, 0], _offers(log_p[:, 1:]))
    assert_allclose(mixture.weights, [0.5, 0.5], atol=0.02)


@pytest.mark.parametrize("least", [0.0, 1e-3])
def test_one_row_held_out(least):
    """It can hardly speak for a part, unless one is that much likelier."""
    for gain, stays in ((1.0, False), (50.0, True)):
        mixture = choose_mixture(np.array([-gain]), _offers(np.zeros((1, 1)), least=least))
        if stays:
            assert_allclose(mixture.weights, [LEAST, 1.0 - LEAST], atol=1e-6)
        elif least:
            assert_allclose(mixture.weights, [1.0 - least, least])
        else:
            assert mixture is None


def test_what_gains_no_more_than_chance_does_not_stay():
    """Rows of the first part ask for its neighbours in one table of twenty at most."""
    kept, n_tables = 0, 100
    for seed in range(n_tables):
        x = np.random.default_rng(seed).standard_normal(60)
        others = Offer(stats.norm.logpdf(x[:, None], [-0.5, -0.2, 0.2, 0.5], [1.0, 0.8, 1.2, 1.0]), tuple, worth=0.0)
        kept += choose_mixture(stats.norm.logpdf(x), {"others": others}) is not None
    assert kept <= 0.05 * n_tables + 3 * np.sqrt(0.05 * n_tables)


def test_a_part_that_hardly_gains_is_not_worth_it(rng):
    x = rng.standard_normal(100_000)
    for scale, stays in ((1.1, False), (1.6, True)):
        wide, right = stats.norm.logpdf(x, scale=scale), stats.norm.logpdf(x)
        assert ((right - wide).mean() > WORTH) == stays
        assert (choose_mixture(wide, _offers(right[:, None])) is not None) == stays


@pytest.mark.parametrize("seed", range(6))
def test_never_below_the_best_of_its_parts_by_more_than_chance(seed):
    """Weights from 60 rows, judged by 20,000 others: what they lose is chance, or was not worth a part."""
    rng = np.random.default_rng(seed)
    laws = [stats.norm(0, 1), stats.t(3.0, scale=rng.uniform(0.6, 1.8)), stats.norm(1.0, 1.5), stats.cauchy()]
    few, many = (laws[seed % 4].rvs(n, random_state=rng)[:, None] for n in (60, 20_000))
    few, many = (np.column_stack([law.logpdf(x[:, 0]) for law in laws]) for x in (few, many))
    mixture = choose_mixture(few[:, 0], _offers(few[:, 1:]))
    chosen = {FIRST: 1.0} if mixture is None else mixture.weight_of
    weights = [chosen.get(name, 0.0) for name in (FIRST, "1", "2", "3")]
    lost = many.mean(axis=0).max() - logsumexp(many, axis=1, b=weights).mean()
    assert lost < 0.5 * stats.chi2.ppf(0.99, 3) / 60 + WORTH
