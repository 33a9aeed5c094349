"""Sparse interactions: numbers of other implementations, optimality, and every second route to the same solution."""

import json

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer, load_wine

from skscore.fitting import interactions, sign_step, working_set
from skscore.fitting.boundedness import raise_if_unbounded, unboundedness_threshold
from skscore.fitting.interaction_problem import InteractionProblem
from skscore.fitting.interactions import lambda_max, path, solve
from skscore.fitting.solvers import UnboundedObjectiveError
from skscore.fitting.unpenalised import solve_unpenalised
from skscore.formulas.quadratic import QuadraticForm

PRINTED = {"rtol": 1e-8, "atol": 1e-10}
FILES = ["gauss_p5_n200", "gauss_box_p4_n200", "tgauss_rplus_p5_n200", "exp_rplus_p5_n250"]


# ---- the forms that other implementations printed ----------------------------------------------------------------


def blocks_and_pull(elts):
    """(G, g) of K alone."""
    if "Gamma_shared" in elts:
        return np.array(elts["Gamma_shared"]), np.eye(elts["p"])
    return np.array(elts["Gamma_blocks"]), np.array(elts["g_blocks"])


def with_linear_part(elts):
    """(G, g) of K and η."""
    G, g = blocks_and_pull(elts)
    p = elts["p"]
    cross = np.atleast_2d(elts["Gamma_K_eta_shared"] if G.ndim == 2 else elts["Gamma_K_eta_cols"])
    corner = np.ones(1) if G.ndim == 2 else np.array(elts["Gamma_eta"])
    joint = np.empty((len(cross), p + 1, p + 1))
    joint[:, :p, :p] = G
    joint[:, :p, p] = joint[:, p, :p] = cross
    joint[:, p, p] = corner
    last = np.zeros(p) if G.ndim == 2 else np.array(elts["g_eta"])
    return (joint[0] if G.ndim == 2 else joint), np.hstack([g, last[:, None]])


def printed_problem(case, how):
    elts, p = case["elts"], case["elts"]["p"]
    ratio = float(case[how]["lambda_ratio"])
    free = np.isfinite(ratio)
    G, g = with_linear_part(elts) if free else blocks_and_pull(elts)
    G = G * (1.0 + (elts["diagonal_multiplier"] - 1.0) * np.eye(G.shape[-1]))
    weights = 1.0 - np.eye(p)
    weights = np.hstack([weights, np.full((p, 1), 1.0 / ratio)]) if free else weights
    return InteractionProblem(QuadraticForm(G, g, 0.0, elts["n"]), symmetric=how == "fit_symmetric", weights=weights)


def linear_part(elts, fit):
    """η, which is a part of the solution or follows from K."""
    if fit.eta is not None or not elts["profiled"]:
        return fit.eta
    p = elts["p"]
    mean, slope = np.array(elts.get("t1", np.zeros(p))), np.array(elts.get("t2_cols", elts.get("t2_shared")))
    return mean - np.sum(np.broadcast_to(slope, (p, p)) * fit.K.T, axis=1)


def edges(K, how):
    present = (K != 0.0) & ~np.eye(len(K), dtype=bool)
    present = present & present.T if how == "fit_and" else present | present.T
    return (np.flatnonzero(present.T) + 1).tolist()


@pytest.mark.parametrize("file", FILES)
def test_numbers_of_genscore(reference, file):
    cases = json.loads((reference / f"genscore_{file}.json").read_text())
    compared = 0
    for case in cases.values():
        for how in (key for key in case if key.startswith("fit_") and "elts" in case):
            problem, printed = printed_problem(case, how), case[how]
            slack = 1e-8 * (len(problem.Gamma) > 1)  # what that release adds to its largest penalty
            np.testing.assert_allclose(lambda_max(problem) + slack, printed["lambda_max"], **PRINTED)
            fits = path(problem, [one["lambda1"] for one in printed["path"]])
            compared += 1
            for fit, one in zip(
                [*fits, solve_unpenalised(problem)], [*printed["path"], printed["unregularised"]], strict=True
            ):
                compare(case["elts"], how, fit, one)
    assert compared >= 3


