r"""A kernel density estimate of many widths.

Real tables hold rows that nearly repeat others: the same wine bottled twice, a mixture tested again. No smooth model
finds such clumps, and a kernel density estimate alone finds nothing else: it is a part of a mixture
(:mod:`skscore.levels.mixture`),

.. math::

   p(x) = \sum_j \pi_j\, f_j(x),\qquad
   f_j(x) = \sum_i a_i\, (2\pi h_j^2)^{-d/2} \exp\Bigl(-\frac{\|x - x_i\|^2}{2h_j^2}\Bigr),

over rows :math:`x_i` of weights :math:`a_i` that sum to one, and widths :math:`h_j` that halve from one to the next.

References
----------
Parzen, E. (1962). On estimation of a probability density function and mode. Annals of Mathematical Statistics, 33(3),
1065-1076.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp

from .._kernels.parzen import kernel_derivatives, kernel_sums
from .mixture import Offer

__all__ = ["ParzenWindows", "offer_windows"]

WIDEST, NARROWEST = 0.8, 0.0125  # in units of the standardised columns
MAX_CENTRES = 100_000
LARGEST_EXPONENT = 700.0  # that a double can raise e to


@dataclass(frozen=True, eq=False)
class ParzenWindows:
    """Kernel density estimate Σ_j π_j f_j.

    Parameters
    ----------
    centres : ndarray of shape (m, d)
        The rows.
    share : ndarray of shape (m,)
        Their weights, which sum to one.
    width : float
        The largest width h_0; the others halve it.
    weights : ndarray of shape (J,)
        π of the widths, which sum to one.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.levels.parzen import ParzenWindows
    >>> bump = ParzenWindows(np.zeros((1, 1)), np.ones(1), 1.0, np.array([1.0, 0.0]))
    >>> np.exp(bump.log_density(np.array([[0.0], [1.0]]))) * np.sqrt(2.0 * np.pi)
    array([1.        , 0.60653066])
    """

    centres: np.ndarray
    share: np.ndarray
    width: float
    weights: np.ndarray

    @property
    def widths(self):
        """h_j, shape (J,)."""
        return self.width * 0.5 ** np.arange(len(self.weights))

    def weights_by_width(self):
        """π_j of each h_j, as a dict."""
        return dict(zip(self.widths.tolist(), self.weights.tolist(), strict=True))

    def log_densities(self, X, own=None):
        """Log of each f_j, shape (n, J); `own` (n,) are centres to leave out, one for each row."""
        kept = np.ones(len(X)) if own is None else 1.0 - self.share[own]
        own = np.full(len(X), -1) if own is None else own
        sums = kernel_sums(X, self.centres, self.share, self.width, len(self.weights), own) / kept[:, None]
        with np.errstate(divide="ignore"):
            return np.log(sums) + self._log_peaks(X.shape[1])

    def log_density(self, X):
        """Log-density in nats, shape (n,); −inf where it is less than a double can tell from zero."""
        present = self.weights > 0.0
        return logsumexp(np.log(self.weights[present]) + self.log_densities(X)[:, present], axis=1)

    def score(self, X):
        """Score, shape (n, d); zero where the density is zero."""
        return self._derivatives(X, np.zeros_like(X))[0]

    def curvature(self, X, V):
        """Second derivative vᵀ ∇² log p v along `V` of shape (d,) or (n, d), shape (n,)."""
        V = np.ascontiguousarray(np.broadcast_to(V, X.shape))
        score, second = self._derivatives(X, V)
        return second - (score * V).sum(axis=1) ** 2

    def _derivatives(self, X, V):
        """∇p/p and vᵀ∇²p v/p."""
        log_p = self.log_density(X)
        log_p[np.isneginf(log_p)] = np.inf  # where there is no density nothing pulls
        with np.errstate(divide="ignore"):
            log_factor = np.log(self.weights) + self._log_peaks(X.shape[1]) - log_p[:, None]
        factor = np.exp(np.minimum(log_factor, LARGEST_EXPONENT))
        return kernel_derivatives(X, V, self.centres, self.share, self.width, factor)

    def _log_peaks(self, d):
        """Log of (2πh_j²)^{−d/2}, shape (J,)."""
        return -d * np.log(np.sqrt(2.0 * np.pi) * self.widths)

    def sample(self, n, rng):
        """Draw `n` rows, shape (n, d)."""
        centre = rng.choice(len(self.centres), n, p=self.share)
        width = self.widths[rng.choice(len(self.weights), n, p=self.weights)]
        return self.centres[centre] + width[:, None] * rng.standard_normal((n, self.centres.shape[1]))


def offer_windows(own, Z, weight=None, narrowest=NARROWEST, points=None):
    """Windows over the rows Z, as the offer to mix them into another density.

    Parameters
    ----------
    own : ndarray of int, shape (k,)
        Places in Z of the rows that judge, each seen by the windows of all other rows.
    Z : ndarray of shape (n, d)
        All rows, where columns have a variance of about one; of more than 100,000 as many are kept.
    weight : ndarray of shape (n,) or None
        Of the rows.
    narrowest : float
        No width is below it.
    points : CellPoints or None
        Points of the cells of the rows that judge; None if these are the rows themselves.

    Returns
    -------
    Offer or None
        None if no width is allowed, or there are less than three rows.

    Examples
    --------
    Rows of which every second nearly repeats the one before, under a density that knows but their Gaussian:

    >>> import numpy as np
    >>> from scipy.stats import norm
    >>> from skscore.levels.mixture import choose_mixture
    >>> from skscore.levels.parzen import offer_windows
    >>> rng = np.random.default_rng(0)
    >>> Z = np.repeat(rng.standard_normal((200, 3)), 2, axis=0) + 0.01 * rng.standard_normal((400, 3))
    >>> log_p, own = norm.logpdf(Z).sum(axis=1), np.arange(400)
    >>> mixture = choose_mixture(log_p, {"windows": offer_windows(own, Z)})
    >>> windows = mixture.parts["windows"]
    >>> mixture.weight_of["windows"] > 0.8, float(windows.widths[windows.weights.argmax()])
    (True, 0.0125)
    >>> print(choose_mixture(log_p[::2], {"windows": offer_windows(np.arange(200), Z[::2])}))
    None
    """
    n_widths = int(np.floor(np.log2(WIDEST / max(narrowest, NARROWEST)) + 1e-9)) + 1
    if n_widths < 1 or len(own) == 0 or len(Z) < 3:
        return None
    kept = _centres(len(Z), own)
    centres, share = np.ascontiguousarray(Z[kept]), np.ones(len(kept)) if weight is None else weight[kept]
    windows = ParzenWindows(centres, share / share.sum(), WIDEST, np.full(n_widths, 1.0 / n_widths))
    log_p = np.column_stack(_held_out(windows, np.searchsorted(kept, own), Z[own], points))
    return Offer(log_p, lambda weights: replace(windows, weights=weights))


def _held_out(windows, own, X, points):
    """Log-density of each row X under the windows of each width over all others, J arrays of shape (k,)."""
    if points is None:
        return windows.log_densities(np.ascontiguousarray(X), own).T
    repeated = np.repeat(own, points.log_volume.shape[1])
    return [points.log_mean(log_p) for log_p in windows.log_densities(points.Z, repeated).T]


def _centres(n, own):
    """Places of the rows to keep, in order: all, or as many as are allowed, those held out among them."""
    if n <= MAX_CENTRES:
        return np.arange(n)
    return np.union1d(np.linspace(0, n - 1, MAX_CENTRES).astype(int), own)
