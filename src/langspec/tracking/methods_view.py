"""A saved view of MLflow's pages: the methods of a task side by side, as a table and as charts.

MLflow keeps a view that is shared by its address in a tag of the experiment, as JSON, and shows
it under *Views* as well. Without one its pages show a run's name and duration and no metric.
"""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

from mlflow import MlflowClient
from mlflow.entities import Experiment

from langspec.results import GAP, LEAK, LEAK_METRIC, LEAK_PROBE, SENTENCE_LEAK, TRANSFER
from langspec.tracking import tags as names

KEY = "langspec-methods"
"""Names the view in an address of the pages (``viewStateShareKey``)."""

_TAG = f"mlflow.sharedViewState.{KEY}"
_NOTE_TAG = "mlflow.note.content"
_NOTE = (
    "A run a method, a run a seed below it. The view *langspec: methods* (button *Views*) has the "
    "methods side by side: `headline/transfer` is accuracy on the target languages, "
    "`headline/leak` how well a linear probe reads the language."
)
_METRICS = tuple(f"headline/{name}" for name in (TRANSFER, LEAK, GAP, SENTENCE_LEAK))
_BY_LAYER = f"leak/{LEAK_PROBE}/by_layer/token_{LEAK_METRIC}"
_SECTION = "langspec"


def write_views(client: MlflowClient) -> list[Experiment]:
    """Write the view, and a note on what to look at, into every experiment of a task.

    A note that someone else wrote stays. Nothing is written where the view is already there.

    Returns:
        The experiments of tasks, by name.
    """
    experiments = [one for one in client.search_experiments() if names.is_of_task(one.name)]
    for experiment in experiments:
        state = json.dumps(_state())
        if _NOTE_TAG not in experiment.tags:
            client.set_experiment_tag(experiment.experiment_id, _NOTE_TAG, _NOTE)
        if json.loads(experiment.tags.get(_TAG, "{}")).get("state") == state:
            continue
        now = int(time.time() * 1000)
        view = {"name": "langspec: methods", "createdAt": now, "updatedAt": now, "state": state}
        client.set_experiment_tag(experiment.experiment_id, _TAG, json.dumps(view))
    return sorted(experiments, key=lambda one: one.name)


def view_address(server: str, experiment_id: str, *, charts: bool = False) -> str:
    """The address of the view on a server, as a table or as charts."""
    query = {"workflowType": "machine_learning", "viewStateShareKey": KEY}
    query |= {"compareRunsMode": "CHART"} if charts else {}
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs?{urlencode(query)}"


def _state() -> dict[str, Any]:
    """The state of the pages: which runs, which columns, which charts."""
    columns = [f"metrics.`{name}`" for name in _METRICS]
    columns += ["params.`lambda`", "tags.`langspec.method`", f"tags.`{names.PARAMS_HASH}`"]
    return {
        # Runs of methods; runs of seeds have the tag, runs of erasers and floors another stage.
        "searchFilter": "tags.`langspec.stage` LIKE 'train@%' AND tags.`langspec.seed` IS NULL",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "selectedColumns": columns,
        "columnWidths": {},
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,
        "compareRunSections": [
            {"uuid": _SECTION, "name": "Methods", "display": True, "isReordered": False,
             "deleted": False, "isGenerated": False}
        ],
        "compareRunCharts": _charts(),
    }  # fmt: skip


def _charts() -> list[dict[str, Any]]:
    """Transfer against leak, the leak by layer, and a bar chart a number of the headline."""
    transfer, leak = _METRICS[0], _METRICS[1]
    charts: list[dict[str, Any]] = [
        {"type": "SCATTER", "xaxis": _axis(leak), "yaxis": _axis(transfer),
         "runsCountToCompare": 100},
        {"type": "LINE", "metricKey": _BY_LAYER, "selectedMetricKeys": [_BY_LAYER],
         "displayName": "leak by layer", "lineSmoothness": 0, "xAxisKey": "step",
         "scaleType": "linear", "xAxisScaleType": "linear", "yAxisKey": "metric", "range": {},
         "yAxisExpressions": [], "ignoreOutliers": False, "useGlobalXaxisKey": True,
         "useGlobalLineSmoothing": True, "runsCountToCompare": 20},
    ]  # fmt: skip
    charts += [
        {"type": "BAR", "metricKey": name, "dataAccessKey": name, "runsCountToCompare": 20}
        for name in _METRICS
    ]
    shared = {"metricSectionId": _SECTION, "deleted": False, "isGenerated": False}
    return [{"uuid": f"{KEY}-{i}", **shared, **chart} for i, chart in enumerate(charts)]


def _axis(metric: str) -> dict[str, str]:
    return {"key": metric, "type": "METRIC", "dataAccessKey": metric}
