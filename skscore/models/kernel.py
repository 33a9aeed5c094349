r"""Kernel exponential family: :math:`\log p(x) = \sum_a \theta_a k(x, z_a) + \log q_0(x) - \log Z`.

A smooth function of any shape near the rows, and the base measure :math:`q_0` far from them. Score matching fits it in
closed form (Sriperumbudur, Fukumizu, Gretton, Hyvärinen & Kumar, 2017), with a ridge in the norm of the reproducing
kernel Hilbert space (RKHS),

.. math:: \min_\theta\; \tfrac12\theta^\top\Gamma\theta - g^\top\theta + \tfrac\alpha2\,\theta^\top K \theta,
          \qquad K_{ab} = k(z_a, z_b),\quad k(x, z) = \exp\Bigl(-\tfrac{\|x - z\|^2}{2\sigma^2}\Bigr),

which is solved in an orthonormal basis of the span of the kernels. Distances are measured in coordinates in which the
first rows have the covariance I, and so is the objective, unless it is the denoising one, whose noise has the units of
X. An affine map of the table then changes nothing.

References
----------
Sriperumbudur, B., Fukumizu, K., Gretton, A., Hyvärinen, A., & Kumar, R. (2017). Density estimation in infinite
dimensional exponential families. JMLR 18(57), 1-59.
"""

from __future__ import annotations

import warnings
from copy import copy
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .._compat import Interval, StrOptions
from ..fitting.student import StudentT
from .affine import AffineMap, MappedBase
from .base import GaussianBase, resolve_base
from .family import Model
from .forms import Denoising
from .landmarks import distinct_rows, median_bandwidth, place_landmarks
from .lite import LiteFamily
from .rkhs import orthonormal_basis

__all__ = ["Kernel"]

STUDENT_DF = 5.0
ROWS_WITHOUT_RIDGE = 100  # for each kernel, below which the score follows the noise of the rows


class Kernel(Model):
    """Density whose logarithm is a sum of Gaussian kernels, over a base measure.

    Parameters
    ----------
    n_landmarks : int, default=300
        Largest number of kernels. They sit at k-means centres of the first rows fitted, or at all distinct rows of a
        smaller table.
    landmarks : array-like of shape (m, d), optional
        Where the kernels sit, in the units of X, instead.
    bandwidth : float, array-like of shape (d,) or "median", default="median"
        σ, in whitened units or, with ``whiten=False``, in the units of X; there it may differ between columns. The
        median distance between rows, over √2, is the scale of the whole table: details need a smaller one.
    base : {"gaussian", "student", None} or GaussianBase, default="gaussian"
        Base measure, which owns the tails: the Gaussian with the mean and covariance of the first rows (with
        ``whiten=False`` their variances); the Student t of 5 degrees of freedom with these as location and scale
        matrix; flat, in which case there are scores but no density; or given.
    regularizer : {"rkhs", "identity"}, default="rkhs"
        What the ridge ``alpha`` of the estimator penalises: the squared RKHS norm, or the squared coefficients θ.
    whiten : bool, default=True
        Measure distances and the objective in coordinates in which the first rows have the covariance I, or else in
        the units of X.

    Notes
    -----
    A ridge ``alpha`` on the estimator is needed unless rows are many for each kernel. Rows added by ``partial_fit``
    keep the landmarks, the median bandwidth, the whitened coordinates and the base measure of the first rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.datasets import Banana
    >>> from skscore.models import Kernel
    >>> law, rng = Banana(), np.random.default_rng(0)
    >>> X, X_test = law.sample(300, rng), law.sample(1000, rng)
    >>> kernel = ScoreMatchingDensity(Kernel(n_landmarks=100), alpha=1e-3).fit(X)
    >>> gaussian = ScoreMatchingDensity("gaussian").fit(X)
    >>> bool(kernel.score(X_test) > gaussian.score(X_test) + 0.3)  # nats per row
    True
    """

    _parameter_constraints = {
        "n_landmarks": [Interval(Integral, 1, None, closed="left")],
        "landmarks": ["array-like", None],
        "bandwidth": [Interval(Real, 0.0, None, closed="neither"), "array-like", StrOptions({"median"})],
        "base": [StrOptions({"gaussian", "student"}), GaussianBase, None],
        "regularizer": [StrOptions({"rkhs", "identity"})],
        "whiten": ["boolean"],
    }

    def __init__(
        self, n_landmarks=300, landmarks=None, bandwidth="median", base="gaussian", regularizer="rkhs", whiten=True
    ):
        self.n_landmarks = n_landmarks
        self.landmarks = landmarks
        self.bandwidth = bandwidth
        self.base = base
        self.regularizer = regularizer
        self.whiten = whiten

    def family(self, moments):
        """Family bound to a table with these moments; landmarks and a median bandwidth wait for its rows."""
        return KernelFamily(self, moments)


class _StudentBase(StudentT):
    """A Student t by the names of a base measure."""

    grad_log_density = StudentT.score


