r"""Correlations behind a sparse graph, shrunk by the share of them that is noise.

The blocks :math:`\Gamma_j` of interactions are covariances of the rows, each with its own weights. Of the correlations
:math:`r_{kl}` of their mean, with variance :math:`(1 - r_{kl}^2)^2/n`, noise has the share

.. math:: \rho = \frac1n\sum_{k<l}(1 - r_{kl}^2)^2 \Big/ \sum_{k<l}r_{kl}^2

of the squares. To shrink correlations by it minimises their expected squared error (Schäfer & Strimmer, 2005):

.. math:: \Gamma_j \leftarrow D_j + (1 - \rho)(\Gamma_j - D_j), \qquad D_j = \operatorname{diag}\Gamma_j .

Noisy blocks mislead a path of penalties: each pair is estimated given the others, and their part
is partly noise. The path is that of the multiplier :math:`\delta = 1/(1 - \rho)` of diagonals, with K taken δ times, so
that its diagonal stays where it was. δ is no larger than the theory of the l1 penalty allows (Yu, Drton & Shojaie,
2019), and δ − 1 falls like 1/n, faster than the errors of K.

References
----------
Schäfer, J., & Strimmer, K. (2005). A shrinkage approach to large-scale covariance matrix estimation and implications
for functional genomics. Statistical Applications in Genetics and Molecular Biology, 4(1), 32.
Yu, S., Drton, M., & Shojaie, A. (2019). Generalized score matching for non-negative data. JMLR, 20(76), 1-70.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from ...fitting.row_form import RowForm
from ...formulas.quadratic import QuadraticForm
from .form import default_multiplier

__all__ = ["adaptive_multiplier", "shrunk"]


def shrunk(form) -> QuadraticForm:
    """The form in blocks (p, p) of covariances with their correlations shrunk by their share of noise.

    Examples
    --------
    >>> import numpy as np
    >>> from skscore.formulas.quadratic import QuadraticForm
    >>> from skscore.models.interactions.shrinkage import shrunk
    >>> shrunk(QuadraticForm(np.array([[1.0, 0.5], [0.5, 1.0]]), np.eye(2), 0.0, 9.0)).Gamma
    array([[1.  , 0.375],
           [0.375, 1.  ]])
    """
    return _shrunk(form, adaptive_multiplier(form))


def adaptive_multiplier(form):
    """δ, between 1 and `default_multiplier`, of a form in blocks (p, p)."""
    S = _mean_block(form)
    scale = np.sqrt(np.where(np.diag(S) > 0.0, np.diag(S), 1.0))
    square = (S / np.outer(scale, scale))[np.triu_indices(len(S), 1)] ** 2
    signal, noise = square.sum(), np.square(1.0 - square).sum() / form.n
    most = default_multiplier(form.n, len(S))
    return most if most * (signal - noise) <= signal else float(signal / (signal - noise))


@singledispatch
def _mean_block(form):
    return form.Gamma.reshape(-1, *form.Gamma.shape[-2:]).mean(axis=0)


@_mean_block.register
def _(form: RowForm):
    return form.mean_block()


@singledispatch
def _shrunk(form, multiplier):
    Gamma = form.Gamma / multiplier
    np.einsum("...ii->...i", Gamma)[...] *= multiplier  # einsum returns a view of the diagonals
    return QuadraticForm(Gamma, form.g, form.c, form.n)


@_shrunk.register
def _(form: RowForm, multiplier):
    return form.shrunk(multiplier)
