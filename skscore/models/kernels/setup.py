"""What the first rows of a table give to all kernel families that are tried on it: coordinates, landmarks, draws."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import stats

from ...maps.affine import Affine, flat_directions
from ..base import GaussianBase, MappedBase, StudentT, resolve_base
from ..folds import deal, group_rows, merge_equal
from .family import KernelFamily
from .fourier import FourierFamily, frequencies
from .held_out import proposal
from .landmarks import least_bandwidth, median_bandwidth, place_landmarks, thinned
from .lite import LiteFamily
from .nystrom import NystromFamily
from .rkhs import orthonormal_basis
from .smoothed import SmoothedFamily

__all__ = ["KernelSetup", "as_numbers"]

STUDENT_DF = 5.0
MAX_CENTRES, MOST_BASES = 500, 4
# Relative and squared, of the functions that are kept: all that arithmetic tells from zero.
SMALLEST_NORMS = {"lite": 1e-12, "nystrom": 1e-9, "fourier": 0.0}
# If the ridge is to be chosen: those whose rounding a small one outweighs.
SMALLEST_NORM_TO_CHOOSE, SMALLEST_NORM_SINGLE = 1e-10, 1e-4
# Of the squared slopes of a kernel. Rows with noise take products of kernels, whose rounding the basis magnifies.
NUGGET = 1e-11


def as_numbers(name, values):
    """A parameter of a kernel model as an array of numbers."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"Kernel: {name}={values!r} has entries that are not numbers. Give finite ones.") from None


