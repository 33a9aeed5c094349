"""What the tests of the samplers range over: distributions with known moments, and all samplers of the package."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import stats

from skscore.samplers import CHAIN_SAMPLERS, Target


class KnownDistribution(NamedTuple):
    """A distribution with all that tests ask of it; `cdf` of the coordinates, `third` their third central moments."""

    target: Target
    draw: Any
    mean: np.ndarray
    covariance: np.ndarray
    third: np.ndarray
    cdf: Any


def correlated_normal():
    mean, precision = np.array([1.0, -2.0]), np.array([[2.0, 0.8], [0.8, 1.5]])
    covariance = np.linalg.inv(precision)
    target = Target(
        lambda x: -0.5 * np.einsum("ni,ij,nj->n", x - mean, precision, x - mean),
        lambda x: -(x - mean) @ precision,
    )
    return KnownDistribution(
        target,
        lambda rng, n: rng.multivariate_normal(mean, covariance, size=n),
        mean,
        covariance,
        np.zeros(2),
        stats.norm(mean, np.sqrt(np.diag(covariance))).cdf,
    )


def independent(distribution, derivative):
    """Two independent coordinates of a skew distribution; `derivative` of its log-density."""
    mean, variance, skewness = (float(m) for m in distribution.stats(moments="mvs"))
    return KnownDistribution(
        Target(lambda x: distribution.logpdf(x).sum(axis=1), derivative),
        lambda rng, n: distribution.rvs(size=(n, 2), random_state=rng),
        np.full(2, mean),
        variance * np.eye(2),
        np.full(2, skewness * variance**1.5),
        distribution.cdf,
    )


DISTRIBUTIONS = {
    "normal": correlated_normal(),
    "gumbel": independent(stats.gumbel_r(), lambda x: np.exp(-x) - 1),  # skewed to the right
    "log_gamma": independent(stats.loggamma(1.5), lambda x: 1.5 - np.exp(x)),  # to the left
}


SAMPLERS = {cls.__name__: cls.example() for cls in CHAIN_SAMPLERS}
ADJUSTED = {name: sampler for name, sampler in SAMPLERS.items() if sampler.target_acceptance is not None}


@pytest.fixture(params=DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def distribution(request):
    return request.param


@pytest.fixture(params=[DISTRIBUTIONS["gumbel"], DISTRIBUTIONS["log_gamma"]], ids=["gumbel", "log_gamma"])
def skew_distribution(request):
    return request.param


@pytest.fixture(params=SAMPLERS.values(), ids=SAMPLERS)
def sampler(request):
    """Every sampler, at a step size that suits every distribution."""
    return request.param


@pytest.fixture(params=ADJUSTED.values(), ids=ADJUSTED)
def adjusted_sampler(request):
    """Every sampler with a Metropolis step."""
    return request.param
