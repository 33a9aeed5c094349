"""The main job of the README runs, prints its tables and writes its figure."""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold

from skscore import demo


def test_main_job(tmp_path, capsys, monkeypatch):
    """On two folds, with one noise level and a tiny network: `.ci/run` runs the whole of it."""
    monkeypatch.setattr(demo, "FOLDS", KFold(2, shuffle=True, random_state=0))
    monkeypatch.setattr(demo, "NOISE_FOLDS", KFold(2))
    monkeypatch.setattr(demo, "NETWORK", clone(demo.NETWORK).set_params(hidden_layer_sizes=(8,), max_iter=20))
    monkeypatch.setattr(demo, "NOISE_GRID", {"n_levels": [10], "sigma_min": [0.1]})
    figure = tmp_path / "figure.png"
    demo.main(["--output", str(figure)])
    printed = capsys.readouterr().out
    for title in ("Breast cancer: 569 rows", "Wine: 178 rows", "Anomalies:", "Samples:", "Figure written"):
        assert title in printed
    rows = [line for line in printed.splitlines() if line.startswith(tuple(f"  {name}" for name in demo.CANDIDATES))]
    assert len(rows) == 3 * len(demo.CANDIDATES)
    means = [float(line[38:].split()[0]) for line in rows[: 2 * len(demo.CANDIDATES)]]
    assert np.isfinite(means).all()
    assert figure.stat().st_size > 10_000
