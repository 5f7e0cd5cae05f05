"""Repositories of the Hugging Face Hub: what they hold, and files of them in the local cache.

The only module that talks to the Hub. ``HF_ENDPOINT``, ``HF_HOME``, ``HF_TOKEN`` and
``HF_HUB_OFFLINE`` mean here what they mean to ``huggingface_hub``, which downloads, resumes and
caches. Three things are added to it. Whatever is in the cache is used without asking the network,
so a run after ``langspec fetch`` is the same on- and offline; only ``refresh`` asks which commit
a branch is at now. A list of files with their sizes comes from the cache, too (the library's own
``dry_run`` needs the network). Errors are one line with a cure.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from langspec.errors import LangspecError

FETCH = "langspec fetch"
_BLOB = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository (``owner/name``) at a revision: a branch, a tag, a ``refs/...`` or a commit."""

    kind: Literal["model", "dataset"]
    name: str
    revision: str

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}"


def offline() -> bool:
    """Does ``HF_HUB_OFFLINE`` forbid the network?"""
    from huggingface_hub import is_offline_mode

    return bool(is_offline_mode())


def listing(repository: Repository, *, refresh: bool = False) -> dict[str, int]:
    """Every file of a repository with its size in bytes.

    Args:
        repository: which.
        refresh: ask the Hub which commit the revision is now; else a listing in the cache serves.

    Raises:
        LangspecError: neither in the cache nor to be had: no such repository or revision, no
            access, no network.
    """
    from huggingface_hub import HfApi, get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError
    from huggingface_hub.hf_api import RepoFile

    if not refresh:
        try:
            cached = get_cached_repo_tree(
                repository.name, repo_type=repository.kind, revision=repository.revision
            )
            return {file.path: file.size for file in cached}
        except CachedRepoTreeNotFoundError:
            pass
        except ValueError as error:
            raise _explained(error, repository) from None
    if offline():
        raise _absent(repository, "its list of files")
    with _in_one_line(repository):
        api = HfApi()
        # One request that fails at once where nothing answers; the listing would retry for long.
        info = api.repo_info(
            repository.name, repo_type=repository.kind, revision=repository.revision, timeout=10
        )
        tree = api.list_repo_tree(
            repository.name, repo_type=repository.kind, revision=info.sha, recursive=True
        )
        return {file.path: file.size for file in tree if isinstance(file, RepoFile)}


def download(
    repository: Repository, names: Sequence[str], *, refresh: bool = False
) -> Mapping[str, Path]:
    """Files of a repository in the local cache, downloaded where they are not there yet.

    ``huggingface_hub`` resumes a broken connection at the last whole 10 MB, up to five times.
    A process that ends leaves the files that are whole; no later call downloads them again.

    Args:
        repository: which.
        names: files in it.
        refresh: ask the Hub which commit the revision is now; else what is in the cache serves.

    Returns:
        The path of each name.

    Raises:
        LangspecError: as :func:`listing`.
    """
    from huggingface_hub import snapshot_download

    if not names:
        return {}

    def snapshot(local: bool) -> dict[str, Path]:
        folder = snapshot_download(
            repository.name,
            repo_type=repository.kind,
            revision=repository.revision,
            allow_patterns=[glob.escape(name) for name in names],
            local_files_only=local,
        )
        return {name: Path(folder) / name for name in names}

    if not refresh or offline():
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            paths = snapshot(local=True)
        except LocalEntryNotFoundError:
            paths = {}
        except ValueError as error:
            raise _explained(error, repository) from None
        missing = [name for name in names if name not in paths or not paths[name].is_file()]
        if not missing:
            return paths
        if offline():
            raise _absent(repository, missing[0])
    with _in_one_line(repository):
        paths = snapshot(local=False)
    for name, path in paths.items():
        if not path.is_file():
            raise LangspecError(f"holds no file {name}", place=str(repository))
    return paths


def known_sha256(path: Path) -> str | None:
    """The SHA-256 that the cache names a large file by, without reading it; None elsewhere."""
    if path.is_symlink():
        name = path.resolve().name
        if _BLOB.fullmatch(name):
            return name
    return None


def missing(repository: Repository, names: Sequence[str]) -> list[str]:
    """Those of ``names`` that are not in the cache."""
    from huggingface_hub import try_to_load_from_cache

    return [
        name
        for name in names
        if not isinstance(
            try_to_load_from_cache(
                repository.name, name, repo_type=repository.kind, revision=repository.revision
            ),
            str,
        )
    ]


def _absent(repository: Repository, what: str) -> LangspecError:
    return LangspecError(
        f"{what} is not in the cache and HF_HUB_OFFLINE forbids the network; run {FETCH} on a "
        "machine with network (unset HF_HUB_OFFLINE there) and the same HF_HOME",
        place=str(repository),
    )


@contextmanager
def _in_one_line(repository: Repository) -> Iterator[None]:
    """The library's errors, of many lines, as one line with the cure."""
    import httpx2
    from huggingface_hub.errors import EntryNotFoundError

    try:
        yield
    except LangspecError:
        raise
    except (OSError, ValueError, EntryNotFoundError, httpx2.HTTPError) as error:
        raise _explained(error, repository) from None


def _explained(error: Exception, repository: Repository) -> LangspecError:
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    page = f"{constants.ENDPOINT}/{'datasets/' if repository.kind == 'dataset' else ''}"
    page += repository.name
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    rules: list[tuple[bool, Callable[[], str]]] = [
        (
            isinstance(error, HFValidationError),
            lambda: "is no name of a repository; expected owner/name",
        ),
        (
            isinstance(error, GatedRepoError) or status == 403,
            lambda: (
                f"access is restricted: accept its terms at {page} and log in (hf auth login, or "
                "set HF_TOKEN)"
            ),
        ),
        (
            isinstance(error, RevisionNotFoundError),
            lambda: f"the repository has no revision {repository.revision!r}; see {page}",
        ),
        # The Hub answers 401 for what does not exist, so as not to betray private names.
        (
            isinstance(error, RepositoryNotFoundError) or status in (401, 404),
            lambda: (
                f"no such {repository.kind} at {constants.ENDPOINT}, or it is private; check the "
                "name, or log in (hf auth login, or set HF_TOKEN)"
            ),
        ),
        (status is not None, lambda: f"{constants.ENDPOINT} answers {status}; try again later"),
        (
            isinstance(error, httpx2.HTTPError | LocalEntryNotFoundError | ConnectionError),
            lambda: (
                f"{constants.ENDPOINT} cannot be reached ({_first_line(error)}); check the "
                f"network or HF_ENDPOINT, then run {FETCH} again: what is whole is kept"
            ),
        ),
    ]
    for applies, message in rules:
        if applies:
            return LangspecError(message(), place=str(repository))
    return LangspecError(
        f"the download failed ({_first_line(error)}); run {FETCH} again: what is whole is kept",
        place=str(repository),
    )


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
