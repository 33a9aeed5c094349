"""The way of a table is the one in which its mixture is best, and a path of latent classes goes on while that gains."""

import numpy as np
import pandas as pd
import pytest

from skscore import TabularDensity
from skscore.models.mixed.rows import ALWAYS, Layout, Rows
from skscore.tabular import table_fit
from skscore.tabular.marginals import MARGINALS
from skscore.tabular.row_stack import deal, latent_class_path
from skscore.tabular.table_fit import _way


def rectangles(n, seed):
    """Sides that heap up at tenths, and the area, which a stretch of the sides hides."""
    rng = np.random.default_rng(seed)
    sides = 1.0 + rng.gamma(3.0, 0.4, (n, 2))
    sides = np.where(rng.random((n, 2)) < 0.3, sides.round(1), sides.round(2))
    return pd.DataFrame(
        {"a": sides[:, 0], "b": sides[:, 1], "area": sides.prod(axis=1) + 0.02 * rng.standard_normal(n)}
    )


def forced(monkeypatch, frame, stretched, kind):
    """The density in coordinates that were not chosen."""
    with monkeypatch.context() as patch:
        patch.setattr(table_fit, "choose_way", lambda table, numbers, ways: ways[0 if stretched else -1][kind])
        return TabularDensity("gaussian", "tree", random_state=0).fit(frame)


def is_stretched(density):
    return density._density.coordinates.stretch is not None


def test_the_way_is_that_of_the_best_mixture(monkeypatch):
    frame, fresh = rectangles(2500, 1), rectangles(1000, 2)
    chosen = TabularDensity("gaussian", "tree", random_state=0).fit(frame)
    others = [forced(monkeypatch, frame, way, k).score(fresh) for way in (True, False) for k in range(len(MARGINALS))]
    assert max(others) - min(others) > 0.15
    assert chosen.score(fresh) > max(others) - 0.05


def test_a_row_far_away_does_not_choose(monkeypatch):
    frame = rectangles(2500, 1)
    seen = is_stretched(TabularDensity("gaussian", "tree", random_state=0).fit(frame))
    ways = []
    monkeypatch.setattr(table_fit, "_way", lambda *args: ways.append(_way(*args)) or ways[-1])
    for place in deal(len(frame), 0)[0][:3]:
        odd = frame.copy()
        odd.loc[place, "y"] = 300.0
        TabularDensity("gaussian", "tree", random_state=0).fit(odd)
    assert [way.columns.plain.stretch is not None for way in ways] == [seen] * 3


@pytest.mark.parametrize(("bent", "longest"), [(False, 16), (True, 64)])
def test_a_path_ends_where_twice_as_many_classes_gain_too_little(bent, longest):
    rng = np.random.default_rng(0)
    t, z = rng.uniform(0.0, 12.0, 4000), rng.standard_normal((4000, 2))
    numbers = t[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1) + 0.1 * z if bent else z
    rows, folds = Rows(np.empty((4000, 0), dtype=np.int64), numbers), deal(4000, 0)
    path = list(latent_class_path(rows, Layout((), (ALWAYS, ALWAYS)), folds, np.ones(4000), 1.0))
    sizes, values = [len(parts[0].weights) for parts, _ in path], [log_p.mean() for _, log_p in path]
    assert sizes[-1] >= longest if bent else sizes[-1] == longest
    assert not bent or values[-1] > values[4] + 0.3


@pytest.mark.parametrize("most", [2, 64])
def test_a_mixture_has_no_more_classes_than_asked_for(most):
    density = TabularDensity("gaussian", "tree", max_classes=most, random_state=0).fit(rectangles(2500, 1))
    sizes = [len(part.weights) for part in density._density.inner.parts if hasattr(part, "covariances")]
    assert most / 2 <= max(sizes) <= most
