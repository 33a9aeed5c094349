"""The quadratic form: value, gradient, merging and blocks."""

import numpy as np
import pytest

from skscore.formulas.quadratic import QuadraticForm


def random_form(rng, shape=(4,), n=3.0):
    root = rng.standard_normal((*shape[:-1], shape[-1], shape[-1]))
    return QuadraticForm(root @ np.swapaxes(root, -1, -2), rng.standard_normal(shape), rng.standard_normal(), n)


@pytest.mark.parametrize("shape", [(4,), (3, 4)])
def test_gradient_is_that_of_the_value(rng, shape):
    form, theta, step = random_form(rng, shape), rng.standard_normal(shape), 1e-6
    for index in np.ndindex(*shape):
        e = np.zeros(shape)
        e[index] = step
        slope = (form.value(theta + e) - form.value(theta - e)) / (2 * step)
        assert slope == pytest.approx(form.gradient(theta)[index], abs=1e-7)


def test_value_is_the_written_formula(rng):
    form, theta = random_form(rng), rng.standard_normal(4)
    written = 0.5 * theta @ form.Gamma @ theta - form.g @ theta + form.c
    assert form.value(theta) == pytest.approx(written, rel=1e-14)


def test_plus_is_the_weighted_mean_and_associative(rng):
    a, b, c = (random_form(rng, n=n) for n in (1.0, 2.5, 7.0))
    theta = rng.standard_normal(4)
    mean = (a.n * a.value(theta) + b.n * b.value(theta) + c.n * c.value(theta)) / (a.n + b.n + c.n)
    assert ((a + b) + c).value(theta) == pytest.approx(mean, rel=1e-13)
    assert (a + (b + c)).value(theta) == pytest.approx(mean, rel=1e-13)
    assert (a + b + c).n == 10.5


def test_blocks_may_share_one_gamma(rng):
    shared = random_form(rng, (4,)).Gamma
    g, theta = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    repeated = QuadraticForm(np.stack([shared] * 3), g, 0.0, 1.0)
    assert QuadraticForm(shared, g, 0.0, 1.0).value(theta) == pytest.approx(repeated.value(theta), rel=1e-14)
