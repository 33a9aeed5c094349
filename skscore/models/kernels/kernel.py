r"""Kernel exponential family: :math:`\log p(x) = \sum_a \theta_a k(x, z_a) + \log q_0(x) - \log Z`.

A smooth function of any shape near the rows, and the base measure :math:`q_0` far from them. Score matching fits it in
closed form (Sriperumbudur, Fukumizu, Gretton, Hyvärinen & Kumar, 2017), with a ridge in the norm of the reproducing
kernel Hilbert space (RKHS),

.. math:: \min_\theta\; \tfrac12\theta^\top\Gamma\theta - g^\top\theta + \tfrac\alpha2\,\theta^\top K \theta,
          \qquad K_{ab} = k(z_a, z_b),\quad k(x, z) = \exp\Bigl(-\tfrac{\|x - z\|^2}{2\sigma^2}\Bigr),

which is solved in an orthonormal basis of the span of the kernels. If rows are few, the objective is better taken at
rows with noise, whose mean is exact (``smoothed``; Vincent, 2011). Distances are measured in coordinates in which the
first rows have the covariance I, and so is the objective, unless it is the denoising one, whose noise has the units of
X. An affine map of the table then changes nothing, but that of a table of more than 100,000 rows others choose.

References
----------
Rahimi, A., & Recht, B. (2007). Random features for large-scale kernel machines. NeurIPS.
Sriperumbudur, B., Fukumizu, K., Gretton, A., Hyvärinen, A., & Kumar, R. (2017). Density estimation in infinite
dimensional exponential families. JMLR 18(57), 1-59.
Sutherland, D. J., Strathmann, H., Arbel, M., & Gretton, A. (2018). Efficient and principled score estimation with
Nyström kernel exponential families. AISTATS, PMLR 84, 652-660.
Vincent, P. (2011). A connection between score matching and denoising autoencoders. Neural Computation, 23(7),
1661-1674.
"""

from __future__ import annotations

from functools import partial
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from ..._compat import Interval, StrOptions
from ..._kernels.threads import enough_for
from ..base import GaussianBase
from ..family import Choice, Model
from ..few_rows import few_rows
from ..folds import in_numpy
from .ard import optimise_precisions
from .kernel_mixture import choose_mixture
from .landmarks import BANDWIDTHS, ROWS_PER_LANDMARK
from .lite import flops_of_a_pass
from .selection import FoldScorer, LeaveOneOutScorer, choose, explore, tabulate
from .setup import KernelSetup, as_numbers
from .smoothed import SmoothedFamily

__all__ = ["Kernel"]

MAX_ROWS_TO_CHOOSE, MAX_ROWS_FOR_ARD, FOLDS_FOR_ARD = 20_000, 2_000, 5
MATERIAL = 1e-3  # nats, by which the last bandwidth tried has to beat the one before it to be worth a warning
ALPHAS = np.logspace(-8.0, 2.0, 21)
BASE_SCALES = np.array([1.0, 1.5, 2.5, 4.0])
MAX_SMOOTHING = 1e6
RULES = {  # of thumb
    "median": lambda setup: setup.median,
    "scott": lambda setup: setup.spread * setup.n_effective ** (-1.0 / (setup.d + 4.0)),
    "silverman": lambda setup: setup.spread * (setup.n_effective * (setup.d + 2.0) / 4.0) ** (-1.0 / (setup.d + 4.0)),
}
COARSE_POWERS, LIMITS = (-6, -4, -2, 0, 2), (-12, 6)  # of √2, from the median bandwidth


