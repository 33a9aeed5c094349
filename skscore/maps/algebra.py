"""What the density of x = f^-1(z) needs to know about a differentiable bijection z = f(x).

With J the Jacobian of f at x, and s = grad log p,

    log p_X(x)            = log p_Z(z) + log |det J|                                             `log_det`
    s_X(x)                = J' s_Z(z) + grad log |det J|                                         `pull_score`
    v' Hess(log p_X)(x) v = u' Hess(log p_Z)(z) u,  u = J v                                      `pushforward`
                            + sum_k s_Zk(z) v' Hess(f_k) v + v' Hess(log |det J|) v              `second_order`

The score appears in the last line, so both lines of derivatives are closed under composition: for f = g o h, the score
that h receives is the one that g has pulled back. Compositions, column blocks and elementwise maps below, the affine
and the autoregressive map are the whole algebra: every supported transformer of scikit-learn is an expression in it,
and so is every preconditioning.

References
----------
Papamakarios, G., Nalisnick, E., Rezende, D. J., Mohamed, S., & Lakshminarayanan, B. (2021). Normalizing flows for
probabilistic modeling and inference. Journal of Machine Learning Research, 22(57), section 2.1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate

import numpy as np
from numpy import ndarray


class Map(ABC):
    """A differentiable bijection z = f(x) from its support onto its image, both in R^d.

    `forward`, `log_det`, `pushforward`, `pull_score` and `second_order` are asked only about rows that `contains`
    accepts, `inverse` only about rows that `reaches` accepts; elsewhere they may return anything, NaN included.
    """

    @property
    def surjective(self) -> bool:
        """Whether the image is known to be all of R^d.

        If it is not, a density p_Z may leave some of its mass outside the image. The density of x is then that of z
        given that z lies in it.
        """
        return True

    @property
    def is_affine(self) -> bool:
        """Whether f is known to be affine: `log_det` is then the same for every row, and `second_order` is zero."""
        return False

    def contains(self, X: ndarray) -> ndarray:
        """Return whether each row of `X` lies in the support, shape (n,)."""
        return np.ones(len(X), dtype=bool)

    def reaches(self, Z: ndarray) -> ndarray:
        """Return whether each row of `Z` lies in the image, shape (n,)."""
        return np.ones(len(Z), dtype=bool)

    def mixed(self, X: ndarray) -> Iterator[ndarray]:
        """Yield the tables whose columns f adds to one another on its way: each must be of full rank."""
        return iter(())

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
        """Return the directions J v, for `V` of shape (n, d), or (K, n, d) or (K, 1, d) for K directions of a row."""

    @abstractmethod
    def pull_score(self, X: ndarray, S: ndarray) -> ndarray:
        """Return J's + grad log |det J|, shape (n, d), for the scores `S` at f(x) of shape (n, d)."""

    @abstractmethod
    def second_order(self, X: ndarray, V: ndarray, S: ndarray) -> ndarray:
        """Return sum_k s_k v' Hess(f_k) v + v' Hess(log |det J|) v, shape (n,), or (K, n) for K directions."""


class Elementwise(Map):
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

    def moved(self, X: ndarray) -> tuple[ndarray, ndarray]:
        """Return z and l, which may share much of their work, each of shape (n, d)."""
        return self.forward(X), self.log_slope(X)

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
        return (bend * V**2).sum(axis=-1)


