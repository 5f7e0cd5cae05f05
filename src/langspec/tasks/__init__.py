"""The tasks. Only this package may ask which task one is."""

from __future__ import annotations

from pathlib import Path

from langspec.corpora.tables import UPOS, facts_of
from langspec.errors import LangspecError
from langspec.tasks.task import IGNORED, Task, TaskData
from langspec.tasks.text_task import TextTask
from langspec.tasks.token_task import TokenTask

_ALL: tuple[Task, ...] = (
    TokenTask("pos", UPOS),
    TextTask("nli", ("contradiction", "entailment", "neutral")),
)
TASKS = {task.name: task for task in _ALL}
"""The built-in tasks: tags of UD words; one of three labels for a premise and a hypothesis."""


def get_task(name: str, corpora: Path | None = None) -> Task:
    """Get a task by its name.

    Args:
        name: of a built-in task, or of one that ``params.yaml`` describes.
        corpora: the prepared corpora, whose table ``<name>.parquet`` says what such a task is.

    Raises:
        LangspecError: no such task.
    """
    if name in TASKS:
        return TASKS[name]
    table = corpora / f"{name}.parquet" if corpora is not None else None
    facts = facts_of(table) if table is not None and table.is_file() else {}
    if "unit" not in facts:
        raise LangspecError(
            f"unknown task {name!r}; expected one of {', '.join(TASKS)}, or one of tasks in "
            "params.yaml whose corpus is prepared (langspec corpora)"
        )
    labels = tuple(facts["labels"])
    if facts["unit"] == "token":
        return TokenTask(name, labels)
    return TextTask(name, labels, single=facts["unit"] == "text")


__all__ = ["IGNORED", "TASKS", "Task", "TaskData", "get_task"]
