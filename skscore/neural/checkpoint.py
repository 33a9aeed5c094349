"""A training that survives the death of its process: saved whole, atomically, and taken up where it stopped."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile, is_zipfile

import joblib

from ._torch import torch

__all__ = ["Checkpoint", "fingerprint", "progress", "take_up"]

FORMAT = "skscore training 4"
NOT_OF_A_TRAINING = {"callback", "checkpoint", "checkpoint_every", "random_state", "verbose"}
PROGRESS = ("step", "train_curve", "validation_curve")  # of every training


def fingerprint(model, *data):
    """Of the parameters of `model` that a training depends on, and of its data; the same in every process."""
    parameters = {
        name: _description(value)
        for name, value in model.get_params().items()
        if name.rpartition("__")[2] not in NOT_OF_A_TRAINING and not hasattr(value, "get_params")
    }
    return joblib.hash((parameters, data))


def _description(value):
    """What a value is; the address of a function would be another one in every process."""
    return f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else repr(value)


def progress(run):
    """How far a training has come."""
    return {name: getattr(run, name) for name in PROGRESS}


def take_up(run, state):
    """Let a training be as far as its `state` says."""
    for name in PROGRESS:
        setattr(run, name, state[name])


@dataclass
class Checkpoint:
    """A file that holds a training in progress.

    Parameters
    ----------
    path : str or Path
    every : int
        Steps between two saves, at least.
    fingerprint : str
        Of rows and settings: a file with another one belongs to another training.
    """

    path: str | os.PathLike[str]
    every: int = 500
    fingerprint: str = ""
    saved_at: int = 0

    def save(self, run):
        """Save `run` if it is time: into a new file beside, which then takes the place of the old one."""
        if run.step < self.saved_at + self.every:
            return
        beside = Path(f"{self.path}.{os.getpid()}")
        try:
            with beside.open("wb") as file:
                torch.save({"format": FORMAT, "fingerprint": self.fingerprint, "run": run.state()}, file)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)
        self.saved_at = run.step

    def resume(self, run):
        """Bring `run` to the state saved for it, if there is one."""
        if not Path(self.path).exists():
            return
        run.restore(self._read()["run"])
        self.saved_at = run.step

    def remove(self):
        """Forget a training that has ended."""
        Path(self.path).unlink(missing_ok=True)

    def _read(self):
        remedy = "It was left as it is; give another path, or delete it."
        try:
            if not is_zipfile(self.path):  # torch's reader of other files raises anything at all
                raise BadZipFile("not an archive of torch")
            content = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, UnpicklingError, BadZipFile) as error:
            raise ValueError(f"checkpoint={str(self.path)!r} is damaged or no checkpoint ({error}). {remedy}") from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"checkpoint={str(self.path)!r} is not a checkpoint of this version of skscore. {remedy}")
        if content["fingerprint"] != self.fingerprint:
            raise ValueError(
                f"checkpoint={str(self.path)!r} belongs to a training on other rows or with other parameters. {remedy}"
            )
        return content
