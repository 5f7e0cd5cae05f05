"""Which cells are finished, what they cost, and what the others may cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from langspec.cells.cell import Cell
from langspec.cells.cell_files import Manifest


def describe(cells: Sequence[Cell], finished: Mapping[Cell, Manifest]) -> str:
    """A line a cell, then the processor hours that are left.

    A cell that is left is taken to cost as much as the finished ones of its method on its task do
    on average; where there is none, as much as the dearest finished cell of the task.

    Args:
        cells: in their order.
        finished: the manifests of those that are finished.
    """
    lines = [f"{cell.name:32} {_said(finished.get(cell))}" for cell in cells]
    left = [cell for cell in cells if cell not in finished]
    costs = [_cost(cell, finished) for cell in left]
    known = [cost for cost in costs if cost is not None]
    if not left:
        return "\n".join([*lines, f"all {len(cells)} cells finished"])
    hours = f"about {sum(known) / 3600:.1f} processor hours" if known else "cost not known yet"
    if 0 < len(known) < len(left):
        hours += f" for {len(known)} of them"
    lines.append(f"{len(cells) - len(left)} of {len(cells)} cells finished; left: {hours}")
    return "\n".join(lines)


def _said(manifest: Manifest | None) -> str:
    if manifest is None:
        return "to do"
    seconds = ", ".join(f"{key} {value:.0f} s" for key, value in manifest.cpu_seconds.items())
    reason = f"; failed: {manifest.entry.get('reason')}" if manifest.failed else ""
    dev = manifest.entry.get("dev", {}).get("accuracy")
    score = "" if dev is None else f"; dev accuracy {dev:.3f}"
    changed = "" if manifest.clean or not manifest.commit else " with other code than there"
    at = f"{manifest.commit[:12] or 'no commit'}{changed}"
    return f"finished at {at}: {seconds}{score}{reason}"


def _cost(cell: Cell, finished: Mapping[Cell, Manifest]) -> float | None:
    """Processor seconds; None where no cell of the task is finished."""
    of_task = {
        one: sum(m.cpu_seconds.values()) for one, m in finished.items() if one.task == cell.task
    }
    of_method = [seconds for one, seconds in of_task.items() if one.method == cell.method]
    if of_method:
        return sum(of_method) / len(of_method)
    return max(of_task.values(), default=None)
