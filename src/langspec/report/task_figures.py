"""Every figure of a task, each with a caption of what was measured on what, and an alt text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from langspec.report.declared import declared_figures
from langspec.report.drawing import Drawing
from langspec.report.first_figures import first_plots
from langspec.report.leak_figures import leak_heatmap
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
    """A worker: each call draws the figures of one task, or with "" those over tasks."""

    facts = None

    def __init__(self, formats: Sequence[str]) -> None:
        self.formats = formats

    def __call__(self, item: tuple[Run, str], send: Send) -> tuple[list[Drawing], list[str]]:
        """Figures of a run's task, and a sentence for each that the run's files do not allow."""
        run, task = item
        plots, absent = plots_of(run, task) if task else (first_plots(run), [])
        return [plot.drawn(self.formats) for plot in plots], absent


def plots_of(run: Run, task: str) -> tuple[list[Plot], list[str]]:
    """Every figure of a task that the run's files allow, and a sentence for each other."""
    makers: tuple[tuple[Callable[[Run, str], Plot | None], str], ...] = (
        (transfer, "scores by language"),
        (leak_heatmap, "language leak by language and layer"),
        (tradeoff, "transfer against leak"),
        (trajectory, "language by layer and training step (evaluate.trajectory)"),
        (projection, "t-SNE before and after"),
        (training, "training curves"),
        (label_distribution, "label distribution"),
    )
    if quantities(run, task):
        makers = (*makers, (three_columns, "published numbers"))
        if is_token(published_rows(run, task)):
            makers = (*makers, (seqeval_curve, "seqeval's score against token accuracy"))
    plots, absent = declared_figures(run, task)
    for make, what in makers:
        plot = laid_out(partial(make, run, task))
        if plot is None:
            absent.append(what)
        else:
            plots.append(plot)
    words = "no figure of {}; its numbers are absent."
    return plots, [f"{task_title(task)}: {words.format(what)}" for what in absent]
