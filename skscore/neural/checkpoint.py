"""A fit that survives the death of its process: its trainings saved whole, and taken up where they stopped.

A checkpoint is a file of :mod:`skscore.neural.sealed`: the digest of the fit that it belongs to, in one line, and
the states of its trainings, those that have ended before the one in progress. It is there before the first step,
which tells at once if it cannot be written, and until all of the fit has ended. A file of another fit is never
overwritten and never removed; in a folder each fit has a file of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .digest import digest
from .kept_files import at_the_end
from .process_group import ALONE, ProcessGroup
from .progress_file import LEFT, ProgressFile
from .sealed import LONGEST_HEAD
from .state_bytes import from_bytes, to_bytes
from .writing import remove_abandoned

__all__ = ["Checkpoint", "checkpoint_of", "progress", "take_up", "train_to_the_end"]

FORMAT = 5
NOT_OF_A_TRAINING = frozenset({"callback", "checkpoint", "checkpoint_every", "random_state", "verbose"})
PROGRESS = ("step", "over", "train_curve", "validation_curve")  # of every training
OTHER = "belongs to a fit to other rows or with other parameters. " + LEFT + " A folder holds a file for each fit."


def checkpoint_of(model, *data):
    """Where the fit of a model to data is saved, None if its `checkpoint` is None.

    The fit is known by the parameters of `model` and by `data`, all that it depends on, in every process alike.
    """
    if model.checkpoint is None:
        return None
    return Checkpoint(model.checkpoint, model.checkpoint_every, digest(model, *data, without=NOT_OF_A_TRAINING))


def progress(run):
    """How far a training has come."""
    return {name: getattr(run, name) for name in PROGRESS}


def take_up(run, state):
    """Let a training be as far as its `state` says."""
    for name in PROGRESS:
        setattr(run, name, state[name])


def train_to_the_end(
    run: Any, advance: Callable[[], bool], checkpoint: Checkpoint | None, group: ProcessGroup = ALONE
) -> None:
    """Call `advance`, which returns whether the training is over, until it is: from where it was saved, saved again.

    Of several processes the first reads and writes the file, and the others take up what it has found.
    """
    if checkpoint is not None:
        group.of_first(lambda: checkpoint.resume(run))
        if group.size > 1:
            run.restore(group.first(run.state()))
    while not run.over:
        run.over = bool(advance())
        if checkpoint is not None:
            group.of_first(lambda: checkpoint.save(run))
    if checkpoint is not None:
        group.of_first(lambda: checkpoint.turn(run))


@dataclass
class Checkpoint:
    """A file that holds the trainings of a fit in progress.

    Parameters
    ----------
    path : str or Path
        A file, or a folder in which the file has the name of the fit.
    every : int
        Steps between two saves, at least.
    fingerprint : str
        Of rows and settings: a file with another one belongs to another fit.
    """

    path: str | os.PathLike[str]
    every: int = 500
    fingerprint: str = ""
    saved_at: int = 0
    ended: list = field(default_factory=list)  # states of the trainings before this one
    found: list = field(default_factory=list)  # what the file held when the fit began
    begun: bool = False

    @property
    def file(self):
        """Where the fit is saved."""
        path, name = Path(self.path), os.fspath(self.path)
        is_folder = path.is_dir() or name.endswith(("/", os.sep))
        place = path / f"{self.fingerprint}.training" if is_folder else path
        return ProgressFile(self.path, place, "checkpoint", FORMAT)

    # ---- from step to step -----------------------------------------------------------------------

    def resume(self, run):
        """Bring `run` to the state saved for it, if there is one; the file is there from now on."""
        if not self.begun:
            self.found, self.begun = self._read(), True
            remove_abandoned(self.file.place)
        if len(self.found) > len(self.ended):
            try:
                run.restore(self.found[len(self.ended)])
            except Exception as error:  # a file made by hand may hold anything
                raise self.file.refused(f"holds no state of this training ({error!r})") from None
        self._write(run)

    def save(self, run):
        """Save `run` if it is time."""
        if run.over or abs(run.step - self.saved_at) >= self.every:  # a training may go back to its best step
            self._write(run)

    def turn(self, run):
        """Keep the state of a training that is over, and turn to the next one of the fit."""
        self.ended, self.saved_at = [*self.ended, run.state()], 0
        at_the_end(self.remove)

    def remove(self):
        """Forget a fit that has ended; a remark if its file cannot be removed."""
        return self.file.remove(lambda: self._owner() == self.fingerprint)

    # ---- the file --------------------------------------------------------------------------------

    def _write(self, run):
        """Save everything, in the place of what was saved before."""
        later = self.found[len(self.ended) + 1 :]
        content = f"{self.fingerprint}\n".encode() + to_bytes([*self.ended, run.state(), *later])
        try:
            self.file.write(content, replaces=lambda: self._checked_owner() is not None)
        except FileExistsError:
            self._checked_owner()  # of a fit that has begun meanwhile: another one, or the same in another process
        self.saved_at = run.step

    def _read(self):
        """States of the trainings of this fit, none if there is no file."""
        content = self.file.read("is neither a file nor a folder")
        if content is None:
            return []
        owner, _, states = content.partition(b"\n")
        if owner != self.fingerprint.encode():
            raise self._of_another()
        try:
            return list(from_bytes(states))
        except Exception as error:  # a file made by hand may hold anything
            raise self.file.refused(f"is damaged ({error!r})") from None

    def _owner(self):
        """Fingerprint of the fit that the file belongs to, None if there is no file."""
        try:
            with self.file.place.open("rb") as file:
                file.readline(LONGEST_HEAD)
                return file.readline(LONGEST_HEAD).decode("ascii", "replace").strip()
        except FileNotFoundError:
            return None

    def _checked_owner(self):
        owner = self._owner()
        if owner not in (None, self.fingerprint):
            raise self._of_another()
        return owner

    def _of_another(self):
        return ValueError(f"{self.file.name} {OTHER}")
