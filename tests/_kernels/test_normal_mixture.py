"""Tails and log-density of a mixture of normal laws, against scipy's."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import norm

from skscore._kernels.normal_mixture import log_density, tails

MIXTURE = np.array([0.2, 0.5, 0.3]), np.array([-4.0, 0.0, 1.0]), np.array([0.5, 1.0, 0.1])


@pytest.mark.parametrize("reach", [1.0, 5.0, 30.0])
def test_tails_keep_their_digits(rng, reach):
    x = rng.uniform(-reach, reach, 1000)
    below, above = np.empty((2, 1000))
    tails(x, *MIXTURE, below, above)
    w, mu, s = MIXTURE
    exact = [law((x[:, None] - mu) / s) @ w for law in (norm.cdf, norm.sf)]
    assert_allclose(np.minimum(below, above), np.minimum(*exact), rtol=1e-13)
    assert_allclose(below + above, 1.0, rtol=1e-15)


def test_log_density_far_away_too(rng):
    x, out = np.append(rng.uniform(-8, 8, 1000), [-1e3, 1e5, np.inf, -np.inf]), np.empty(1004)
    log_density(x, *MIXTURE, out)
    w, mu, s = MIXTURE
    assert_allclose(out, logsumexp(np.log(w) + norm.logpdf(x[:, None], mu, s), axis=1), rtol=1e-13, atol=1e-13)


def test_missing_numbers_stay_missing():
    below, above, out = np.empty((3, 1))
    tails(np.array([np.nan]), *MIXTURE, below, above)
    log_density(np.array([np.nan]), *MIXTURE, out)
    assert np.isnan([below, above, out]).all()
