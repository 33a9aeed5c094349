"""Every density is a density: its mass is one, its draws are its own, and it does not beat the law that made the rows.

Each estimator is fitted to rows of each law of ``laws.py``, and each identity holds for each of these pairs. Tolerances
are those of chance, three standard errors or p > 1e-3, and one percent of mass. A model is tried as soon as the
catalogue has it; one more estimator is one more line of `ESTIMATORS`.
"""

from collections.abc import Callable, Collection
from functools import cache, reduce
from typing import NamedTuple

import numpy as np
import pytest
from laws import LAWS
from numpy.testing import assert_array_equal
from scipy import stats
from scipy.special import expit
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, QuantileTransformer, StandardScaler

from skscore import (
    BijectiveTransformer,
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    TransformedDensity,
)
from skscore.models import Kernel
from skscore.models.catalog import MODELS
from skscore.neural import NeuralEnergy, ScoreNetwork

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ROWS, FRESH, DRAWS = 500, 3000, 2000
DEEP = -8.0  # nats; E max(log p/q, DEEP) ≤ log E max(p/q, exp DEEP) ≤ exp DEEP if p has mass 1 at most
SCALES, POWERS_OF_TWO = np.array([2.54, 1000.0, 0.3, 7.0, 1.8, 60.0]), np.array([4.0, 1024.0, 0.25, 8.0, 2.0, 64.0])

# ---- estimators ----------------------------------------------------------------------------------


class Estimator(NamedTuple):
    """How an estimator is made, and what it promises.

    `make(law)` is the estimator. Its density is with respect to the law's own measure (`counting`), or to Lebesgue's
    whatever the columns are. It `refuses` some laws, is rougher on others than a rule can tell (`unresolved`), and
    those that are not `quick` are slow. Rescaled columns change its fit unless it is `unit_free`.
    """

    make: Callable
    refuses: Collection = ()
    quick: Collection = LAWS
    unresolved: Collection = ()
    counting: bool = False
    unit_free: bool = True
    torch: bool = False


def score_matching(model, **parameters):
    return lambda law: ScoreMatchingDensity(model, random_state=0, **parameters)


def transformed(*transformers):
    return lambda law: TransformedDensity(ScoreMatchingDensity(random_state=0), make_pipeline(*transformers))


def denoising(model, **parameters):
    return lambda law: DenoisingScoreEstimator(model, bounds=law.bounds, random_state=0, **parameters)


LOGARITHM = BijectiveTransformer(np.log, np.exp, [np.reciprocal, lambda x: -(x**-2.0), lambda x: 2.0 * x**-3.0])
ENERGY = NeuralEnergy(hidden_layer_sizes=(8,), max_iter=200, device="cpu")
NETWORK = ScoreNetwork(hidden_layer_sizes=(16, 16), max_iter=100, n_folds=1, device="cpu")
ENERGY_NETWORK = clone(NETWORK).set_params(parametrization="energy")

# With nothing left to choose, so that a fit takes milliseconds.
PARAMETERS = {"kernel": {"model": Kernel(15, bandwidth=0.7, base_scale=1.5), "alpha": 0.01}}
# Points of cells serve a density whose tails are those of the rows: with a base twice as wide, mass of codes is missed.
OF_LADDER = {"kernel": {"model": Kernel(15, bandwidth=0.7, base_scale=1.0), "alpha": 0.01}}
OF_MODEL = {name: PARAMETERS.get(name, {"model": name}) for name in MODELS}

