"""The kernels against numpy's powers."""

import numpy as np
import pytest

from skscore.models.monomials import MonomialBasis


def powers(basis, U):
    return np.prod(U[:, None, :] ** basis.exponents, axis=2)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 100])
@pytest.mark.parametrize("basis", [MonomialBasis(1, 6, 1), MonomialBasis(3, 4, 2), MonomialBasis(4, 3, 3)])
def test_kernels_equal_powers(rng, n, basis):
    U, weight = rng.standard_normal((n, basis.exponents.shape[1])), rng.random(n)
    values = powers(basis, U)
    np.testing.assert_allclose(basis.moments(U, weight), weight @ values, rtol=1e-12, atol=1e-13)
    coefficients = rng.standard_normal((2, len(basis)))
    np.testing.assert_allclose(basis.evaluate(coefficients, U), values @ coefficients.T, rtol=1e-12, atol=1e-12)
