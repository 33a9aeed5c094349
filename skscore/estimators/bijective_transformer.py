"""A `FunctionTransformer` that knows the derivatives of its function, so that a density can be carried through it.

    z = f(x) elementwise,  log p_X(x) = log p_Z(f(x)) + sum_j log |f'(x_j)|,

and with l = log |f'|: l' = f''/f', l'' = f'''/f' - (f''/f')^2 for the gradient and the curvature of log p_X.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy import ndarray
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_array

from ..maps.algebra import Elementwise


class BijectiveTransformer(FunctionTransformer):
    """Elementwise strictly monotone function, its inverse and its derivatives.

    `TransformedDensity` accepts it where a plain `FunctionTransformer` would leave the Jacobian unknown.

    Parameters
    ----------
    func : callable, ndarray -> ndarray of the same shape
        f, strictly monotone, applied to each value by itself. Its support is where f and f' are finite and f' is not 0;
        elsewhere the density is zero.
    inverse_func : callable, ndarray -> ndarray of the same shape
        f^-1. Values that `func` does not lead back to lie outside the image of f.
    derivatives : sequence of 1 to 3 callables, ndarray -> ndarray of the same shape
        f', f'', f''': the first suffices for log-densities and samples, the second is needed for `grad_log_density`,
        the third for `curvature` and `hyvarinen_score`.

    See Also
    --------
    TransformedDensity : The density that carries another one through such a map.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.estimators.bijective_transformer import BijectiveTransformer
    >>> logarithm = BijectiveTransformer(np.log, np.exp, [np.reciprocal, lambda x: -1 / x**2, lambda x: 2 / x**3])
    >>> logarithm.fit_transform(np.array([[1.0], [np.e]]))
    array([[0.],
           [1.]])
    """

    def __init__(self, func: Callable, inverse_func: Callable, derivatives: Sequence[Callable]):
        super().__init__(
            func=func, inverse_func=inverse_func, validate=True, check_inverse=False, feature_names_out="one-to-one"
        )
        self.derivatives = derivatives

    def fit(self, X, y=None):
        """Check that `inverse_func` undoes `func` on every row; nothing is learned.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.
        y : None
            Ignored.

        Returns
        -------
        BijectiveTransformer
            The transformer itself.

        Raises
        ------
        ValueError
            If a row does not come back, because `inverse_func` is another function's or `func` is not defined there.
        """
        super().fit(X, y)
        X = check_array(X)
        with np.errstate(all="ignore"):
            returns = np.isclose(self.inverse_func(self.func(X)), X, rtol=1e-6, atol=1e-6 * np.abs(X).max())
        lost = np.sum(~returns.all(axis=1))
        if lost:
            raise ValueError(
                f"inverse_func={self.inverse_func!r} does not undo func on {lost} of {len(X)} rows: give the inverse of"
                " func, and only rows where func is defined."
            )
        return self


@dataclass(frozen=True)
class MonotoneFunction(Elementwise):
    """The map of a `BijectiveTransformer`.

    Parameters
    ----------
    func, inverse_func : callable
        f and f^-1.
    derivatives : sequence of callables
        f', f'', f''' as far as known.
    """

    func: Callable[[ndarray], ndarray]
    inverse_func: Callable[[ndarray], ndarray]
    derivatives: Sequence[Callable[[ndarray], ndarray]]
    surjective = False

    def contains(self, X):
        """Return whether f and f' are finite and f' != 0."""
        with np.errstate(all="ignore"):
            slope = self.slope(X)
            return (np.isfinite(self.func(X)) & np.isfinite(slope) & (slope != 0.0)).all(axis=1)

    def reaches(self, Z):
        """Return whether f(f^-1(z)) is z again."""
        with np.errstate(all="ignore"):
            return np.isclose(self.func(self.inverse_func(Z)), Z, rtol=1e-6, atol=1e-6).all(axis=1)

    def forward(self, X):
        """Return f(x)."""
        return self.func(X)

    def inverse(self, Z):
        """Return f^-1(z)."""
        return self.inverse_func(Z)

    def slope(self, X):
        """Return f'."""
        return self._derivative(X, 1)

    def log_slope(self, X):
        """Return log |f'|."""
        return np.log(np.abs(self.slope(X)))

    def log_slope_gradient(self, X):
        """Return f'' / f'."""
        return self._derivative(X, 2) / self.slope(X)

    def log_slope_curvature(self, X):
        """Return f''' / f' - (f'' / f')^2."""
        return self._derivative(X, 3) / self.slope(X) - self.log_slope_gradient(X) ** 2

    def _derivative(self, X, order):
        if len(self.derivatives) < order:
            raise ValueError(
                f"derivatives holds {len(self.derivatives)} callables, but this method needs {order}: give"
                f" BijectiveTransformer f', f'', f''' up to order {order}."
            )
        return self.derivatives[order - 1](X)
