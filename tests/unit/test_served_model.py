"""The model that MLflow serves: what it answers, and what it refuses with a status of 400."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server
from test_serving import encoder, head

from langspec.encoders.load import Encoder
from langspec.release.encoder_folder import write_export
from langspec.tracking.served_model import MOST_CHARACTERS, ServedModel

__all__ = ["encoder"]


@pytest.fixture(scope="module")
def served(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    folder = tmp_path_factory.mktemp("served") / "model"
    write_export(folder, encoder, "card", head=head("token"))
    return loaded(folder)


def loaded(folder: Path) -> ServedModel:
    model = ServedModel()
    model.load_context(SimpleNamespace(artifacts={"model": str(folder)}))
    return model


def refusal(model: ServedModel, frame: pd.DataFrame, **params: Any) -> str:
    with pytest.raises(MlflowException) as caught:
        model.predict(None, frame, params)
    assert caught.value.get_http_status_code() == 400
    return caught.value.message


def test_a_column_that_a_row_does_not_have_is_not_read(served: ServedModel) -> None:
    """A data frame holds NaN there."""
    frame = pd.DataFrame([{"text": "the dog"}, {"words": ["a", "tree", "sees"]}])
    first, second = served.predict(None, frame)
    assert (first["words"], second["words"]) == (["the", "dog"], ["a", "tree", "sees"])


@pytest.mark.parametrize(
    ("frame", "params", "said"),
    [
        (pd.DataFrame([{"text": " "}]), {}, "row 1: text: empty text"),
        (pd.DataFrame(), {}, "row 1: expected either text or words"),
        (pd.DataFrame([{"text": "the dog"}]), {"eraser": "leace"}, "eraser: no eraser 'leace'"),
    ],
)
def test_what_is_wrong_with_a_row_is_answered(
    served: ServedModel, frame: pd.DataFrame, params: dict[str, str], said: str
) -> None:
    assert refusal(served, frame, **params).startswith(said)


@pytest.mark.parametrize("column", ["text", "words"])
def test_a_row_that_would_cost_seconds_is_refused_unread(
    served: ServedModel, column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["tree "] * (MOST_CHARACTERS // 5)
    frame = pd.DataFrame([{column: words if column == "words" else "".join(words)}] * 2)
    monkeypatch.setattr(served.predictor, "predict", lambda rows, eraser: [len(rows)])
    assert served.predict(None, frame) == [2]
    longer = frame[column][1] + (["x"] if column == "words" else "x")
    frame = pd.DataFrame([{column: frame[column][0]}, {column: longer}])
    monkeypatch.delattr(served.predictor, "encoder")  # it is not asked
    said = refusal(served, frame)
    assert said.startswith("row 2: 100,001 characters; expected at most 100,000")


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000])
def test_json_that_python_cannot_read_is_a_wrong_request(served: ServedModel, text: str) -> None:
    with pytest.raises(MlflowException, match="The JSON cannot be read") as caught:
        scoring_server._decode_json_input(text)
    assert caught.value.get_http_status_code() == 400


def test_a_model_loaded_twice_reads_json_as_one_loaded_once(
    served: ServedModel, encoder: Encoder, tmp_path: Path
) -> None:
    once = scoring_server._decode_json_input
    write_export(tmp_path / "model", encoder, "card", head=head("token"))
    loaded(tmp_path / "model")
    assert scoring_server._decode_json_input is once
    assert once('{"a": 1}') == {"a": 1}
