"""The course of a training of denoising networks."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skscore.neural.training import Recipe, Run  # noqa: E402


def test_a_training_without_a_jury_warms_up_stays_and_ends_at_rate_zero():
    run = Run([], [], Recipe(learning_rate=0.01, max_steps=1000))
    rates = np.array([run.rate(k) for k in range(1, 1001)])
    assert rates[0] == pytest.approx(0.0001)
    np.testing.assert_allclose(rates[99:749], 0.01)
    assert (np.diff(rates[749:]) < 0.0).all()
    assert rates[-1] < 0.01 / 200
