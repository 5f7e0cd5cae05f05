"""What a repair will cost: a batch is encoded and timed, the searches are known from others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from langspec.audit.audit_cost import Estimate, encoding_memory, encoding_seconds, width
from langspec.audit.audited_encoder import Subject
from langspec.audit.options import AuditOptions
from langspec.audit.text_folder import Texts
from langspec.pool_search.judged import Judged
from langspec.repair.encoded_parts import bank_of

# CPU seconds of a search: a million pairs of texts, and the same a width of 384.
_PAIRS, _WIDTHS = 0.02, 0.015
_FIXED = 15.0  # imports, fitting, page, folder


def estimate_repair(
    subject: Subject,
    texts: Sequence[Texts],
    options: AuditOptions,
    banks: Path,
    methods: int,
    judged: Judged | None = None,
) -> Estimate:
    """What the repair of an encoder costs on this machine as it is now.

    Args:
        subject: the encoder.
        texts: what is encoded, the folder that is searched last.
        options: of the encoding pass.
        banks: folder of all banks.
        methods: how many are tried.
        judged: a judged search set, which takes as long as the texts by its characters.
    """
    seconds = disk = 0.0
    stored = True
    for read in texts:
        if (banks / bank_of(subject, read, options, banks)[1]).exists():
            continue
        stored = False
        seconds += encoding_seconds(subject, read, options)
        disk += len(read.texts) * width(subject) * 4
    counts = Counter(texts[-1].splits)
    pairs = (counts["dev"] ** 2 + counts["test"] ** 2) / 1e6
    searches = pairs * (methods + 3) + 2 * counts["test"] ** 2 / 1e6  # unseen: two more
    seconds += searches * (_PAIRS + _WIDTHS * width(subject) / 384)
    if judged is not None:
        extra = (*judged.queries.texts, *judged.corpus.texts)
        share = sum(map(len, extra)) / max(1, sum(map(len, texts[-1].texts)))
        seconds += share * encoding_seconds(subject, texts[-1], options)
    memory = encoding_memory(subject, options)
    memory += sum(4 * len(read.texts) for read in texts) * width(subject) * 4
    return Estimate(seconds + _FIXED, memory, disk, stored)
