"""What the tests of estimators share: a table, models that make a density of it, and their estimators by name."""

import numpy as np
import pytest
from sklearn.base import clone

from skscore import ScoreMatchingDensity
from skscore.domains import Box, Orthant
from skscore.models import ExponentialFamily, Gaussian, GaussianBase, Polynomial


def statistics(X):
    return np.hstack([np.log(X), X])


def jacobian(X):
    eye = np.eye(X.shape[1])
    return np.concatenate([eye / X[:, :, None], np.broadcast_to(eye, (len(X), *eye.shape))], axis=1)


def laplacian(X):
    return np.hstack([-(X**-2.0), np.zeros_like(X)])


def curvature(X, V):
    return np.hstack([-((V / X) ** 2), np.zeros_like(X)])


def _gamma(domain=None, **callables):
    """Independent gamma laws, T = (log x, x)."""
    own = {"statistics": statistics, "jacobian": jacobian, "laplacian": laplacian, "curvature": curvature}
    return ExponentialFamily(**{**own, **callables}, domain=domain or Orthant())


MODELS = {
    "gaussian": Gaussian(),
    "diag": Gaussian("diag"),
    "spherical": Gaussian("spherical"),
    "centered": Gaussian(assume_centered=True),
    "quadratic": Polynomial(2),
    "quartic": Polynomial(),
    "flat quartic": Polynomial(base=None),
    "additive quartic": Polynomial(interaction_degree=1),
    "quartic on a base": Polynomial(base=GaussianBase([1.5, 1.6], 2.0)),
    "gamma": _gamma(),
    "gamma in a box": _gamma(Box(0.25, 4.0)),
}


def _table(n=60, d=2):
    """Correlated rows of light-tailed columns between 1 and 3 on a grid of 2⁻²⁰, so that offsets of 10⁸ add exactly."""
    X = 1.0 + np.random.default_rng(0).beta(2.0, 2.0, (n, d)) @ (np.eye(d) + 0.3 * np.eye(d, k=1))
    return np.round(X * 2**20) / 2**20


def _density(model="gaussian", **parameters):
    model = clone(MODELS[model]) if model in MODELS else model
    return ScoreMatchingDensity(model, **{"random_state": 0, **parameters})


@pytest.fixture(scope="session")
def gamma():
    """Function from a domain, and callables in place of its own, to a model of independent gamma laws."""
    return _gamma


@pytest.fixture(scope="session")
def table():
    """Function from numbers of rows and columns to a table of which every model of the list makes a density."""
    return _table


@pytest.fixture(scope="session")
def density():
    """Function from the name of a model of the list, or a model, and parameters to an estimator."""
    return _density


@pytest.fixture(params=MODELS)
def model(request):
    """Every model of the list."""
    return clone(MODELS[request.param])
