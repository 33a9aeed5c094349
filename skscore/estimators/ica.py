r"""Independent component analysis by score matching, a scikit-learn transformer.

The model and its objective are those of :mod:`skscore.models.unmixing`:
:math:`\log p(x) = \sum_k \alpha_k G(w_k^\top x)` plus a constant that score
matching need not know, so that there may be more components than columns.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from .._compat import Interval, StrOptions, check_numpy, check_sample_weight, fit_context, validate_numpy
from ..formulas.moments import moments
from ..maps.affine import Affine
from ..models.unmixing import SOURCES, best_unmixing, chosen_unmixing, principal_coordinates
from .all_or_nothing import all_or_nothing
from .checks import check_spread, rows_of_weight, seed_of, warn_user
from .versions import VersionedEstimator

__all__ = ["ScoreMatchingICA"]

PRECISIONS = [np.float64, np.float32]  # that rows keep; others become double
CHANCE = 2.3  # √r times it: as far from Gaussian one in a hundred Gaussian tables gets, measured for 2 to 20 directions
STARTS, OVERCOMPLETE_STARTS = 1, 10  # of orthonormal components, twelve starts met in one minimum on every table


class ScoreMatchingICA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, VersionedEstimator):
    r"""Independent component analysis by score matching.

    Parameters
    ----------
    n_components : int, optional
        None: as many as there are directions in which the rows vary. Fewer are sought among the leading principal
        directions of the standardised columns. More are overcomplete: the model is then an energy, and its filters
        ``components_`` are not the columns of an overcomplete mixture x = As.
    source : {"auto", "logcosh", "quartic"} or callable, default="auto"
        Log-density G of a source: −log cosh s for super-Gaussian, −s⁴/4 for sub-Gaussian ones; or a function that maps
        an array s to the arrays g = G′, g′ and g″. It need not be the true one; scales are estimated. "auto" chooses
        for each component between the two names, and for all together where there are more components than
        directions; a warning says if no component differs from a Gaussian one by more than chance.
    n_init : int or "auto", default="auto"
        Number of random starts, of which the lowest objective is kept; "auto" is 10 where overcomplete, else 1.
    max_iter : int, default=1000
        Iterations of L-BFGS of each start, at most.
    tol : float, default=1e-5
        Largest entry of the gradient at which a start has converged.
    whiten : bool, default=True
        Whiten the rows first. False takes them as white already; their mean is subtracted in any case.
    random_state : int, RandomState instance, numpy.random.Generator or None, default=None
        Seeds the starts.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        Rows w_k in inverse units of X, of norm 1 in whitened coordinates: every source has variance 1. Where they are
        no more than the directions they are orthonormal there. The entry of largest size is positive.
    mixing_ : ndarray of shape (n_features, n_components)
        Sources back to rows, in units of X: ``components_ @ mixing_`` is the identity where the components are no more
        than the directions; where they are no fewer, the sources of a row lead back to it.
    whitening_ : ndarray of shape (n_directions, n_features)
        ``(X - mean_) @ whitening_.T`` are the rows in whitened coordinates; the identity if ``whiten=False``.
    mean_ : ndarray of shape (n_features,)
        In the units of X.
    sources_ : list of length n_components
        The source of each component: "logcosh", "quartic", or the function given.
    scales_ : ndarray of shape (n_components,)
        α_k, in decreasing order; a component of scale 0 has no part in the density.
    objective_ : float
        Minimised objective, in whitened coordinates.
    n_iter_ : int
        Iterations of the start that was kept.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)
        Where X has string column names.

    References
    ----------
    Hyvärinen, A. (2005). Estimation of non-normalized statistical models by score matching. JMLR 6, 695-709.

    Lee, T.-W., Girolami, M., & Sejnowski, T. J. (1999). Independent component analysis using an extended infomax
    algorithm for mixed subgaussian and supergaussian sources. Neural Computation, 11(2), 417-441.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.estimators.ica import ScoreMatchingICA
    >>> sources = np.random.default_rng(0).laplace(size=(2000, 2))
    >>> ica = ScoreMatchingICA(random_state=0).fit(sources @ [[1.0, 1.0], [0.0, 2.0]])
    >>> np.abs(np.corrcoef(ica.transform(sources @ [[1.0, 1.0], [0.0, 2.0]]).T, sources.T)[:2, 2:]).round(1)
    array([[0., 1.],
           [1., 0.]])
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "source": [StrOptions({"auto", *SOURCES}), callable],
        "n_init": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "whiten": ["boolean"],
        "random_state": ["random_state", np.random.Generator],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        source: str | Callable[..., Any] = "auto",
        n_init: int | str = "auto",
        max_iter: int = 1000,
        tol: float = 1e-5,
        whiten: bool = True,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
    ) -> None:
        self.n_components = n_components
        self.source = source
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.whiten = whiten
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Find the components.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numeric rows, at least two.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights; a weight of 2 counts as a repeated row.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Where no column varies, or no row has a weight.
        """
        X = validate_numpy(self, X, dtype=np.float64, ensure_min_samples=2)
        weight, X = rows_of_weight(check_sample_weight(sample_weight, X), X, at_least=2)
        check_spread(X)
        table = moments(X, weight)
        if table.constant.all():
            raise ValueError("X has the same row throughout: give rows of which at least one column varies.")
        coordinates = self._coordinates(table)
        n_directions = coordinates.matrix.shape[1]
        m = n_directions if self.n_components is None else self.n_components
        varying = principal_coordinates(table).matrix.shape[1]
        if self.n_components is not None and varying < min(self.n_components, len(table.mean)):
            warn_user(
                f"n_components={m}, but X has only {varying} independent directions among {len(table.mean)} columns: "
                f"components beyond {varying} are not unique. Choose n_components={varying}, or leave it at None."
            )
        usual = OVERCOMPLETE_STARTS if m > n_directions else STARTS
        n_init = usual if self.n_init == "auto" else self.n_init
        rng = np.random.default_rng(seed_of(self.random_state))
        options = {"n_init": n_init, "max_iter": self.max_iter, "tol": self.tol, "rng": rng, "weight": weight}
        found, self.sources_ = self._unmixed(X, coordinates, m, table, options)
        if not found.converged:
            warn_user(f"No minimum within max_iter={self.max_iter} iterations: increase max_iter or tol.")
        return self._name(table, found, coordinates)

    def _unmixed(self, X, coordinates, m, table, options):
        """The components, and the source of each."""
        if self.source != "auto":
            source = SOURCES[self.source] if isinstance(self.source, str) else self.source
            return best_unmixing(X, coordinates, m, source, **options), [self.source] * m
        found, sub_gaussian, depth = chosen_unmixing(X, coordinates, m, table, **options)
        if found.converged and m > 1 and depth.max() < CHANCE * np.sqrt(len(coordinates.matrix.T)):
            warn_user(
                f'source="auto": in {len(X)} rows no component is further from a Gaussian one than chance alone takes '
                "some, so that the directions may be those of chance. Give more rows, or a source of the shape of "
                "yours; Gaussian sources cannot be separated."
            )
        return found, ["quartic" if sub else "logcosh" for sub in sub_gaussian]

    def _coordinates(self, table):
        """Where rows are white: in principal coordinates, or where they are."""
        if self.whiten:
            return principal_coordinates(table, self.n_components)
        return Affine.centring(table)

    def _name(self, table, found, coordinates):
        components = found.directions @ coordinates.matrix.T
        largest = np.abs(components).argmax(axis=1)[:, None]
        sign = np.sign(np.take_along_axis(components, largest, axis=1))
        back = table.covariance @ coordinates.matrix if self.whiten else coordinates.matrix  # regression on white rows
        self.components_, self.mixing_ = sign * components, back @ np.linalg.pinv(sign * found.directions)
        self.whitening_, self.mean_, self.scales_ = coordinates.matrix.T, table.mean, found.scales
        self.objective_, self.n_iter_ = float(found.objective), found.n_iter
        return self

    @property
    def _n_features_out(self):
        return len(self.components_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Sources w_kᵀ(x − mean) of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the units of the training data.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
        """
        check_is_fitted(self)
        rows: np.ndarray = validate_numpy(self, X, reset=False, dtype=PRECISIONS)
        return ((rows - self.mean_) @ self.components_.T).astype(rows.dtype, copy=False)

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Rows of the given sources.

        The rows of `transform` come back exactly unless there are fewer components than directions; then comes back
        what a regression on the components explains.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Sources.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            In the units of the training data.

        Raises
        ------
        ValueError
            Where X has not one column for each component.
        """
        check_is_fitted(self)
        sources: np.ndarray = check_numpy(X, dtype=PRECISIONS)
        if sources.shape[1] != len(self.components_):
            raise ValueError(
                f"X has {sources.shape[1]} columns, but there are {len(self.components_)} components: give one column "
                "of sources for each, as transform returns them."
            )
        return (sources @ self.mixing_.T + self.mean_).astype(sources.dtype, copy=False)