@dataclass(frozen=True)
class Composition(Map):
    """z = f_m(... f_1(x)), the identity if there are no maps.

    Parameters
    ----------
    maps : tuple of Map
        f_1, ..., f_m: the first is applied first.
    """

    maps: tuple[Map, ...]

    @property
    def surjective(self):
        """Whether all maps are."""
        return all(f.surjective for f in self.maps)

    @property
    def is_affine(self):
        """Whether all maps are."""
        return all(f.is_affine for f in self.maps)

    def _stages(self, X):
        """Return each map with the rows that it receives."""
        received = accumulate(self.maps[:-1], lambda Y, f: f.forward(Y), initial=X)
        return list(zip(self.maps, received, strict=False))

    def contains(self, X):
        """Return whether each map accepts the row that it receives."""
        with np.errstate(all="ignore"):
            accepted = [f.contains(Y) for f, Y in self._stages(X)]
        return np.all([np.ones(len(X), dtype=bool), *accepted], axis=0)

    def reaches(self, Z):
        """Return whether each map reaches the row that the later ones lead back to."""
        reached = np.ones(len(Z), dtype=bool)
        with np.errstate(all="ignore"):
            for f in reversed(self.maps):
                reached &= f.reaches(Z)
                Z = f.inverse(Z)
        return reached

    def mixed(self, X):
        """Yield those of the maps, each of the rows that it receives."""
        for f, Y in self._stages(X):
            yield from f.mixed(Y)

    def forward(self, X):
        """Return f_m(... f_1(x))."""
        return reduce(lambda Y, f: f.forward(Y), self.maps, X)

    def inverse(self, Z):
        """Return f_1^-1(... f_m^-1(z))."""
        return reduce(lambda Y, f: f.inverse(Y), reversed(self.maps), Z)

    def log_det(self, X):
        """Return the sum over the maps."""
        return sum((f.log_det(Y) for f, Y in self._stages(X)), start=np.zeros(len(X)))

    def pushforward(self, X, V):
        """Return J_m ... J_1 v."""
        for f, Y in self._stages(X):
            V = f.pushforward(Y, V)
        return V

    def pull_score(self, X, S):
        """Return the score pulled back through the last map first."""
        for f, Y in reversed(self._stages(X)):
            S = f.pull_score(Y, S)
        return S

    def second_order(self, X, V, S):
        """Return the sum of each map's term, along v pushed there, under the score that the later maps pull back."""
        stages, directions = self._stages(X), [V]
        for f, Y in stages[:-1]:
            directions.append(f.pushforward(Y, directions[-1]))
        total = np.zeros(np.broadcast_shapes(X.shape, V.shape)[:-1])
        for k, (f, Y) in reversed(list(enumerate(stages))):
            total = total + f.second_order(Y, directions[k], S)
            S = f.pull_score(Y, S)
        return total


def compose(maps: Sequence[Map]) -> Map:
    """Return the composition of `maps`, the first applied first.

    Parameters
    ----------
    maps : sequence of Map
        May be empty: the composition of nothing is the identity.

    Returns
    -------
    Map
        x -> maps[-1](... maps[0](x)).
    """
    parts = [part for f in maps for part in (f.maps if isinstance(f, Composition) else (f,))]
    return parts[0] if len(parts) == 1 else Composition(tuple(parts))


@dataclass(frozen=True)
class ColumnBlocks(Map):
    """Block b reads the columns `inputs[b]` of x and writes the columns `outputs[b]` of z.

    Parameters
    ----------
    maps : sequence of Map
        One map per block.
    inputs, outputs : sequences of ndarray of int
        Two partitions of the columns 0, ..., d - 1; block b has as many of the one as of the other. The order of
        columns changes |det J| by the factor |-1| = 1 only.
    """

    maps: Sequence[Map]
    inputs: Sequence[ndarray]
    outputs: Sequence[ndarray]

    @property
    def surjective(self):
        """Whether every block is."""
        return all(block.surjective for block in self.maps)

    @property
    def is_affine(self):
        """Whether every block is."""
        return all(block.is_affine for block in self.maps)

    def _blocks(self):
        return zip(self.maps, self.inputs, self.outputs, strict=True)

    def contains(self, X):
        """Return whether every block accepts its columns."""
        return np.all([block.contains(X[:, i]) for block, i, _ in self._blocks()], axis=0)

    def reaches(self, Z):
        """Return whether every block reaches its columns."""
        return np.all([block.reaches(Z[:, o]) for block, _, o in self._blocks()], axis=0)

    def mixed(self, X):
        """Yield those of the blocks and, if there are any, the image, in which blocks may depend on one another."""
        tables = [table for block, i, _ in self._blocks() for table in block.mixed(X[:, i])]
        yield from [*tables, self.forward(X)] if tables else []

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
        U = np.empty(np.broadcast_shapes(X.shape, V.shape))
        for block, i, o in self._blocks():
            U[..., o] = block.pushforward(X[:, i], V[..., i])
        return U

    def pull_score(self, X, S):
        """Return each block's pulled score in its place."""
        pulled = np.empty(X.shape)
        for block, i, o in self._blocks():
            pulled[:, i] = block.pull_score(X[:, i], S[:, o])
        return pulled

    def second_order(self, X, V, S):
        """Return the sum over blocks."""
        return np.sum([block.second_order(X[:, i], V[..., i], S[:, o]) for block, i, o in self._blocks()], axis=0)
