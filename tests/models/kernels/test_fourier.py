"""Random Fourier features: the kernel they approximate, and the law of their frequencies."""

import numpy as np
import pytest

from skscore.models.base import resolve_base
from skscore.models.kernels.fourier import FourierFamily, frequencies


@pytest.mark.parametrize("bandwidth", [1.7, np.array([0.8, 2.0, 1.1])], ids=["one", "by column"])
def test_features_approximate_the_kernel(rng, skew_rows, bandwidth):
    X, draws = skew_rows(rng, 12, 3), [frequencies(bandwidth, 3, 300, rng) for _ in range(100)]
    features = [FourierFamily(*draw, np.eye(300), resolve_base(None, None)).statistics(X) for draw in draws]
    kernel = np.exp(-0.5 * (((X[:, None] - X) / bandwidth) ** 2).sum(axis=2))
    atol = 5.0 * np.sqrt(1.5 / 30000)  # 2 cos cos' has a variance of at most 3/2
    np.testing.assert_allclose(np.mean([T @ T.T for T in features], axis=0), kernel, atol=atol)


@pytest.mark.parametrize("d", [1, 4])
def test_frequencies_are_normal(rng, d):
    n = 40000
    omega, phases = frequencies(2.0, d, n, rng)
    np.testing.assert_allclose(4.0 * omega @ omega.T / n, np.eye(d), atol=5.0 * np.sqrt(2.0 / n))
    np.testing.assert_allclose((4.0 * (omega**2).sum(axis=0)).var(), 2.0 * d, rtol=0.1)  # of a χ² law
    np.testing.assert_allclose(np.exp(1j * phases).mean(), 0.0, atol=5.0 / np.sqrt(n))


def test_orthogonal_frequencies_are_nearer_to_the_kernel_than_independent_ones(rng):
    X, m, d = 0.5 * rng.standard_normal((30, 6)), 60, 6
    kernel = np.exp(-0.5 * ((X[:, None] - X) ** 2).sum(axis=2))

    def error(omega):  # of the mean over phases, which is Σ_j cos(ω_j·(x − z))/m
        waves = np.exp(1j * X @ omega)
        return ((waves @ waves.conj().T).real / m - kernel).std()

    orthogonal = np.mean([error(frequencies(1.0, d, m, rng)[0]) for _ in range(50)])
    independent = np.mean([error(rng.standard_normal((d, m))) for _ in range(50)])
    assert orthogonal < 0.7 * independent
