"""Prefetch what a configuration reads from the Hugging Face Hub, into its cache."""

from __future__ import annotations

from langspec import hub
from langspec.config import Config
from langspec.corpora.hub.parts import Demand, demand
from langspec.encoders import download
from langspec.errors import LangspecError


def _check_online(config: Config) -> None:
    if config.corpora.kind != "hub" and config.encoder.kind != "hub":
        raise LangspecError(
            f"nothing to fetch: corpora.kind is {config.corpora.kind} and encoder.kind is "
            f"{config.encoder.kind}; expected hub in one of them (langspec fetch --preset paper)"
        )
    if hub.offline():
        raise LangspecError("HF_HUB_OFFLINE is set; unset it to fetch", place="environment")


def _demands(config: Config) -> list[Demand]:
    """What each source of the corpora needs."""
    if config.corpora.kind != "hub":
        return []
    sources = config.corpora.hub_sources(config.train.tasks)
    return [demand(source, refresh=True) for source in sources]


def _line(name: str, sizes: dict[str, int], missing: tuple[str, ...]) -> str:
    total, absent = sum(sizes.values()), sum(sizes[one] for one in missing)
    return (
        f"  {name}: {len(sizes)} files, {total / 1e6:.1f} MB; to download: {len(missing)} files, "
        f"{absent / 1e6:.1f} MB"
    )


def plan(config: Config) -> str:
    """What :func:`run` would download, with sizes; only READMEs are downloaded to say so."""
    _check_online(config)
    lines, total = [], 0
    if config.encoder.kind == "hub":
        repository = download.repository_of(config.encoder)
        sizes = download.wanted(repository, refresh=True)
        cached = hub.cached(repository, list(sizes))
        missing = tuple(name for name in sizes if name not in cached)
        lines.append(_line(str(repository), sizes, missing))
        total += sum(sizes[name] for name in missing)
    for needed in _demands(config):
        lines.append(_line(str(needed.repository), needed.sizes, needed.missing))
        total += needed.missing_bytes
    return "\n".join([f"fetch: {total / 1e6:.1f} MB to download", *lines])


def run(config: Config) -> str:
    """Download what is not in the cache yet; returns what is there now."""
    _check_online(config)
    lines = []
    if config.encoder.kind == "hub":
        repository = download.repository_of(config.encoder)
        download.fetch(repository, refresh=True)
        lines.append(_line(str(repository), download.wanted(repository), ()))
    for needed in _demands(config):
        needed.repository.open(sorted(needed.sizes), refresh=True)
        lines.append(_line(str(needed.repository), needed.sizes, ()))
    return "\n".join(["in the cache, also for HF_HUB_OFFLINE=1:", *lines])
