"""Independent components at scikit-learn's door: what is recovered, in which units, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import FastICA
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import parametrize_with_checks

from skscore.estimators.ica import ScoreMatchingICA
from skscore.models.unmixing import logcosh
from skscore.samplers import HMC, Target, run_chains

N = 10_000


def expected_failures(estimator):
    """Fifteen rows in as many directions are the corners of a simplex: components tie, and rounding orders them."""
    if estimator.n_components is None:
        return {"check_sample_weight_equivalence_on_dense_data": "components of a simplex tie"}
    return {}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        ScoreMatchingICA(n_init=1),
        ScoreMatchingICA(source="logcosh", n_init=1),
        ScoreMatchingICA(3, source="quartic"),
        ScoreMatchingICA(3, whiten=False),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def laplace(rng):
    return rng.laplace(size=(N, 8))


def super_gaussian(rng):
    sparse = rng.laplace(size=(N, 2)) * (rng.uniform(size=(N, 2)) < [0.3, 0.6])
    return np.hstack([rng.laplace(size=(N, 2)), rng.standard_t(5, (N, 2)), rng.logistic(size=(N, 2)), sparse])


def uniform(rng):
    return rng.uniform(-1.0, 1.0, (N, 8))


def laplace_and_uniform(rng):
    return np.hstack([laplace(rng)[:, :4], uniform(rng)[:, :4]])


def amari(components, mixing):
    """Distance of Amari, Cichocki & Yang (1996) from a scaled permutation, in [0, 1]."""
    P, d = np.abs(components @ mixing), len(mixing)
    rows, columns = P / P.max(axis=1, keepdims=True), P / P.max(axis=0)
    return (rows.sum() + columns.sum() - 2 * d) / (2 * d * (d - 1))


@pytest.mark.parametrize(
    ("law", "source"),
    [
        (laplace, "logcosh"),
        (super_gaussian, "logcosh"),
        (uniform, "quartic"),
        (uniform, "auto"),
        (laplace_and_uniform, "auto"),
    ],
)
def test_sources_are_unmixed_as_well_as_by_fast_ica(law, source):
    own, fast = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        mixing = rng.standard_normal((8, 8))
        X = law(rng) @ mixing.T
        own.append(amari(ScoreMatchingICA(source=source, random_state=seed).fit(X).components_, mixing))
        fast.append(amari(FastICA(whiten="unit-variance", random_state=seed).fit(X).components_, mixing))
    assert np.median(own) <= 1.1 * np.median(fast)
    assert np.max(own) < 0.02


def test_filters_of_an_overcomplete_energy_are_recovered():
    """Rows drawn from log p = Σ log sech(w_kᵀx)/2, twice as many filters as columns."""
    rng = np.random.default_rng(1)
    W = rng.standard_normal((8, 4))
    W /= np.linalg.norm(W, axis=1, keepdims=True)
    energy = Target(lambda X: -0.5 * np.log(np.cosh(X @ W.T)).sum(axis=1), lambda X: 0.5 * logcosh(X @ W.T)[0] @ W)
    rng = np.random.default_rng(101)
    start = 3.0 * rng.standard_normal((2000, 4))
    chains = run_chains(HMC(0.5, n_leapfrog=8), energy, start, n_warmup=100, n_draws=10, thin=10, rng=rng)
    ica = ScoreMatchingICA(8, n_init=4, random_state=0).fit(chains.draws.reshape(-1, 4))
    found = ica.components_ / np.linalg.norm(ica.components_, axis=1, keepdims=True)
    cosine = np.abs(W @ found.T)
    assert np.mean(cosine[linear_sum_assignment(-cosine)] > 0.95) >= 0.9


# --- the source that the data choose ----------------------------------------------------------------------------------


def grid():
    """Rows of two exactly independent and exactly uniform sources."""
    axis = np.arange(-34.5, 35.0)
    return np.array([[i, j] for i in axis for j in axis])


def signals():
    """A sine, a square wave and a sawtooth."""
    t = np.linspace(0.0, 8.0, 2000)
    return np.c_[np.sin(2.0 * t), np.sign(np.sin(3.0 * t)), 2.0 * (t % 1.0) - 1.0]


def weak_and_strong():
    """A source that is a little super-Gaussian, and one so sub-Gaussian that all their mixtures are."""
    rng = np.random.default_rng(0)
    return np.c_[rng.logistic(size=20_000), rng.choice([-1.0, 1.0], 20_000)]


def skew_and_wave():
    """At 45° both mixtures of these are super-Gaussian, so that those found would stay what they are."""
    rng = np.random.default_rng(0)
    return np.c_[rng.gamma(2.0, size=10_000), np.sin(rng.uniform(0.0, 2.0 * np.pi, 10_000))]


def spiky_and_square():
    rng = np.random.default_rng(0)
    return np.c_[rng.standard_t(2, 5000), np.sign(rng.standard_normal(5000)), rng.uniform(size=5000)]


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (grid, ["quartic"] * 2),
        (signals, ["quartic"] * 3),
        (weak_and_strong, ["logcosh", "quartic"]),
        (skew_and_wave, ["logcosh", "quartic"]),
        (spiky_and_square, ["logcosh", "quartic", "quartic"]),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_each_component_has_the_source_of_its_kind(sources, names, seed):
    S = sources()
    mixing = np.linalg.qr(np.random.default_rng(seed).standard_normal((S.shape[1],) * 2))[0]
    ica = ScoreMatchingICA(random_state=seed)
    found = ica.fit_transform(S @ mixing.T)
    correlation = np.abs(np.corrcoef(found.T, S.T)[: S.shape[1], S.shape[1] :])
    assert_allclose(np.sort(correlation)[:, -1], 1.0, atol=0.01)
    assert list(np.array(names)[correlation.argmax(axis=1)]) == ica.sources_


def test_uniform_sources_at_45_degrees_are_separated():
    X = grid() @ np.array([[1.0, 2.0], [3.0, 4.0]]).T + [70.0, 60.0]
    found = ScoreMatchingICA(random_state=0).fit_transform(X)
    assert_allclose(np.sort(np.abs(np.corrcoef(found.T, grid().T)[:2, 2:])), [[0.0, 1.0]] * 2, atol=1e-3)


@pytest.mark.parametrize("m", [2, 3, 5])
def test_super_gaussian_sources_have_the_numbers_of_logcosh(X, m):
    auto, named = (ScoreMatchingICA(m, source=source, random_state=0).fit(X) for source in ("auto", "logcosh"))
    assert_array_equal(auto.components_, named.components_)
    assert_array_equal(auto.scales_, named.scales_)
    assert auto.sources_ == named.sources_ == ["logcosh"] * m


def test_filters_of_a_quartic_energy_are_recovered():
    """Rows drawn from log p = −Σ (w_kᵀx)⁴/4, with more filters than columns.

    In two columns three filters would have six entries, and a quartic form no more than five coefficients.
    """
    W = np.vstack([np.eye(3), np.full(3, 3**-0.5)])
    energy = Target(lambda X: -0.25 * ((X @ W.T) ** 4).sum(axis=1), lambda X: -((X @ W.T) ** 3) @ W)
    rng = np.random.default_rng(101)
    chains = run_chains(
        HMC(0.2, n_leapfrog=8), energy, rng.standard_normal((2000, 3)), n_warmup=100, n_draws=10, thin=10, rng=rng
    )
    ica = ScoreMatchingICA(4, whiten=False, random_state=0).fit(chains.draws.reshape(-1, 3))
    cosine = np.abs(W @ ica.components_.T)
    assert ica.sources_ == ["quartic"] * 4
    assert np.all(cosine[linear_sum_assignment(-cosine)] > 0.98)


@pytest.mark.parametrize("d", [2, 5])
def test_gaussian_sources_are_told_of(d):
    X = np.random.default_rng(0).standard_normal((2000, d))
    with pytest.warns(ConvergenceWarning, match=r'source="auto": in 2000 rows no component is further'):
        ScoreMatchingICA(random_state=0).fit(X)


def test_one_column_has_one_component_whatever_its_law():
    ScoreMatchingICA(random_state=0).fit(np.random.default_rng(0).standard_normal((2000, 1)))


# --- units, weights, widths -------------------------------------------------------------------------------------------


def test_a_spiky_source_does_not_take_the_components_of_others(rng):
    sources = rng.laplace(size=(2000, 3)) * (rng.uniform(size=(2000, 3)) < [0.03, 0.3, 1.0])
    found = ScoreMatchingICA(random_state=0).fit_transform(sources @ rng.standard_normal((3, 3)))
    assert np.all(np.abs(np.corrcoef(found.T, sources.T)[:3, 3:]).max(axis=0) > 0.99)


@pytest.fixture
def X(rng):
    return rng.laplace(size=(1000, 3)) @ rng.standard_normal((3, 3)) + [0.0, 5.0, -2.0]


def test_sources_have_unit_variance_and_lead_back(X):
    ica = ScoreMatchingICA(random_state=0)
    S = ica.fit_transform(X)
    assert_allclose(S.mean(axis=0), 0.0, atol=1e-12)
    assert_allclose(S.var(axis=0), 1.0, rtol=1e-10)
    assert_allclose(ica.inverse_transform(S), X, rtol=1e-10, atol=1e-10)
    assert_allclose(ica.components_ @ ica.mixing_, np.eye(3), atol=1e-10)
    assert np.all(np.diff(ica.scales_) <= 0.0)


@pytest.mark.parametrize(("m", "whiten"), [(3, True), (2, True), (5, True), (5, False)])
def test_components_are_directions_of_whitened_rows(X, m, whiten):
    ica = ScoreMatchingICA(m, whiten=whiten, n_init=2, random_state=0).fit(X)
    white = (X - ica.mean_) @ ica.whitening_.T
    directions = ica.components_ @ np.linalg.pinv(ica.whitening_)
    assert white.shape[1] == min(m, 3)
    assert_allclose(np.cov(white.T, ddof=0), np.eye(white.shape[1]) if whiten else np.cov(X.T, ddof=0), atol=1e-10)
    assert_allclose((directions**2).sum(axis=1), 1.0, rtol=1e-10)
    assert_allclose(directions @ ica.whitening_, ica.components_, rtol=1e-9, atol=1e-12)


def test_single_precision_is_kept(X):
    """The fit is in double precision; sources and rows have the precision of what they are made from."""
    ica = ScoreMatchingICA(random_state=0).fit(X.astype(np.float32))
    S = ica.transform(X.astype(np.float32))
    assert S.dtype == ica.inverse_transform(S).dtype == np.float32
    assert ica.transform(X).dtype == ica.inverse_transform(S.astype(np.float64)).dtype == np.float64
    assert ica.components_.dtype == np.float64
    assert_allclose(S, ica.transform(X), rtol=1e-5, atol=1e-5)
    assert_allclose(ica.inverse_transform(S), X, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("m", [2, 3, 5])
def test_units_and_origin_do_not_matter(X, m):
    """The energy is the same; components that share a source may change places."""
    ica, found = ScoreMatchingICA(m, random_state=0, tol=1e-8), []
    for scale, origin in [(1.0, 0.0), (np.array([1e-3, 1.0, 1e4]), 1e3)]:
        S = ica.fit_transform(X * scale + origin)
        found.append(np.append(np.log(np.cosh(S)) @ ica.scales_, ica.objective_))
    assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-4)


def test_fewer_components_than_columns_are_those_of_the_leading_directions(X):
    wide = np.hstack([X, X @ [[1.0], [1.0], [1.0]]])  # of rank 3
    full = ScoreMatchingICA(random_state=0).fit(wide)
    assert full.components_.shape == (3, 4)
    assert_allclose(full.inverse_transform(full.transform(wide)), wide, atol=1e-8)
    few = ScoreMatchingICA(2, random_state=0)
    residual = wide - few.inverse_transform(S := few.fit_transform(wide))
    assert_allclose(few.components_ @ few.mixing_, np.eye(2), atol=1e-10)
    assert_allclose(residual.T @ S, 0.0, atol=1e-6)


def test_rows_taken_as_white_have_unit_components(X):
    ica = ScoreMatchingICA(5, whiten=False, random_state=0, n_init=2).fit(X)
    assert_allclose((ica.components_**2).sum(axis=1), 1.0, rtol=1e-12)
    assert_allclose(ica.mean_, X.mean(axis=0), rtol=1e-12)
    assert_allclose(ica.inverse_transform(ica.transform(X)), X, atol=1e-8)


def test_a_seed_repeats_and_more_starts_are_no_worse(X):
    first, again = (ScoreMatchingICA(6, n_init=2, random_state=3).fit(X) for _ in range(2))
    more = ScoreMatchingICA(6, n_init=5, random_state=3).fit(X)
    assert_array_equal(first.components_, again.components_)
    assert more.objective_ <= first.objective_


@pytest.mark.parametrize("m", [2, 3, 5])
def test_a_weighted_fit_is_one_of_repeated_rows(X, m, rng):
    """Weights of 0 with them; to what the descent resolves."""
    weight = rng.integers(0, 3, len(X))
    weighted, repeated = (ScoreMatchingICA(m, n_init=1, tol=1e-8, random_state=0) for _ in range(2))
    weighted.fit(X, sample_weight=weight)
    repeated.fit(np.repeat(X, weight, axis=0))
    assert_allclose(weighted.mean_, repeated.mean_, rtol=1e-10)
    assert_allclose(weighted.objective_, repeated.objective_, rtol=1e-8)
    assert_allclose(weighted.components_, repeated.components_, rtol=1e-3, atol=1e-4)


def test_a_function_is_a_source(X):
    named, own = (ScoreMatchingICA(source=source, random_state=0).fit(X) for source in ("logcosh", logcosh))
    assert_array_equal(named.components_, own.components_)
    assert own.sources_ == [logcosh] * 3


def test_names(X):
    ica = ScoreMatchingICA(2, random_state=0).fit(pd.DataFrame(X, columns=["a", "b", "c"]))
    assert list(ica.get_feature_names_out()) == ["scorematchingica0", "scorematchingica1"]
    assert list(ica.feature_names_in_) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "parameters",
    [{"n_components": 0}, {"source": "cauchy"}, {"n_init": 0}, {"max_iter": 0}, {"tol": -1.0}, {"whiten": "pca"}],
)
def test_parameters_are_checked(X, parameters):
    with pytest.raises(InvalidParameterError, match=next(iter(parameters))):
        ScoreMatchingICA(**parameters).fit(X)


def test_rows_that_do_not_vary_are_refused():
    with pytest.raises(ValueError, match="same row throughout: give rows"):
        ScoreMatchingICA().fit(np.ones((5, 2)))


def test_sources_of_another_width_are_refused(X):
    with pytest.raises(ValueError, match="X has 2 columns, but there are 3 components"):
        ScoreMatchingICA(random_state=0).fit(X).inverse_transform(X[:, :2])


def test_too_few_iterations_are_said(X):
    with pytest.warns(ConvergenceWarning, match="max_iter=1 iterations: increase max_iter"):
        ScoreMatchingICA(max_iter=1, random_state=0).fit(X)


@pytest.mark.parametrize("whiten", [True, False])
def test_more_components_than_the_rank_are_told_of(whiten, rng):
    X = rng.laplace(size=(200, 2)) @ [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    with pytest.warns(ConvergenceWarning, match=r"n_components=3, but X has only 2 independent directions"):
        ScoreMatchingICA(3, whiten=whiten, random_state=0).fit(X)