POSITIVE = {"exponential", "lognormal", "gamma", "uniform", "beta", "counts", "codes"}
TIED = {name for name, law in LAWS.items() if not law.smooth} - {"rounded"}
JOINT = {name for name, law in LAWS.items() if law.d > 1}
FEW = {"exponential", "modes", "rare counts", "codes", "zero-inflated"}
REFUSES = {
    "polynomial": {"binary", "codes", "six binary", "chain", "mixed"},
    "truncated_gaussian": {*LAWS} - {"exponential", "uniform", "beta", "counts"},
}
QUICK = {
    "gaussian": FEW | JOINT - {"two modes", "skewed pair"},
    "polynomial": {"exponential", "uniform", "rare counts", "rounded", "zero-inflated", "chain"},
    "kernel": {},
    "pairwise": {"codes"},
}
MANY_VALUED = {"counts", "rounded"}
UNIT_FREE = ["gaussian", "kernel", "pairwise"]
QUANTILES = QuantileTransformer(n_quantiles=6, output_distribution="normal")
ESTIMATORS = {
    **{
        name: Estimator(score_matching(**OF_MODEL[name]), REFUSES.get(name, ()), unit_free=name in UNIT_FREE)
        for name in MODELS
    },
    "penalised": Estimator(lambda law: ScoreMatchingDensityCV(n_alphas=5), {"binary"}, unit_free=False),
    "neural energy": Estimator(score_matching(ENERGY), quick={"exponential"}, torch=True),
    "powers": Estimator(transformed(StandardScaler(), PowerTransformer())),
    "components": Estimator(transformed(StandardScaler(), PCA())),
    "quantiles": Estimator(transformed(QUANTILES), TIED - {"counts"}, unresolved=JOINT - TIED),
    "logarithms": Estimator(transformed(LOGARITHM, MinMaxScaler()), {*LAWS} - POSITIVE),
    **{
        f"ladder of {name}": Estimator(
            denoising(**OF_LADDER.get(name, OF_MODEL[name])),
            refuses=LAWS if name == "truncated_gaussian" else (),
            quick=QUICK.get(name, FEW),
            unresolved={"skewed pair"} if name == "kernel" else (),
            counting=True,
        )
        for name in MODELS
    },
    "one level": Estimator(denoising("gaussian", noise_levels=[0.3]), quick={"exponential", "codes"}, counting=True),
    "network": Estimator(denoising(NETWORK), quick={"chain"}, counting=True, torch=True),
    "energy, one level": Estimator(
        denoising(ENERGY_NETWORK, noise_levels=[0.3]), quick={"exponential"}, counting=True, torch=True
    ),
}
REASONS = (
    "no density of these rows|outside the domain|noise leaves its domain|unbounded below|jumps at repeated values|"
    "does not undo func|not finite"
)


def pairs(keep):
    """Parameters of a test, (name of the estimator, of the law), for the pairs that are not refused and that `keep`."""
    return [
        pytest.param(name, law, id=f"{name}-{law}", marks=_marks(estimator, law))
        for name, estimator in ESTIMATORS.items()
        for law in LAWS
        if law not in {*estimator.refuses, *estimator.unresolved} and keep(estimator, LAWS[law])
    ]


def _marks(estimator, law):
    return [pytest.mark.slow] * (law not in estimator.quick) + [pytest.mark.torch] * estimator.torch


def is_tabulated(estimator, law):
    return law.rules(estimator.counting) is not None


def is_one_smooth_column(estimator, law):
    return law.d == 1 and law.smooth


def is_comparable(estimator, law):
    return estimator.counting or law.smooth


def is_sampled(estimator, law):
    return is_comparable(estimator, law) and not is_tabulated(estimator, law)


def is_unit_free(estimator, law):
    return is_comparable(estimator, law) and (estimator.unit_free or law.d == 1)


@cache
def fitted(name, law):
    """The estimator, fitted to rows of the law."""
    return ESTIMATORS[name].make(LAWS[law]).fit(LAWS[law].rows(ROWS, seed=0))


@cache
def tabulated(name, law):
    """Rules of the columns, and the mass of the fitted density at every node."""
    rules = LAWS[law].rules(ESTIMATORS[name].counting)
    return rules, masses(fitted(name, law).score_samples, rules)


# ---- what is computed of a density ---------------------------------------------------------------


def masses(log_density, rules):
    """Mass at every node of the product of the rules, shape (m₁, …, m_d)."""
    nodes, weights = zip(*rules, strict=True)
    X = np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1).reshape(-1, len(rules))
    return np.exp(log_density(X)).reshape([len(x) for x in nodes]) * reduce(np.multiply.outer, weights)


def cells(X, rules):
    """Index of the node next to each entry of X, an array (n,) for each column."""
    return tuple(np.searchsorted((x[1:] + x[:-1]) / 2, column) for column, (x, _) in zip(X.T, rules, strict=True))


def rosenblatt(X, rules, mass, rng):
    """P(X_j ≤ x_j | x_1 … x_{j−1}), at random within a cell, shape (d, n): uniform where X has this mass."""
    at, rows, U = cells(X, rules), np.arange(len(X)), []
    for j, k in enumerate(at):
        marginal = mass.sum(axis=tuple(range(j + 1, mass.ndim)))
        given = np.broadcast_to(marginal[at[:j]], (len(X), marginal.shape[-1]))
        below = given.cumsum(axis=1)[rows, k] - rng.random(len(X)) * given[rows, k]
        U.append(below / given.sum(axis=1))
    return np.array(U)


