"""Part-of-speech tagging: UPOS of every UD word, on its first piece with content."""

from __future__ import annotations

from langspec.corpora.tables import UPOS
from langspec.tasks.token_task import TokenTask

POS = TokenTask("pos", UPOS)
