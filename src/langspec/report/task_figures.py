"""Every figure of a task, each with a caption of what was measured on what, and an alt text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from langspec.report.declared import declared_figures
from langspec.report.drawing import Drawing
from langspec.report.geometry_figures import alignment, geometry, moves
from langspec.report.leak_figures import leak_heatmap, leak_layers
from langspec.report.maps import projection
from langspec.report.plotting import Plot, laid_out
from langspec.report.published_figures import seqeval_curve, three_columns
from langspec.report.published_tables import is_token, published_rows, quantities
from langspec.report.run_results import Run
from langspec.report.score_figures import label_distribution, transfer
from langspec.report.table import task_title
from langspec.report.tradeoff import tradeoff
from langspec.report.training_figures import training
from langspec.report.trajectories import trajectory
from langspec.workers import Send


class Drawer:
    """Draws the figures of one task a call; a worker."""

    facts = None

    def __init__(self, formats: Sequence[str]) -> None:
        self.formats = formats

    def __call__(self, item: tuple[Run, str], send: Send) -> tuple[list[Drawing], list[str]]:
        """Figures of a run's task, and a sentence for each that the run's files do not allow."""
        plots, absent = plots_of(*item)
        return [plot.drawn(self.formats) for plot in plots], absent


def plots_of(run: Run, task: str) -> tuple[list[Plot], list[str]]:
    """Every figure of a task that the run's files allow, and a sentence for each other."""
    makers: tuple[tuple[Callable[[Run, str], Plot | None], str], ...] = (
        (transfer, "scores by language"),
        (leak_layers, "language leak by layer"),
        (leak_heatmap, "language leak by language and layer"),
        (tradeoff, "transfer against leak"),
        (geometry, "geometry by layer"),
        (alignment, "alignment by layer"),
        (moves, "principal angles before and after"),
        (trajectory, "language by layer and training step (evaluate.trajectory)"),
        (projection, "t-SNE before and after"),
        (training, "training curves"),
        (label_distribution, "label distribution"),
    )
    if quantities(run, task):
        makers = (*makers, (three_columns, "published numbers"))
        if is_token(published_rows(run, task)):
            makers = (*makers, (seqeval_curve, "seqeval's score against token accuracy"))
    plots, absent = [], []
    for make, what in makers:
        plot = laid_out(lambda make=make: make(run, task))  # type: ignore[misc]
        if plot is None:
            absent.append(f"{task_title(task)}: no figure of {what}; its numbers are absent.")
        else:
            plots.append(plot)
    return [*plots, *declared_figures(run, task)], absent
