"""Seconds and memory against rows, columns and the size of a model, as ``benchmarks/bench_costs.py`` measured them."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

RESULTS = Path("../../benchmarks/results/costs.json")  # sphinx draws in this folder
PANELS = [  # quantity, axis, what is drawn, labels
    ("fit", "rows", "cpu_seconds", "fit", "rows", "CPU seconds"),
    ("score_samples", "rows", "cpu_seconds", "score_samples", "rows", "CPU seconds"),
    ("sample", "rows", "cpu_seconds", "sample", "rows", "CPU seconds"),
    ("fit", "columns", "cpu_seconds", "fit, 10⁴ rows", "columns", "CPU seconds"),
    ("fit", "size", "cpu_seconds", "fit, 10⁴ rows", "degree, kernels, levels or units", "CPU seconds"),
    ("fit", "rows", "peak_mb", "fit, memory beside the table", "rows", "MB"),
]
records = json.loads(RESULTS.read_text("utf-8"))["results"]["records"]
models = list(dict.fromkeys(record["model"] for record in records))

figure, axes = plt.subplots(2, 3, figsize=(11, 6.6), layout="constrained")
for ax, (quantity, axis, value, title, of, unit) in zip(axes.flat, PANELS, strict=True):
    for k, model in enumerate(models):
        curve = [r for r in records if (r["model"], r["quantity"], r["axis"]) == (model, quantity, axis) and value in r]
        ax.plot([r[axis] for r in curve], [r[value] for r in curve], "o-", ms=3, lw=1.2, color=f"C{k}", label=model)
    ax.set(xscale="log", yscale="log", title=title, xlabel=of, ylabel=unit)
    ax.grid(alpha=0.3)
handles, labels = axes.flat[0].get_legend_handles_labels()
figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
