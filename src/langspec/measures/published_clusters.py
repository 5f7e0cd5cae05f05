"""The published V-measures, what chance gives for them, and adjusted mutual information."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from langspec.measures.published_settings import BY_CHANCE, CLUSTERS
from langspec.results import Result

if TYPE_CHECKING:
    from langspec.evaluation.bench import Bench
    from langspec.measurement.compat.paper_probe import Texts

logger = logging.getLogger(__name__)


def cluster_rows(
    bench: Bench, text: Texts, test: Texts, languages: tuple[str, ...], text_unit: str
) -> list[Result]:
    """Rows of clusters against language, on language text and the task's, and against label.

    Args:
        bench: of the task.
        text: test units of the language text.
        test: test units of the task.
        languages: codes that both index.
        text_unit: ``token`` or ``sentence``, of ``text``.
    """
    import numpy as np

    from langspec.measurement.compat import v_measure as clusters
    from langspec.measurement.rows import Origin

    task, labels, seed = bench.task, bench.test.labels, bench.config.evaluate.seed
    sample = clusters.text_sample(text, languages, seed)
    token = task.unit == "token"
    most = clusters.TOKENS_PER_LABEL if token else clusters.PAIRS_PER_LABEL
    group = test.languages * len(task.labels) + labels
    chosen = clusters.unit_sample(test, group, languages, most, seed)
    wanted = (
        ("text", text_unit, "language", text.vectors[sample], text.languages[sample]),
        (task.name, task.unit, "language", test.vectors[chosen], test.languages[chosen]),
        (task.name, task.unit, "label", test.vectors[chosen], labels[chosen]),
    )
    rows = []
    for corpus, unit, what, vectors, classes in wanted:
        k = clusters.LANGUAGE_CLUSTERS if what == "language" else len(task.labels)
        v_measure, by_chance = clusters.published_v_measure(vectors, classes, k)
        values = (
            ("v_measure", CLUSTERS, v_measure),
            ("v_measure", BY_CHANCE, by_chance),
            ("ami", CLUSTERS, clusters.adjusted_information(vectors, classes)),
        )
        origin = Origin(task.name, "", 0, corpus, "test", "published")
        place: Any = {"language": "all", "unit": unit, "n": len(vectors)}
        for metric, probe, value in values:
            if np.isfinite(value):
                rows.append(origin.row(f"{metric}_{what}", value, probe=probe, **place))
            elif probe == CLUSTERS:
                logger.warning(
                    "%s of %s in %s: not measured, %d vectors are too few for %d clusters",
                    metric, what, corpus, len(vectors), k,
                )  # fmt: skip
    return rows
