"""What tests of kernel families share."""

import numpy as np
import pytest

METRICS = {
    "isotropic": lambda d: np.eye(d) / 1.3,
    "by column": lambda d: np.diag(1.0 / np.linspace(0.7, 1.9, d)),
    "full": lambda d: np.eye(d) / 1.3 + 0.3 * np.eye(d, k=1),
}


@pytest.fixture(params=METRICS)
def metric(request):
    """Function from d to a root of a metric: with one bandwidth, one for each column, or directions of their own."""
    return METRICS[request.param]


@pytest.fixture
def skew_rows():
    """Function that draws n correlated rows of d gamma variables."""
    return lambda rng, n, d: rng.gamma(3.0, 0.5, (n, d)) @ (np.eye(d) + 0.4 * np.eye(d, k=1))


@pytest.fixture
def assert_same_form():
    """Assertion that two quadratic forms are the same up to a tolerance relative to their largest entries."""
    return _assert_same_form


def _assert_same_form(a, b, rtol):
    np.testing.assert_allclose(a.Gamma, b.Gamma, rtol=rtol, atol=rtol * np.abs(b.Gamma).max())
    np.testing.assert_allclose(a.g, b.g, rtol=rtol, atol=rtol * np.abs(b.g).max())
    assert a.c == pytest.approx(b.c, rel=rtol)
    assert a.n == pytest.approx(b.n)