def compare(elts, how, fit, one):
    np.testing.assert_allclose(fit.K, one["K"], **PRINTED)
    np.testing.assert_allclose(fit.value, one["crit"], **PRINTED)
    assert edges(fit.K, how) == one["edges_1based_colmajor"]
    assert fit.residual <= 1e-9
    assert fit.gap <= 1e-10 * abs(fit.value)
    if one["eta"] is not None:
        np.testing.assert_allclose(linear_part(elts, fit), one["eta"], **PRINTED)


@pytest.mark.parametrize("table", ["gauss_p5_n200", "gauss_p30_n80", "gauss_p30_n20"])
def test_numbers_of_equal(reference, table):
    printed = json.loads((reference / "dtrace_equal_scio.json").read_text())[table]
    problems = {
        "EQUAL_symmetric": covariance(reference, table, True),
        "EQUAL_asymmetric": covariance(reference, table, False),
    }
    for name, problem in problems.items():
        for lam, K in zip(printed["lambdas"], printed[name], strict=True):
            if K is None:
                with pytest.raises(UnboundedObjectiveError):
                    solve(problem, lam)
            else:
                np.testing.assert_allclose(solve(problem, lam).K, K, rtol=1e-7, atol=1e-8)


def covariance(reference, table, symmetric):
    """The problem of the covariance of a table, divided by n − 1."""
    X = np.loadtxt(reference / "data" / f"{table}.csv", delimiter=",", skiprows=1)
    return InteractionProblem(QuadraticForm(np.cov(X.T), np.eye(X.shape[1]), 0.0, len(X)), symmetric=symmetric)


# ---- boundedness -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("symmetric", "threshold"), [(True, 0.1992), (False, 0.4127)])
def test_threshold_of_boundedness(reference, symmetric, threshold):
    problem = covariance(reference, "gauss_p30_n20", symmetric)
    found = unboundedness_threshold(problem)
    assert found == pytest.approx(threshold, abs=5e-5)
    with pytest.raises(UnboundedObjectiveError, match=f"only from {found:.4g} on"):
        solve(problem, 0.98 * found)
    assert solve(problem, 1.02 * found).residual <= 1e-9


def test_regular_blocks_are_bounded(rng):
    for symmetric in (True, False):
        problem, _ = random_problems(rng, symmetric)
        assert unboundedness_threshold(problem) == 0.0
        raise_if_unbounded(problem, 0.0, problem.g)


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_projection_bounds_the_threshold_from_below(reference, monkeypatch, symmetric):
    problem = covariance(reference, "gauss_p30_n20", symmetric)
    exact = unboundedness_threshold(problem)
    monkeypatch.setattr("skscore.fitting.boundedness.MAX_PARAMETERS", 0)
    raise_if_unbounded(problem, exact, problem.g)
    with pytest.raises(UnboundedObjectiveError, match="more than"):
        solve(problem, 0.9 * exact)


@pytest.mark.parametrize("p", [5, 70])  # few parameters, and too many for the linear programme
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_a_column_that_repeats_another_is_found_out(p, symmetric, shared):
    """Far out on the slope rounding can bring a descent to a stand, which is no minimum."""
    for seed in range(12 if p == 5 else 1):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((100, p))
        X[:, 2] = X[:, 1]
        h = np.ones((1, 100)) if shared else rng.uniform(0.5, 1.5, (p, 100))
        G = np.squeeze(np.einsum("jn,na,nb->jab", h, X, X) / 100.0)
        problem = InteractionProblem(QuadraticForm(G, np.eye(p), 0.0, 100), symmetric=symmetric)
        with pytest.raises(UnboundedObjectiveError, match="1 on"):
            solve(problem, 0.3)


# ---- optimality and second routes --------------------------------------------------------------------------------


def random_problems(rng, symmetric, p=6, n=80):
    """One with blocks and a linear part, with uneven weights; one with a shared block."""
    X = rng.gamma(2.0, size=(n, p)) @ (np.eye(p) + 0.4 * np.eye(p, k=1))
    A = np.hstack([-X, np.ones((n, 1))])
    G = np.einsum("nj,na,nb->jab", np.minimum(X, 2.0), A, A) / n
    g = np.hstack([np.eye(p) + 0.1 * rng.standard_normal((p, p)), rng.standard_normal((p, 1))])
    uneven = 1.0 + rng.integers(0, 3, (p, p))
    weights = np.hstack([(uneven + uneven.T) * ~np.eye(p, dtype=bool), np.full((p, 1), 0.5)])
    weights[0, 1] = weights[1, 0] = 0.0
    blocks = InteractionProblem(QuadraticForm(G, g, 0.0, n), ridge=0.01, symmetric=symmetric, weights=weights)
    return blocks, InteractionProblem(QuadraticForm(np.cov(X.T), np.eye(p), 0.0, n), symmetric=symmetric)


