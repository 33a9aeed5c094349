"""The course of a training of denoising networks."""

import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skscore.neural.training import TrainingState  # noqa: E402
from skscore.neural.training_config import TrainingConfig  # noqa: E402


def test_the_rate_warms_up_and_falls_to_zero_along_a_cosine():
    state = TrainingState([], None, TrainingConfig(learning_rate=0.01, max_iter=1000))
    rates = np.array([state.rate(k) for k in range(1, 1001)])
    assert rates[0] == pytest.approx(0.0001)
    np.testing.assert_allclose(rates[99:], 0.005 * (1 + np.cos(np.pi * np.arange(99, 1000) / 1000)))
    assert rates[-1] < 0.01 / 1000


def test_the_rate_falls_with_the_time_that_is_left():
    state = TrainingState([], None, TrainingConfig(learning_rate=0.01, max_iter=10**9), time.monotonic() + 1e4)
    state.begun -= 1e4  # half of the time is spent
    assert state.rate(1000) == pytest.approx(0.005, rel=1e-3)
    state.deadline = state.begun + 5e3
    assert state.rate(1000) == 0.0
    assert state.ended