class Kernel(Model):
    r"""Density whose logarithm is a sum of Gaussian kernels, over a base measure.

    Parameters
    ----------
    n_landmarks : int, default=300
        Largest number of kernels. They sit at k-means centres of the first rows fitted, or at all distinct rows of a
        smaller table. With ``basis="fourier"`` the number of waves.
    landmarks : array-like of shape (m, d), optional
        Where the kernels sit, in the units of X, instead.
    bandwidth : {"cv", "ard", "median", "scott", "silverman"}, float or array-like of shape (d,), default="cv"
        σ, in whitened units or, with ``whiten=False``, in the units of X; there it may differ between columns. "cv"
        is chosen on rows held out; "ard" (automatic relevance determination, lite basis only) goes on from there to a
        bandwidth for each coordinate, by gradients of the objective of these rows. The others are rules of thumb: the
        median distance between rows, over √2, is the scale of the whole table, and details need a smaller one;
        "scott" and "silverman" are as in ``KernelDensity``, times the spread of the rows and with the effective
        number of them, and much finer: a kernel density has a kernel at each row, this one a sum of signed kernels.
    basis : {"lite", "nystrom", "fourier"}, default="lite"
        Functions that f is a sum of: kernels (Sutherland et al., 2018); their slopes at the landmarks along each
        column, m·d of them, for few columns; or random waves whose mean product is the kernel (Rahimi & Recht, 2007).
    base : {"gaussian", "student", None} or GaussianBase, default="gaussian"
        Base measure, which determines the tails: the Gaussian with the mean and covariance of the first rows (with
        ``whiten=False`` their variances); the Student t of 5 degrees of freedom with these as location and scale
        matrix; flat, in which case there are scores but no density; or given.
    base_scale : float or "cv", default="cv"
        Factor on the standard deviations of a named base; "cv" is one of 1, 1.5, 2.5 and 4.
    smoothing : float or "auto", default="auto"
        Standard deviation of Gaussian noise added to the rows, as a fraction of the bandwidth: the fit is to the Parzen
        density of the rows, in closed form. 0 is score matching to the rows themselves. "auto" chooses it with
        ``bandwidth="cv"`` if the criterion is the log-likelihood and the formula holds (basis "lite", implicit
        objective, Gaussian base, folds); otherwise it is 0.
    regularizer : {"rkhs", "identity"}, default="rkhs"
        What the ridge ``alpha`` of the estimator penalises: the squared RKHS norm, or the squared coefficients θ.
    whiten : bool, default=True
        Measure distances and the objective in coordinates in which the first rows have the covariance I, or else in
        the units of X.
    n_components : int, default=1
        Fit so many densities, each to the rows of a cluster, and mix them: the weights of separated modes are beyond
        score matching, see Notes.
    cv : int or "loo", default=5
        Folds for "cv" parameters, of at most 20,000 rows, compared by the estimator's ``criterion``; "loo"
        leaves out each row in turn, in closed form, and compares by the objective.
    dtype : {"float64", "float32"}, default="float64"
        Precision of the products behind a fit of the lite basis. Single precision is about twice as fast, and keeps
        only functions that it can tell apart.

    Notes
    -----
    The estimator's ``alpha="auto"`` is chosen together with the bandwidth and the base. What was tried is
    ``cv_results_``. ``bandwidth_`` has the units of the parameter, ``column_bandwidths_`` (d,) those of X: the standard
    deviations of a kernel along the columns, as the bandwidth of a ``KernelDensity`` is. Rows added by ``partial_fit``
    keep what the first rows chose, their landmarks and coordinates. Of more than 100,000 distinct rows as many choose,
    by a hash of each: in any order and with any repetitions the same rows, but others in other units. Of tensors
    (:doc:`/user_guide/running`) at most 20,000 rows evenly spaced, or thirty for each landmark, are moved to numpy to
    choose from.

    The slope of :math:`\log p` says nothing of the weights of modes that no row connects. In one column with modes of
    unit variance, score matching loses their weights from some six standard deviations between them. ``n_components``
    takes the weights from the counts of clusters.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore import ScoreMatchingDensity
    >>> from skscore.datasets import Banana
    >>> from skscore.models import Kernel
    >>> law, rng = Banana(), np.random.default_rng(0)
    >>> X, X_test = law.sample(300, rng), law.sample(1000, rng)
    >>> kernel = ScoreMatchingDensity(Kernel(n_landmarks=100)).fit(X)
    >>> gaussian = ScoreMatchingDensity("gaussian").fit(X)
    >>> bool(kernel.score(X_test) > gaussian.score(X_test) + 0.3)  # nats per row
    True
    """

    counts_parameters = False
    _parameter_constraints = {
        "n_landmarks": [Interval(Integral, 1, None, closed="left")],
        "landmarks": ["array-like", None],
        "bandwidth": [Interval(Real, *BANDWIDTHS, closed="both"), "array-like", StrOptions({"cv", "ard", *RULES})],
        "basis": [StrOptions({"lite", "nystrom", "fourier"})],
        "base": [StrOptions({"gaussian", "student"}), GaussianBase, None],
        "base_scale": [Interval(Real, 0.0, None, closed="neither"), StrOptions({"cv"})],
        "smoothing": [Interval(Real, 0.0, MAX_SMOOTHING, closed="both"), StrOptions({"auto"})],
        "regularizer": [StrOptions({"rkhs", "identity"})],
        "whiten": ["boolean"],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "cv": [Interval(Integral, 2, None, closed="left"), StrOptions({"loo"})],
        "dtype": [StrOptions({"float64", "float32"})],
    }

    def __init__(
        self,
        n_landmarks: int = 300,
        landmarks: ArrayLike | None = None,
        bandwidth: float | str | ArrayLike = "cv",
        basis: str = "lite",
        base: str | GaussianBase | None = "gaussian",
        base_scale: float | str = "cv",
        smoothing: float | str = "auto",
        regularizer: str = "rkhs",
        whiten: bool = True,
        n_components: int = 1,
        cv: int | str = 5,
        dtype: str = "float64",
    ) -> None:
        self.n_landmarks = n_landmarks
        self.landmarks = landmarks
        self.bandwidth = bandwidth
        self.basis = basis
        self.base = base
        self.base_scale = base_scale
        self.smoothing = smoothing
        self.regularizer = regularizer
        self.whiten = whiten
        self.n_components = n_components
        self.cv = cv
        self.dtype = dtype

    @property
    def sums_beside_rows(self):
        """Whether rows are not dealt to several densities."""
        return self.n_components == 1

    @classmethod
    def examples(cls):
        """Every basis, with nothing left to choose, in the units of the table."""
        return [
            cls(10, bandwidth=0.8, base_scale=1.0, whiten=False),
            cls(10, None, [0.8, 0.6, 0.5], base="student", base_scale=2.0, regularizer="identity", whiten=False),
            cls(5, bandwidth=1.1, basis="nystrom", base_scale=1.0, whiten=False),
            cls(12, bandwidth=0.9, basis="fourier", base_scale=1.5, whiten=False),
        ]

    def without_noise(self):
        """The model for rows to which noise is added: it adds none of its own."""
        if self.smoothing not in ("auto", 0.0):
            raise ValueError(
                f"Kernel: smoothing={self.smoothing}, but the estimator adds noise to the rows as well. "
                "Set smoothing=0."
            )
        return clone(self).set_params(smoothing=0.0)

    def choose(self, sample, objective, alpha, criterion):
        """Place the kernels, and choose on rows held out what the user left open."""
        if self.n_components > 1:
            return choose_mixture(self, sample, objective, alpha, criterion)
        seen = few_rows(in_numpy(sample, max(MAX_ROWS_TO_CHOOSE, ROWS_PER_LANDMARK * self.n_landmarks)))
        n_alike = sample.moments.n / (len(seen.X) if seen.weight is None else seen.weight.sum())
        with enough_for(flops_of_a_pass(len(seen.X), self.n_landmarks)):
            return self._choose(seen, objective, alpha, criterion, n_alike)

    def _choose(self, sample, objective, alpha, criterion, n_alike):
        if self._bandwidth_is("ard") and self.basis != "lite":
            raise ValueError(f'Kernel: bandwidth="ard" is for basis="lite"; got basis={self.basis!r}.')
        setup = KernelSetup(self, sample, isinstance(alpha, str), n_alike)
        bandwidth, smoothing = _bandwidth(self, setup), self._fixed_smoothing(objective, criterion)
        alphas = ALPHAS * setup.unit(objective) if isinstance(alpha, str) else np.array([float(alpha)])
        scales = BASE_SCALES if self.base_scale == "cv" and isinstance(self.base, str) else [self._fixed_scale]
        is_chosen = len(alphas) == len(scales) == 1 and bandwidth is not None
        if is_chosen or len(setup.rows) < 2:
            bandwidth = setup.median if bandwidth is None else bandwidth
            family = setup.family(bandwidth, scales[0], smoothing or 0.0)
            return Choice(family, float(alphas[-1]), remarks=setup.remarks)
        scorer = self._scorer(setup, objective, criterion, np.asarray(scales), alphas)
        attempt = partial(scorer, smoothing=smoothing) if smoothing else scorer
        if bandwidth is None:
            candidates = explore(attempt, setup.median, COARSE_POWERS, _limits(setup), smooth=smoothing is None)
        else:
            candidates = [attempt(bandwidth)]
        best, doubts = choose(scorer, candidates)
        remarks = (*setup.remarks, *doubts, *_at_the_edge(candidates, best, setup.median))
        if self._bandwidth_is("ard"):
            candidates.append(scorer(self._bandwidths_by_direction(setup, *best.choice)))
            best = max(candidates, key=lambda candidate: candidate.score)
        *chosen, alpha = best.choice
        return Choice(setup.family(*chosen), alpha, tabulate(candidates), remarks)

    def _bandwidths_by_direction(self, setup, bandwidth, scale, _, alpha):
        """One bandwidth for each coordinate, from the best common one."""
        folds = setup.folds(self.cv if self.cv != "loo" else FOLDS_FOR_ARD, MAX_ROWS_FOR_ARD)
        tables = [(setup.coordinates.forward(fold.X), fold.weight) for fold in folds]
        precision, *_ = optimise_precisions(
            tables, setup.landmarks, setup.base(scale), bandwidth, alpha, self.regularizer
        )
        return precision**-0.5

    def _bandwidth_is(self, name):
        return isinstance(self.bandwidth, str) and self.bandwidth == name

    @property
    def _fixed_scale(self):
        return 1.0 if self.base_scale == "cv" else float(self.base_scale)

    def _fixed_smoothing(self, objective, criterion):
        """What the user gave, or 0 if there is no choice; None if it is to be chosen."""
        is_possible = (
            self.basis == "lite"
            and type(objective) in SmoothedFamily.closed_forms
            and (self.base in (None, "gaussian") or isinstance(self.base, GaussianBase))
            and self.cv != "loo"
            and not self._bandwidth_is("ard")
        )
        if isinstance(self.smoothing, str):  # "auto"
            is_open = is_possible and self._bandwidth_is("cv")
            return None if is_open and self._by_likelihood(criterion) else 0.0
        if self.smoothing > 0.0 and not is_possible:
            raise ValueError(
                f'Kernel: smoothing={self.smoothing} is for the implicit objective, basis="lite", a Gaussian or flat '
                f"base, folds and one bandwidth; got basis={self.basis!r}, base={self.base!r}, cv={self.cv!r}, "
                f"bandwidth={self.bandwidth!r} and {type(objective).__name__.lower()} score matching. Set smoothing=0."
            )
        return float(self.smoothing)

    def _by_likelihood(self, criterion):
        return criterion == "log_likelihood" and self.base is not None

    def _scorer(self, setup, objective, criterion, scales, alphas):
        if self.cv == "loo":
            return LeaveOneOutScorer(setup.families, setup.merged, objective, scales, alphas)
        folds = setup.folds(self.cv, MAX_ROWS_TO_CHOOSE)
        draws = setup.draws(scales) if self._by_likelihood(criterion) else None
        return FoldScorer(setup.families, folds, objective, scales, alphas, draws, setup.sample.moments)