def by_scipy(problem, lam):
    """The minimum, from positive and negative parts and L-BFGS-B."""
    numbers = problem.numbering()
    size = numbers.max() + 1
    bound = lam * np.bincount(numbers.ravel(), problem.weights.ravel())

    def objective(parts):
        theta = (parts[:size] - parts[size:])[numbers]
        gradient = problem.gradient(theta)
        slopes = np.bincount(numbers.ravel(), gradient.ravel())
        value = 0.5 * np.sum(theta * (gradient - problem.g)) + np.tile(bound, 2) @ parts
        return value, np.concatenate([slopes + bound, bound - slopes])

    options = {"maxiter": 50_000, "maxfun": 100_000, "ftol": 1e-16, "gtol": 1e-10}
    done = minimize(objective, np.zeros(2 * size), jac=True, bounds=[(0.0, None)] * 2 * size, options=options)
    return done.fun, (done.x[:size] - done.x[size:])[numbers]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("which", [0, 1])
def test_solution_is_that_of_scipy(rng, symmetric, which):
    problem = random_problems(rng, symmetric)[which]
    for fraction in (0.5, 0.1, 0.01):
        lam = fraction * lambda_max(problem)
        fit, (value, theta) = solve(problem, lam), by_scipy(problem, lam)
        assert fit.value <= value + 1e-12 * abs(value)
        assert fit.value >= value - 1e-6 * abs(value)
        np.testing.assert_allclose(fit.theta, theta, atol=2e-3 * np.abs(theta).max())


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("which", [0, 1])
def test_largest_penalty_is_where_the_first_entry_appears(rng, symmetric, which):
    problem = random_problems(rng, symmetric)[which]
    at = lambda_max(problem)
    penalised = problem.weights > 0.0
    assert not solve(problem, at * (1.0 + 1e-9)).theta[penalised].any()
    assert solve(problem, at * (1.0 - 1e-6)).theta[penalised].any()


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("which", [0, 1])
def test_path_is_cold_starts_and_every_layout(rng, monkeypatch, symmetric, which):
    problem = random_problems(rng, symmetric, p=12, n=200)[which]
    lambdas = lambda_max(problem) * np.geomspace(1.0, 0.01, 8)
    fits = path(problem, lambdas)
    monkeypatch.setattr(working_set, "MAX_GATHERED", -1)  # blocks stay where they lie
    for lam, fit in zip(lambdas, fits, strict=True):
        np.testing.assert_allclose(solve(problem, lam).theta, fit.theta, rtol=1e-8, atol=1e-9)
        assert fit.residual <= 1e-9
        assert fit.gap <= 1e-10 * abs(fit.value)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("which", [0, 1])
def test_the_number_of_threads_changes_nothing(rng, on_threads, symmetric, which):
    problem = random_problems(rng, symmetric, p=12, n=200)[which]
    lambdas, paths = lambda_max(problem) * np.geomspace(1.0, 0.01, 8), []
    for number in (1, 5):
        on_threads(number)
        paths.append([fit.theta for fit in path(problem, lambdas)])
    np.testing.assert_array_equal(*paths)


@pytest.mark.parametrize("symmetric", [True, False])
def test_gap_bounds_the_distance_to_the_minimum(rng, symmetric):
    """With ½ vᵀG⁻¹v added where the residual v is not zero, at any θ whatever."""
    problem = random_problems(rng, symmetric)[0]
    lam = 0.2 * lambda_max(problem)
    best = solve(problem, lam)
    for size in (1e-6, 1e-3, 1.0):
        noise = size * rng.standard_normal(problem.g.shape)
        theta = best.theta + problem.paired(noise)
        gradient = problem.gradient(theta)
        fit = problem.certificate(theta, gradient, lam)
        r = -problem.paired(gradient)
        v = r - np.clip(r, -lam * problem.weights, lam * problem.weights)
        rest = 0.5 * np.sum(v * np.linalg.solve(problem.Gamma, v[:, :, None])[:, :, 0])
        assert best.value <= fit.value <= best.value + fit.gap + rest + 1e-12
        assert fit.gap >= 0.0


