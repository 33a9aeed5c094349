"""Cosines and sines at once, against numpy's."""

import numpy as np
import pytest

from skscore._kernels.sincos import LARGEST, cosines_and_sines


def waves(angles, amplitude=1.0):
    cosines, sines = np.array(angles, dtype=float, ndmin=2), np.empty((1, len(angles)))
    cosines_and_sines(cosines, amplitude, sines)
    return cosines[0], sines[0]


@pytest.mark.parametrize("reach", [1e-8, 1.0, 10.0, 1e3, 1e6])
def test_waves_are_those_of_numpy(rng, reach):
    angles = rng.uniform(-reach, reach, 20000)
    cosines, sines = waves(angles)
    np.testing.assert_allclose(cosines, np.cos(angles), rtol=0.0, atol=4e-16)
    np.testing.assert_allclose(sines, np.sin(angles), rtol=0.0, atol=4e-16)


def test_quarter_turns(rng):
    angles = np.arange(-40, 41) * np.pi / 4
    np.testing.assert_allclose(waves(angles), [np.cos(angles), np.sin(angles)], rtol=0.0, atol=4e-16)


def test_amplitude():
    np.testing.assert_allclose(waves([0.3, 2.0], 5.0), 5.0 * np.array([np.cos([0.3, 2.0]), np.sin([0.3, 2.0])]))


def test_far_angles_lose_digits_but_never_leave_the_circle():
    far = np.array([1e9, -1e11])
    np.testing.assert_allclose(waves(far), [np.cos(far), np.sin(far)], rtol=0.0, atol=1e-4)
    cosines, sines = waves([1e20, -1e300, np.inf, -np.inf, LARGEST])
    np.testing.assert_allclose(cosines**2 + sines**2, 1.0, rtol=1e-3)
    assert np.isnan(waves([np.nan])).all()
