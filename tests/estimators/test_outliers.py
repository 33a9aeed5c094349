"""Outliers by density: scikit-learn's checks, the threshold, and any density behind it."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skscore import DensityOutlierDetector, ScoreMatchingDensity, TabularDensity
from skscore.formulas.fences import lower_fence, medcouple

TABULAR = TabularDensity("gaussian", "tree", random_state=0)
DENSITIES = {
    "kernel density": KernelDensity(),
    "mixture": GaussianMixture(2, random_state=0),
    "score matching": ScoreMatchingDensity(),
    "pipeline": make_pipeline(StandardScaler(), ScoreMatchingDensity()),
    "tabular": TABULAR,
}


@parametrize_with_checks(
    [
        DensityOutlierDetector(ScoreMatchingDensity(alpha=0.1)),
        DensityOutlierDetector(ScoreMatchingDensity(alpha=0.1), contamination=0.1),
    ]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(11)
    kind = rng.choice(["cat", "dog"], 400)
    return pd.DataFrame({"kind": kind, "weight": np.where(kind == "cat", 4.0, 20.0) + rng.standard_normal(400)})


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(12)
    return np.concatenate([rng.standard_normal((196, 3)), rng.uniform(7.0, 9.0, (4, 3))])


# ---- densities -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DENSITIES)
def test_a_verdict_is_the_log_density_against_the_threshold(name, rows):
    detector = DensityOutlierDetector(DENSITIES[name], contamination=0.02).fit(rows)
    log_p = detector.density_.score_samples(rows)
    np.testing.assert_array_equal(detector.score_samples(rows), log_p)
    np.testing.assert_array_equal(detector.decision_function(rows), log_p - detector.offset_)
    np.testing.assert_array_equal(detector.predict(rows), np.where(log_p < detector.offset_, -1, 1))
    assert (detector.predict(rows) == -1).sum() == 4
    assert detector.n_features_in_ == 3


def test_the_default_reads_frames_and_tells_which_cell_is_odd(frame):
    detector = DensityOutlierDetector().fit(frame)
    odd = pd.DataFrame({"kind": ["cat", "cat"], "weight": [4.0, 20.0]})
    np.testing.assert_array_equal(detector.predict(odd), [1, -1])
    np.testing.assert_allclose(detector.feature_contributions(odd).sum(axis=1), -detector.score_samples(odd))
    assert list(detector.feature_names_in_) == ["kind", "weight"]


def test_contributions_are_there_if_the_density_has_them(rows):
    assert hasattr(DensityOutlierDetector(), "feature_contributions")
    assert not hasattr(DensityOutlierDetector(KernelDensity()), "feature_contributions")
    assert not hasattr(DensityOutlierDetector(KernelDensity()).fit(rows), "feature_contributions")


# ---- weights -------------------------------------------------------------------------------------


def test_weights_are_repeated_rows(rows):
    weight = np.arange(len(rows)) % 3 + 1
    weighted = DensityOutlierDetector(ScoreMatchingDensity()).fit(rows, sample_weight=weight)
    repeated = DensityOutlierDetector(ScoreMatchingDensity()).fit(np.repeat(rows, weight, axis=0))
    assert weighted.offset_ == pytest.approx(repeated.offset_, abs=1e-9)
    np.testing.assert_allclose(weighted.score_samples(rows), repeated.score_samples(rows))


def test_weights_that_the_density_does_not_accept_are_refused(rows):
    with pytest.raises(ValueError, match=r"sample_weight is given, and GaussianMixture.fit accepts none"):
        DensityOutlierDetector(GaussianMixture()).fit(rows, sample_weight=np.ones(len(rows)))


# ---- the threshold -------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3])
def test_contamination_is_the_share_of_rows_that_is_flagged(rows, share):
    flagged = DensityOutlierDetector(ScoreMatchingDensity(), contamination=share).fit_predict(rows) == -1
    assert flagged.mean() == pytest.approx(share, abs=1 / len(rows))


@pytest.mark.parametrize("d", [1, 2, 10, 50])
def test_the_fence_flags_few_rows_of_a_gaussian_in_any_number_of_columns(d):
    """Minus twice the log-density is chi-square with d degrees of freedom, up to a constant."""
    fence = lower_fence(-0.5 * chi2(d).ppf((np.arange(10_000) + 0.5) / 10_000))
    assert 0.001 < chi2(d).sf(-2.0 * fence) < 0.006


def test_a_fifth_of_far_rows_is_beyond_the_fence():
    bulk = np.random.default_rng(13).normal(size=800)
    fence = lower_fence(np.concatenate([bulk, np.full(200, -1e6)]))
    assert -30.0 < fence < bulk.mean()


def test_the_medcouple_is_that_of_all_pairs():
    x = np.sort(np.random.default_rng(14).exponential(size=301))
    m = np.median(x)
    a, b = x[x < m][:, None], x[x > m][None, :]
    assert medcouple(x) == pytest.approx(np.median((b + a - 2 * m) / (b - a)), abs=0.02)
    assert medcouple(-x) == pytest.approx(-medcouple(x), abs=0.01)


def test_rows_outside_the_support_are_outliers_and_leave_the_threshold_finite(rows):
    density = KernelDensity(kernel="tophat", bandwidth=4.0)
    detector = DensityOutlierDetector(density).fit(rows)
    assert np.isfinite(detector.offset_)
    assert detector.decision_function([[1e3, 1e3, 1e3]]) == -np.inf
    assert detector.predict([[1e3, 1e3, 1e3]]) == -1