class KernelFamily(LiteFamily):
    """Kernels at landmarks that the rows first seen choose; `unit` is the same family in whitened coordinates."""

    def __init__(self, model, moments):
        d = len(moments.mean)
        self.model = model
        self.given_landmarks = _checked_landmarks(model.landmarks, d)
        self.given_bandwidth = _checked_bandwidth(model, d)
        standard = (AffineMap.whitening if model.whiten else AffineMap.standardizing)(moments)
        self.coordinates = standard if model.whiten else AffineMap.identity(moments)
        laws = {"gaussian": GaussianBase(), "student": _StudentBase(STUDENT_DF, np.ones(d))}
        named = isinstance(model.base, str)
        self.base = MappedBase(laws[model.base], standard) if named else resolve_base(model.base, moments)
        self.unit = self.bandwidth = None

    def _settle(self, X, weight):
        """Choose landmarks and bandwidth, once."""
        if self.bandwidth is not None:
            return
        rows, counts = distinct_rows(self.coordinates(X), weight)
        landmarks = self.given_landmarks
        if landmarks is None:
            landmarks = self.coordinates.inverse(place_landmarks(rows, counts, self.model.n_landmarks))
        self.bandwidth = median_bandwidth(rows, counts) if self.given_bandwidth is None else self.given_bandwidth
        basis = np.eye(len(landmarks))
        if self.model.regularizer == "rkhs":
            flat = LiteFamily(landmarks, self._factor, basis, self.base)
            basis = orthonormal_basis(flat.statistics(landmarks))
        super().__init__(landmarks, self._factor, basis, self.base)
        if self.model.whiten:
            base = MappedBase(self.base, self.coordinates.inverse)
            factor = np.eye(X.shape[1]) / self.bandwidth
            self.unit = LiteFamily(self.coordinates(landmarks), factor, basis, base)

    @property
    def _factor(self):
        return self.coordinates.matrix / self.bandwidth

    # ---- from rows to θ --------------------------------------------------------------------------

    def assemble(self, X, Y, weight, objective):
        self._settle(X, weight)
        if self.unit is None or isinstance(objective, Denoising):
            return super().assemble(X, Y, weight, objective)
        Y = None if Y is None else Y @ self.coordinates.inverse.matrix.T
        return self.unit.assemble(self.coordinates(X), Y, weight, objective)

    def assemble_ladder(self, X, weight, levels):
        self._settle(X, weight)
        return super().assemble_ladder(X, weight, levels)

    def blurred(self, sigma):
        """A Gaussian base takes on the noise; a Student t, whose tails are beyond it, and a flat one stay."""
        if isinstance(self.base, GaussianBase):
            return super().blurred(sigma)
        noisy = copy(self)
        if isinstance(self.base.law, GaussianBase):
            noisy.base = self.base.blurred(sigma)
        return noisy

    def solve(self, statistics, objective, alpha):
        n = statistics.moments.n
        if alpha == 0.0 and n < ROWS_WITHOUT_RIDGE * self.n_parameters:
            warnings.warn(
                f"{self.n_parameters} kernels, {n:g} rows and alpha=0: without a ridge the density follows the noise "
                "of these rows. Choose alpha on held-out rows (try 0.001 to 0.1), or lower n_landmarks.",
                ConvergenceWarning,
                stacklevel=5,
            )
        return super().solve(statistics, objective, alpha)

    # ---- the density at φ ------------------------------------------------------------------------

    def infinite_mass(self, phi):
        if self.model.base is None:
            return (
                "with base=None its density does not fall off away from the rows, where every kernel is zero. "
                'Set base="gaussian" or "student"'
            )
        return None

    def attributes(self, phi):
        return {"theta": self.basis @ phi, "landmarks": self.landmarks, "bandwidth": self.bandwidth}


def _checked_landmarks(landmarks, d):
    """Landmarks (m, d) of the user, or None."""
    if landmarks is None:
        return None
    landmarks = np.array(landmarks, dtype=np.float64)
    if landmarks.ndim != 2 or landmarks.shape[1] != d or not len(landmarks) or not np.isfinite(landmarks).all():
        raise ValueError(
            f"Kernel: landmarks of shape {landmarks.shape}; give at least one finite row of the {d} columns of X."
        )
    return landmarks


def _checked_bandwidth(model, d):
    """Bandwidth of the user, a number or an array (d,); None where the rows choose it."""
    if isinstance(model.bandwidth, str):
        return None
    bandwidth = np.asarray(model.bandwidth, dtype=np.float64)
    if bandwidth.ndim and model.whiten:
        raise ValueError(
            f"Kernel: bandwidth={model.bandwidth!r} has an entry for each column, which whiten=True mixes. Give one "
            "number, or set whiten=False."
        )
    if bandwidth.shape not in {(), (d,)} or not (np.isfinite(bandwidth) & (bandwidth > 0.0)).all():
        raise ValueError(
            f"Kernel: bandwidth={model.bandwidth!r}; give one positive number, or one for each of the {d} columns."
        )
    return bandwidth if bandwidth.ndim else float(bandwidth)
