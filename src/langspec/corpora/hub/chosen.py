"""The section ``corpora.hub``: every source of the Hub, and which of them a run reads."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from langspec.corpora.hub.hub_pairs import MultinliSource, XnliSource
from langspec.corpora.hub.repository import HubRepository
from langspec.corpora.hub.treebanks import HubTreebanks, UdSource, XtremeSource
from langspec.corpora.hub.wikimedia import HubWikipedia, WikipediaSource
from langspec.section import Section

if TYPE_CHECKING:
    from langspec.corpora.hub.parts import Source


class Hub(Section):
    """Where kind ``hub`` reads."""

    pos: HubTreebanks
    xnli: HubRepository
    multinli: HubRepository
    text: HubWikipedia | None  # null: no language text

    def sources(
        self, tasks: Collection[str], languages: Sequence[str], *, source: str, seed: int
    ) -> list[Source]:
        """What the tasks of a run read from the Hub.

        Args:
            tasks: names of tasks.
            languages: of the run.
            source: the language that is trained on.
            seed: of the draw of files.
        """
        codes = tuple(languages)
        chosen: list[Source] = []
        if "pos" in tasks:
            reader = UdSource if self.pos.reader == "ud" else XtremeSource
            chosen.append(reader(self.pos, codes, source))
        if "nli" in tasks:
            chosen += [XnliSource(self.xnli, codes), MultinliSource(self.multinli)]
        if self.text is not None:
            chosen.append(WikipediaSource(self.text, codes, seed))
        return chosen
