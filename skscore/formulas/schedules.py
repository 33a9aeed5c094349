r"""Noise levels: the preconditioning of a network, the weights of its loss, and draws of σ.

Rows x carry noise, :math:`\tilde x = x + \sigma z`. A reference Gaussian N(0, diag λ) gives each direction the scale
:math:`r_j = \sqrt{\sigma^2 + \lambda_j}`, and a network F enters the denoiser and the score as

.. math::

   D_j = \frac{\lambda_j}{r_j^2}\,\tilde x_j + \frac{\sigma\sqrt{\lambda_j}}{r_j}\,F_j(\tilde x / r),\qquad
   s_j = \frac{D_j - \tilde x_j}{\sigma^2} = -\frac{\tilde x_j}{r_j^2} + \frac{\sqrt{\lambda_j}}{\sigma r_j}\,F_j .

F ≡ 0 is the reference Gaussian at every σ. With λ ≡ 1 this is the preconditioning of Karras et al. (2022, table 1). The
regression target :math:`t_j = (x_j - \lambda_j \tilde x_j/r_j^2)\,r_j/(\sigma\sqrt{\lambda_j})` has unit variance for
the reference Gaussian in every direction and at every level, and every loss of denoising score matching is a weighted
:math:`\sum_j (F_j - t_j)^2`, because :math:`s_j + z_j/\sigma = \frac{\sqrt{\lambda_j}}{\sigma r_j}(F_j - t_j)`.

In :math:`y = \tilde x / r` the probability flow :math:`dx/d\log\sigma = -\sigma^2 s` (Song et al. 2021, eq. 13) reads

.. math:: \frac{dy_j}{d\log\sigma} = -\frac{\sigma^2}{r_j}\Bigl(s_j + \frac{\tilde x_j}{r_j^2}\Bigr)
   = -\frac{\sigma\sqrt{\lambda_j}}{r_j^2}\,F_j ,

which is zero for the reference Gaussian. Arrays meet arithmetic only, so the same lines serve numpy arrays, torch
tensors and array-API arrays; draws of σ are numpy arrays.

References
----------
Song, Y., & Ermon, S. (2019). Generative modeling by estimating gradients of the data distribution. NeurIPS.
Song, Y., et al. (2021). Score-based generative modeling through stochastic differential equations. ICLR.
Karras, T., Aittala, M., Aila, T., & Laine, S. (2022). Elucidating the design space of diffusion-based generative
models. NeurIPS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

__all__ = [
    "WEIGHTINGS",
    "Preconditioning",
    "geometric_ladder",
    "log_normal",
    "log_uniform",
    "loss_weight",
]


@dataclass(frozen=True)
class Preconditioning:
    """Scales of each direction at noise level σ, relative to a reference Gaussian N(0, diag λ).

    Parameters
    ----------
    sigma : float or array of shape (n, 1)
        Noise level σ: one for all rows, or one for each row.
    variance : array of shape (d,)
        λ, positive.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.schedules import Preconditioning
    >>> level = Preconditioning(sigma=3.0, variance=np.array([16.0]))
    >>> level.r, level.skip, level.out
    (array([5.]), array([0.64]), array([2.4]))
    >>> level.score(output=np.array([[0.0]]), noisy=np.array([[50.0]]))  # of N(0, 25)
    array([[-2.]])
    """

    sigma: Any
    variance: Any

    @cached_property
    def r(self) -> Any:
        """Scale r = √(σ² + λ) of the noisy rows; the network sees x̃/r."""
        return (self.sigma**2 + self.variance) ** 0.5

    @property
    def skip(self) -> Any:
        """Factor λ/r² of the noisy row in the denoised row."""
        return self.variance / self.r**2

    @property
    def out(self) -> Any:
        """Factor σ√λ/r of the network's output in the denoised row."""
        return self.sigma * self.variance**0.5 / self.r

    def target(self, clean: Any, noisy: Any) -> Any:
        """Return the regression target of the network, t = (x − skip x̃)/out; arrays of shape (n, d)."""
        return (clean - self.skip * noisy) / self.out

    def score(self, output: Any, noisy: Any) -> Any:
        """Return the score s = −x̃/r² + (√λ/σr) F of the noisy rows, of shape (n, d)."""
        return self.out / self.sigma**2 * output - noisy / self.r**2

    def velocity(self, score: Any, noisy: Any) -> Any:
        """Return the velocity of the probability flow, dy/d log σ = −(σ²/r)(s + x̃/r²), of shape (n, d)."""
        return -(self.sigma**2 / self.r) * (score + noisy / self.r**2)

    def velocity_divergence(self, divergence: Any) -> Any:
        """Return the divergence −σ²(∇·s + Σ 1/r²) of that velocity in y, given ∇·s of any shape; for one σ."""
        return -(self.sigma**2) * (divergence + (1 / self.r**2).sum())


