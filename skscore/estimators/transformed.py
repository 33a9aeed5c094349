"""A density of transformed columns, in the units of the original ones.

With z = f(x), f the fitted transformer and J its Jacobian, the density p_Z of the transformed table gives

    log p_X(x) = log p_Z(f(x)) + log |det J(x)| - log P_Z(image of f),

the last term being zero unless f maps onto less than R^d. A plain Pipeline reports log p_Z(f(x)) instead, a number in
the units of z: there a scaler to (0, 0.001) beats every other by log 1000 nats per column and says nothing about the
fit. Derivatives follow by the chain rule; see `maps.algebra`.

References
----------
Papamakarios, G., Nalisnick, E., Rezende, D. J., Mohamed, S., & Lakshminarayanan, B. (2021). Normalizing flows for
probabilistic modeling and inference. Journal of Machine Learning Research, 22(57), section 2.1.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRequest, MetadataRouter, MethodMapping
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._compat import check_sample_weight, has_own_requests, metadata_of_rows, routed_metadata
from ..formulas.moments import moments
from ..maps.affine import n_dependent
from .all_or_nothing import all_or_nothing
from .checks import check_spread, rows_of_weight, warn_user
from .density import DensityEstimator
from .frames import numeric_rows, precise_frame
from .sklearn_transformers import draw, map_of, weight_arguments

MASS_DRAWS = 20_000  # a standard error of at most 0.0036 in the mass inside the image


def _density_offers(method):
    """Return the check that the wrapped density has `method`, for `available_if`."""

    def check(self):
        getattr(getattr(self, "density_", self.density), method)
        return True

    return check


def _weight_of_density(routed, method):
    return routed["density"][method].get("sample_weight")


class TransformedDensity(DensityEstimator):
    """Density of a table through a fitted transformer, with the exact Jacobian.

    `score_samples`, `grad_log_density`, `curvature` and `sample` speak the units of the columns that `fit` saw, so a
    search over transformers compares like with like. Supported are StandardScaler, RobustScaler, MinMaxScaler,
    MaxAbsScaler, PowerTransformer, QuantileTransformer, PCA of full rank, FastICA and ScoreMatchingICA with a component
    for each column, BijectiveTransformer, ColumnTransformer, Pipeline and "passthrough".

    Parameters
    ----------
    density : estimator
        With `fit` and `score_samples`: any density of skscore, `KernelDensity`, `GaussianMixture`. What it lacks
        (`sample`, `grad_log_density`, `curvature`) is missing here too.
    transformer : transformer, "passthrough" or None
        Differentiable and invertible once fitted.

    Attributes
    ----------
    density_ : estimator
        The density, fitted to the transformed table.
    transformer_ : transformer
        The fitted transformer.
    map_ : Map
        `transformer_` as a differentiable map: `forward`, `inverse`, `log_det`, ...
    image_mass_ : float
        The mass that `density_` leaves in the image of the transformer. 1 if that is R^d; otherwise the share m of
        20,000 seeded draws, of standard error sqrt(m (1 - m) / 20000), computed when first needed.
    variances_ : ndarray of shape (n_features,)
        The (weighted) variance of each column of the training rows, in squared units of the column.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if all are strings.

    See Also
    --------
    skscore.BijectiveTransformer : An elementwise function with known derivatives.
    skscore.estimators.sklearn_transformers.map_of : The function to register another type of transformer with.

    Notes
    -----
    The density is zero (log-density -inf, gradient and curvature NaN) outside the support of the transformer: x <= 0
    for Box-Cox, rows beyond the quantiles that `QuantileTransformer` has seen. Held-out rows often lie there, so that
    transformer seldom wins a search by log-likelihood. A row exactly at the edge of its quantiles is inside; with
    normal output the density is held constant over the outermost 1e-7 of probability, where scikit-learn stops the map
    too. At a quantile the slope is the mean of its two sides. Quantiles that repeat (rounded columns) are refused.

    A PCA or ICA of constant or dependent columns is refused, wherever it stands in the transformer: its last components
    are rounding error, and their density would be that of the rounding.

    Rows of zero weight are left out. Weights reach the transformer and its Pipeline steps if they accept them; a
    density that does not accept them is fitted without, with a warning. With metadata routing enabled they reach those
    parts that request them, and the rows that the density gives no weight are left out; requests of
    `TransformedDensity` itself hand them to all parts that accept them.

    References
    ----------
    Papamakarios, G., Nalisnick, E., Rezende, D. J., Mohamed, S., & Lakshminarayanan, B. (2021). Normalizing flows for
    probabilistic modeling and inference. Journal of Machine Learning Research, 22(57), section 2.1.

    Examples
    --------
    Two scalers that differ by their units alone describe the same density:

    >>> import numpy as np
    >>> from sklearn.mixture import GaussianMixture
    >>> from sklearn.preprocessing import MinMaxScaler, StandardScaler
    >>> from skscore.estimators.transformed import TransformedDensity
    >>> X = np.random.default_rng(0).gamma(3.0, size=(200, 2))
    >>> for scaler in [StandardScaler(), MinMaxScaler((0, 0.1))]:
    ...     density = TransformedDensity(GaussianMixture(reg_covar=0.0), scaler).fit(X)
    ...     print(round(density.score(X), 6))
    -3.811168
    -3.811168
    """

    _found_when_asked = "image_mass_"

    def __init__(self, density: Any, transformer: Any) -> None:
        self.density = density
        self.transformer = transformer

    @all_or_nothing
    def fit(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None, **metadata: Any) -> Self:
        """Fit the transformer, then the density on the transformed table.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, finite. A frame reaches the transformer as it is, columns of integers, booleans, categories
            that are numbers and nullable types included, so that a ColumnTransformer may select by name or type.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Non-negative weights.
        **metadata : dict
            For the parts that request it, if metadata routing is enabled.

        Returns
        -------
        TransformedDensity
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If a column holds no numbers (text, dates), if the density has no `score_samples`, if the transformer is no
            supported bijection, if it mixes columns that determine one another, or if it maps a row to infinity.
        """
        if not (hasattr(self.density, "fit") and hasattr(self.density, "score_samples")):
            raise ValueError(f"density={self.density!r} needs fit and score_samples: give a density estimator.")
        X = self._first_seen(X)
        every_row = numeric_rows(self, X, reset=True)
        routed = routed_metadata(self, "fit", sample_weight, metadata)
        weight = check_sample_weight(sample_weight if routed is None else _weight_of_density(routed, "fit"), every_row)
        weight, rows, kept = rows_of_weight(weight, every_row, np.arange(len(every_row)))
        check_spread(rows)
        arguments = self._arguments(weight, every_row, routed, kept)
        self._fit_transformer(precise_frame(X, rows, kept), arguments["transformer"])
        Z = self.map_.forward(rows)
        self._check_image(Z)
        self._check_rank(rows, weight)
        self._fit_density(Z, weight, arguments["density"])
        self.variances_ = moments(rows, weight).variance
        self._stream = np.random.default_rng(0)
        self.__dict__.pop("image_mass_", None)
        if self.map_.surjective:
            self.image_mass_ = 1.0
        return self

    def _arguments(self, weight, X, routed, kept):
        """What `fit` of each part is given beside the rows that are kept."""
        if routed is None:
            return {part: weight_arguments(getattr(self, part), weight) for part in ("transformer", "density")}
        return {part: metadata_of_rows(X, routed[part]["fit"], kept) for part in ("transformer", "density")}

    def _fit_transformer(self, table, arguments):
        self.transformer_ = clone(self.transformer, safe=False)
        if hasattr(self.transformer_, "fit"):
            self.transformer_.fit(table, **arguments)
        self.map_ = map_of(self.transformer_)

    def _check_image(self, Z):
        if not np.isfinite(Z).all():
            raise ValueError(
                f"transformer={self.transformer!r} maps {np.sum(~np.isfinite(Z).all(axis=1))} training rows to values"
                " that are not finite: choose one that is defined on every row."
            )

    def _check_rank(self, rows, weight):
        """Raise a ValueError if columns are mixed of which some determine others: the mixture is their rounding."""
        for table in self.map_.mixed(rows):
            if n_lost := n_dependent(moments(table, weight)):
                raise ValueError(
                    f"transformer={self.transformer!r} mixes {table.shape[1]} columns, {n_lost} of them constant or"
                    f" determined by the others over the {len(rows)} rows: what it makes of them is rounding error."
                    " Drop such columns, give more rows than columns, or take a transformer of single columns, such as"
                    " StandardScaler."
                )

    def _fit_density(self, Z, weight, arguments):
        if weight is not None and not arguments and np.ptp(weight) > 0.0:
            warn_user(f"density={self.density!r} does not accept sample_weight: it is fitted without.", UserWarning)
        self.density_ = clone(self.density).fit(Z, **arguments)

    def score(self, X: ArrayLike, y: Any = None, sample_weight: ArrayLike | None = None, **metadata: Any) -> float:
        """Mean of what the density's ``criterion`` names, the log-density if it has none: larger is better.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Held-out rows.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), optional
            Weights of the mean.
        **metadata : dict
            If metadata routing is enabled: what `score` of the density requests as its weights.

        Returns
        -------
        float
            Mean log-density in nats; or minus the mean Hyvärinen score with every column weighted by its training
            variance.
        """
        routed = routed_metadata(self, "score", sample_weight, metadata)
        return super().score(X, y, sample_weight if routed is None else _weight_of_density(routed, "score"))

    def get_metadata_routing(self) -> MetadataRouter | MetadataRequest:
        """Return what the parts request of metadata; or what this estimator does, if it has requests of its own.

        Returns
        -------
        MetadataRouter or MetadataRequest
            The router hands what `fit` is given to `fit` of both parts, and what `score` is given to the density.
        """
        if has_own_requests(self):
            return super().get_metadata_routing()
        fit = MethodMapping().add(caller="fit", callee="fit")
        fit_and_score = MethodMapping().add(caller="fit", callee="fit").add(caller="score", callee="score")
        router = MetadataRouter(owner=self).add(transformer=self.transformer, method_mapping=fit)
        return router.add(density=self.density, method_mapping=fit_and_score)

    grad_log_density = available_if(_density_offers("grad_log_density"))(DensityEstimator.grad_log_density)
    curvature = available_if(_density_offers("curvature"))(DensityEstimator.curvature)
    hyvarinen_score = available_if(_density_offers("curvature"))(DensityEstimator.hyvarinen_score)
    sample = available_if(_density_offers("sample"))(DensityEstimator.sample)

    def _check_rows(self, X):
        check_is_fitted(self)
        return numeric_rows(self, X, reset=False)

    @property
    def criterion(self):
        """What `score` averages: the criterion of the density, the log-likelihood if it names none."""
        return getattr(self.density, "criterion", "log_likelihood")

    def __getattr__(self, name):
        """`image_mass_`, found when first asked for, then kept; no property, as an HTML display evaluates those."""
        if name != "image_mass_" or "map_" not in vars(self):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        self.image_mass_ = self._estimated_image_mass()
        return self.image_mass_

    def _estimated_image_mass(self):
        try:
            draws = draw(self.density_, MASS_DRAWS, np.random.default_rng(0))
        except (AttributeError, NotImplementedError):
            raise ValueError(
                f"density={self.density!r} cannot be sampled, so its mass within the bounded image of"
                f" transformer={self.transformer!r} is unknown: choose a density that can, or a transformer onto all of"
                " R^d."
            ) from None
        mass = float(self.map_.reaches(draws).mean())
        if mass == 0.0:
            raise ValueError(
                f"density={self.density!r} leaves no mass in the image of transformer={self.transformer!r}: choose"
                " another of the two."
            )
        return mass

    @property
    def _variance(self):
        return self.variances_

    def _support(self, X):
        return self.map_.contains(X)

    def _log_density(self, X):
        f = self.map_
        return self.density_.score_samples(f.forward(X)) + f.log_det(X) - np.log(self.image_mass_)

    def _score(self, X):
        f = self.map_
        return f.pull_score(X, self.density_.grad_log_density(f.forward(X)))

    def _curvature(self, X, V):
        f, V = self.map_, np.broadcast_to(V, X.shape)
        Z = f.forward(X)
        return self.density_.curvature(Z, f.pushforward(X, V)) + f.second_order(X, V, self.density_.grad_log_density(Z))

    def _divergence(self, X):
        return sum(self._curvature(X, axis) for axis in np.eye(X.shape[1]))

    def _draw(self, n_samples, rng):
        Z = np.empty((0, self.n_features_in_))
        while len(Z) < n_samples:
            proposals = draw(self.density_, int(np.ceil((n_samples - len(Z)) / self.image_mass_)), rng)
            Z = np.concatenate([Z, proposals[self.map_.reaches(proposals)]])
        return self.map_.inverse(Z[:n_samples])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = get_tags(self.density).non_deterministic
        return tags
