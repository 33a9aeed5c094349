"""The Student tail: its density, and a choice that is paid for by evidence."""

import numpy as np
import pytest
from scipy import stats

from skscore.levels.mixture import LEAST, StackedMixture, choose_mixture
from skscore.levels.student_tail import DEGREES_OF_FREEDOM, EVIDENCE, PREMIUM, offer_tail
from skscore.models.base import StudentT

VARIANCE = np.array([4.0, 1.0, 0.01])
PRECISION = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.5]])  # of the flow, here a Gaussian


def flow(X):
    return -0.5 * np.einsum("ni,ij,nj->n", X, PRECISION, X) + 0.5 * np.log(np.linalg.det(PRECISION / (2 * np.pi)))


@pytest.fixture(params=[*DEGREES_OF_FREEDOM, 1.0])
def student(request):
    return StudentT(request.param, VARIANCE)


def test_student_density_is_scipys(student, rows):
    expected = stats.multivariate_t(shape=np.diag(VARIANCE), df=student.df).logpdf(rows)
    np.testing.assert_allclose(student.log_density(rows), expected, rtol=1e-12)


def test_student_derivatives(student, rows, central):
    s = student.score(rows)
    hessian = central(student.score, rows)
    np.testing.assert_allclose(s, central(student.log_density, rows), rtol=1e-6, atol=1e-6)
    axes = sum(student.curvature(rows, axis) for axis in np.eye(3))
    np.testing.assert_allclose(axes, np.trace(hessian, axis1=1, axis2=2), rtol=1e-6, atol=1e-6)


def test_student_sample_has_the_radial_law(student, rng):
    """q/d of a Student is F(d, ν) distributed, and each coordinate is a t."""
    X = student.sample(4000, rng)
    q = (X**2 / VARIANCE).sum(axis=1)
    assert stats.kstest(q / 3, stats.f(3, student.df).cdf).pvalue > 1e-3
    for x, scale in zip(X.T, np.sqrt(VARIANCE), strict=True):
        assert stats.kstest(x / scale, stats.t(student.df).cdf).pvalue > 1e-3


def test_large_df_is_the_gaussian(rows):
    gaussian = stats.multivariate_normal(cov=np.diag(VARIANCE))
    np.testing.assert_allclose(StudentT(1e9, VARIANCE).log_density(rows[:20]), gaussian.logpdf(rows[:20]), rtol=1e-4)


# ---- the choice --------------------


def choose_tail(log_p, X, variance):
    return choose_mixture(log_p, {"tail": offer_tail(log_p, X, variance)})


def with_tail(weight, df, variance):
    return StackedMixture(np.array([1.0 - weight, weight]), {"tail": StudentT(df, variance)})


def loss(mixture, log_p, X):
    return (log_p - mixture.log_density(log_p, X)).mean()


@pytest.mark.parametrize("n", [1, 15, 57, 1000, 20_000])
def test_no_far_row_costs_a_thousandth(rng, n):
    X = rng.multivariate_normal(np.zeros(3), np.linalg.inv(PRECISION), size=n)
    log_p = flow(X)
    tail = choose_tail(log_p, X, np.diag(np.linalg.inv(PRECISION)))
    assert tail.weight_of["tail"] == min(PREMIUM, 0.1 / n)
    assert tail.parts["tail"].df == min(DEGREES_OF_FREEDOM)
    assert loss(tail, log_p, X) <= 1.001 * PREMIUM


@pytest.mark.parametrize("lost", [-497.0, -1e6, -np.inf])
def test_one_far_row_of_57(rng, lost):
    X = rng.standard_normal((57, 27))
    log_p = stats.norm.logpdf(X).sum(axis=1)
    X[3] *= 12.0
    log_p[3] = lost
    tail = choose_tail(log_p, X, np.ones(27))
    mixed, core = tail.log_density(log_p, X), np.arange(57) != 3
    one_in_57 = with_tail(1 / 57, tail.parts["tail"].df, np.ones(27)).log_density(log_p, X)
    assert mixed[3] > -140.0
    assert mixed.sum() >= one_in_57.sum()
    assert loss(tail, log_p[core], X[core]) < 2 / 57  # what a weight of two in 57 costs those who need none


def test_the_floor_protects_test_rows_that_validation_did_not_foresee(rng):
    X = rng.standard_normal((15, 2))
    tail = choose_tail(stats.norm.logpdf(X).sum(axis=1), X, np.ones(2))
    assert tail.log_density(np.array([-497.0]), np.array([[22.0, 22.0]])).item() > -30.0


@pytest.mark.parametrize("df", DEGREES_OF_FREEDOM)
@pytest.mark.parametrize("far", [0, 1, 5])
def test_no_other_tail_is_likelier_by_more_than_chance(rng, df, far):
    X = rng.standard_normal((100, 2))
    log_p = stats.norm.logpdf(X).sum(axis=1)
    X[:far] *= 20.0
    log_p[:far] = -500.0
    chosen = choose_tail(log_p, X, np.ones(2)).log_density(log_p, X).sum()
    others = [with_tail(w, df, np.ones(2)).log_density(log_p, X).sum() for w in np.geomspace(1e-3, 0.5, 50)]
    assert chosen >= max(others) - EVIDENCE


def test_weight_is_of_largest_likelihood(rng):
    """Rows of a known mixture: ε is where the likelihood is flat, and within four standard errors of the truth."""
    truth = with_tail(0.1, 3.0, VARIANCE)
    X = truth.mix_samples(0.01 * rng.standard_normal((4000, 3)), rng)
    log_p = stats.norm(0, 0.01).logpdf(X).sum(axis=1)
    tail = choose_tail(log_p, X, VARIANCE)
    assert abs(tail.weight_of["tail"] - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 4000)
    assert tail.parts["tail"].df in (2.5, 3.0, 5.0)
    for factor in (0.9, 1.1):
        other = with_tail(factor * tail.weight_of["tail"], tail.parts["tail"].df, VARIANCE)
        assert loss(other, log_p, X) > loss(tail, log_p, X)


def test_a_useless_flow_hands_over_nearly_all(rng):
    X = rng.standard_normal((200, 3))
    tail = choose_tail(np.full(200, -np.inf), X, np.ones(3))
    assert tail.weight_of["tail"] == pytest.approx(1.0 - LEAST, abs=1e-6)


def test_a_repeated_row_is_a_row_of_weight_two(rng):
    X, weight = 3.0 * rng.standard_normal((80, 2)), rng.integers(1, 4, 80)
    log_p, variance = stats.norm.logpdf(X).sum(axis=1), np.ones(2)
    weighted = offer_tail(log_p, X, variance, weight=weight.astype(float))
    repeated = offer_tail(np.repeat(log_p, weight), np.repeat(X, weight, axis=0), variance)
    assert weighted.least == repeated.least
    assert weighted.part(np.ones(1)).df == repeated.part(np.ones(1)).df
