"""The graph: its edges are the partial correlations, whoever estimated them, and its nodes stand where they should."""

import numpy as np
import pytest
from matplotlib import colors
from matplotlib import pyplot as plt
from sklearn.covariance import GraphicalLasso
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KernelDensity

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.models import TruncatedGaussian
from skscore.plotting import GraphDisplay

K = np.array([[4.0, -1.0, 0.0], [-1.0, 1.0, 0.3], [0.0, 0.3, 2.25]])  # x0–x1: 0.5, x1–x2: −0.2


@pytest.fixture
def standardized(wine):
    return (wine - wine.mean()) / wine.std()


def ends(line, positions):
    """The pair of nodes that an edge joins."""
    at = line.get_xydata()[:, None, :]
    return frozenset(np.abs(positions - at).sum(axis=2).argmin(axis=1).tolist())


def test_edges_are_partial_correlations():
    display = GraphDisplay(K, ["a", "b", "c"]).plot(max_width=10.0)
    np.testing.assert_allclose(display.partial_correlation, [[0.0, 0.5, 0.0], [0.5, 0.0, -0.2], [0.0, -0.2, 0.0]])
    nodes = display.nodes_.get_xydata()
    drawn = {ends(e, nodes): (e.get_linewidth(), colors.to_hex(e.get_color())) for e in display.edges_}
    blue, red = (colors.to_hex(name) for name in ("tab:blue", "tab:red"))
    assert drawn == {frozenset({0, 1}): (pytest.approx(5.0), blue), frozenset({1, 2}): (pytest.approx(2.0), red)}
    assert [text.get_text() for text in display.text_] == ["a", "b", "c"]


def test_units_do_not_matter():
    scale = np.diag([1e3, 1e-2, 5.0])
    scaled = GraphDisplay(scale @ K @ scale).partial_correlation
    np.testing.assert_allclose(scaled, GraphDisplay(K).partial_correlation)


def test_partial_correlations_are_those_of_residuals(standardized):
    X = standardized.to_numpy()[:, :5]
    rho = GraphDisplay(np.linalg.inv(np.cov(X.T))).partial_correlation
    i, j, others = 0, 3, [1, 2, 4]
    left = [X[:, k] - LinearRegression().fit(X[:, others], X[:, k]).predict(X[:, others]) for k in (i, j)]
    assert rho[i, j] == pytest.approx(np.corrcoef(left)[0, 1])


@pytest.mark.parametrize(
    "estimator",
    [
        ScoreMatchingDensity(),
        ScoreMatchingDensity("pairwise", alpha=0.2, l1_ratio=1.0),
        ScoreMatchingDensity("pairwise", alpha=0.2, l1_ratio=1.0, symmetric="and"),
        ScoreMatchingDensityCV(selection="ebic", refit=True),
        GraphicalLasso(alpha=0.2),
    ],
    ids=lambda estimator: str(estimator)[:50],
)
def test_the_graph_of_any_estimator(standardized, estimator):
    estimator.fit(standardized)
    display = GraphDisplay.from_estimator(estimator)
    matrix = getattr(estimator, "interaction_", estimator.precision_)
    nodes = display.nodes_.get_xydata()
    edges = {tuple(sorted(ends(line, nodes))) for line in display.edges_}
    assert edges == set(zip(*np.nonzero(np.triu(matrix, 1)), strict=True))
    assert [text.get_text().replace("\n", "") for text in display.text_] == list(standardized.columns)


def test_positive_rows():
    X = np.abs(np.random.default_rng(0).standard_normal((200, 3)))
    density = ScoreMatchingDensity(TruncatedGaussian()).fit(X)
    np.testing.assert_array_equal(
        GraphDisplay.from_estimator(density).partial_correlation, GraphDisplay(density.interaction_).partial_correlation
    )


def test_a_threshold_leaves_out_weak_edges():
    assert len(GraphDisplay(K).plot(threshold=0.2).edges_) == 1
    assert GraphDisplay(K).plot(threshold=0.5).edges_ == []


def test_the_strongest_edges_are_kept():
    (edge,) = GraphDisplay(K).plot(max_edges=1).edges_
    assert edge.get_linewidth() == pytest.approx(8.0 * 0.5)
    assert len(GraphDisplay(K).plot(max_edges=5).edges_) == 2


def test_a_legend_explains_signs_and_widths():
    legend = GraphDisplay(K).plot(max_width=10.0).legend_
    said = {text.get_text(): line for text, line in zip(legend.get_texts(), legend.get_lines(), strict=True)}
    assert {text: line.get_linewidth() for text, line in said.items()} == {
        "positive, at most 0.50": pytest.approx(5.0),
        "negative, at most 0.20": pytest.approx(2.0),
        "width of 0.10": pytest.approx(1.0),
    }
    assert legend.get_title().get_text() == "partial correlation"
    assert GraphDisplay(np.eye(3)).plot().legend_ is None


def test_names_stand_beside_their_nodes():
    positions = [[0.0, 0.0], [1.0, 5.0], [2.0, 0.0], [3.0, 5.0]]
    display = GraphDisplay(np.eye(4), list("abcd")).plot(layout=positions)
    for text, (x, y) in zip(display.text_, positions, strict=True):
        assert text.xy == (x, y)
        assert (text.get_ha() == "left") == (x > 1.5)
        assert not -0.1 < text.xyann[0] < 3.1


@pytest.mark.parametrize(("p", "kind", "is_map"), [(20, "auto", False), (21, "auto", True), (3, "heatmap", True)])
def test_many_columns_are_a_heat_map(p, kind, is_map):
    matrix = np.eye(p)
    matrix[0, 1] = matrix[1, 0] = -0.5
    matrix[1, 2] = matrix[2, 1] = 0.25
    display = GraphDisplay(matrix).plot(kind=kind, max_edges=1)
    assert (display.image_ is not None, display.nodes_ is None, display.edges_ == []) == (is_map, is_map, is_map)
    if is_map:
        expected = np.zeros((p, p))
        expected[0, 1] = expected[1, 0] = 0.5
        np.testing.assert_array_equal(display.image_.get_array(), expected)
        assert display.image_.colorbar.ax.get_ylabel() == "partial correlation"


def test_layouts_and_other_axes():
    display = GraphDisplay(K)
    _, ax = plt.subplots()
    assert display.plot(ax=ax, show_names=False, color="k").ax_ is ax
    assert (display.figure_, display.text_, display.nodes_.get_color()) == (ax.figure, [], "k")
    np.testing.assert_allclose(np.linalg.norm(display.nodes_.get_xydata(), axis=1), 1.0)
    places = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]]
    assert display.plot(layout=places).nodes_.get_xydata().tolist() == places


def test_a_diagonal_without_sign_still_has_a_graph():
    rho = GraphDisplay([[0.0, 2.0], [2.0, -4.0]]).partial_correlation
    assert rho.tolist() == [[0.0, -1.0], [-1.0, 0.0]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GraphDisplay(np.ones((2, 3))), "give a square matrix"),
        (lambda: GraphDisplay(K, ["a", "b"]), "2 names for 3 columns"),
        (lambda: GraphDisplay(K).plot(kind="tree"), "choose 'auto', 'graph' or 'heatmap'"),
        (lambda: GraphDisplay(K).plot(layout="spring"), "give 'circle', or positions"),
        (lambda: GraphDisplay(K).plot(layout=np.zeros((2, 2))), r"positions of shape \(3, 2\)"),
        (lambda: GraphDisplay.from_estimator(KernelDensity()), "neither interaction_ nor precision_"),
    ],
)
def test_what_cannot_be_drawn_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()
