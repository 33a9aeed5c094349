r"""A kernel density estimate of many widths, mixed into a smooth density where rows held out ask for it.

Real tables hold rows that nearly repeat others: the same wine bottled twice, a mixture tested again. No smooth model
finds such clumps, and a kernel density estimate alone finds nothing else. Their mixture, with weights of largest
likelihood on rows that neither has seen, is the stacked density estimate of Smyth & Wolpert (1999):

.. math::

   p(x) = (1 - w)\, p_0(x) + w \sum_j \pi_j\, f_j(x),\qquad
   f_j(x) = \sum_i a_i\, (2\pi h_j^2)^{-d/2} \exp\Bigl(-\frac{\|x - x_i\|^2}{2h_j^2}\Bigr),

over rows :math:`x_i` of weights :math:`a_i` that sum to one, and widths :math:`h_j` that halve from one to the next.

References
----------
Parzen, E. (1962). On estimation of a probability density function and mode. Annals of Mathematical Statistics, 33(3),
1065-1076.
Smyth, P., & Wolpert, D. (1999). Linearly combining density estimators via stacking. Machine Learning, 36, 59-83.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logsumexp
from scipy.stats import chi2

from .._kernels.parzen import kernel_derivatives, kernel_sums
from .defensive_mixture import DefensiveMixture

__all__ = ["ParzenWindows", "choose_windows"]

WIDEST, NARROWEST = 0.8, 0.0125  # in units of the standardised columns
MAX_CENTRES = 100_000
LARGEST_WEIGHT = 0.99  # of the windows
LARGEST_EXPONENT = 700.0  # that a double can raise e to
CONFIDENCE = 0.95  # that what the windows gain is no chance
WORTH = 0.02  # nats per row, without which a rougher score is not worth it
MAX_ROUNDS, STALLED = 2000, 1e-7  # of EM, and the gain in nats per row at which it ends


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
        return logsumexp(self.log_densities(X), axis=1, b=self.weights)

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


def choose_windows(log_p, own, Z, weight=None, narrowest=NARROWEST, points=None):
    """Windows over the rows Z, and their weight, that rows held out ask for.

    The weights of p_0 and of every width maximise the likelihood of the rows held out, each seen by the windows of all
    other rows, by expectation and maximisation. They have to gain 0.02 nat per row, and what chance alone would seldom
    give as many weights.

    Parameters
    ----------
    log_p : ndarray of shape (k,)
        Log-density p_0 of the rows held out, in nats, by models that have not seen them.
    own : ndarray of int, shape (k,)
        Their places in Z.
    Z : ndarray of shape (n, d)
        All rows, where columns have a variance of about one; of more than 100,000 as many are kept.
    weight : ndarray of shape (n,) or None
        Of the rows.
    narrowest : float
        No width is below it.
    points : CellPoints or None
        Points of the cells of the rows held out; None if these are the rows themselves.

    Returns
    -------
    DefensiveMixture or None
        None where the rows ask for no windows.

    Examples
    --------
    Rows of which every second nearly repeats the one before, under a density that knows but their Gaussian:

    >>> import numpy as np
    >>> from scipy.stats import norm
    >>> from skscore.levels.parzen import choose_windows
    >>> rng = np.random.default_rng(0)
    >>> Z = np.repeat(rng.standard_normal((200, 3)), 2, axis=0) + 0.01 * rng.standard_normal((400, 3))
    >>> log_p, own = norm.logpdf(Z).sum(axis=1), np.arange(400)
    >>> mixture = choose_windows(log_p, own, Z)
    >>> mixture.weight > 0.8, float(mixture.part.widths[mixture.part.weights.argmax()])
    (True, 0.0125)
    >>> print(choose_windows(log_p[::2], np.arange(200), Z[::2]))
    None
    """
    n_widths = int(np.floor(np.log2(WIDEST / max(narrowest, NARROWEST)) + 1e-9)) + 1
    if n_widths < 1 or len(own) == 0 or len(Z) < 3:
        return None
    kept = _centres(len(Z), own)
    centres, share = np.ascontiguousarray(Z[kept]), np.ones(len(kept)) if weight is None else weight[kept]
    windows = ParzenWindows(centres, share / share.sum(), WIDEST, np.full(n_widths, 1.0 / n_widths))
    weights, gain = _stacked(np.column_stack([log_p, *_held_out(windows, np.searchsorted(kept, own), Z[own], points)]))
    if gain < max(WORTH, 0.5 * chi2.ppf(CONFIDENCE, n_widths) / len(own)):
        return None
    total = min(weights[1:].sum(), LARGEST_WEIGHT)
    return DefensiveMixture(float(total), replace(windows, weights=weights[1:] / weights[1:].sum()))


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


def _stacked(log_p):
    """Weights of largest likelihood of the columns of `log_p` (k, J), and the gain over the first, in nats per row.

    The likelihood is concave in the weights, so EM (Dempster, Laird & Rubin, 1977, section 4.3) finds the best.
    """
    log_p = log_p[np.isfinite(log_p).any(axis=1)]
    top = log_p.max(axis=1, keepdims=True)
    p, weights, last = np.exp(log_p - top), np.full(log_p.shape[1], 0.5 / (log_p.shape[1] - 1)), -np.inf
    weights[0] = 0.5
    for _ in range(MAX_ROUNDS):
        mixed = p @ weights
        value = np.log(mixed).mean()
        if value - last < STALLED:
            break
        weights, last = weights * (p / mixed[:, None]).mean(axis=0), value
    return weights, value + (top[:, 0] - log_p[:, 0]).mean()
