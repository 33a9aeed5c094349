"""The path of penalties: its lines are the entries of K that were fitted, and the chosen penalty is marked."""

import numpy as np
import pytest
from matplotlib import colors
from matplotlib import pyplot as plt

from skscore import ScoreMatchingDensity, ScoreMatchingDensityCV
from skscore.plotting import PathDisplay


@pytest.fixture
def chosen(wine):
    return ScoreMatchingDensityCV(n_alphas=12, selection="ebic", refit=True).fit((wine - wine.mean()) / wine.std())


def test_lines_are_interactions_by_name(chosen):
    display = PathDisplay.from_estimator(chosen)
    lines, names = {line.get_label(): line for line in display.lines_}, chosen.feature_names_in_
    assert len(lines) == len(display.pairs)
    for i, j in display.pairs:
        line = lines[f"{names[i]} – {names[j]}"]
        np.testing.assert_array_equal(line.get_xdata(), chosen.alphas_)
        np.testing.assert_array_equal(line.get_ydata(), [K[i, j] for K in chosen.path_])
    assert display.ax_.get_xscale() == "log"


def test_every_pair_that_is_an_edge_somewhere_has_a_line(chosen):
    somewhere = np.triu(np.any([K != 0.0 for K in chosen.path_], axis=0), 1)
    assert PathDisplay.from_estimator(chosen).pairs.tolist() == np.argwhere(somewhere).tolist()


def test_the_choice_is_marked(chosen):
    display = PathDisplay.from_estimator(chosen)
    assert list(display.chosen_.get_xdata()) == [chosen.alpha_] * 2
    blue, red, grey = (colors.to_hex(name) for name in ("tab:blue", "tab:red", "0.8"))
    K = chosen.path_[int(np.flatnonzero(chosen.alphas_ == chosen.alpha_)[0])]
    names = list(chosen.feature_names_in_)
    for line in display.lines_:
        i, j = (names.index(name) for name in line.get_label().split(" – "))
        assert colors.to_hex(line.get_color()) == {0.0: grey, -1.0: blue, 1.0: red}[np.sign(K[i, j])]
    assert {colors.to_hex(line.get_color()) for line in display.lines_} == {blue, red, grey}


def test_the_strongest_lines_are_named_at_their_ends(chosen):
    display = PathDisplay.from_estimator(chosen).plot(max_names=3)
    at_choice = display.entries[list(chosen.alphas_).index(chosen.alpha_)]
    names, ends = chosen.feature_names_in_, display.entries[chosen.alphas_.argmin()]
    strongest = np.argsort(-np.abs(at_choice))[:3]
    assert {text.xy[1] for text in display.text_} == {ends[k] for k in strongest}
    for text, k in zip(display.text_, strongest, strict=True):
        first, second = (names[j] for j in display.pairs[k])
        short = text.get_text().split(" – ")
        assert [short[0][:8], short[1][:8]] == [first[:8], second[:8]]
    low, high = chosen.alphas_.min(), chosen.alphas_.max()
    assert display.ax_.get_xlim() == (high, low)
    assert PathDisplay.from_estimator(chosen, max_names=0).text_ == []


def test_paths_are_drawn_again_elsewhere_with_other_names():
    path = [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.5], [0.5, 1.0]]]
    display = PathDisplay([1.0, 0.1], path, 0.1, feature_names=["a", "b"])
    _, ax = plt.subplots()
    assert display.plot(ax=ax, linewidth=3.0).ax_ is ax
    (line,) = display.lines_
    assert (line.get_label(), line.get_linewidth(), display.figure_) == ("a – b", 3.0, ax.figure)


def test_an_estimator_without_a_path_is_told_so(wine):
    X = wine.to_numpy()[:, :2]
    ridges = ScoreMatchingDensityCV("gaussian", l1_ratio=0.0, alphas=[1.0, 0.1, 1e-4], selection="cv")
    for estimator in (ScoreMatchingDensity("pairwise").fit(X), ridges):
        with pytest.raises(ValueError, match="has no path of interactions"):
            PathDisplay.from_estimator(estimator)
    with pytest.raises(ValueError, match="1 names for 2 columns"):
        PathDisplay([1.0], np.ones((1, 2, 2)), 1.0, feature_names=["a"])
