"""The course of a training of denoising networks."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from skscore.neural.training import TrainingState  # noqa: E402
from skscore.neural.training_config import TrainingConfig  # noqa: E402


def test_a_training_without_validation_rows_warms_up_stays_and_ends_at_rate_zero():
    state = TrainingState([], [], TrainingConfig(learning_rate=0.01, max_iter=1000))
    rates = np.array([state.rate(k) for k in range(1, 1001)])
    assert rates[0] == pytest.approx(0.0001)
    np.testing.assert_allclose(rates[99:749], 0.01)
    assert (np.diff(rates[749:]) < 0.0).all()
    assert rates[-1] < 0.01 / 200
