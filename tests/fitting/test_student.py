"""The defensive tail: a proper density, exact derivatives, and a choice that is paid for by evidence."""

import numpy as np
import pytest
from scipy import integrate, stats

from skscore.fitting.student import (
    DEGREES_OF_FREEDOM,
    EVIDENCE,
    LARGEST_WEIGHT,
    PREMIUM,
    DefensiveTail,
    StudentT,
    choose_tail,
)

VARIANCE = np.array([4.0, 1.0, 0.01])
PRECISION = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.5]])  # of the flow, here a Gaussian


def flow(X):
    log_p = -0.5 * np.einsum("ni,ij,nj->n", X, PRECISION, X) + 0.5 * np.log(np.linalg.det(PRECISION / (2 * np.pi)))
    return log_p, -X @ PRECISION


def central(f, X, h=1e-4):
    """Derivatives of f by central differences of fourth order, along the last axis."""
    steps = h * np.eye(X.shape[1])
    return np.stack([(8 * (f(X + e) - f(X - e)) - f(X + 2 * e) + f(X - 2 * e)) / (12 * h) for e in steps], axis=-1)


@pytest.fixture
def rows(rng):
    """Rows from the core of the flow to where only the tail is left."""
    return rng.standard_normal((40, 3)) * np.geomspace(0.3, 8.0, 40)[:, None] * [1.0, 1.0, 0.3]


@pytest.fixture(params=[*DEGREES_OF_FREEDOM, 1.0])
def student(request):
    return StudentT(request.param, VARIANCE)


@pytest.fixture(params=[(1e-3, 2.5), (0.02, 5.0), (0.5, 30.0)], ids=str)
def tail(request):
    return DefensiveTail(*request.param, VARIANCE)


def test_student_density_is_scipys(student, rows):
    expected = stats.multivariate_t(shape=np.diag(VARIANCE), df=student.df).logpdf(rows)
    np.testing.assert_allclose(student.log_density(rows), expected, rtol=1e-12)