def _limits(setup):
    """Powers of √2 between which bandwidths are tried: none is so small that kernels are bumps apart."""
    least = int(np.ceil(2.0 * np.log2(max(setup.least / setup.median, np.finfo(np.float64).tiny))))
    return max(LIMITS[0], least), LIMITS[1]


def _bandwidth(model, setup):
    """Bandwidth of the user, a number or an array (d,), or by a rule; None if it is to be chosen."""
    if isinstance(model.bandwidth, str):
        return RULES[model.bandwidth](setup) if model.bandwidth in RULES else None
    bandwidth = as_numbers("bandwidth", model.bandwidth)
    if bandwidth.ndim and model.whiten:
        raise ValueError(
            f"Kernel: bandwidth={model.bandwidth!r} has an entry for each column, which whiten=True mixes. Give one "
            "number, or set whiten=False."
        )
    least, greatest = BANDWIDTHS
    if bandwidth.shape not in {(), (setup.d,)} or not ((bandwidth >= least) & (bandwidth <= greatest)).all():
        raise ValueError(
            f"Kernel: bandwidth={model.bandwidth!r}; give one positive number, or one for each of the {setup.d} "
            f"columns, from {least:g} to {greatest:g}."
        )
    return bandwidth if bandwidth.ndim else float(bandwidth)


