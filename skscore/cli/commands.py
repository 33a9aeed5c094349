"""What each command does: a table or a model in, a model or a table out."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from ..metrics import synthetic_report
from ..neural import ScoreNetwork
from ..persistence.model_file import load, save
from ..plotting import SyntheticReportDisplay
from ..tabular import TabularDensity
from .progress import progress_on_a_terminal
from .table_file import read_table, write_table

__all__ = ["fit", "impute", "report", "sample", "score", "training_file"]

TRUTH = {"true": True, "false": False}


def fit(asked: Namespace) -> None:
    """Fit a TabularDensity to a table and save it."""
    folder = Path(asked.output).absolute().parent
    if not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise ValueError(f"{asked.output} cannot be written: {folder} is no folder that you may write to.")
    kinds = {**dict(_pairs(asked.column_types, "--column-types")), **dict.fromkeys(asked.drop, "ignore")}
    table = read_table(asked.table, text=[name for name, kind in kinds.items() if kind == "categorical"])
    training = training_file(asked.output)
    numeric = asked.numeric if asked.numeric == "gaussian" else ScoreNetwork(checkpoint=training, checkpoint_every=200)
    density = TabularDensity(numeric, asked.discrete, column_types=kinds, random_state=asked.random_state)
    with progress_on_a_terminal() as shown:
        density.set_params(verbose=int(shown)).fit(table)
    save(density.set_params(numeric=asked.numeric, verbose=0), asked.output)


def training_file(model: str) -> str:
    """Where `fit` keeps the training of a network while it lasts, for a model that goes to this file."""
    return f"{model}.training"


def score(asked: Namespace) -> None:
    """Write the log-density of each row."""
    model = _model(asked, "score_samples")
    log_p = model.score_samples(read_table(asked.table, _text_columns(model)))
    write_table(_columns({"log_density": np.asarray(log_p)}), asked.output)


def sample(asked: Namespace) -> None:
    """Write new rows, with some of their cells given."""
    if asked.n < 1:
        raise ValueError(f"-n {asked.n} is no number of rows: give 1 or more.")
    model = _model(asked, "sample")
    values = _pairs(asked.given, "--given")
    if isinstance(model, TabularDensity):
        given = {name: _value(model.schema_.column(name), text) for name, text in values}
        drawn = model.sample(asked.n, given, random_state=asked.random_state)
    elif values:
        raise ValueError(f"--given needs a TabularDensity, but {asked.model} is a {type(model).__name__}.")
    else:
        drawn = model.sample(asked.n, random_state=asked.random_state)
    write_table(_columns(_named(drawn, model)) if isinstance(drawn, np.ndarray) else drawn, asked.output)


def impute(asked: Namespace) -> None:
    """Write a table with its missing cells filled, the columns that the model ignores as they are."""
    model = _model(asked, "impute")
    table = read_table(asked.table, _text_columns(model))
    filled = model.impute(table, random_state=asked.random_state)
    known = _named(filled, model) if isinstance(filled, np.ndarray) else filled
    names = [column.name for column in model.schema_.columns if column.kind != "ignore"]
    write_table(
        _columns({name: known[name] if name in names else table[name] for name in table.column_names}), asked.output
    )


def report(asked: Namespace) -> None:
    """Say how near synthetic rows are to a real table, each number beside its value for real rows."""
    real, synthetic = read_table(asked.real), read_table(asked.synthetic)
    holdout = None if asked.holdout is None else read_table(asked.holdout)
    found = synthetic_report(real, synthetic, holdout, random_state=asked.random_state or 0)
    if asked.figure is not None:
        display: Any = SyntheticReportDisplay(found).plot()
        display.figure_.savefig(asked.figure)
    if asked.output is None:
        print(found)
    else:
        names = found.quantities[0]._fields
        write_table(
            _columns(dict(zip(names, map(list, zip(*found.quantities, strict=True)), strict=True))), asked.output
        )


def _model(asked, method):
    """The model in a file, which has this method."""
    model = load(asked.model)
    if not hasattr(model, method):
        raise ValueError(f"{asked.model} is a {type(model).__name__}, which has no {method}: fit a TabularDensity.")
    if getattr(asked, "handle_unknown", None):
        model.set_params(handle_unknown=asked.handle_unknown)
    return model


def _text_columns(model):
    """Names of the columns of a model whose levels are text."""
    schema = getattr(model, "schema_", None)
    return [] if schema is None else [column.name for column in schema.columns if column.levels.dtype == object]


def _pairs(texts, option):
    """Names and values of ``name=value``."""
    if wrong := [text for text in texts if "=" not in text]:
        raise ValueError(f"{option} {wrong[0]} has no =: write it as column=value.")
    return [text.split("=", 1) for text in texts]


def _value(column, text):
    """What a text says in a column."""
    kind = column.levels.dtype.kind
    try:
        return TRUTH[text.lower()] if kind == "b" else float(text) if kind in "iuf" else text
    except (KeyError, ValueError):
        wanted = "true or false" if kind == "b" else "a number"
        raise ValueError(f"--given {column.name}={text} is not {wanted}, as the column needs.") from None


def _named(rows, model):
    """Columns of an array of rows, by the names that the model knows."""
    names = getattr(model, "feature_names_in_", [f"x{j}" for j in range(rows.shape[1])])
    return dict(zip(names, rows.T, strict=True))


def _columns(columns: dict) -> Any:
    """A table of these columns."""
    import pyarrow

    return pyarrow.table(columns)
