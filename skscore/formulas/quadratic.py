r"""Every score-matching objective of an exponential family is one quadratic form in θ.

With :math:`\log p_\theta(x) = \theta^\top T(x) + \log q_0(x) - \log Z(\theta)` each score-matching objective reads

.. math:: J(\theta) = \tfrac12\,\theta^\top \Gamma\,\theta - g^\top\theta + c,

with :math:`\Gamma, g, c` means over the rows. Means merge by their weights, so chunks, folds, processes and
``partial_fit`` are all the same ``+``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .._compat import get_namespace

__all__ = ["QuadraticForm"]


@dataclass(frozen=True)
class QuadraticForm:
    r"""J(θ) = ½ θᵀΓθ − gᵀθ + c, a mean over rows of total weight n.

    Leading axes are independent blocks: if ``g`` has shape (k, m), and ``Gamma`` has shape (k, m, m), or (m, m) when
    all blocks share it, the form is Σ_b ½ θ_bᵀΓ_bθ_b − g_bᵀθ_b + c for θ of shape (k, m).

    Parameters
    ----------
    Gamma : ndarray of shape (..., m, m)
        Γ, symmetric and positive semi-definite.
    g : ndarray of shape (..., m)
        Linear part.
    c : float
        Value of the objective at θ = 0.
    n : float
        Total weight of the rows behind the means.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> form = QuadraticForm(Gamma=np.array([[2.0]]), g=np.array([1.0]), c=0.0, n=10)
    >>> float(form.value(np.array([0.5])))
    -0.25
    >>> (form + form).n
    20
    """

    Gamma: Any
    g: Any
    c: float
    n: float

    def __add__(self, other: QuadraticForm) -> QuadraticForm:
        """Return the form of the rows of both."""
        n = self.n + other.n
        a, b = self.n / n, other.n / n
        return QuadraticForm(a * self.Gamma + b * other.Gamma, a * self.g + b * other.g, a * self.c + b * other.c, n)

    def counted(self, times: float) -> QuadraticForm:
        """Return the form with each row counted so many times."""
        return QuadraticForm(self.Gamma, self.g, self.c, times * self.n)

    def gradient(self, theta: Any) -> Any:
        """Return Γθ − g, in the shape of θ."""
        if self.Gamma.ndim == 2:  # one product for all blocks, as Γ is symmetric
            return theta @ self.Gamma - self.g
        return (self.Gamma @ theta[..., None])[..., 0] - self.g

    def value(self, theta: Any) -> Any:
        """Return J(θ)."""
        xp, _ = get_namespace(theta)
        return 0.5 * xp.sum(theta * (self.gradient(theta) - self.g)) + self.c
