"""What a task is: the only place that knows which task it is."""

from __future__ import annotations

from langspec.errors import LangspecError
from langspec.tasks.base import IGNORED, Task, TaskData
from langspec.tasks.nli import NliTask
from langspec.tasks.pos import PosTask

_ALL: tuple[Task, ...] = (PosTask(), NliTask())
TASKS = {task.name: task for task in _ALL}


def get_task(name: str) -> Task:
    """A task by its name."""
    if name not in TASKS:
        raise LangspecError(f"unknown task {name!r}; expected one of {', '.join(TASKS)}")
    return TASKS[name]


__all__ = ["IGNORED", "TASKS", "Task", "TaskData", "get_task"]
