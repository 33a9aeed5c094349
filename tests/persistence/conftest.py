"""What the tests of files share: fitted estimators of every kind, by name, and rows that they know."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer, StandardScaler

from skscore import (
    BijectiveTransformer,
    ConditionalScoreDensity,
    DenoisingScoreEstimator,
    DenoisingScoreEstimatorCV,
    DensityOutlierDetector,
    ScoreMatchingDensity,
    ScoreMatchingDensityCV,
    ScoreMatchingICA,
    TabularDensity,
    TransformedDensity,
)
from skscore.domains import Orthant
from skscore.models import Kernel, PairwiseInteraction, Polynomial, TruncatedGaussian
from skscore.neural import NeuralEnergy, ScoreNetwork

SMALL = {"hidden_layer_sizes": (4,), "max_iter": 5, "device": "cpu"}


def rows(n=60, d=2):
    """Positive correlated rows."""
    return np.exp(0.3 * np.random.default_rng(3).standard_normal((n, d)) @ (np.eye(d) + 0.5 * np.eye(d, k=1)))


def frame(n=80):
    """A table with every kind of column, and missing cells."""
    rng = np.random.default_rng(5)
    size = pd.Categorical(rng.choice(["S", "M", "L"], n), categories=["S", "M", "L", "XL"], ordered=True)
    days = pd.Timestamp("2020-02-01") + pd.to_timedelta(rng.integers(0, 700, n), "D")
    number = rng.standard_normal(n).round(2)
    table = pd.DataFrame(
        {"size": size, "day": days, "number": number, "count": pd.array(rng.integers(0, 90, n), "Int64")}
    )
    table["flag"], table["text"] = rng.random(n) < 0.4, rng.choice(["é", "u, v"], n)
    table.loc[::9, ["number", "count"]] = None
    return table


def table_density(*blocks, **parameters):
    return TabularDensity(*blocks, random_state=1, **parameters).fit(frame())


ESTIMATORS = {
    "outliers": lambda X: DensityOutlierDetector(ScoreMatchingDensity()).fit(X),
    "gaussian": lambda X: ScoreMatchingDensity(random_state=np.random.default_rng(1)).fit(X),
    "polynomial": lambda X: ScoreMatchingDensity(Polynomial(base=None), alpha=0.1, random_state=1).fit(X),
    "kernel": lambda X: ScoreMatchingDensity(Kernel(n_landmarks=10), alpha=0.1, random_state=1).fit(X),
    "pairwise": lambda X: ScoreMatchingDensity(PairwiseInteraction(domain=Orthant()), alpha=0.1, random_state=1).fit(X),
    "truncated": lambda X: ScoreMatchingDensity(TruncatedGaussian(), random_state=1).fit(X),
    "path": lambda X: ScoreMatchingDensityCV(n_alphas=3, cv=KFold(3), random_state=1).fit(X),
    "ladder": lambda X: DenoisingScoreEstimator("gaussian", sigma_min=0.1, random_state=1).fit(X),
    "levels": lambda X: DenoisingScoreEstimatorCV("gaussian", sigma_mins=[0.1, 0.3], cv=2, random_state=1).fit(X),
    "transformed": lambda X: TransformedDensity(ScoreMatchingDensity(random_state=1), PowerTransformer()).fit(X),
    "bijective": lambda X: TransformedDensity(
        ScoreMatchingDensity(random_state=1), BijectiveTransformer(np.exp, np.log, [np.exp])
    ).fit(np.log(X)),
    "pipeline": lambda X: make_pipeline(
        FunctionTransformer(np.log, np.exp), StandardScaler(), ScoreMatchingDensity(random_state=1)
    ).fit(X),
    "sources": lambda X: ScoreMatchingICA(2, random_state=1).fit(X),
    "conditional": lambda X: ConditionalScoreDensity(10, random_state=1).fit(X[:, :1], X[:, 1]),
    "table": lambda X: table_density("gaussian", "tree", column_types={"count": "integer"}),
}
NETWORKS = {
    "network": lambda X: DenoisingScoreEstimator(
        ScoreNetwork(**SMALL, n_folds=1), n_likelihood_steps=2, random_state=1
    ).fit(X),
    "energy": lambda X: ScoreMatchingDensity(NeuralEnergy(**SMALL), random_state=1).fit(X),
    "table of numbers": lambda X: table_density(ScoreNetwork(**SMALL, n_folds=1), "tree"),
    "table of networks": lambda X: table_density(ScoreNetwork(**SMALL, n_folds=1), "network"),
}
OF_TORCH, SLOW = [pytest.mark.torch], [pytest.mark.torch, pytest.mark.slow]
MARKED = [
    *ESTIMATORS,
    *(pytest.param(name, marks=SLOW if name == "table of networks" else OF_TORCH) for name in NETWORKS),
]


@cache
def fitted(name):
    """The estimator of this name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a few steps of a network, or few rows, give reason to
        return {**ESTIMATORS, **NETWORKS}[name](rows())


@pytest.fixture(params=MARKED)
def estimator(request):
    """A fitted estimator of every kind."""
    return fitted(request.param)


@pytest.fixture(scope="session")
def kinds():
    """Names of the estimators that need no torch, and of those that do."""
    return tuple(ESTIMATORS), tuple(NETWORKS)


@pytest.fixture(scope="session")
def estimator_of():
    """Function from a name to the fitted estimator."""
    return fitted


@pytest.fixture(scope="session")
def answers():
    """Function from a fitted estimator to what it says of rows, and draws."""
    return _answers


def _answers(estimator):
    X = frame(7) if isinstance(estimator, TabularDensity) else rows(7)
    if isinstance(estimator, ScoreMatchingICA):
        return [estimator.transform(X)]
    if isinstance(estimator, DensityOutlierDetector):
        return [estimator.score_samples(X), estimator.predict(X)]
    if isinstance(estimator, ConditionalScoreDensity):
        return [estimator.score_samples(X[:, :1], X[:, 1]), estimator.sample(X[:, :1], random_state=2)]
    if isinstance(estimator, Pipeline):
        return [estimator.score_samples(X), estimator[-1].sample(5, random_state=2)]
    return [estimator.score_samples(X), estimator.sample(5, random_state=2)]
