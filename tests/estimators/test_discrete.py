"""Discrete columns through DenoisingScoreEstimator: what is drawn is what is scored, and nothing else."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from skscore import DenoisingScoreEstimator
from skscore.neural import ScoreNetwork


def density(model="gaussian", **parameters):
    return DenoisingScoreEstimator(model, random_state=0, **parameters)


@pytest.mark.parametrize("values", [[1.0, 2.0, 1000.0], [0.1, 0.25, 0.7], [17.5, 22.0, 27.0, 32.0, 37.0, 42.0]])
@pytest.mark.parametrize("model", ["gaussian", "polynomial"])
def test_every_draw_of_a_column_of_codes_is_one_of_them(values, model, rng):
    x = rng.choice(values, 1000)[:, None]
    fitted = density(model).fit(x)
    assert set(fitted.sample(2000, random_state=0)[:, 0]) == set(values)
    assert np.exp(fitted.score_samples(np.array(values)[:, None])).sum() == pytest.approx(1.0, abs=0.005)


def test_a_value_that_a_column_of_few_never_had_has_no_probability(rng):
    X = np.column_stack([rng.integers(0, 2, 300), rng.standard_normal(300)])
    fitted = density().fit(X)
    rows = np.array([[0.0, 0.3], [2.0, 0.3], [0.5, 0.3]])
    assert_array_equal(np.isfinite(fitted.score_samples(rows)), [True, False, False])
    assert_array_equal(np.isfinite(fitted.grad_log_density(rows)).all(axis=1), [True, False, False])
    with pytest.raises(ValueError, match=r"X holds 2 in column 0.*Fit anew"):
        fitted.partial_fit(rows)
    assert_array_equal(fitted.score_samples(rows[:1]), density().fit(X).score_samples(rows[:1]))


def test_draws_of_integers_of_many_values_are_integers(rng):
    x = rng.poisson(20.0, 1000)[:, None] * 1.0
    fitted = density().fit(x)
    draws = fitted.sample(5000, random_state=0)
    assert_array_equal(draws, np.rint(draws))
    assert np.exp(fitted.score_samples(np.arange(-200.0, 300.0)[:, None])).sum() == pytest.approx(1.0, abs=0.002)


@pytest.mark.parametrize("dequantize", ["auto", False])
def test_the_mass_within_bounds_is_what_draws_say(dequantize, rng):
    """Bounds cut integers through the middle of their law; nothing is clipped onto the edge."""
    x = rng.poisson(20.0, 2000)[:, None] * 1.0
    x = x[x >= 18.0][:, None]
    fitted = density(bounds=(18.0, np.inf), tail=None, dequantize=dequantize).fit(x)
    free = density(tail=None, dequantize=dequantize).fit(x).sample(20_000, random_state=1)
    assert fitted.inside_mass_ == pytest.approx((free >= 18.0).mean(), abs=0.012)
    draws = fitted.sample(20_000, random_state=1)
    assert draws.min() >= 18.0
    if dequantize:
        atoms = np.arange(18.0, 90.0)[:, None]
        probability = np.exp(fitted.score_samples(atoms))
        assert probability.sum() == pytest.approx(1.0, abs=0.01)
        assert (draws == 18.0).mean() == pytest.approx(probability[0], abs=0.01)


def test_one_coin_at_one_noise_level(rng):
    coin = (rng.random((1000, 1)) < 0.15) * 1.0
    for levels in (None, [0.3]):
        fitted = density(noise_levels=levels).fit(coin)
        probability = np.exp(fitted.score_samples([[0.0], [1.0]]))
        assert_allclose(probability, [1.0 - coin.mean(), coin.mean()], atol=0.02)
        assert probability.sum() == pytest.approx(1.0, abs=0.005)


def test_the_bound_lies_below_the_probability(rng):
    X = np.column_stack([rng.poisson(1.0, 400), rng.integers(0, 3, 400), rng.standard_normal(400)]).astype(float)
    fitted = density("polynomial", sigma_min=0.05).fit(X)
    assert fitted.set_params(criterion="elbo").score(X) < fitted.set_params(criterion="log_likelihood").score(X) + 0.01


def test_weights_are_repetitions_in_discrete_tables(rng):
    X, weight = np.column_stack([rng.integers(0, 2, 300), rng.standard_normal(300)]), rng.integers(1, 3, 300)
    repeated = np.repeat(X, weight, axis=0)
    weighted = density(tail=None).fit(X, sample_weight=weight * 1.0)
    assert weighted.score(X) == pytest.approx(density(tail=None).fit(repeated).score(X), abs=0.02)


def test_the_report_tells_of_the_points(rng):
    X = (rng.random((300, 3)) < 0.3) * 1.0
    report = density().fit(X).likelihood_report_
    assert report.n_cell_points > 1
    assert 0.0 < report.cell_difference < 0.01
    report = density().fit(rng.standard_normal((300, 2))).likelihood_report_
    assert (report.n_cell_points, report.cell_difference) == (1, 0.0)


def weather(n, rng):
    """Rain in tenths, zero on 57 % of the days, the kind of weather on which it depends, and two temperatures."""
    kind = rng.choice(5, n, p=[0.35, 0.3, 0.2, 0.1, 0.05])
    dry = rng.random(n) < np.array([0.85, 0.6, 0.4, 0.2, 0.1])[kind]
    rain = np.where(dry, 0.0, 0.05 + rng.gamma(0.7, 5.0 * (1.0 + 0.3 * kind)))
    highest = 15.0 + 8.0 * np.sin(rng.uniform(0.0, 2.0 * np.pi, n)) + 2.0 * rng.standard_normal(n)
    return np.column_stack([rain, kind, highest, highest - 3.0 - rng.gamma(2.0, 2.0, n)]).round(1)


@pytest.mark.slow
@pytest.mark.torch
def test_rain_by_the_day():
    """A network draws as many dry days as there were, and rows that a classifier can hardly tell from fresh ones."""
    X = weather(2 * 1461, np.random.default_rng(1))
    train, fresh = X[:1461], X[1461:]
    draws = density(ScoreNetwork(device="cpu")).fit(train).sample(1461, random_state=0)
    assert (draws[:, 0] == 0.0).mean() == pytest.approx((X[:, 0] == 0.0).mean(), abs=0.02)
    assert draws[:, 0].min() == 0.0
    assert set(draws[:, 1]) == set(range(5))
    both, real = np.vstack([fresh, draws]), np.repeat([0, 1], 1461)
    classifier = HistGradientBoostingClassifier(random_state=0)
    told = cross_val_predict(classifier, both, real, cv=5, method="predict_proba")[:, 1]
    assert roc_auc_score(real, told) <= 0.60


@pytest.mark.parametrize("columns", [1, 2])
def test_repeated_rows_of_a_continuous_table_are_rows_of_weight(columns, rng):
    X = rng.random((100, columns))
    weight = 1 + (10 * X.sum(axis=1)).astype(int)
    weighted = density(tail=None).fit(X, sample_weight=weight)
    repeated = density(tail=None).fit(np.repeat(X, weight, axis=0))
    np.testing.assert_allclose(weighted.score_samples(X), repeated.score_samples(X), atol=1e-10)