def test_student_derivatives(student, rows):
    s = student.score(rows)
    hessian = central(student.score, rows)
    np.testing.assert_allclose(s, central(student.log_density, rows), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(student.divergence(rows), np.trace(hessian, axis1=1, axis2=2), rtol=1e-6, atol=1e-6)
    axes = sum(student.curvature(rows, axis) for axis in np.eye(3))
    np.testing.assert_allclose(axes, student.divergence(rows), rtol=1e-10, atol=1e-10)


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


def test_mixture_is_the_sum_of_its_parts(tail, rows):
    log_p, _ = flow(rows)
    student = stats.multivariate_t(shape=np.diag(VARIANCE), df=tail.df)
    expected = (1 - tail.weight) * np.exp(log_p) + tail.weight * student.pdf(rows)
    np.testing.assert_allclose(np.exp(tail.log_density(log_p, rows)), expected, rtol=1e-10)
    np.testing.assert_allclose(tail.responsibility(log_p, rows) * expected, tail.weight * student.pdf(rows), rtol=1e-9)


def test_mixture_has_mass_one():
    tail = DefensiveTail(0.2, 3.0, np.array([2.0]))

    def density(x):
        return np.exp(tail.log_density(stats.norm.logpdf([x]), np.array([[x]]))).item()

    mass, _ = integrate.quad(density, -np.inf, np.inf)
    assert mass == pytest.approx(1.0, abs=1e-7)


def test_mixture_derivatives(tail, rows, rng):
    def log_density(X):
        return tail.log_density(flow(X)[0], X)

    def score(X):
        return tail.score(*flow(X), X)

    V = rng.standard_normal(rows.shape)
    hessian = central(score, rows)
    flat = -np.einsum("ni,ij,nj->n", V, PRECISION, V)
    divergence = tail.divergence(*flow(rows), np.full(len(rows), -np.trace(PRECISION)), rows)
    np.testing.assert_allclose(score(rows), central(log_density, rows), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(divergence, np.trace(hessian, axis1=1, axis2=2), rtol=1e-6, atol=1e-5)
    expected = np.einsum("ni,nij,nj->n", V, hessian, V)
    np.testing.assert_allclose(tail.curvature(*flow(rows), flat, rows, V), expected, rtol=1e-6, atol=1e-5)
    one = tail.curvature(*flow(rows), np.full(len(rows), -PRECISION[1, 1]), rows, np.eye(3)[1])
    np.testing.assert_allclose(one, hessian[:, 1, 1], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("score", [np.nan, np.inf, 0.0])
def test_where_the_flow_has_no_mass_only_the_tail_speaks(tail, rows, score):
    nowhere, s = np.full(len(rows), -np.inf), np.full(rows.shape, score)
    student, second = tail.student, s[:, 0]
    np.testing.assert_allclose(tail.log_density(nowhere, rows), np.log(tail.weight) + student.log_density(rows))
    np.testing.assert_array_equal(tail.score(nowhere, s, rows), student.score(rows))
    np.testing.assert_array_equal(tail.divergence(nowhere, s, second, rows), student.divergence(rows))
    np.testing.assert_array_equal(tail.curvature(nowhere, s, second, rows, rows), student.curvature(rows, rows))


def test_samples_of_the_mixture(tail, rng):
    n = 40_000
    X = np.zeros((n, 3))
    mixed = tail.mix_samples(X, rng)
    replaced = (mixed != 0).all(axis=1)
    assert (mixed[~replaced] == 0.0).all()
    assert (X == 0.0).all()  # the draws of the flow are left as they were
    assert abs(replaced.sum() - n * tail.weight) < 4 * np.sqrt(n * tail.weight)
    assert stats.kstest(mixed[replaced, 0] / 2, stats.t(tail.df).cdf).pvalue > 1e-3


# ---- the choice --------------------


def loss(tail, log_p, X):
    return (log_p - tail.log_density(log_p, X)).mean()


@pytest.mark.parametrize("n", [1, 15, 57, 1000, 20_000])
def test_no_far_row_costs_a_thousandth(rng, n):
    X = rng.multivariate_normal(np.zeros(3), np.linalg.inv(PRECISION), size=n)
    log_p, _ = flow(X)
    tail = choose_tail(log_p, X, np.diag(np.linalg.inv(PRECISION)))
    assert tail.weight == min(PREMIUM, 0.1 / n)
    assert tail.df == min(DEGREES_OF_FREEDOM)
    assert loss(tail, log_p, X) <= 1.001 * PREMIUM


@pytest.mark.parametrize("lost", [-497.0, -1e6, -np.inf])
def test_one_far_row_of_57(rng, lost):
    X = rng.standard_normal((57, 27))
    log_p = stats.norm.logpdf(X).sum(axis=1)
    X[3] *= 12.0
    log_p[3] = lost
    tail = choose_tail(log_p, X, np.ones(27))
    mixed, core = tail.log_density(log_p, X), np.arange(57) != 3
    one_in_57 = DefensiveTail(1 / 57, tail.df, np.ones(27)).log_density(log_p, X)
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
    others = [DefensiveTail(w, df, np.ones(2)).log_density(log_p, X).sum() for w in np.geomspace(1e-3, 0.5, 50)]
    assert chosen >= max(others) - EVIDENCE


def test_weight_is_of_largest_likelihood(rng):
    """Rows of a known mixture: ε is where the likelihood is flat, and within four standard errors of the truth."""
    truth = DefensiveTail(0.1, 3.0, VARIANCE)
    X = truth.mix_samples(0.01 * rng.standard_normal((4000, 3)), rng)
    log_p = stats.norm(0, 0.01).logpdf(X).sum(axis=1)
    tail = choose_tail(log_p, X, VARIANCE)
    assert abs(tail.weight - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 4000)
    assert tail.df in (2.5, 3.0, 5.0)
    for factor in (0.9, 1.1):
        other = DefensiveTail(factor * tail.weight, tail.df, VARIANCE)
        assert loss(other, log_p, X) > loss(tail, log_p, X)


def test_a_useless_flow_hands_over_no_more_than_half(rng):
    X = rng.standard_normal((200, 3))
    assert choose_tail(np.full(200, -np.inf), X, np.ones(3)).weight == LARGEST_WEIGHT
