"""Normal scores of columns: what they draw is as wide as the rows."""

import numpy as np
import pytest

from skscore.tabular.marginals import Marginals


def test_what_keeps_far_rows_from_the_edge_hardly_widens_the_draws():
    rng, n = np.random.default_rng(0), 4000
    x = np.where(rng.random((n, 1)) < 0.3, -4.0, 2.0) + rng.standard_normal((n, 1))
    coordinates = Marginals.of(x, np.ones(n)).coordinates("mixture")
    drawn = coordinates.inverse(rng.standard_normal((50_000, 1)))
    assert drawn.var() == pytest.approx(x.var(), rel=0.03)
    assert np.isfinite(coordinates.forward(np.array([[1e3]]))).all()
    assert coordinates.shape.weights[0][-1] == pytest.approx(1.0 / (n + 1.0), rel=0.5)
