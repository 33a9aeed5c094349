"""The Nyström basis: slopes of kernels, their Gram matrix, tables far from the origin."""

import numpy as np
import pytest

from skscore.models.base import resolve_base
from skscore.models.kernels.nystrom import NystromFamily


@pytest.mark.parametrize("d", [1, 3])
def test_statistics_are_slopes_of_the_kernel_at_the_landmarks(rng, skew_rows, d, metric):
    Z, X, factor, step = skew_rows(rng, 5, d), skew_rows(rng, 7, d), metric(d), 1e-5
    family = NystromFamily(Z, factor, np.eye(5 * d), resolve_base(None, None))

    def kernel(Z):
        return np.exp(-0.5 * (((X[:, None] - Z) @ factor) ** 2).sum(axis=2))

    slopes = np.stack([(kernel(Z + step * e) - kernel(Z - step * e)) / (2 * step) for e in np.eye(d)], axis=2)
    np.testing.assert_allclose(family.statistics(X), slopes.reshape(7, 5 * d), atol=1e-9)


def test_gram_is_the_slope_of_the_functions_at_the_landmarks(rng, skew_rows, metric):
    """∂T_{a,i}(x)/∂x_l at x = z_b is the metric of the RKHS norm."""
    Z = skew_rows(rng, 6, 3)
    family = NystromFamily(Z, metric(3), np.eye(18), resolve_base(None, None))
    np.testing.assert_allclose(family.gram(), np.moveaxis(family.jacobian(Z), 0, 1).reshape(18, 18), atol=1e-14)
    assert np.linalg.eigvalsh(family.gram()).min() > 0.0


@pytest.mark.parametrize("d", [2, 5])
def test_an_offset_of_the_table_changes_nothing(rng, skew_rows, assert_same_form, d, metric):
    """Distances are taken from the centre of the landmarks, so an offset costs only the digits that X itself loses."""
    X, Z, factor, basis = skew_rows(rng, 200, d), skew_rows(rng, 6, d), metric(d), np.eye(6 * d)
    forms = [
        NystromFamily(Z + offset, factor, basis, resolve_base(None, None)).implicit_form(X + offset, np.ones(200))
        for offset in (0.0, 2.0**20)
    ]
    assert_same_form(forms[1], forms[0], rtol=1e-8)
