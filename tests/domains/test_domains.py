"""Domains: membership, distances, projections, bijections and their checks, over the list of all members."""

from contextlib import suppress

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import clone

from skscore.domains import DOMAINS, Ball, Box, DomainMap, Halfspaces, Intervals, Reals, Simplex
from skscore.formulas.moments import moments

EXAMPLES = [example for cls in DOMAINS for example in cls.examples()]
BOUNDED = [(domain, d) for domain, d in EXAMPLES if domain.has_boundary]
D = 4
FACES = np.vstack([np.random.default_rng(1).standard_normal((7, D)), -np.ones(D)])
CONVEX = [
    (Box(-1.0, 2.0), lambda x: np.concatenate([x + 1.0, 2.0 - x])),
    (Ball(2.0, centre=1.0), lambda x: 4.0 - ((x - 1.0) ** 2).sum()),
    (Halfspaces(FACES, np.arange(1.0, 9.0)), lambda x: np.arange(1.0, 9.0) - FACES @ x),
    (Simplex(), lambda x: np.concatenate([x, [x.sum() - 1.0, 1.0 - x.sum()]])),
]


def named(domain):
    return type(domain).__name__ if isinstance(domain, Reals) else ""


every_domain = pytest.mark.parametrize(("domain", "d"), EXAMPLES, ids=named)
every_bounded_domain = pytest.mark.parametrize(("domain", "d"), BOUNDED, ids=named)


@pytest.fixture
def U(rng):
    return rng.standard_normal((50, D))


def coordinates(domain, d, rng):
    """Normal rows u, shape (50, m): as many columns as there are directions to move in."""
    return rng.standard_normal((50, np.linalg.matrix_rank(domain.directions(d))))


def rows_inside(domain, d, rng):
    """Images of normal rows, shape (50, d)."""
    return domain.from_reals(coordinates(domain, d, rng))


def moving(domain, d):
    """Which coordinates have a direction of their own, each with it."""
    return [(j, v) for j, v in enumerate(domain.directions(d)) if v.any()]


def within_directions(domain, d):
    """The projection onto all directions in which rows move, shape (d, d)."""
    V = domain.directions(d)
    return np.linalg.pinv(V) @ V


def jacobian(function, U, step=1e-5):
    """∂function_i/∂u_j of each row by central differences, shape (n, i, j)."""
    steps = step * np.eye(U.shape[1])
    return np.stack([(function(U + e) - function(U - e)) / (2 * step) for e in steps], axis=-1)


# ---- bijections ------------------------------------------------------------------------------------


@every_domain
def test_bijection_round_trip(domain, d, rng):
    U = coordinates(domain, d, rng)
    X = domain.from_reals(U)
    assert X.shape == (50, d)
    assert domain.contains(X).all()
    np.testing.assert_allclose(domain.to_reals(X), U, rtol=1e-9, atol=1e-12)


@every_domain
def test_log_det_is_that_of_the_bijection(domain, d, rng):
    """A domain of fewer dimensions than columns is measured by its first columns."""
    U = coordinates(domain, d, rng)
    J = jacobian(domain.from_reals, U)[:, : U.shape[1]]
    np.testing.assert_allclose(domain.log_det(U), np.linalg.slogdet(J)[1], atol=1e-7)


@every_domain
def test_log_det_and_pull_score_of_the_standardising_map(domain, d, rng):
    """The score of the map is the gradient of its log-density, for the density log p(x) = −½‖x − 1‖²."""
    U = coordinates(domain, d, rng)
    m = U.shape[1]
    mapping = DomainMap.from_moments(domain, moments(U @ rng.standard_normal((m, m))))

    def log_density(T):
        return (-0.5 * ((mapping.forward(T) - 1.0) ** 2).sum(axis=1) + mapping.log_det(T))[:, None]

    score = mapping.pull_score(0.5 * U, 1.0 - mapping.forward(0.5 * U))
    np.testing.assert_allclose(score, jacobian(log_density, 0.5 * U)[:, 0], rtol=1e-5, atol=1e-6)


