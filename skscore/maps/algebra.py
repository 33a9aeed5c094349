"""What the law of x = f^-1(z) needs to know about a differentiable bijection z = f(x).

With J the Jacobian of f at x, and s = grad log p,

    log p_X(x)            = log p_Z(z) + log |det J|                                             `log_det`
    s_X(x)                = J' s_Z(z) + grad log |det J|                                         `pull_score`
    v' Hess(log p_X)(x) v = u' Hess(log p_Z)(z) u,  u = J v                                      `pushforward`
                            + sum_k s_Zk(z) v' Hess(f_k) v + v' Hess(log |det J|) v              `second_order`

The score appears in the last line, so both lines of derivatives are closed under composition: for f = g o h, the score
that h receives is the one that g has pulled back. The composition, the column blocks, the linear map and the
elementwise map below are the whole algebra; every supported transformer is an expression in it (see
`fitted_transformers`).

References
----------
Papamakarios, G., Nalisnick, E., Rezende, D. J., Mohamed, S., & Lakshminarayanan, B. (2021). Normalizing flows for
probabilistic modeling and inference. Journal of Machine Learning Research, 22(57), section 2.1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy import ndarray


class Bijection(ABC):
    """A differentiable bijection z = f(x) from its support onto its image, both in R^d.

    `forward`, `log_det`, `pushforward`, `pull_score` and `second_order` are asked only about rows that `contains`
    accepts, `inverse` only about rows that `reaches` accepts; elsewhere they may return anything, NaN included.

    Attributes
    ----------
    surjective : bool
        Whether the image is known to be all of R^d. Where it is not, a density p_Z may leave some of its mass outside
        the image, and the law of x is p_Z given that z lies in it.
    """

    surjective = True

    def contains(self, X: ndarray) -> ndarray:
        """Return whether each row of `X` lies in the support, shape (n,)."""
        return np.ones(len(X), dtype=bool)

    def reaches(self, Z: ndarray) -> ndarray:
        """Return whether each row of `Z` lies in the image, shape (n,)."""
        return np.ones(len(Z), dtype=bool)

    @abstractmethod
    def forward(self, X: ndarray) -> ndarray:
        """Return f(x), shape (n, d)."""

    @abstractmethod
    def inverse(self, Z: ndarray) -> ndarray:
        """Return f^-1(z), shape (n, d)."""

    @abstractmethod
    def log_det(self, X: ndarray) -> ndarray:
        """Return log |det J|, shape (n,)."""

    @abstractmethod
    def pushforward(self, X: ndarray, V: ndarray) -> ndarray:
        """Return the directions J v, shape (n, d), for `V` of shape (n, d)."""

    @abstractmethod
    def pull_score(self, X: ndarray, S: ndarray) -> ndarray:
        """Return J's + grad log |det J|, shape (n, d), for the scores `S` at f(x) of shape (n, d)."""

    @abstractmethod
    def second_order(self, X: ndarray, V: ndarray, S: ndarray) -> ndarray:
        """Return sum_k s_k v' Hess(f_k) v + v' Hess(log |det J|) v, shape (n,)."""


class Identity(Bijection):
    """z = x."""

    def forward(self, X):
        """Return `X`."""
        return X

    def inverse(self, Z):
        """Return `Z`."""
        return Z

    def log_det(self, X):
        """Return zeros."""
        return np.zeros(len(X))

    def pushforward(self, X, V):
        """Return `V`."""
        return V

    def pull_score(self, X, S):
        """Return `S`."""
        return S

    def second_order(self, X, V, S):
        """Return zeros."""
        return np.zeros(len(X))


@dataclass(frozen=True)
class Linear(Bijection):
    """z = W (x - c).

    Parameters
    ----------
    matrix : ndarray of shape (d, d)
        W, of full rank.
    center : ndarray of shape (d,)
        c; subtracted first, so that an offset of 1e8 costs no digits.
    """

    matrix: ndarray
    center: ndarray

    def forward(self, X):
        """Return W (x - c)."""
        return (X - self.center) @ self.matrix.T

    def inverse(self, Z):
        """Return c + W^-1 z."""
        return self.center + np.linalg.solve(self.matrix, Z.T).T

    def log_det(self, X):
        """Return log |det W|, the same for every row."""
        return np.full(len(X), np.linalg.slogdet(self.matrix).logabsdet)

    def pushforward(self, X, V):
        """Return W v."""
        return V @ self.matrix.T

    def pull_score(self, X, S):
        """Return W's."""
        return S @ self.matrix

    def second_order(self, X, V, S):
        """Return zeros: W is constant."""
        return np.zeros(len(X))


class Elementwise(Bijection):
    """z_j = f_j(x_j), known by f_j, its inverse, and l_j = log |f_j'| with two derivatives.

    A decreasing f_j overrides `slope`, whose default takes f_j' > 0.
    """

    @abstractmethod
    def log_slope(self, X: ndarray) -> ndarray:
        """Return l_j = log |f_j'(x_j)|, shape (n, d)."""

    @abstractmethod
    def log_slope_gradient(self, X: ndarray) -> ndarray:
        """Return l_j' = f_j'' / f_j', shape (n, d)."""

    @abstractmethod
    def log_slope_curvature(self, X: ndarray) -> ndarray:
        """Return l_j'', shape (n, d)."""

    def slope(self, X: ndarray) -> ndarray:
        """Return f_j'(x_j), shape (n, d)."""
        return np.exp(self.log_slope(X))

    def log_det(self, X):
        """Return sum_j l_j."""
        return self.log_slope(X).sum(axis=1)

    def pushforward(self, X, V):
        """Return f_j' v_j."""
        return self.slope(X) * V

    def pull_score(self, X, S):
        """Return f_j' s_j + l_j'."""
        return self.slope(X) * S + self.log_slope_gradient(X)

    def second_order(self, X, V, S):
        """Return sum_j (s_j f_j'' + l_j'') v_j^2, with f_j'' = f_j' l_j'."""
        bend = S * self.slope(X) * self.log_slope_gradient(X) + self.log_slope_curvature(X)
        return (bend * V**2).sum(axis=1)


