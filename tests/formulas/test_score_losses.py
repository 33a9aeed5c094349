"""The objectives on a score: closed forms on a Gaussian, and each against the definition it stands for."""

import numpy as np
import pytest

from skscore.formulas import score_losses

A = np.array([[2.0, 0.6], [0.6, 1.0]])  # precision of the model
B = np.array([[1.0, -0.2], [-0.2, 0.5]])  # precision of the data


def score(X):
    return -X @ A


@pytest.fixture
def rows(rng):
    return rng.multivariate_normal(np.zeros(2), np.linalg.inv(B), size=200_000)


def closed_form_implicit():
    """E[½‖−Ax‖² − tr A] under N(0, B⁻¹)."""
    return 0.5 * np.trace(A @ np.linalg.inv(B) @ A) - np.trace(A)


def test_implicit_has_the_sign_and_value_of_the_closed_form(rows):
    values = score_losses.implicit(score(rows), np.full(len(rows), -np.trace(A)))
    assert abs(values.mean() - closed_form_implicit()) < 4 * values.std() / np.sqrt(len(rows))


def test_implicit_is_explicit_up_to_a_constant_of_the_data(rows):
    explicit = score_losses.explicit(score(rows), -rows @ B)
    implicit = score_losses.implicit(score(rows), np.full(len(rows), -np.trace(A)))
    constant = 0.5 * np.trace(B)  # ½ E‖∇ log p‖²
    difference = explicit - implicit - constant
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(rows))


@pytest.mark.parametrize("draw", ["normal", "rademacher"])
def test_sliced_averages_to_implicit(rows, rng, draw):
    V = rng.standard_normal(rows.shape) if draw == "normal" else rng.choice([-1.0, 1.0], size=rows.shape)
    curvature = -((V @ A) * V).sum(axis=1)
    exact = score_losses.implicit(score(rows), np.full(len(rows), -np.trace(A)))
    plain = score_losses.sliced(score(rows), curvature, V) - exact
    reduced = score_losses.sliced_variance_reduced(score(rows), curvature) - exact
    for difference in (plain, reduced):
        assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(rows))
    assert reduced.var() < plain.var()


def test_denoising_is_explicit_on_the_smoothed_density_up_to_a_constant(rows, rng):
    """Vincent (2011): they differ by a constant free of the model, so two models differ equally in either."""
    sigma, z = 0.7, rng.standard_normal(rows.shape)
    noisy = rows + sigma * z
    smoothed = np.linalg.inv(np.linalg.inv(B) + sigma**2 * np.eye(2))
    gains = [
        score_losses.denoising(-noisy @ K, z, sigma) - score_losses.explicit(-noisy @ K, -noisy @ smoothed)
        for K in (A, B)
    ]
    difference = gains[0] - gains[1]
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(rows))


def test_weighted_with_a_constant_weight_is_implicit(rows):
    divergence = np.full(len(rows), -np.trace(A))
    weighted = score_losses.weighted(score(rows), divergence, np.ones(len(rows)), np.zeros_like(rows))
    np.testing.assert_array_equal(weighted, score_losses.implicit(score(rows), divergence))


@pytest.mark.torch
def test_torch_tensors_take_the_same_lines(rng):
    import torch

    s, v, curvature = rng.standard_normal((5, 3)), rng.standard_normal((5, 3)), rng.standard_normal(5)
    tensors = [torch.from_numpy(a) for a in (s, curvature, v)]
    np.testing.assert_allclose(score_losses.sliced(*tensors).numpy(), score_losses.sliced(s, curvature, v), rtol=1e-15)
    np.testing.assert_allclose(
        score_losses.denoising(tensors[0], tensors[2], 0.5).numpy(), score_losses.denoising(s, v, 0.5), rtol=1e-15
    )
