r"""The score-matching objectives of each row, as functions of the score.

A model's score is :math:`s(x) = \nabla_x \log p_\theta(x)`. Each function returns one value for each row; the objective
is its mean. Only arithmetic and a sum over columns are used, so the same lines serve numpy arrays, torch tensors and
array-API arrays.

============  ===================================================  ==========================================
objective     value at one row                                     source
============  ===================================================  ==========================================
implicit      :math:`\tfrac12\|s\|^2 + \nabla\cdot s`              Hyvärinen (2005), eq. 4
weighted      :math:`h(\tfrac12\|s\|^2 + \nabla\cdot s) +          Liu, Kanamori & Williams (2022), eq. 10
              \nabla h\cdot s`
coordinates   :math:`\sum_j h_j(\tfrac12s_j^2 + \partial_js_j) +   Yu, Drton & Shojaie (2019)
              h_j's_j`
explicit      :math:`\tfrac12\|s - y\|^2`                          Hyvärinen (2005), eq. 2
sliced        :math:`\tfrac12(v^\top s)^2 + v^\top\nabla s\,v`     Song, Garg, Shi & Ermon (2019), eq. 7
denoising     :math:`\tfrac12\|s(x + \sigma z) + z/\sigma\|^2`     Vincent (2011), eq. 9
============  ===================================================  ==========================================

Except for the explicit objective each mean equals :math:`\tfrac12 E\|s - \nabla\log p\|^2` up to a constant that does
not depend on the model. Here :math:`p` is the density of the rows; for *denoising* it is that of the noisy rows.
"""

from __future__ import annotations

from typing import Any

__all__ = ["coordinatewise", "denoising", "explicit", "implicit", "sliced", "sliced_variance_reduced", "weighted"]


def _sum(v: Any) -> Any:
    """Sum over the last axis by method (numpy, torch) or by the array-API standard."""
    return v.sum(-1) if hasattr(v, "sum") else v.__array_namespace__().sum(v, axis=-1)


def _squared_norm(v: Any) -> Any:
    return _sum(v * v)


def implicit(score: Any, divergence: Any) -> Any:
    """Compute Hyvärinen's objective ½‖s‖² + ∇·s of each row.

    Parameters
    ----------
    score : array of shape (n, d)
        Scores s(x).
    divergence : array of shape (n,)
        Their divergences ∇·s(x).

    Returns
    -------
    array of shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.score_losses import implicit
    >>> X = np.array([[0.0, 2.0]])  # scored by N(0, I): s(x) = −x, ∇·s = −2
    >>> implicit(-X, np.array([-2.0]))
    array([0.])
    """
    return 0.5 * _squared_norm(score) + divergence


def weighted(score: Any, divergence: Any, weight: Any, weight_gradient: Any) -> Any:
    """Compute the implicit objective h(½‖s‖² + ∇·s) + ∇h·s with a weight h that is zero on the boundary of the domain.

    Parameters
    ----------
    score : array of shape (n, d)
    divergence : array of shape (n,)
    weight : array of shape (n,)
        h(x).
    weight_gradient : array of shape (n, d)
        ∇h(x).

    Returns
    -------
    array of shape (n,)
    """
    return weight * implicit(score, divergence) + _sum(weight_gradient * score)


def coordinatewise(score: Any, derivative: Any, weight: Any, weight_derivative: Any) -> Any:
    """Compute the implicit objective Σ_j [h_j(½s_j² + ∂_j s_j) + h′_j s_j] with a weight h_j for each coordinate.

    Parameters
    ----------
    score, derivative : arrays of shape (n, d)
        s_j(x) and ∂_j s_j(x).
    weight, weight_derivative : arrays of shape (n, d)
        h_j, which is zero on the boundary along coordinate j, and its derivative in x_j.

    Returns
    -------
    array of shape (n,)
    """
    return _sum(weight * (0.5 * score * score + derivative) + weight_derivative * score)


def explicit(score: Any, target: Any) -> Any:
    """Compute the squared distance ½‖s − y‖² to known scores y.

    Parameters
    ----------
    score, target : arrays of shape (n, d)

    Returns
    -------
    array of shape (n,)
    """
    return 0.5 * _squared_norm(score - target)


def sliced(score: Any, curvature: Any, direction: Any) -> Any:
    """Compute the implicit objective along a random direction v: ½(vᵀs)² + vᵀ∇s v.

    Parameters
    ----------
    score : array of shape (n, d)
    curvature : array of shape (n,)
        vᵀ∇s(x)v.
    direction : array of shape (n, d)
        v, drawn with E[vvᵀ] = I; the mean over v is then the implicit objective.

    Returns
    -------
    array of shape (n,)
    """
    projection = _sum(direction * score)
    return 0.5 * projection * projection + curvature


def sliced_variance_reduced(score: Any, curvature: Any) -> Any:
    """Compute the sliced objective with the first term in closed form, ½‖s‖² + vᵀ∇s v (Song et al., 2019, eq. 8).

    Parameters
    ----------
    score : array of shape (n, d)
    curvature : array of shape (n,)
        vᵀ∇s(x)v.

    Returns
    -------
    array of shape (n,)
    """
    return implicit(score, curvature)


def denoising(score: Any, noise: Any, sigma: Any) -> Any:
    """Compute the denoising objective ½‖s(x + σz) + z/σ‖² of each row.

    Parameters
    ----------
    score : array of shape (n, d)
        Scores at the noisy rows x + σz.
    noise : array of shape (n, d)
        The standard normal draws z.
    sigma : float or array of shape (n, 1)
        Noise level σ, in the units of x.

    Returns
    -------
    array of shape (n,)
    """
    return explicit(score, -noise / sigma)