def p_of_uniform(U):
    """Least p of the Kolmogorov–Smirnov tests of the rows of U, times their number."""
    return len(U) * min(stats.kstest(u, "uniform").pvalue for u in U)


def p_of_frequencies(X, rules, mass):
    """p of the χ² test of rows of a discrete table; those expected less than five times are counted together."""
    seen = np.zeros(mass.shape)
    np.add.at(seen, cells(X, rules), 1.0)
    expected = mass / mass.sum() * len(X)
    often = expected >= 5.0
    seen, expected = (np.append(counts[often], counts[~often].sum()) for counts in (seen, expected))
    return stats.chi2.sf(((seen - expected) ** 2 / np.maximum(expected, 1.0)).sum(), often.sum() - (expected[-1] < 1.0))


def in_standard_errors(values):
    """Mean of the values over its standard error."""
    return values.mean() / (values.std(ddof=1) / len(values) ** 0.5 + 1e-9)


# ---- identities ----------------------------------------------------------------------------------

LISTED = {name: law for name, law in LAWS.items() if law.rules()}


@pytest.mark.parametrize("law", LISTED.values(), ids=LISTED)
def test_the_laws_are_what_they_say(law, rng):
    rules = law.rules()
    mass = masses(law.log_density, rules)
    assert mass.sum() == pytest.approx(1.0, abs=0.02)  # that of the gamma law is infinite at its edge
    assert p_of_uniform(rosenblatt(law.rows(DRAWS, seed=1), rules, mass, rng)) > 1e-3


@pytest.mark.parametrize(("name", "law"), pairs(is_tabulated))
def test_total_mass_is_one(name, law):
    _, mass = tabulated(name, law)
    assert mass.sum() == pytest.approx(1.0, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "law"), pairs(is_one_smooth_column))
def test_no_mass_hides_between_the_nodes(name, law):
    fine = LAWS[law].rules(refinement=12)
    assert masses(fitted(name, law).score_samples, fine).sum() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("name", "law"), pairs(is_tabulated))
def test_draws_have_the_density_that_is_scored(name, law, rng):
    X, table = fitted(name, law).sample(DRAWS, random_state=1), tabulated(name, law)
    if ESTIMATORS[name].counting and LAWS[law].discrete:
        known = [np.isin(x, column.values) for x, column in zip(X.T, LAWS[law].columns, strict=True)]
        strange = X[~np.all(known, axis=0)]  # whole numbers of a tail, where there are too many values for a set
        assert len(strange) == 0 or (law in MANY_VALUED and len(strange) < 0.005 * DRAWS)
        assert_array_equal(strange, strange.round(1))
        assert p_of_frequencies(X[np.all(known, axis=0)], *table) > 1e-3
    else:
        assert p_of_uniform(rosenblatt(X, *table, rng)) > 1e-3


@pytest.mark.parametrize(("name", "law"), pairs(is_sampled))
def test_draws_and_rows_of_the_law_share_the_mass_of_the_density(name, law):
    # ∫ p/(p + q) (p + q) = 1, over draws of p and rows of q: importance sampling with weights of at most 2, whose value
    # is 1 only if p has mass 1 and its draws are its own (Meng & Wong, 1996).
    p, q = fitted(name, law), LAWS[law]
    samples = q.rows(DRAWS, seed=1), p.sample(DRAWS, random_state=1)
    shares = [expit(p.score_samples(X) - q.log_density(X)) for X in samples]
    error = np.sqrt(sum(share.var() for share in shares) / DRAWS)
    assert abs(sum(share.mean() for share in shares) - 1.0) < 3.0 * error


@pytest.mark.parametrize(("name", "law"), pairs(is_comparable))
def test_fresh_rows_are_not_likelier_than_under_the_law_that_made_them(name, law):
    fresh, again = np.unique(LAWS[law].rows(FRESH, seed=2), axis=0, return_inverse=True)
    gain = fitted(name, law).score_samples(fresh) - LAWS[law].log_density(fresh)
    assert in_standard_errors(np.maximum(gain, DEEP)[again]) < 3.0


