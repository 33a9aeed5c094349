r"""Numbers with a heavy tail given levels: a multivariate t around the conditional Gaussian.

In the white coordinates r of :mod:`skscore.models.mixed.conditional_gaussian`, :math:`r_A` of the known cells and
:math:`r_B` of those asked for, a of the one and b of the other (Kotz & Nadarajah, 2004, section 1.11),

.. math::

   r_B \mid r_A \sim \sqrt{\frac{\nu + \|r_A\|^2}{\nu + a}}\; t_{\nu + a}(0, I_b) .

References
----------
Kotz, S., & Nadarajah, S. (2004). Multivariate t distributions and their applications. Cambridge University Press.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from .conditional_gaussian import ConditionalGaussian

__all__ = ["ConditionalStudent"]


@dataclass(frozen=True, eq=False)
class ConditionalStudent:
    """The density t_ν(x; Bᵀφ(c), Σ) of numbers given levels: a ``ConditionalNumbers``.

    Parameters
    ----------
    gaussian : ConditionalGaussian
        Of the location Bᵀφ(c) and the scale matrix Σ.
    df : float
        Degrees of freedom ν.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.models.mixed.conditional_gaussian import ConditionalGaussian
    >>> from skscore.models.mixed.conditional_student import ConditionalStudent
    >>> cauchy = ConditionalStudent(ConditionalGaussian((), np.zeros((1, 1)), np.eye(1)), df=1.0)
    >>> x, yes = np.array([[0.0]]), np.array([[True]])
    >>> np.exp(cauchy.log_prob(x, np.empty((1, 0), dtype=int), yes, ~yes)).round(4)  # 1/π
    array([0.3183])
    """

    gaussian: ConditionalGaussian
    df: float

    def _white(self, numbers, codes, target, given):
        """r, log |L_BB|, ν + a, and ν + ‖r_A‖²."""
        R, log_det = self.gaussian.whiten(numbers, codes, target, given)
        return R, log_det, self.df + given.sum(axis=1), self.df + np.square(R * given).sum(axis=1)

    def log_prob(self, numbers, codes, target, given):
        """log p(x_B | x_A, c), shape (n,)."""
        R, log_det, df, width = self._white(numbers, codes, target, given)
        b, q = target.sum(axis=1), np.square(R * target).sum(axis=1)
        constant = gammaln((df + b) / 2) - gammaln(df / 2) - b / 2 * np.log(np.pi * width)
        return constant - (df + b) / 2 * np.log1p(q / width) - log_det

    def log_prob_of_ways(self, numbers, known, ways, kind):
        """log p(x_A | c) of each row and way, shape (n, m): see `ConditionalGaussian.distances`."""
        squares, log_det = self.gaussian.distances(numbers, known, ways, kind)
        a = known.sum(axis=1)[kind]
        peak = gammaln((self.df + a) / 2) - gammaln(self.df / 2) - a / 2 * np.log(np.pi * self.df) - log_det
        return peak[:, None] - ((self.df + a) / 2)[:, None] * np.log1p(squares / self.df)

    def sample(self, numbers, codes, given, rng):
        """`numbers` with every cell that is not given drawn, shape (n, p)."""
        R, _, df, width = self._white(numbers, codes, np.zeros_like(given), given)
        noise = rng.standard_normal(R.shape) * np.sqrt(width / rng.chisquare(df))[:, None]
        return self.gaussian.unwhiten(np.where(given, R, noise), numbers, codes, ~given, given)