def test_the_standardising_map_whitens(rng):
    X = rng.standard_normal((1000, 3)) @ rng.standard_normal((3, 3)) * [1e-6, 1.0, 1e6] + 3.0
    m = moments(X)
    mapping = DomainMap.from_moments(Reals(), m)
    np.testing.assert_allclose(mapping.factor @ mapping.factor.T, m.covariance, rtol=1e-9)


def test_the_uniform_distribution_on_the_disc_becomes_gaussian(U):
    U = U[:, :2]
    log_normal = -(U**2).sum(axis=1) - np.log(np.pi)  # N(0, I/2)
    np.testing.assert_allclose(log_normal, Ball(3.0).log_det(U) - np.log(9.0 * np.pi), rtol=1e-12)


def test_pull_score_on_the_ball_next_to_its_centre_and_far_out():
    """With s = 0 in three dimensions it is (κ − 2) u, and κ(t) = −½ + t/12 − t³/720 + t⁵/30240 − … with t = ρ²."""
    radius = np.array([0.0, 1e-9, 1e-4, 0.0316, 0.0317, 0.3])
    U = radius[:, None] * [[0.6, 0.0, 0.8]]
    t = radius[:, None] ** 2
    kappa = -0.5 + t / 12.0 - t**3 / 720.0 + t**5 / 30240.0
    np.testing.assert_allclose(Ball().pull_score(U, np.zeros_like(U)), (kappa - 2.0) * U, rtol=1e-11)
    far = np.array([[50.0, 0.0, 0.0]])
    np.testing.assert_allclose(Ball().pull_score(far, np.zeros_like(far)), -(2.0 + 1.0 / 2500.0) * far)


# ---- distances -------------------------------------------------------------------------------------


@every_domain
def test_coordinate_distance_is_where_a_row_leaves(domain, d, rng):
    X = rows_inside(domain, d, rng)
    distance, slope = domain.coordinate_distance(X)
    for j, away in moving(domain, d):
        reach = np.minimum(distance[:, j, None], 1e3)
        for sign in (-1.0, 1.0):
            assert domain.contains(X + sign * 0.999 * reach * away).all()
        ended = np.isfinite(distance[:, j])
        beyond = X - 1.001 * reach * slope[:, j, None] * away
        assert not domain.contains(beyond[ended]).any()
        np.testing.assert_array_equal(slope[~ended, j], 0.0)


@every_bounded_domain
def test_slope_of_the_coordinate_distance(domain, d, rng):
    X, step = rows_inside(domain, d, rng), 1e-7
    distance, slope = domain.coordinate_distance(X)
    for j, away in moving(domain, d):
        ahead, behind = (domain.coordinate_distance(X + s * away)[0][:, j] for s in (step, -step))
        ended = np.isfinite(distance[:, j])
        difference = (ahead[ended] - behind[ended]) / (2 * step)
        np.testing.assert_allclose(difference, slope[ended, j], atol=1e-6)


def test_ties_have_no_slope():
    middle = {Box(): 0.5, Ball(): 0.0, Intervals([(0.0, 1.0)]): 0.5, Halfspaces([[1.0], [-1.0]], [1.0, 0.0]): 0.5}
    for domain, x in middle.items():
        np.testing.assert_array_equal(domain.coordinate_distance(np.array([[x]]))[1], 0.0)
    np.testing.assert_array_equal(Simplex().coordinate_distance(np.full((1, 3), 1 / 3))[1], 0.0)


def test_the_last_part_has_no_coordinate(rng):
    distance, slope = Simplex().coordinate_distance(rows_inside(Simplex(), D, rng))
    np.testing.assert_array_equal(distance[:, -1], 0.0)
    np.testing.assert_array_equal(slope[:, -1], 0.0)