@dataclass(frozen=True)
class Composition(Bijection):
    """z = g(h(x)).

    Parameters
    ----------
    outer : Bijection
        g, applied last.
    inner : Bijection
        h, applied first.
    """

    outer: Bijection
    inner: Bijection

    @property
    def surjective(self):
        """Whether both maps are."""
        return self.outer.surjective and self.inner.surjective

    def contains(self, X):
        """Return whether h accepts x and g accepts h(x)."""
        with np.errstate(all="ignore"):
            return self.inner.contains(X) & self.outer.contains(self.inner.forward(X))

    def reaches(self, Z):
        """Return whether g reaches z and h reaches g^-1(z)."""
        with np.errstate(all="ignore"):
            return self.outer.reaches(Z) & self.inner.reaches(self.outer.inverse(Z))

    def forward(self, X):
        """Return g(h(x))."""
        return self.outer.forward(self.inner.forward(X))

    def inverse(self, Z):
        """Return h^-1(g^-1(z))."""
        return self.inner.inverse(self.outer.inverse(Z))

    def log_det(self, X):
        """Return the sum of both."""
        return self.inner.log_det(X) + self.outer.log_det(self.inner.forward(X))

    def pushforward(self, X, V):
        """Return J_g J_h v."""
        return self.outer.pushforward(self.inner.forward(X), self.inner.pushforward(X, V))

    def pull_score(self, X, S):
        """Return the score pulled back through g, then through h."""
        return self.inner.pull_score(X, self.outer.pull_score(self.inner.forward(X), S))

    def second_order(self, X, V, S):
        """Return g's term along J_h v, and h's term under the score that g has pulled back."""
        Y = self.inner.forward(X)
        bend_of_outer = self.outer.second_order(Y, self.inner.pushforward(X, V), S)
        return bend_of_outer + self.inner.second_order(X, V, self.outer.pull_score(Y, S))


def compose(maps: Sequence[Bijection]) -> Bijection:
    """Return the composition of `maps`, the first applied first.

    Parameters
    ----------
    maps : sequence of Bijection
        May be empty: the composition of nothing is the identity.

    Returns
    -------
    Bijection
        x -> maps[-1](... maps[0](x)).
    """
    return reduce(lambda inner, outer: Composition(outer, inner), maps) if maps else Identity()


@dataclass(frozen=True)
class ColumnBlocks(Bijection):
    """Block b reads the columns `inputs[b]` of x and writes the columns `outputs[b]` of z.

    Parameters
    ----------
    maps : sequence of Bijection
        One map per block.
    inputs, outputs : sequences of ndarray of int
        Two partitions of the columns 0, ..., d - 1; block b has as many of the one as of the other. The order of
        columns changes |det J| by the factor |-1| = 1 only.
    """

    maps: Sequence[Bijection]
    inputs: Sequence[ndarray]
    outputs: Sequence[ndarray]

    @property
    def surjective(self):
        """Whether every block is."""
        return all(block.surjective for block in self.maps)

    def _blocks(self):
        return zip(self.maps, self.inputs, self.outputs, strict=True)

    def contains(self, X):
        """Return whether every block accepts its columns."""
        return np.all([block.contains(X[:, i]) for block, i, _ in self._blocks()], axis=0)

    def reaches(self, Z):
        """Return whether every block reaches its columns."""
        return np.all([block.reaches(Z[:, o]) for block, _, o in self._blocks()], axis=0)

    def forward(self, X):
        """Return each block's image in its place."""
        Z = np.empty(X.shape)
        for block, i, o in self._blocks():
            Z[:, o] = block.forward(X[:, i])
        return Z

    def inverse(self, Z):
        """Return each block's preimage in its place."""
        X = np.empty(Z.shape)
        for block, i, o in self._blocks():
            X[:, i] = block.inverse(Z[:, o])
        return X

    def log_det(self, X):
        """Return the sum over blocks."""
        return np.sum([block.log_det(X[:, i]) for block, i, _ in self._blocks()], axis=0)

    def pushforward(self, X, V):
        """Return each block's J_b v_b in its place."""
        U = np.empty(X.shape)
        for block, i, o in self._blocks():
            U[:, o] = block.pushforward(X[:, i], V[:, i])
        return U

    def pull_score(self, X, S):
        """Return each block's pulled score in its place."""
        pulled = np.empty(X.shape)
        for block, i, o in self._blocks():
            pulled[:, i] = block.pull_score(X[:, i], S[:, o])
        return pulled

    def second_order(self, X, V, S):
        """Return the sum over blocks."""
        return np.sum([block.second_order(X[:, i], V[:, i], S[:, o]) for block, i, o in self._blocks()], axis=0)
