"""The kernels against numpy's powers, compiled and as plain Python."""

import os
import subprocess
import sys

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


def test_kernels_run_without_the_compiler():
    code = (
        "import numpy as np; from skscore.models.monomials import MonomialBasis; b = MonomialBasis(2, 3, 2);"
        "U = np.arange(6.0).reshape(3, 2); v = np.prod(U[:, None, :] ** b.exponents, axis=2);"
        "assert np.allclose(b.moments(U, np.ones(3)), v.sum(0));"
        "assert np.allclose(b.evaluate(np.ones((1, len(b))), U)[:, 0], v.sum(1))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
