"""Coordinates with scales for each row, by the names of an eigenbasis: one change of variables, told in five ways."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skscore.datasets import Funnel
from skscore.maps.eigenbasis import COORDINATES
from skscore.maps.scaled_basis import ScaledBasis

STEP = 1e-5


@pytest.fixture(scope="module", params=COORDINATES)
def basis(request):
    return ScaledBasis.of_rows(Funnel(3).sample(2000, 0), None, request.param)


@pytest.fixture(scope="module")
def rows():
    return Funnel(3).sample(20, 1)


def log_density(basis, X):
    """Log-density of rows whose coordinates have the density ∏ exp(sin z)."""
    return np.sin(basis.to_basis(X)).sum(axis=1) + basis.log_volume(X)


def test_there_and_back(basis, rows):
    assert_allclose(basis.to_rows(basis.to_basis(rows)), rows, rtol=1e-9, atol=1e-9)


def test_volume_is_that_of_the_jacobian(basis, rows):
    J = np.stack([(basis.to_basis(rows + e) - basis.to_basis(rows - e)) / (2 * STEP) for e in STEP * np.eye(3)])
    assert_allclose(basis.log_volume(rows), np.linalg.slogdet(J.swapaxes(0, 1))[1], atol=1e-6)


def test_scores_are_pulled_back_by_the_chain_rule(basis, rows):
    expected = [(log_density(basis, rows + e) - log_density(basis, rows - e)) / (2 * STEP) for e in STEP * np.eye(3)]
    assert_allclose(basis.pull_back(np.cos(basis.to_basis(rows)), rows), np.transpose(expected), rtol=1e-6, atol=1e-6)


def test_motion_carries_curvature(basis, rows):
    """d²/dt² of the log-density along a line is żᵀHż + s·z̈; the volume is linear in x."""
    V, t, Z = np.random.default_rng(2).standard_normal(rows.shape), 1e-4, basis.to_basis(rows)
    velocity, acceleration = basis.motion(rows, V)
    carried = (-np.sin(Z) * velocity**2 + np.cos(Z) * acceleration).sum(axis=1)
    ahead, here, behind = (log_density(basis, rows + s * V) for s in (t, 0.0, -t))
    assert_allclose(carried, (ahead - 2 * here + behind) / t**2, rtol=1e-4, atol=1e-3)


def test_a_gaussian_keeps_its_scales():
    assert ScaledBasis.of_rows(np.random.default_rng(0).standard_normal((500, 3)), None, "per_direction") is None


def test_columns_that_repeat_others_keep_their_scales():
    assert ScaledBasis.of_rows(Funnel().sample(500, 0)[:, [0, 1, 1]], None, "per_direction") is None
