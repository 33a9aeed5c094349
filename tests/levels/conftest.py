"""What tests of densities beside another share: differences, and rows far out."""

import numpy as np
import pytest


@pytest.fixture
def central():
    """Function from f and X to the derivatives of f by central differences of fourth order, along the last axis."""
    return _central


def _central(f, X, h=1e-4):
    steps = h * np.eye(X.shape[1])
    return np.stack([(8 * (f(X + e) - f(X - e)) - f(X + 2 * e) + f(X - 2 * e)) / (12 * h) for e in steps], axis=-1)


@pytest.fixture
def rows(rng):
    """Rows from the core of a Gaussian to where only a heavier tail is left."""
    return rng.standard_normal((40, 3)) * np.geomspace(0.3, 8.0, 40)[:, None] * [1.0, 1.0, 0.3]