@every_bounded_domain
def test_boundary_distance_leads_to_the_nearest_boundary_point(domain, d, rng):
    X = rows_inside(domain, d, rng)
    distance, gradient = domain.boundary_distance(X)
    assert np.isfinite(distance).all()
    np.testing.assert_allclose(np.linalg.norm(gradient, axis=1), 1.0)
    step = distance[:, None] * gradient
    assert not domain.contains(X - 1.001 * step).any()
    np.testing.assert_allclose(domain.project(X - 1.001 * step), X - step, atol=1e-9)
    for direction in rng.standard_normal((200, d)) @ within_directions(domain, d):
        assert domain.contains(X + 0.999 * distance[:, None] * direction / np.linalg.norm(direction)).all()


@every_bounded_domain
def test_gradient_of_the_boundary_distance(domain, d, rng):
    X = rows_inside(domain, d, rng)
    gradient = domain.boundary_distance(X)[1]
    difference = jacobian(lambda X: domain.boundary_distance(X)[0][:, None], X, 1e-7)[:, 0]
    np.testing.assert_allclose(gradient, difference @ within_directions(domain, d), atol=1e-5)


def test_reals_have_no_boundary(U):
    for distance, gradient in (Reals().boundary_distance(U), Reals().coordinate_distance(U)):
        assert (distance == np.inf).all()
        assert not gradient.any()
    assert not Reals().has_boundary


def test_open_boxes_have_no_boundary(U):
    distance, gradient = Box(-np.inf, np.inf).boundary_distance(U)
    assert (distance == np.inf).all()
    assert not gradient.any()


# ---- projections -----------------------------------------------------------------------------------


@every_domain
def test_project_keeps_rows_inside_and_repeats_itself(domain, d, rng):
    X = rows_inside(domain, d, rng)
    np.testing.assert_allclose(domain.project(X), X, atol=1e-14)
    once = domain.project(5.0 * rng.standard_normal((50, d)))
    np.testing.assert_allclose(domain.project(once), once, atol=1e-12)


