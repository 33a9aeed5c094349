"""Which polynomials are densities: signs of the top form and far modes, where the answer is known."""

import numpy as np
import pytest

from skscore.models.integrability import no_density_reason
from skscore.models.monomials import MonomialBasis


def coefficients(basis, terms):
    c = np.zeros(len(basis))
    for exponents, value in terms.items():
        c[basis.index(np.array(exponents))] = value
    return c


ONE, TWO = MonomialBasis(1, 4, 1), MonomialBasis(2, 4, 2)
PROPER = [
    (ONE, {(4,): -1.0}),
    (ONE, {(4,): -0.01, (3,): 0.05, (2,): 1.0}),
    (TWO, {(4, 0): -1.0, (0, 4): -1.0, (2, 2): 1.9}),  # −(x² − y²)² − 0.1 x²y²
    (TWO, {(4, 0): -1.0, (0, 4): -0.1, (2, 1): 2.0, (0, 2): -1.0, (2, 2): -0.1}),
    (MonomialBasis(3, 2, 2), {(2, 0, 0): -0.5, (0, 2, 0): -0.5, (0, 0, 2): -0.5, (1, 1, 0): 0.9}),
]
INFINITE = [
    (ONE, {(4,): 1e-9, (2,): -0.5}),
    (ONE, {(2,): -0.5}),  # of degree 4 with no term of degree 4: zero is not negative
    (TWO, {(4, 0): -1.0, (0, 4): -1.0, (2, 2): 2.1}),
    (MonomialBasis(3, 2, 2), {(2, 0, 0): -0.5, (0, 2, 0): -0.5, (0, 0, 2): -0.5, (1, 1, 0): 1.1}),
]


@pytest.mark.parametrize(("basis", "terms"), PROPER)
def test_proper(basis, terms):
    assert no_density_reason(basis, coefficients(basis, terms)) is None


@pytest.mark.parametrize(("basis", "terms"), INFINITE)
def test_infinite_mass(basis, terms):
    assert "mass is infinite" in no_density_reason(basis, coefficients(basis, terms))


def test_odd_degree():
    basis = MonomialBasis(1, 3, 1)
    assert "odd" in no_density_reason(basis, coefficients(basis, {(3,): -1.0, (2,): -1.0}))


@pytest.mark.parametrize(
    ("quadratic", "cubic", "quartic", "height", "flagged"),
    [(-0.5, 0.05, -0.001, 91.7, True), (-0.5, 0.0195, -0.0002, -55.4, False)],
)
def test_a_far_mode_is_refused_where_it_holds_mass(quadratic, cubic, quartic, height, flagged):
    """Each has a second mode tens of standard deviations out: one far above the mode at 0, one far below it."""
    c = coefficients(ONE, {(2,): quadratic, (3,): cubic, (4,): quartic})
    x = np.linspace(20.0, 60.0, 10_001)
    f = ONE.evaluate(c[None], x[:, None])[:, 0]
    assert 0 < f.argmax() < 10_000  # a mode indeed
    assert f.max() == pytest.approx(height, abs=1.0)
    assert (no_density_reason(ONE, c) is not None) == flagged
