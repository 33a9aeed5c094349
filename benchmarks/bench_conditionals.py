"""Is a density of whole rows as good at predicting a column as a classifier that learns this column alone?

Each ``--column TABLE.parquet NAME`` is predicted on a fifth of the rows, held out, from all other columns.
TabularDensity is fitted once to the rows of a split, the column being one of theirs, and ``predict_proba`` is Bayes'
rule; LogisticRegression learns the column, with its default penalty, from levels that are one-hot and numbers that are
standardised, missing ones at their mean. Reported is the held-out logarithmic loss, in nats, of rows that hold the
column, and of the densities also their `consistency_`.

A run replaces its own records in the JSON file and keeps the others: long runs can be done piece by piece.
"""  # noqa: D400 - a question

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pandas as pd
from bench_density import kept_records, print_quantity
from report import command_line, machine, write
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from skscore import TabularDensity

HELD_OUT = 0.2
DENSITIES = {"closed form": ("gaussian", "tree"), "networks": ("network", "network")}


def halves(frame, split):
    """Rows to learn from and rows held out."""
    order = np.random.default_rng(100 + split).permutation(len(frame))
    held_out, seen = np.split(order, [int(HELD_OUT * len(frame))])
    return frame.iloc[seen].reset_index(drop=True), frame.iloc[held_out].reset_index(drop=True)


def by_logistic_regression(train, test, column):
    """Probabilities of the levels of a column, and these levels."""
    train = train[train[column].notna()]
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    levels = OneHotEncoder(handle_unknown="ignore")
    is_number = make_column_selector(dtype_include="number")
    columns = make_column_transformer((numbers, is_number), (levels, make_column_selector(dtype_include=object)))
    model = make_pipeline(columns, LogisticRegression(max_iter=2000))
    model.fit(_without(train, column), train[column].astype(str))
    return model.predict_proba(_without(test, column)), model.classes_


def _without(frame, column):
    """The other columns, those of levels as objects."""
    others = frame.drop(columns=column)
    return others.astype(dict.fromkeys(others.select_dtypes(exclude="number"), object))


def by_density(density, test, column):
    """The same by Bayes' rule."""
    levels = np.array([str(level) for level in density.schema_.column(column).levels])
    order = np.argsort(levels)
    return density.predict_proba(test, column)[:, order], levels[order]


def losses_of(frame, name, columns, split, densities):
    """Yield the record of each column and method on one split of a table."""
    train, test = halves(frame, split)
    rows = {column: test[test[column].notna()] for column in columns}
    for column in columns:
        record = {"problem": f"{name} {column}", "split": split, "method": "LogisticRegression"}
        yield record | {"log_loss": _loss(rows[column], column, *by_logistic_regression(train, rows[column], column))}
    for kind in densities:
        begun = time.process_time()
        density = TabularDensity(*DENSITIES[kind], handle_unknown="na", random_state=split).fit(train)
        of_fit = {"fit_cpu_seconds": time.process_time() - begun, "consistency": float(density.consistency_)}
        for column in columns:
            record = {"problem": f"{name} {column}", "split": split, "method": f"TabularDensity, {kind}"}
            yield (
                record | {"log_loss": _loss(rows[column], column, *by_density(density, rows[column], column))} | of_fit
            )


def _loss(rows, column, p, levels):
    return float(log_loss(rows[column].astype(str), p, labels=levels))


def pets(n=150):
    """A small table for a run that shows that this script works."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["cat", "dog"], n)
    weight = np.where(kind == "cat", 4.0, 6.0) + rng.standard_normal(n)
    return pd.DataFrame({"kind": kind, "weight": np.where(rng.random(n) < 0.1, np.nan, weight)})


def main(argv=None):
    """Predict columns from the others, and say how well; write after each table."""
    parser = command_line("conditionals", __doc__)
    parser.add_argument("--column", nargs=2, metavar=("TABLE", "NAME"), action="append", default=[])
    parser.add_argument("--splits", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--densities", choices=DENSITIES, nargs="+", default=list(DENSITIES))
    arguments, facts = parser.parse_args(argv), machine()
    asked: dict[str, list[str]] = {}
    for path, column in arguments.column:
        asked.setdefault(path, []).append(column)
    tables = [(pd.read_parquet(path), Path(path).stem, columns) for path, columns in asked.items()]
    if not tables or arguments.quick:
        tables, arguments.splits, arguments.densities = [(pets(), "pets", ["kind"])], [0], ["closed form"]
    records = kept_records(arguments.output or (None if arguments.quick else arguments.kept))
    with threadpool_limits(1):
        for split, (frame, name, columns) in itertools.product(arguments.splits, tables):
            for one in losses_of(frame, name, columns, split, arguments.densities):
                records[one["problem"], one["split"], one["method"]] = one
            write(arguments, facts, {"records": list(records.values())})
    for name in ("log_loss", "consistency", "fit_cpu_seconds"):
        print_quantity(name.replace("_", " "), name, records.values(), digits=3)


if __name__ == "__main__":
    main()