class KernelSetup:
    """Shared set-up of all kernel families tried on one table: coordinates, landmarks, importance draws.

    What is chosen sees the distinct rows with their weights, of mean one, in an order of their own: neither the order
    of a table nor a factor of all weights matters, and a weight of 2 is exactly a repeated row.

    Parameters
    ----------
    model : Kernel
    sample : Sample
    chooses_ridge : bool, default=True
        Whether the ridge is to be chosen.
    n_alike : float, default=1.0
        Rows of the table for each one of the sample.
    """

    def __init__(self, model, sample, chooses_ridge=True, n_alike=1.0):
        table, d = sample.moments, len(sample.moments.mean)
        self.model, self.sample, self.d = model, sample, d
        self.chooses_ridge, self.n_alike = chooses_ridge, n_alike
        self.remarks = flat_directions(table) if model.whiten else ()
        self.standard = (Affine.whitening if model.whiten else Affine.standardizing)(table)
        self.coordinates = self.standard if model.whiten else Affine.centring(table)
        self.merged = merge_equal(sample, group_rows(sample.X, self.coordinates.forward(sample.X)))
        self.rows, self.counts = self.coordinates.forward(self.merged.X), self.merged.weight
        self.median = median_bandwidth(self.rows, self.counts)
        self.landmarks = None if model.basis == "fourier" else self._landmarks()
        self._bases = {}
        self.least = 0.0 if self.landmarks is None else min(least_bandwidth(self.landmarks), self.median)

    def _landmarks(self):
        if self.model.landmarks is None:
            return place_landmarks(self.rows, self.counts, self.model.n_landmarks)
        landmarks = as_numbers("landmarks", self.model.landmarks)
        if (
            landmarks.ndim != 2
            or landmarks.shape[1] != self.d
            or not np.isfinite(landmarks).all()
            or not landmarks.size
        ):
            raise ValueError(
                f"Kernel: landmarks of shape {landmarks.shape}; give at least one finite row of the {self.d} columns "
                "of X."
            )
        return self.coordinates.forward(landmarks)

    def folds(self, number, most_rows):
        """Samples of the distinct rows in each fold, of at most `most_rows` in all."""
        return deal(self.merged, np.arange(len(self.rows)), number, most_rows)

    @property
    def _standardizing(self):
        """From the coordinates of the kernels to columns of mean 0 and variance 1."""
        return self.standard.after(self.coordinates.inverted)

    @property
    def n_effective(self):
        """(Σw)²/Σw² of the distinct rows, which ties and a factor of the weights leave alone."""
        return self.n_alike * float(self.counts.sum() ** 2 / np.square(self.counts).sum())

    @property
    def spread(self):
        """Standard deviation of the rows in the coordinates of the kernels, the geometric mean of the columns."""
        return 1.0 if self.model.whiten else float(np.exp(np.log(self.sample.moments.scale).mean()))

    # ---- candidates ------------------------------------------------------------------------------

    def base(self, scale):
        """Base measure in the coordinates of the kernels."""
        if self.model.base is None:
            return resolve_base(None, self.sample.moments)
        if not isinstance(self.model.base, str):
            return MappedBase(self.model.base, self.coordinates.inverted)
        measure = GaussianBase() if self.model.base == "gaussian" else StudentT(STUDENT_DF, np.ones(self.d))
        spread = Affine.columnwise(self.d, 1.0 / scale)
        return MappedBase(measure, spread if self.model.whiten else spread.after(self._standardizing))

    def _functions(self, bandwidth, smoothing):
        """Constructor of the basis, its first two arguments, and how many functions they make."""
        if self.landmarks is None:
            waves = frequencies(bandwidth, self.d, self.model.n_landmarks, np.random.default_rng(0))
            return FourierFamily, waves, self.model.n_landmarks
        factor = np.diag(np.broadcast_to(1.0 / np.asarray(bandwidth), self.d))
        m = len(self.landmarks)
        if self.model.basis == "lite":
            nugget = NUGGET * np.square(factor).sum() if self.chooses_ridge else 0.0
            kind = partial(SmoothedFamily, noise=smoothing**2, nugget=nugget) if smoothing else LiteFamily
            return partial(kind, dtype=np.dtype(self.model.dtype)), (self.landmarks, factor), m
        return NystromFamily, (self.landmarks, factor), m * self.d

    @property
    def _smallest_norm(self):
        """Of functions that are kept."""
        smallest = SMALLEST_NORMS[self.model.basis]
        if self.chooses_ridge and self.model.basis != "fourier":
            smallest = max(smallest, SMALLEST_NORM_TO_CHOOSE)
        return smallest if self.model.dtype == "float64" else max(smallest, SMALLEST_NORM_SINGLE)

    def _orthonormal(self, bandwidth, gram):
        """Functions of an orthonormal basis, which noise leaves alone: a search wants one with many noises."""
        key = np.asarray(bandwidth).tobytes()
        if key not in self._bases:
            self._bases[key] = orthonormal_basis(gram(), self._smallest_norm)
            if len(self._bases) > MOST_BASES:
                self._bases.pop(next(iter(self._bases)))
        return self._bases[key]

    def families(self, bandwidth, scales, smoothing=0.0):
        """Families with kernels of this bandwidth over base measures of these scales."""
        kind, functions, size = self._functions(bandwidth, smoothing)
        basis, bases = np.eye(size), [self.base(scale) for scale in scales]
        if self.model.regularizer == "rkhs":
            basis = self._orthonormal(bandwidth, kind(*functions, basis, bases[0]).gram)
        return [
            KernelFamily(kind(*functions, basis, base), self.coordinates, bandwidth, scale, smoothing)
            for base, scale in zip(bases, scales, strict=True)
        ]

    def family(self, bandwidth, scale, smoothing=0.0):
        """The one of this scale."""
        return self.families(bandwidth, [scale], smoothing)[0]

    # ---- importance draws ------------------------------------------------------------------------

    def draws(self, scales):
        """Importance draws for candidates with base measures of these scales, in the coordinates of the kernels."""
        distributions = [self._distribution(scale) for scale in scales]
        centres, counts = thinned(self.rows, self.counts, MAX_CENTRES)
        if self.model.whiten:
            return proposal(centres, counts, distributions)
        centres = self.standard.forward(self.coordinates.inverse(centres))
        position, log_density = proposal(centres, counts, distributions)
        position = self.coordinates.forward(self.standard.inverse(position))
        return position, log_density + self.standard.log_abs_det

    def unit(self, objective):
        """What a ridge is measured in: the inverse square of the median bandwidth, in the units of the objective."""
        is_rescaled = self.model.whiten and objective.in_units_of_X
        scale = np.exp(np.log(self.sample.moments.scale).mean()) if is_rescaled else 1.0
        return (self.median * scale) ** -2.0

    def _distribution(self, scale):
        """A base measure of this scale in standardised coordinates, to draw from."""
        if isinstance(self.model.base, GaussianBase):
            loc, spread = (np.broadcast_to(part, self.d) for part in (self.model.base.loc, self.model.base.scale))
            _, root, axes = np.linalg.svd(spread[:, None] * self.standard.matrix)
            return stats.multivariate_normal(
                self.standard.forward(loc), stats.Covariance.from_eigendecomposition((root**2, axes.T))
            )
        if self.model.base == "student":
            return stats.multivariate_t(shape=scale**2 * np.eye(self.d), df=STUDENT_DF)
        return stats.multivariate_normal(cov=scale**2 * np.eye(self.d))
