r"""The four score-matching objectives, row by row, as operators on a score.

A model's score is :math:`s(x) = \nabla_x \log p_\theta(x)`. Each function returns one value for each row; the objective
is its mean. Only arithmetic and a sum over columns are used, so numpy arrays, torch tensors and array-API arrays are
served by the same lines.

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

Except for the explicit objective each equals :math:`\tfrac12 E\|s - \nabla\log p\|^2` up to a constant free of the
model, where :math:`p` is the law of the row that the score is taken at (for *denoising*: the law of the noisy row).
"""

from __future__ import annotations

__all__ = ["coordinatewise", "denoising", "explicit", "implicit", "sliced", "sliced_variance_reduced", "weighted"]


def _sum(v):
    """Sum over the last axis, by method (numpy, torch) or by the array-API standard."""
    return v.sum(-1) if hasattr(v, "sum") else v.__array_namespace__().sum(v, axis=-1)


def _squared_norm(v):
    return _sum(v * v)


def implicit(score, divergence):
    """Hyvärinen's objective ½‖s‖² + ∇·s of each row.

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


def weighted(score, divergence, weight, weight_gradient):
    """Implicit objective h(½‖s‖² + ∇·s) + ∇h·s under a weight h that vanishes on the boundary of the domain.

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


def coordinatewise(score, slope, weight, weight_slope):
    """Implicit objective Σ_j [h_j(½s_j² + ∂_j s_j) + h′_j s_j] with a weight of its own for each coordinate.

    Parameters
    ----------
    score, slope : arrays of shape (n, d)
        s_j(x) and ∂_j s_j(x).
    weight, weight_slope : arrays of shape (n, d)
        h_j, zero where coordinate j meets the boundary, and its derivative in x_j.

    Returns
    -------
    array of shape (n,)
    """
    return _sum(weight * (0.5 * score * score + slope) + weight_slope * score)


def explicit(score, target):
    """Squared distance ½‖s − y‖² to known scores y.

    Parameters
    ----------
    score, target : arrays of shape (n, d)

    Returns
    -------
    array of shape (n,)
    """
    return 0.5 * _squared_norm(score - target)


def sliced(score, curvature, direction):
    """Implicit objective along a random direction v: ½(vᵀs)² + vᵀ∇s v.

    Parameters
    ----------
    score : array of shape (n, d)
    curvature : array of shape (n,)
        vᵀ∇s(x)v.
    direction : array of shape (n, d)
        v, with E[vvᵀ] = I, so that the mean over v is the implicit objective.

    Returns
    -------
    array of shape (n,)
    """
    projection = _sum(direction * score)
    return 0.5 * projection * projection + curvature


def sliced_variance_reduced(score, curvature):
    """Sliced objective with the first term in closed form, ½‖s‖² + vᵀ∇s v (Song et al., 2019, eq. 8).

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


def denoising(score, noise, sigma):
    """Denoising objective ½‖s(x + σz) + z/σ‖² of each row.

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
