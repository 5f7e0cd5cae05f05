"""Trained heads of encoders that stay as they are, kept by the key of their training.

DVC starts stage train for every value of the task's section, after it removed the out. A head on a
frozen encoder reads few of them. Its files are small, so they are kept: a training of the same key
is found, and not done again.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from langspec.errors import DamagedFile
from langspec.files import atomic_folder, checked, read_object, write_json
from langspec.training.identity import SeedJob, TrainingFacts

logger = logging.getLogger(__name__)

_ENTRY, _FILES = "entry.json", "files"
_CURE = "it is trained again"


class KeptHeads:
    """The heads of one method's trainings.

    Args:
        cache: folder of caches; the heads are in ``heads`` there, a folder a key.
        facts: of the trainings.
    """

    def __init__(self, cache: Path, facts: TrainingFacts) -> None:
        self._folder, self._facts = cache / "heads", facts

    def _place(self, job: SeedJob) -> Path:
        return self._folder / self._facts.key(job)[:24]

    def restore(self, jobs: Iterable[SeedJob]) -> list[dict[str, Any]] | None:
        """Copy the files of every job into its folder, where all of them are kept and whole.

        Returns:
            The entries of ``run.json``; None where one job has to be trained.
        """
        entries = []
        for job in jobs:
            place = self._place(job)
            if job.folder is None or not (place / _ENTRY).is_file():
                return None
            try:
                entries.append(read_object(place / _ENTRY, "seed", "run_key", cure=_CURE))
                files = [checked(file, cure=_CURE) for file in (place / _FILES).iterdir()]
            except (DamagedFile, OSError) as error:
                logger.warning("%s", error)
                return None
            job.folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                shutil.copy(file, job.folder / file.name)
        logger.info("trained before with the same values of all that is read: nothing to train")
        return entries

    def keep(self, jobs: Mapping[str, SeedJob], entries: Mapping[str, dict[str, Any]]) -> None:
        """Keep what was trained.

        Args:
            jobs: by name; the folder of each holds its files.
            entries: of ``run.json``, by the same names.
        """
        for name, job in jobs.items():
            if job.folder is not None:
                with atomic_folder(self._place(job)) as folder:
                    shutil.copytree(job.folder, folder / _FILES)
                    write_json(folder / _ENTRY, entries[name])
