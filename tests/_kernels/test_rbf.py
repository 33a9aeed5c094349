"""The Gaussian kernels against numpy's exponential."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from skscore._kernels import rbf


def filled(p, landmarks, root, tau, order="F", dtype=np.float64):
    """K and K∘S' of the fused kernel, and K of the plain one, in tables of this order and precision."""
    norms, K = (landmarks**2).sum(axis=1), (p @ landmarks.T).astype(dtype, order=order)
    columns, KS, plain = np.ascontiguousarray(landmarks.T), np.empty_like(K), K.copy(order=order)
    rbf.gaussian_and_square(p, columns, norms, root, tau, K, KS)
    rbf.gaussian(p, columns, norms, root, plain)
    return K, KS, plain


def test_the_exponential_is_accurate_over_its_whole_range(rng):
    """One column, landmark 0: S = p², so K = exp(−p²/2) down to 1e-304. Rounding of S alone takes 1e-13."""
    p = np.concatenate([[0.0, 1e-9], np.sqrt(rng.uniform(0.0, rbf.LARGEST, 5000))])[:, None]
    K, _, _ = filled(p, np.zeros((1, 1)), np.ones(len(p)), 1.0)
    exact = np.exp(-0.5 * np.square(p.astype(np.longdouble)))
    assert float(np.abs(K / exact - 1.0).max()) <= 1e-13
    near = p[:, 0] < 2.0
    assert float(np.abs(K / exact - 1.0)[near].max()) <= 1e-15


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("d", [1, 2, 4, 5, 9])
def test_kernels_equal_the_formula(rng, d, order):
    p, landmarks, root, tau = rng.standard_normal((33, d)), rng.standard_normal((17, d)), rng.random(33), 0.7
    S = cdist(p, landmarks, "sqeuclidean")
    K, KS, plain = filled(p, landmarks, root, tau, order)
    np.testing.assert_allclose(K, root[:, None] * np.exp(-0.5 * S), rtol=1e-13)
    np.testing.assert_array_equal(plain, K)
    np.testing.assert_allclose(KS, tau * S * K, rtol=1e-12, atol=1e-14)
    again = p @ landmarks.T
    rbf.times_square(p, (landmarks**2).sum(axis=1), K, np.inf, again)
    np.testing.assert_allclose(again, S * K, rtol=1e-12, atol=1e-14)
    slope = np.empty_like(K)
    rbf.slopes(K, p[:, 0], landmarks[:, 0], slope)
    np.testing.assert_array_equal(slope, (landmarks[:, 0] - p[:, [0]]) * K)


def test_the_exponential_of_single_precision(rng):
    """At S that single precision holds exactly: k is off by a few units in the last place, down to 9e-27."""
    S = np.arange(0.0, rbf.LARGEST_SINGLE, 2.0**-6, dtype=np.float32)
    mantissa, power = np.empty_like(S), np.empty_like(S)
    rbf._exponential(S, mantissa, power)
    assert np.abs(mantissa * power / np.exp(-0.5 * S.astype(float)) - 1.0).max() <= 4 * 2.0**-24


@pytest.mark.parametrize("d", [2, 4])
def test_single_precision_rounds_distances_and_kernels(rng, d):
    """Where distances are differences: S is off by some units in the last place, and k by half of that times S."""
    p, landmarks, root = rng.standard_normal((500, d)), rng.standard_normal((9, d)), rng.random(500)
    unit = 2.0**-24 * (4.0 + 2.0 * cdist(p, landmarks, "sqeuclidean"))
    for single, double in zip(
        filled(p, landmarks, root, 0.7, dtype=np.float32), filled(p, landmarks, root, 0.7), strict=True
    ):
        assert (np.abs(single - double) <= unit * double).all()


@pytest.mark.parametrize("d", [2, 6])
def test_far_rows_have_no_kernel_and_nan_stays(d):
    p = np.ones((4, d)) * np.array([[1e3], [1e170], [np.nan], [0.0]])
    with np.errstate(over="ignore", invalid="ignore"):
        K, KS, _ = filled(p, np.zeros((2, d)), np.ones(4), 1.0)
    assert (K[:2] < 1e-300).all()
    assert (KS[:2] < 1e-300).all()
    assert np.isnan(K[2]).all()
    np.testing.assert_array_equal(K[3], 1.0)
