"""How the published measure is shown: the table of its probe at each published setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langspec.measures.spec import SHORTER, Column, TableSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

CLUSTERS, BY_CHANCE = "compat/v_measure", "compat/chance"
"""The column ``probe`` of V-measures, and of what chance gives for them."""
_PROBES = {
    **{
        f"compat/paper_probe/{name}": f"published, of {name}"
        for name in ("frozen", "finetune", "grl", "adversary")
    },
    "compat/linear": "converged",
}


def _score(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """The published score: of raw labels where tokens were named."""
    return "seqeval F1" if _is_token(rows) else "union F1"


def _correlation(rows: pd.DataFrame, card: Mapping[str, Any]) -> str:
    """What the correlation is, where tokens were named."""
    text = " Correlation: of being right, within a text (0: errors fall anywhere)."
    return text if _is_token(rows) else ""


def _is_token(rows: pd.DataFrame) -> bool:
    return "token" in set(rows[rows["probe"].isin(_PROBES)]["unit"])


def _settings_cells(key: str, corpus: str, group: str) -> tuple[Column, ...]:
    """What a probe scores on one corpus."""
    labels = {
        "accuracy": "accuracy",
        "published_macro_f1": "{score}",
        "error_correlation": "correlation",
    }
    return tuple(
        Column(f"{key}_{metric}", label, group, "score", {"corpus": corpus, "metric": metric})
        for metric, label in labels.items()
    )


SETTINGS_TABLE = TableSpec(
    name="published_settings_{task}",
    title="{task}: one probe, four settings",
    caption="Models of {task}: the same vectors, language named by the published probe "
    "at each of its four settings and by a converged probe. Updates of Adam in all, and the "
    "epoch kept (mean over seeds).{correlation} " + SHORTER,
    where={
        "measure": "published",
        "split": "test",
        "language": "all",
        "probe": tuple(_PROBES),
    },
    words={"score": _score, "correlation": _correlation},
    rows=("method", "probe"),
    columns=(
        Column("model", text="{method}", shown=False),
        Column("probe", "Probe"),
        *_settings_cells("text", "text", "Text"),
        *_settings_cells("task", "{task}", "The task's text"),
        Column("updates", "Updates", "", "count", {"metric": "updates"}, part="value"),
        Column("epoch", "Epoch", "", "number", {"metric": "epoch"}, part="value"),
    ),
    section="model",
    names={"probe": _PROBES},
    drop_empty=True,
)