@pytest.mark.parametrize("symmetric", [True, False])
def test_ridge_is_a_shift_of_the_blocks(rng, symmetric):
    S = np.cov(rng.standard_normal((50, 4)).T)
    by_hand = InteractionProblem(QuadraticForm(S + 0.3 * np.eye(4), np.eye(4), 0.0, 50), symmetric=symmetric)
    problem = InteractionProblem(QuadraticForm(S, np.eye(4), 0.0, 50), ridge=0.3, symmetric=symmetric)
    np.testing.assert_allclose(solve(problem, 0.05).K, solve(by_hand, 0.05).K, rtol=1e-10, atol=1e-12)


# ---- without the penalty -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("which", [0, 1])
def test_unpenalised_routes_agree(rng, monkeypatch, symmetric, which):
    problem = random_problems(rng, symmetric)[which]
    support = np.abs(solve(problem, 0.2 * lambda_max(problem)).theta) > 0.0
    for kept in (None, support):
        fit = solve_unpenalised(problem, kept)
        monkeypatch.setattr("skscore.fitting.unpenalised.MAX_DENSE", 0)
        np.testing.assert_allclose(solve_unpenalised(problem, kept).theta, fit.theta, rtol=1e-8, atol=1e-10)
        monkeypatch.undo()
        assert fit.residual <= 1e-9
        if kept is not None:
            assert not fit.theta[~kept].any()


def test_unpenalised_covariance_is_inverted(rng):
    S = np.cov(rng.standard_normal((60, 5)).T)
    problem = InteractionProblem(QuadraticForm(S, np.eye(5), 0.0, 60))
    np.testing.assert_allclose(solve(problem, 0.0).K, np.linalg.inv(S), rtol=1e-10)
    everything = np.ones((5, 5), dtype=bool)
    np.testing.assert_allclose(solve_unpenalised(problem, everything).K, np.linalg.inv(S), rtol=1e-10)


@pytest.mark.parametrize("symmetric", [True, False])
def test_unpenalised_without_a_minimum(rng, symmetric):
    S = np.cov(rng.standard_normal((4, 6)).T)
    with pytest.raises(UnboundedObjectiveError):
        solve_unpenalised(InteractionProblem(QuadraticForm(S, np.eye(6), 0.0, 4), symmetric=symmetric))


def test_collinear_columns_solve_the_equations_of_their_signs(rng):
    """Moments about a distant origin, on which descent alone is slow."""
    X = 20.0 + rng.standard_normal((400, 8))
    S = X.T @ X / 400
    problem = InteractionProblem(QuadraticForm(S, np.eye(8), 0.0, 400), symmetric=False)
    lam = 0.2 * lambda_max(problem)
    theta = solve(problem, lam).theta
    for j, column in enumerate(theta):
        kept = np.flatnonzero(column)
        pull = np.eye(8)[j] - lam * problem.weights[j] * np.sign(column)
        np.testing.assert_allclose(np.linalg.solve(S[np.ix_(kept, kept)], pull[kept]), column[kept], rtol=1e-6)
    assert 8 < np.count_nonzero(theta)


def test_columns_in_balance_meet_their_first_change_of_sign(rng):
    """Far from zero: the way of conjugate gradients crosses signs at once, and descent alone stands still."""
    X = 100.0 + rng.standard_normal((400, 22))
    unit = X.std(axis=0)
    blocks = unit[:, None, None] * (X.T @ X / 400)
    problem = InteractionProblem(QuadraticForm(blocks, np.diag(unit), 0.0, 400))
    fit = solve(problem, 0.5 * lambda_max(problem))
    assert fit.residual <= 1e-10
    assert fit.gap <= 1e-10 * np.abs(problem.g * fit.theta).sum()


def test_units_in_thousands_are_solved_without_a_remark():
    """Zeros may exceed their bound by its rounding, which is far greater than that of g."""
    X = load_wine().data
    S = np.cov(X.T)
    problem = InteractionProblem(QuadraticForm(S, np.eye(len(S)), 0.0, len(X)))
    greatest = lambda_max(problem)
    assert greatest > 100.0 * np.abs(problem.g).max()
    for fit in path(problem, greatest * np.logspace(0.0, -2.0, 7)):
        assert fit.remarks == ()


