"""The code of the model that MLflow serves. MLflow runs a copy of this file; no pickle is used."""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INVALID_PARAMETER_VALUE
from mlflow.pyfunc import PythonModel

MOST_CHARACTERS = 100_000
"""Characters that a row may have, its texts or words together."""


class ServedModel(PythonModel):
    """Predicts labels with probabilities for texts, lists of words or pairs of texts."""

    def load_context(self, context: Any) -> None:
        """Load the predictor from the registered folder."""
        from langspec.release.predictor import load_predictor

        self.predictor = load_predictor(Path(context.artifacts["model"]))
        _refuse_unreadable_json()

    # MLflow reads another annotation of the input as a signature; the saved model has one already.
    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> Any:
        """A prediction for each row. ``params["eraser"]`` names an eraser; "": none.

        Raises:
            MlflowException: what is wrong with a row, in the server's answer; a row of more than
                :data:`MOST_CHARACTERS`.
        """
        from langspec.errors import LangspecError

        rows = [
            {str(key): value for key, value in row.items() if not _is_absent(value)}
            # MLflow drops columns that it does not know; a frame without any has no records.
            for row in model_input.to_dict("records") or [{}]
        ]
        try:
            for number, row in enumerate(rows, 1):
                _check_length(row, f"row {number}")
            return self.predictor.predict(rows, (params or {}).get("eraser") or "")
        except LangspecError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from None


def _check_length(row: dict[str, Any], place: str) -> None:
    """Refuse a row that costs seconds to tokenise, of which the encoder reads only the start."""
    from langspec.errors import LangspecError

    count = 0
    for value in row.values():
        parts = [value] if isinstance(value, str) else value if hasattr(value, "__len__") else []
        count += sum(len(part) for part in parts if isinstance(part, str))
    if count > MOST_CHARACTERS:
        raise LangspecError(
            f"{count:,} characters; expected at most {MOST_CHARACTERS:,}: cut the text, of which "
            "the encoder reads only the start",
            place=place,
        )


def _refuse_unreadable_json() -> None:
    """Let MLflow's server answer 400, not 500, to JSON too deep or with too long a number."""
    from mlflow.pyfunc import scoring_server

    decode = scoring_server._decode_json_input
    if hasattr(decode, "__wrapped__"):
        return

    @wraps(decode)
    def refusing(text: Any) -> Any:
        try:
            return decode(text)
        except (RecursionError, ValueError) as error:
            raise MlflowException(f"The JSON cannot be read: {error}", BAD_REQUEST) from None

    scoring_server._decode_json_input = refusing


def _is_absent(value: Any) -> bool:
    """None, or the NaN that a data frame has where a column is not given."""
    return value is None or value != value if not hasattr(value, "__len__") else False


mlflow.models.set_model(ServedModel())
