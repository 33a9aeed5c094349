"""The affine map of inputs and targets: white residuals, out of fold, and the way back."""

import numpy as np

from skscore.maps.residuals import fit_residuals


def test_residuals_go_back(rng):
    X, E = rng.standard_normal((60, 2)), rng.standard_normal((60, 3))
    Y = X @ rng.standard_normal((2, 3)) + E @ np.triu(np.ones((3, 3)))
    inputs, joint, out_of_fold = fit_residuals(X, Y, np.ones(60), np.arange(60) % 5)
    np.testing.assert_allclose(np.cov(out_of_fold[:, 2:].T, ddof=0), np.eye(3), atol=1e-5)
    rows = joint.forward(np.hstack([X, Y]))
    np.testing.assert_allclose(rows[:, :2], inputs.forward(X), rtol=1e-12)
    np.testing.assert_allclose(joint.inverse(rows), np.hstack([X, Y]), rtol=1e-10, atol=1e-10)


def test_targets_far_from_the_origin_lose_no_digits(rng):
    X, Y = rng.standard_normal((60, 2)), rng.standard_normal((60, 1))
    far = Y + 1e8
    Y = far - 1e8
    near, moved = (fit_residuals(X, T, np.ones(60), np.arange(60) % 5)[1] for T in (Y, far))
    np.testing.assert_allclose(moved.forward(np.hstack([X, far])), near.forward(np.hstack([X, Y])), atol=1e-7)