# ---- ill-conditioned tables ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def collinear():
    """The covariance of thirty correlated columns of unit variance; its condition number is near 1e5."""
    X = load_breast_cancer().data
    S = np.corrcoef(X.T)
    assert np.linalg.cond(S) > 1e4
    return S


def few_sweeps(monkeypatch, most):
    monkeypatch.setattr(interactions, "MAX_SWEEPS", most)


@pytest.mark.parametrize(("symmetric", "most"), [(True, 200), (False, 1000)])
def test_collinear_columns_need_few_sweeps(collinear, symmetric, most, monkeypatch):
    few_sweeps(monkeypatch, most)
    problem = InteractionProblem(QuadraticForm(collinear, np.eye(30), 0.0, 569), symmetric=symmetric)
    lambdas = lambda_max(problem) * np.logspace(0.0, -3.0, 12)
    for fit in path(problem, lambdas):
        assert fit.remarks == ()
        assert fit.relative_residual <= 1e-11
        assert fit.gap <= 1e-10 * np.trace(fit.K)


def test_units_of_columns_change_neither_the_work_nor_the_optimum(collinear, monkeypatch):
    """With K = K′/(d dᵀ) the blocks are those of S = dRdᵀ, and λ|K_ij| is λ/(d_i d_j) |K′_ij|."""
    few_sweeps(monkeypatch, 200)
    d = 10.0 ** np.linspace(-3.0, 3.0, 30)
    units = np.outer(d, d)
    raw = InteractionProblem(QuadraticForm(collinear * units, np.eye(30), 0.0, 569))
    blocks = np.stack([collinear / d_j**2 for d_j in d])
    weights = (1.0 - np.eye(30)) / units
    standardised = InteractionProblem(QuadraticForm(blocks, np.diag(1.0 / d**2), 0.0, 569), weights=weights)
    lambdas = lambda_max(raw) * np.logspace(-0.5, -3.0, 4)
    np.testing.assert_allclose(lambda_max(standardised), lambda_max(raw), rtol=1e-9)
    for one, other in zip(path(raw, lambdas), path(standardised, lambdas), strict=True):
        assert one.remarks == other.remarks == ()
        assert max(one.relative_residual, other.relative_residual) <= 1e-11
        np.testing.assert_allclose(one.K * units, other.K, rtol=1e-6, atol=1e-6)


def test_steps_by_factors_and_by_conjugate_gradients_meet(collinear, monkeypatch):
    S, n = collinear[:12, :12], 569
    many = QuadraticForm(np.stack([S + 0.1 * j * np.eye(12) for j in range(12)]), np.eye(12), 0.0, n)
    for form in (QuadraticForm(S, np.eye(12), 0.0, n), many):
        problem = InteractionProblem(form)
        lam = 0.05 * lambda_max(problem)
        expected = solve(problem, lam).K
        for name in ("SMALL", "MAX_DENSE"):
            monkeypatch.setattr(sign_step, name, -1)
        np.testing.assert_allclose(solve(problem, lam).K, expected, rtol=1e-7, atol=1e-8 * abs(expected).max())
        monkeypatch.undo()


def test_the_lowest_point_on_the_way_past_changes_of_sign(rng):
    """Against a fine grid of shares of the way."""
    G, g, penalty = np.diag(rng.uniform(0.5, 2.0, 6)), rng.standard_normal(6), np.full(6, 0.4)
    values = rng.standard_normal(6)
    inner = np.linalg.solve(G, g - penalty * np.sign(values))
    assert (inner * values < 0.0).sum() >= 2
    reached, share = sign_step._lowest_on_the_way(values, inner, G @ values - g, penalty)

    def objective(at):
        point = values + at * (inner - values)
        return 0.5 * point @ G @ point - g @ point + penalty @ np.abs(point)

    shares = np.linspace(0.0, 1.0, 20_001)
    lowest = min(map(objective, shares))
    assert objective(share) <= lowest + 1e-12
    np.testing.assert_allclose(reached, values + share * (inner - values), atol=1e-15)