def _edm(sigma: Any, variance: Any) -> Any:
    """Return the weight 1: every level and direction is equally hard (Karras et al. 2022, eq. 8)."""
    return 1.0


def _balanced(sigma: Any, variance: Any) -> Any:
    """Return the geometric mean of the weights "edm" and "sigma2"."""
    return (variance / (sigma**2 + variance)) ** 0.5


def _sigma2(sigma: Any, variance: Any) -> Any:
    """Return the weight of (F − t)² that amounts to λ(σ) = σ² on ‖s + z/σ‖² (Song & Ermon 2019, §4.2)."""
    return variance / (sigma**2 + variance)


WEIGHTINGS: dict[str, Callable[[Any, Any], Any]] = {"edm": _edm, "balanced": _balanced, "sigma2": _sigma2}


def loss_weight(weighting: str | Callable[[Any], Any], sigma: Any, variance: Any) -> Any:
    """Compute the weight of (F − t)² in each direction.

    Parameters
    ----------
    weighting : {"edm", "balanced", "sigma2"} or callable
        A callable maps σ to the weight of ‖s + z/σ‖², an array of the shape of `sigma`.
    sigma : float or array of shape (n, 1)
        Noise levels.
    variance : array of shape (d,)
        λ.

    Returns
    -------
    float or array that broadcasts against (n, d)

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.schedules import loss_weight
    >>> loss_weight("sigma2", 1.0, np.array([1.0, 3.0]))
    array([0.5 , 0.75])
    >>> loss_weight(lambda sigma: sigma**2, 1.0, np.array([1.0, 3.0]))
    array([0.5 , 0.75])
    """
    if callable(weighting):
        return weighting(sigma) * variance / (sigma**2 * (sigma**2 + variance))
    return WEIGHTINGS[weighting](sigma, variance)


def geometric_ladder(sigma_min: float, sigma_max: float, n_levels: int) -> np.ndarray:
    """Return levels from `sigma_max` down to `sigma_min` in a constant ratio (Song & Ermon 2019, §4.2).

    Parameters
    ----------
    sigma_min, sigma_max : float
        0 < sigma_min ≤ sigma_max.
    n_levels : int
        If 1, the only level is `sigma_min`.

    Returns
    -------
    ndarray of shape (n_levels,)
        Decreasing; both ends are exact.

    Examples
    --------
    >>> from skscore.formulas.schedules import geometric_ladder
    >>> geometric_ladder(0.01, 1.0, 3)
    array([1.  , 0.1 , 0.01])
    """
    return np.geomspace(sigma_min, sigma_max, n_levels)[::-1]


def log_uniform(u: Any, sigma_min: float, sigma_max: float) -> Any:
    """Return noise levels whose logarithm is uniform: σ_min (σ_max/σ_min)^u.

    Parameters
    ----------
    u : array of any shape
        Uniforms in [0, 1].
    sigma_min, sigma_max : float
        Smallest and largest level.

    Returns
    -------
    array of the shape of `u`

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.schedules import log_uniform
    >>> log_uniform(np.array([0.0, 0.5, 1.0]), 0.01, 100.0)
    array([1.e-02, 1.e+00, 1.e+02])
    """
    return sigma_min * (sigma_max / sigma_min) ** u


def log_normal(u: ArrayLike, mean: float, sd: float, sigma_min: float, sigma_max: float) -> np.ndarray:
    """Return noise levels whose logarithm is N(mean, sd²), truncated to [σ_min, σ_max] (Karras et al. 2022, table 1).

    Parameters
    ----------
    u : array of any shape
        Uniforms in [0, 1].
    mean, sd : float
        Mean and standard deviation of log σ before the truncation.
    sigma_min, sigma_max : float
        Smallest and largest level.

    Returns
    -------
    ndarray of the shape of `u`

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.schedules import log_normal
    >>> log_normal(np.array([0.0, 0.5, 1.0]), 0.0, 1.0, 0.1, 10.0).round(6)
    array([ 0.1,  1. , 10. ])
    """
    low, high = ndtr((np.log([sigma_min, sigma_max]) - mean) / sd)
    return np.clip(np.exp(mean + sd * ndtri(low + u * (high - low))), sigma_min, sigma_max)