def _at_the_edge(candidates, best, median):
    """Yield remarks if the best of what was tried is the last of what was tried.

    The greatest ridge is no edge: it leaves the base measure alone, and no bandwidth matters then. With noise the
    least ridge is none either.
    """
    bandwidth, _, smoothing, alpha = best.choice
    alphas = best.alphas
    if len(alphas) > 1 and alpha == alphas[-1]:
        return
    others = [candidate for candidate in candidates if candidate is not best and candidate.bandwidth != bandwidth]
    is_least = all(bandwidth < candidate.bandwidth for candidate in others)
    is_last = is_least or all(bandwidth > candidate.bandwidth for candidate in others)
    if others and is_last and best.score > MATERIAL + max(candidate.score for candidate in others):
        yield (
            f"Kernel: the chosen bandwidth {bandwidth:.3g} is the {'least' if is_least else 'greatest'} "
            f"of those tried, {bandwidth / median:.3g} times the median distance. Give more landmarks, or a bandwidth "
            "beyond it, or doubt whether kernels of one width suit this table."
        )
    if len(alphas) > 1 and alpha == alphas[0] and not smoothing:
        yield (
            f"Kernel: the chosen alpha {alpha:.3g} is the least of those tried. Give a smaller one, or doubt whether "
            "the rows are as many as they seem."
        )
