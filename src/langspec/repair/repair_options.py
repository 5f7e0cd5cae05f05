"""The options of a repair and their defaults: a repair reads no params.yaml."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from langspec.audit.options import AuditOptions, EncoderChoice


@dataclass(frozen=True)
class RepairOptions:
    """A repair of an encoder.

    Attributes:
        encoder: the encoder, its prefix and its pooling.
        text: folder of text, a file a language; None: methods are fitted on the translations.
        parallel: folder of translations, line by line; None: search is not measured.
        out: folder to write.
        methods: names with commas; None: all.
        rule: by which a method is chosen; None: ``recall`` with translations, else ``share``.
        loss: by how much monolingual recall@10 may fall.
        fit_languages: codes with commas that methods are fitted on; None: all.
        max_texts: texts a language at most, drawn by seed.
        max_tokens: pieces a text at most; None: as many as the encoder reads.
        batch_tokens: pieces, padding included, that are encoded at once.
        seed: of samples and splits.
        precision: of the encoding pass.
        queries: of a judged search set that is measured before and after; None: there is none.
        qrels: its judgements.
        corpus: its texts.
        query_prefix: put before its queries; None: see ``judged_prefixes``.
        corpus_prefix: the same before its texts.
        command: the command line, for the page.
    """

    encoder: EncoderChoice
    text: Path | None
    parallel: Path | None
    out: Path
    methods: str | None = None
    rule: str | None = None
    loss: float = 0.01
    fit_languages: str | None = None
    max_texts: int = 2000
    max_tokens: int | None = None
    batch_tokens: int = 2048
    seed: int = 0
    precision: str = "auto"
    queries: Path | None = None
    qrels: Path | None = None
    corpus: Path | None = None
    query_prefix: str | None = None
    corpus_prefix: str | None = None
    command: str = ""

    @property
    def encoding(self) -> AuditOptions:
        """The same options as those of an audit, which encodes alike."""
        folder = self.text or self.parallel
        assert folder is not None
        return AuditOptions(
            (self.encoder,),
            folder,
            self.parallel,
            out=self.out,
            max_texts=self.max_texts,
            max_tokens=self.max_tokens,
            batch_tokens=self.batch_tokens,
            seed=self.seed,
            precision=self.precision,
            command=self.command,
        )
