"""What scikit-learn asks of KernelDensity holds for the densities that stand in its place.

The differences that are meant are tests, too: `score` is a mean, every density can be drawn from.
"""

import io

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skscore import DenoisingScoreEstimator, ScoreMatchingDensity, TransformedDensity
from skscore.models import Kernel

LADDER = DenoisingScoreEstimator("gaussian", sigma_min=0.1, tail=None, n_levels=6, n_likelihood_steps=4)
KERNEL = ScoreMatchingDensity(Kernel(100, bandwidth=1.0, base_scale=1.5), alpha=0.1)
OURS = {
    "gaussian": ScoreMatchingDensity(),
    "kernel": KERNEL,
    "ladder": LADDER,
    "transformed": TransformedDensity(KernelDensity(bandwidth=0.3), StandardScaler()),
}
ALL = {"KernelDensity": KernelDensity(bandwidth=0.5), **OURS}


@pytest.fixture(params=ALL)
def density(request):
    return clone(ALL[request.param])


@pytest.fixture(params=OURS)
def ours(request):
    return clone(OURS[request.param])


@pytest.fixture
def rows(rng):
    return rng.random((60, 2))


def test_total_mass_is_one(density, rng):
    x = np.linspace(-12.0, 12.0, 1201)[:, None]
    values = density.fit(rng.standard_normal((60, 1))).score_samples(x)
    assert values.shape == (1201,)
    assert np.exp(values).sum() * 0.02 == pytest.approx(1.0, abs=2e-3)


def test_draws_have_the_width_of_the_table_and_repeat_with_their_seed(density, rows):
    fitted = density.fit(rows)
    assert fitted.sample(random_state=0).shape == (1, 2)
    assert_array_equal(fitted.sample(7, random_state=1), fitted.sample(7, random_state=1))
    assert np.isfinite(fitted.score_samples(fitted.sample(100, random_state=0))).all()


@pytest.mark.parametrize("kernel", ["epanechnikov", "cosine"])
def test_what_a_kernel_of_scikit_learn_cannot_be_drawn_from_ours_can(kernel, ours, rows):
    with pytest.raises(NotImplementedError):
        KernelDensity(kernel=kernel).fit(rows).sample(2)
    assert ours.fit(rows).sample(2, random_state=0).shape == (2, 2)


def test_score_is_the_mean_where_that_of_kernel_density_is_the_sum(ours, rows):
    kde, fitted = KernelDensity().fit(rows), ours.fit(rows)
    assert kde.score(rows) == pytest.approx(kde.score_samples(rows).sum())
    assert fitted.score(rows) == pytest.approx(fitted.score_samples(rows).mean())


def test_weights_of_the_wrong_length_or_sign_are_refused(density, rows):
    for weight in (np.ones(61), np.ones((60, 60)), -np.ones(60)):
        with pytest.raises(ValueError, match=r"[Ss]ample|[Ww]eight|Negative"):
            density.fit(rows, sample_weight=weight)


def test_constant_weights_are_none(density, rows):
    plain = clone(density).fit(rows).score_samples(rows)
    assert_allclose(clone(density).fit(rows, sample_weight=np.full(60, 3.0)).score_samples(rows), plain, rtol=1e-6)


def test_weights_repetitions_and_the_order_of_rows(density, rows, rng):
    weight = 1 + (10 * rows.sum(axis=1)).astype(np.int8)
    repeated = np.repeat(rows, weight, axis=0)
    weighted = clone(density).fit(rows, sample_weight=weight).score_samples(rows)
    for table in (repeated, rng.permutation(repeated)):
        assert_allclose(clone(density).fit(table).score_samples(rows), weighted, atol=1e-4)
    assert np.abs(clone(density).fit(rows).score_samples(rows) - weighted).max() > 0.01


def test_a_search_over_a_pipeline(rows):
    pipeline = make_pipeline(StandardScaler(with_mean=False), ScoreMatchingDensity())
    search = GridSearchCV(pipeline, {"scorematchingdensity__alpha": [1e-3, 1e-2, 10.0]}).fit(rows)
    assert search.best_params_["scorematchingdensity__alpha"] < 1.0
    assert search.score(rows) == pytest.approx(search.best_estimator_.score_samples(rows).mean())


@pytest.mark.parametrize("weighted", [False, True])
def test_dumped_and_loaded(density, rows, rng, weighted):
    fitted, file = density.fit(rows, sample_weight=rng.random(60) if weighted else None), io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    assert_array_equal(joblib.load(file).score_samples(rows), fitted.score_samples(rows))


@pytest.mark.parametrize("method", ["score_samples", "sample", "score"])
def test_before_a_fit(density, rows, method):
    arguments = () if method == "sample" else (rows,)
    with pytest.raises(NotFittedError):
        getattr(density, method)(*arguments)
