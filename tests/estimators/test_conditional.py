"""ConditionalScoreDensity: a known law, identities of the density, weights, errors, scikit-learn's checks."""

import pickle

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_fit_idempotent, parametrize_with_checks

from skscore.estimators.conditional import ConditionalScoreDensity
from skscore.formulas import score_losses

NEEDS_TARGETS = "score_samples is a density of targets and cannot be called with X alone"
EXPECTED_FAILURES = {
    "check_array_api_input": NEEDS_TARGETS,
    "check_methods_sample_order_invariance": NEEDS_TARGETS,
    "check_methods_subset_invariance": NEEDS_TARGETS,
    "check_sample_weight_equivalence_on_dense_data": "passes splits of rows as cv, which here is a number of folds",
}


FIXED = {"n_landmarks": 60, "bandwidth": "median", "input_bandwidth": "median", "alpha": 1e-2, "random_state": 0}


@parametrize_with_checks(
    [ConditionalScoreDensity(**FIXED), ConditionalScoreDensity(**FIXED, criterion="hyvarinen")],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_a_search_repeats_itself():
    """scikit-learn's check on an estimator that chooses its bandwidths, as those above do not."""
    check_fit_idempotent("ConditionalScoreDensity", ConditionalScoreDensity(20, random_state=0))


# ---- a known law: y | x ~ N(sin 2x, (0.2 + 0.3 |x|)²) --------------------------------------------


def spread(x):
    return 0.2 + 0.3 * np.abs(x)


def draw(n, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2.0, 2.0, n)
    return x[:, None], np.sin(2.0 * x) + spread(x) * rng.standard_normal(n)


@pytest.fixture(scope="module")
def known():
    return ConditionalScoreDensity(100, random_state=0).fit(*draw(1000, 0))


def test_finds_mean_and_spread(known):
    X, y = draw(1000, 0)
    X_test, y_test = draw(3000, 100)
    x = X_test[:, 0]
    truth = norm.logpdf(y_test, np.sin(2.0 * x), spread(x)).mean()
    best_of_constant_spread = norm.logpdf(y_test, np.sin(2.0 * x), np.std(y - np.sin(2.0 * X[:, 0]))).mean()
    assert truth - 0.1 < known.score(X_test, y_test) < truth
    assert known.score(X_test, y_test) > best_of_constant_spread + 0.1
    assert np.sqrt(np.mean((known.predict(X_test) - np.sin(2.0 * x)) ** 2)) < 0.15


def test_draws_have_its_spread(known):
    x = np.array([-1.5, 0.0, 1.5])
    draws = known.sample(x[:, None], 4000, random_state=0)
    np.testing.assert_allclose(draws.std(axis=1), spread(x), atol=0.12)


def test_a_linear_law_is_left_to_the_regression(rng):
    """y = Bx + Gaussian noise: no more than 0.03 nats are lost to kernels that have nothing to find."""
    X = rng.standard_normal((2000, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.7 * rng.standard_normal(2000)
    train, test = slice(1000), slice(1000, None)
    density = ConditionalScoreDensity(100, random_state=0).fit(X[train], y[train])
    linear = LinearRegression().fit(X[train], y[train])
    residual = y - linear.predict(X)
    assert density.score(X[test], y[test]) > norm.logpdf(residual[test], 0.0, residual[train].std()).mean() - 0.03


# ---- identities ----------------------------------------------------------------------------------


def table(t, n=300, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 2)) * [1.0, 5.0] + [3.0, -20.0]
    noise = rng.gamma(2.0, 1.0, (n, t)) @ (np.eye(t) + 0.5 * np.eye(t, k=1))
    return X, 10.0 * np.sin(X[:, :1]) + 2.0 * noise * np.arange(1.0, t + 1.0)


@pytest.fixture(scope="module", params=[1, 2, 3])
def fitted(request):
    X, Y = table(request.param)
    return ConditionalScoreDensity(**FIXED).fit(X, Y), X[:20], Y[:20]


def test_density_integrates_to_one():
    for t, n_nodes in ((1, 4000), (2, 400)):
        X, Y = table(t)
        density = ConditionalScoreDensity(**FIXED).fit(X, Y)
        mean, sd = Y.mean(axis=0), Y.std(axis=0)
        axes = [np.linspace(m - 9.0 * s, m + 9.0 * s, n_nodes) for m, s in zip(mean, sd, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, t)
        cell = np.prod([axis[1] - axis[0] for axis in axes])
        for x in X[:3]:
            p = np.exp(density.score_samples(np.tile(x, (len(grid), 1)), grid))
            assert p.sum() * cell == pytest.approx(1.0, abs=1e-4)
            np.testing.assert_allclose(p @ grid * cell, density.predict(x[None])[0], rtol=1e-3)


def test_gradient_is_the_difference_of_log_densities(fitted):
    density, X, Y = fitted
    h = 1e-4
    steps = h * np.eye(Y.shape[1])
    change = [density.score_samples(X, Y + step) - density.score_samples(X, Y - step) for step in steps]
    np.testing.assert_allclose(density.grad_log_density(X, Y), np.transpose(change) / (2.0 * h), atol=1e-6)


@pytest.mark.parametrize("standardize", [False, True])
def test_hyvarinen_score_is_its_definition(fitted, standardize):
    density, X, Y = fitted
    h, scale = 1e-4, density._target_scale if standardize else np.ones(Y.shape[1])
    s = density.grad_log_density(X, Y)
    divergence = sum(
        c**2 * (density.grad_log_density(X, Y + h * e) - density.grad_log_density(X, Y - h * e)) @ e / (2.0 * h)
        for c, e in zip(scale, np.eye(Y.shape[1]), strict=True)
    )
    expected = score_losses.implicit(scale * s, divergence)
    np.testing.assert_allclose(density.hyvarinen_score(X, Y, standardize=standardize), expected, rtol=1e-5, atol=1e-5)


def test_units_and_origins_change_only_the_unit_of_the_density(fitted):
    density, X, Y = fitted
    t = Y.shape[1]
    unit, inputs, targets = np.arange(2.0, t + 2.0), *table(t)
    other = clone(density).fit(1e3 - 4.0 * inputs, 7.0 + unit * targets)
    expected = density.score_samples(X, Y) - np.log(unit).sum()
    np.testing.assert_allclose(other.score_samples(1e3 - 4.0 * X, 7.0 + unit * Y), expected, atol=1e-6)
    np.testing.assert_allclose(other.predict(1e3 - 4.0 * X), 7.0 + unit * density.predict(X), rtol=1e-6)


def test_score_averages_its_criterion(fitted, rng):
    density, X, Y = fitted
    weight = rng.random(len(X))
    assert density.score(X, Y, weight) == pytest.approx(np.average(density.score_samples(X, Y), weights=weight))
    by_hyvarinen = clone(density).set_params(criterion="hyvarinen").fit(*table(Y.shape[1]))
    assert by_hyvarinen.score(X, Y) == pytest.approx(-density.hyvarinen_score(X, Y, standardize=True).mean())


# ---- rows, weights and shapes --------------------------------------------------------------------


@pytest.mark.parametrize("t", [1, 2])
def test_weights_are_repetition_and_order_does_not_matter(rng, t):
    X, Y = table(t, n=80)
    weight = rng.integers(0, 3, 80)
    repeated = rng.permutation(np.repeat(np.arange(80), weight))
    by_weight, by_rows = (ConditionalScoreDensity(30, cv=3, random_state=0) for _ in range(2))
    by_weight.fit(X, Y, sample_weight=weight)
    by_rows.fit(X[repeated], Y[repeated])
    assert by_weight.alpha_ == by_rows.alpha_
    np.testing.assert_allclose(by_weight.score_samples(X, Y), by_rows.score_samples(X, Y), atol=1e-6)


def test_a_vector_of_targets_gives_vectors(known):
    X, y = draw(5, 3)
    as_column = clone(known).set_params(**FIXED).fit(*(part.reshape(len(part), 1) for part in draw(100, 0)))
    assert known.predict(X).shape == known.grad_log_density(X, y).shape == known.score_samples(X, y).shape == (5,)
    assert known.sample(X).shape == (5,)
    assert known.sample(X, 4).shape == (5, 4)
    assert as_column.predict(X).shape == as_column.grad_log_density(X, y[:, None]).shape == (5, 1)
    assert as_column.sample(X).shape == (5, 1)
    assert as_column.sample(X, 4).shape == (5, 4, 1)


def test_copies_and_refits_say_the_same(known):
    X, y = draw(50, 3)
    copy = pickle.loads(pickle.dumps(known))
    np.testing.assert_array_equal(copy.score_samples(X, y), known.score_samples(X, y))
    first, again = (ConditionalScoreDensity(**FIXED).fit(*draw(200, 0)) for _ in range(2))
    np.testing.assert_array_equal(first.score_samples(X, y), again.score_samples(X, y))
    one, two = first.sample(X), first.sample(X)
    assert (one != two).any()
    np.testing.assert_array_equal(one, again.sample(X))
    np.testing.assert_array_equal(first.sample(X, 2, random_state=5), again.sample(X, 2, random_state=5))


def test_results_of_the_choice(known, capsys):
    results = known.cv_results_
    assert {len(values) for values in results.values()} == {5 * 5 * 15}
    best = results["score"].argmax()
    chosen = known.input_bandwidth_, known.bandwidth_, known.alpha_
    assert chosen == tuple(results[name][best] for name in ("input_bandwidth", "bandwidth", "alpha"))
    density = clone(known).set_params(**FIXED, verbose=1).fit(*draw(50, 0))
    assert not hasattr(density, "cv_results_")
    assert capsys.readouterr().out.startswith("[ConditionalScoreDensity] 50 rows, 50 kernels")


def test_in_a_pipeline_and_a_grid():
    X, y = draw(300, 0)
    pipeline = make_pipeline(StandardScaler(), ConditionalScoreDensity(**{**FIXED, "input_bandwidth": 0.4}))
    search = GridSearchCV(pipeline, {"conditionalscoredensity__alpha": [1e-3, 1e3]}, cv=3).fit(X, y)
    assert search.best_params_ == {"conditionalscoredensity__alpha": 1e-3}
    assert cross_val_predict(pipeline, X, y, cv=3).shape == (300,)


# ---- hard tables and errors ----------------------------------------------------------------------


def test_a_noiseless_line_and_more_columns_than_rows_are_finite(rng):
    X = rng.standard_normal((30, 40))
    density = ConditionalScoreDensity(**FIXED)
    for inputs, y in ((X[:, :1], 3.0 * X[:, 0] + 1.0), (X, rng.standard_normal(30)), (np.zeros((30, 1)), X[:, 0])):
        density.fit(inputs, y)
        assert np.isfinite(density.score_samples(inputs, y)).all()
        assert np.isfinite(density.predict(inputs)).all()


def test_few_effective_draws_warn(rng):
    X = rng.standard_normal((200, 1))
    Y = np.sign(rng.standard_normal((200, 4))) + 0.05 * rng.standard_normal((200, 4))
    density = ConditionalScoreDensity(**{**FIXED, "alpha": 1e-6, "bandwidth": 0.5}).fit(X, Y)
    with pytest.warns(ConvergenceWarning, match=r"few effective draws, at worst [\d.e-]+ % of 8192"):
        density.score_samples(X, Y)


X, Y = np.arange(12.0).reshape(6, 2), np.array([1.0, 3.0, 2.0, 5.0, 4.0, 6.0])
BAD_FITS = {
    "NaN in X": (X * [1.0, np.nan], Y, "X contains NaN"),
    "infinite y": (X, Y * np.inf, "y contains inf"),
    "one row": (X[:1], Y[:1], "minimum of 2 is required"),
    "constant y": (X, np.ones(6), r"constant in column \[0\].*Drop it"),
    "constant column of y": (X, np.column_stack([Y, np.ones(6)]), r"constant in column \[1\]"),
    "lengths": (X, Y[:5], "inconsistent numbers of samples"),
    "no y": (X, None, "requires y to be passed"),
}


@pytest.mark.parametrize("case", BAD_FITS)
def test_bad_rows_are_refused(case):
    inputs, targets, message = BAD_FITS[case]
    with pytest.raises(ValueError, match=message):
        ConditionalScoreDensity(**FIXED).fit(inputs, targets)


@pytest.mark.parametrize(
    "parameter",
    [
        {"alpha": 0.0},
        {"bandwidth": -1.0},
        {"bandwidth": 1e-200},
        {"input_bandwidth": "mean"},
        {"input_bandwidth": 1e200},
        {"cv": 1},
        {"criterion": "aic"},
    ],
)
def test_bad_parameters_are_refused(parameter):
    with pytest.raises(ValueError, match=next(iter(parameter))):
        ConditionalScoreDensity(**parameter).fit(X, Y)


def test_bad_calls_are_refused():
    density = ConditionalScoreDensity(**FIXED).fit(X, Y)
    with pytest.raises(ValueError, match="y has 2 columns: give the 1 targets"):
        density.score_samples(X, np.column_stack([Y, Y]))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        density.score_samples(X, Y[:3])
    with pytest.raises(ValueError, match="X has 1 features"):
        density.predict(X[:, :1])
    with pytest.raises(ValueError, match="n_samples=0"):
        density.sample(X, 0)
