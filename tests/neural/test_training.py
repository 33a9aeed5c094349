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


class Pupil:
    """A member whose state is the number of its steps, those after it went back counted from there."""

    def __init__(self):
        self.steps = 0

    def step(self, k, rate):
        self.steps += 1

    def training_gain(self, steps):
        return 0.0

    def state(self):
        return self.steps

    def restore(self, state):
        self.steps = state


@pytest.mark.parametrize(
    ("turn", "seen", "last"),
    [
        (100, 250, 350),  # three validations without a better one, then five to cool down
        (1000, 1300, 1500),  # three tenths of the steps to the best
        (3000, 3550, 3600),  # 15 % of all steps, and no more than all
    ],
)
def test_a_training_that_stalls_goes_back_and_cools_down(turn, seen, last):
    """The validation is best at one step, and as good never again."""
    pupil, steps = Pupil(), []

    def validation(members):
        steps.append(state.step)
        return None, -1.0 - state.step if state.step <= turn else 0.0

    state = TrainingState([pupil], validation, TrainingConfig(max_iter=3600, check_every=50))
    while not state.ended:
        state.advance()
    assert max(steps[: steps.index(turn) + 1 + (seen - turn) // 50]) == seen
    assert steps[-1] == state.step == pupil.steps == last
    assert steps.count(turn) == 1
    assert state.best.step == turn
