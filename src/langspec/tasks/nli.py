"""Natural-language inference: premise and hypothesis to one of three labels."""

from __future__ import annotations

from langspec.tasks.text_task import TextTask

NLI = TextTask("nli", ("contradiction", "entailment", "neutral"))