@pytest.mark.parametrize(("domain", "slack"), CONVEX, ids=named)
def test_project_is_the_solution_of_the_programme(domain, slack, rng):
    for x in 3.0 * rng.standard_normal((8, D)):
        found = minimize(
            lambda y, x=x: ((y - x) ** 2).sum(),
            domain.project(np.full((1, D), 0.1))[0],
            jac=lambda y, x=x: 2.0 * (y - x),
            constraints={"type": "ineq", "fun": slack},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        np.testing.assert_allclose(domain.project(x[None])[0], found.x, atol=1e-6)


@pytest.mark.parametrize(("domain", "d"), Intervals.examples(), ids=named)
def test_project_on_intervals_tries_every_interval(domain, d, rng):
    X = 2.0 * rng.standard_normal((50, D))
    shared = np.ndim(domain.intervals[0][0]) == 0
    for j, own in enumerate([domain.intervals] * D if shared else domain.intervals):
        candidates = np.array([np.clip(X[:, j], *pair) for pair in own])
        nearest = np.abs(candidates - X[:, j]).min(axis=0)
        projected = domain.project(X)[:, j]
        np.testing.assert_allclose(np.abs(projected - X[:, j]), nearest, rtol=1e-14)
        assert ((candidates == projected).any(axis=0)).all()


def test_project_onto_far_and_tiny_polytopes():
    """A corner 10⁻⁶ wide seen from 10⁶ away, and the other way round."""
    cube = Halfspaces(np.vstack([np.eye(3), -np.eye(3)]), np.full(6, 1e-6))
    np.testing.assert_allclose(cube.project(np.array([[1e6, 0.0, -1e6]])), [[1e-6, 0.0, -1e-6]], atol=1e-9)
    np.testing.assert_allclose(cube.project(np.array([[3e-6, 0.0, 0.0]])), [[1e-6, 0.0, 0.0]], rtol=1e-9, atol=1e-20)


# ---- membership, units, checks ---------------------------------------------------------------------


@every_bounded_domain
def test_rows_beyond_the_boundary_are_outside(domain, d, rng):
    X = rows_inside(domain, d, rng)
    assert domain.contains(X).all()
    distance, gradient = domain.boundary_distance(X)
    X[[7, 9]] -= 1.1 * distance[[7, 9], None] * gradient[[7, 9]]
    assert np.flatnonzero(~domain.contains(X)).tolist() == [7, 9]


def test_compositions_may_be_rounded():
    X = np.array([[0.3333333, 0.3333333, 0.3333333], [0.333, 0.333, 0.333], [0.0, 0.5, 0.5]])
    assert Simplex().contains(X).tolist() == [True, False, False]


def in_other_units(domain, scales):
    """The domain in the first of the units that it can be in."""
    for scale in scales:
        with suppress(NotImplementedError):
            return domain.rescaled(scale), scale
    raise AssertionError(f"{domain} refuses its own units")


@pytest.mark.parametrize(("domain", "scale"), [(Ball(), [1.0, 2.0]), (Simplex(), [2.0, 2.0])], ids=named)
def test_a_ball_has_one_unit_and_a_simplex_none(domain, scale):
    with pytest.raises(NotImplementedError, match="units"):
        domain.rescaled(np.array(scale))


@every_domain
def test_rescaled_is_the_domain_in_other_units(domain, d, rng):
    """In those that it has: one for each column, one for all, or none."""
    X = rows_inside(domain, d, rng)
    rescaled, scale = in_other_units(domain, [np.geomspace(0.1, 20.0, d), np.full(d, 2.5), np.ones(d)])
    assert rescaled.contains(X / scale).all()
    distance, slope = domain.coordinate_distance(X)
    rescaled_distance, same_slope = rescaled.coordinate_distance(X / scale)
    np.testing.assert_allclose(rescaled_distance, distance / scale, rtol=1e-9)
    np.testing.assert_array_equal(same_slope, slope)


@every_domain
def test_sound_domains_pass_their_check_and_survive_cloning(domain, d):
    clone(domain).check(d)


@every_domain
def test_rows_go_on_for_ever_in_the_recession_cone_alone(domain, d, rng):
    normals, X = domain.recession_normals(d), rows_inside(domain, d, rng)
    for v in np.vstack([np.eye(d), -np.eye(d), rng.standard_normal((500, d))]):
        steepest, far_out = (normals @ v).max(initial=-1.0), domain.contains(X + 1e9 * v)
        assert abs(steepest) < 1e-3 or (far_out.all() if steepest < 0.0 else not far_out.any())


def test_a_domain_that_says_nothing_of_its_ends_is_refused():
    silent = type("Silent", (Reals,), {"has_boundary": True})()
    with pytest.raises(NotImplementedError, match="Silent"):
        silent.recession_normals(2)


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        (Box(1.0, 1.0), "Box needs lower < upper"),
        (Box([0.0, 1.0], 2.0), r"lower has shape \(2,\).*4 columns"),
        (Box(0.0, np.nan), "upper=nan is not finite"),
        (Intervals([(1.0, 0.0)]), "column 0.*lower < upper"),
        (Intervals([(0.0, 2.0), (1.0, 3.0)]), "column 0.*overlap"),
        (Intervals([[(0.0, 1.0)]]), "intervals of 1 columns.*all 4"),
        (Intervals([]), "give a list"),
        (Intervals([0.0, 1.0]), "give a list"),
        (Ball(-1.0), "radius=-1.0.*positive"),
        (Ball(1.0, centre=[0.0, 1.0]), r"centre has shape \(2,\)"),
        (Ball(1.0, centre=np.inf), "centre=inf is not finite"),
        (Halfspaces(np.eye(3), np.ones(3)), r"A has shape \(3, 3\).*4 columns"),
        (Halfspaces(np.eye(4), np.ones(3)), r"b \(3,\)"),
        (Halfspaces(np.zeros((1, 4)), [1.0]), "no row of A zero"),
        (Halfspaces([[1.0, 0.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0]], [0.0, 0.0]), "no interior"),
        (Halfspaces([[1.0, 0.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0]], [0.0, -1.0]), "no interior"),
    ],
    ids=named,
)
def test_check_names_what_is_wrong(domain, message):
    with pytest.raises(ValueError, match=message):
        domain.check(D)


def test_a_composition_has_two_parts():
    with pytest.raises(ValueError, match="two parts or more"):
        Simplex().check(1)