@pytest.mark.parametrize(("name", "law"), pairs(is_unit_free))
def test_units_change_the_log_density_by_their_logarithm(name, law):
    truth, estimator = LAWS[law], ESTIMATORS[name]
    scales, rows = (POWERS_OF_TWO if estimator.torch else SCALES)[: truth.d], truth.rows(ROWS, seed=0)
    bounds = truth.bounds and tuple(limit * scales[0] for limit in truth.bounds)
    rescaled = estimator.make(truth._replace(bounds=bounds)).fit(rows * scales).score_samples(rows * scales)
    lost = truth.log_units(rows, scales) if estimator.counting else np.log(scales).sum()
    # the mass within bounds is an average over draws
    np.testing.assert_allclose(rescaled, fitted(name, law).score_samples(rows) - lost, atol=0.02 if bounds else 1e-4)


@pytest.mark.parametrize("make", [ESTIMATORS[name].make for name in UNIT_FREE], ids=UNIT_FREE)
@pytest.mark.parametrize("law", ["skewed pair", "two modes"])
def test_affine_maps_change_the_log_density_by_their_determinant(make, law, rng):
    rows = LAWS[law].rows(ROWS, seed=0)
    A, b = rng.standard_normal((2, rows.shape[1], rows.shape[1]))
    moved = make(LAWS[law]).fit(rows @ A + b[0]).score_samples(rows @ A + b[0])
    expected = make(LAWS[law]).fit(rows).score_samples(rows) - np.linalg.slogdet(A)[1]
    np.testing.assert_allclose(moved, expected, atol=1e-6)


@pytest.mark.parametrize("name", [name for name, estimator in ESTIMATORS.items() if estimator.refuses], ids=str)
def test_what_has_no_density_is_refused_with_a_reason(name):
    for law in ESTIMATORS[name].refuses:
        with pytest.raises(ValueError, match=REASONS):
            fitted(name, law).score_samples(LAWS[law].rows(1, seed=0))


# ---- targets given inputs ------------------------------------------------------------------------

PAIRS = {name: law for name, law in LAWS.items() if law.d == 2 and law.smooth}


@cache
def conditional(law, scales=(1.0, 1.0)):
    """Density of the second column given the first."""
    x, y = (PAIRS[law].rows(ROWS, seed=0) * scales).T
    density = ConditionalScoreDensity(30, bandwidth=0.7, input_bandwidth=0.7, alpha=0.01, random_state=0)
    return density.fit(x[:, None], y)


def masses_given(log_density, x, rule):
    """Mass at every node y of the rule given each input, shape (n, m), of ``log_density(x, y)``."""
    inputs, targets = (a.ravel() for a in np.meshgrid(x, rule[0], indexing="ij"))
    return np.exp(log_density(inputs, targets)).reshape(len(x), -1) * rule[1]


@pytest.mark.parametrize("law", PAIRS)
def test_targets_have_mass_one_given_each_input_and_draws_of_their_own(law, rng):
    density, rule = conditional(law), PAIRS[law].rules()[1]
    x = PAIRS[law].rows(300, seed=2)[:, 0]
    mass = masses_given(lambda x, y: density.score_samples(x[:, None], y), x, rule)
    np.testing.assert_allclose(mass.sum(axis=1), 1.0, atol=0.01)
    draws = np.column_stack([np.arange(len(x)), density.sample(x[:, None], random_state=1)])
    assert p_of_uniform(rosenblatt(draws, [(np.arange(len(x)), None), rule], mass, rng)[1:]) > 1e-3


@pytest.mark.parametrize("law", PAIRS)
def test_fresh_targets_are_not_likelier_than_under_the_law_that_made_them(law):
    fresh, truth = PAIRS[law].rows(1000, seed=2), PAIRS[law]
    x, y = fresh.T
    of_inputs = masses_given(lambda x, y: truth.log_density(np.column_stack([x, y])), x, truth.rules()[1]).sum(axis=1)
    gain = conditional(law).score_samples(x[:, None], y) - (truth.log_density(fresh) - np.log(of_inputs))
    assert in_standard_errors(np.maximum(gain, DEEP)) < 3.0


@pytest.mark.parametrize("law", PAIRS)
def test_units_of_targets_change_their_log_density_by_their_logarithm(law):
    (x, y), (a, b) = PAIRS[law].rows(ROWS, seed=0).T, SCALES[:2]
    expected = conditional(law).score_samples(x[:, None], y) - np.log(b)
    np.testing.assert_allclose(conditional(law, (a, b)).score_samples(a * x[:, None], b * y), expected, atol=1e-6)
