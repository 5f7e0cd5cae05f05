"""Repositories of the Hugging Face Hub: what they hold, and files of them in the local cache.

The only module that talks to the Hub. ``HF_ENDPOINT``, ``HF_HOME``, ``HF_TOKEN`` and
``HF_HUB_OFFLINE`` mean here what they mean to ``huggingface_hub``, which downloads, resumes and
caches. Three things are added to it. Whatever is in the cache is used without asking the network,
so a run after ``langspec fetch`` is the same on- and offline; only ``refresh`` asks which commit
a branch is at now. A list of files with their sizes comes from the cache, too (the library's own
``dry_run`` needs the network). An error is one line that says what to do.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from langspec.errors import LangspecError
from langspec.files import sha256_file

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

    @property
    def page(self) -> str:
        """The address of its page."""
        from huggingface_hub import constants

        return f"{constants.ENDPOINT}/{'datasets/' * (self.kind == 'dataset')}{self.name}"


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
        LangspecError: the listing is not in the cache and cannot be downloaded: no such repository
            or revision, no access, no network.
    """
    from huggingface_hub import HfApi, get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError
    from huggingface_hub.hf_api import RepoFile

    name = repository.name
    where: Any = {"repo_type": repository.kind, "revision": repository.revision}
    with _in_one_line(repository):
        if not refresh:
            with suppress(CachedRepoTreeNotFoundError):
                return {file.path: file.size for file in get_cached_repo_tree(name, **where)}
        if offline():
            raise _absent(repository, "its list of files")
        api = HfApi()
        # One request that fails at once where nothing answers; the listing would retry for long.
        where["revision"] = str(api.repo_info(name, timeout=10, **where).sha)
        tree = api.list_repo_tree(name, recursive=True, **where)
        return {file.path: file.size for file in tree if isinstance(file, RepoFile)}


def cached(repository: Repository, names: Sequence[str]) -> dict[str, Path]:
    """The paths of those of ``names`` that are in the local cache."""
    from huggingface_hub import try_to_load_from_cache

    where: Any = {"repo_type": repository.kind, "revision": repository.revision}
    with _in_one_line(repository):
        paths = {name: try_to_load_from_cache(repository.name, name, **where) for name in names}
    return {name: Path(path) for name, path in paths.items() if isinstance(path, str)}


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

    paths = cached(repository, names) if not refresh or offline() else {}
    missing = [name for name in names if name not in paths]
    if not missing:
        return paths
    if offline():
        raise _absent(repository, missing[0])
    with _in_one_line(repository):
        snapshot_download(
            repository.name,
            repo_type=repository.kind,
            revision=repository.revision,
            allow_patterns=[glob.escape(name) for name in names],
        )
    paths = cached(repository, names)
    for name in names:
        if name not in paths:
            raise LangspecError(f"holds no file {name}", place=str(repository))
    return paths


def sha256_of(path: Path) -> str:
    """SHA-256 of a file: the name that the cache gave it, where that is its hash."""
    if path.is_symlink() and _BLOB.fullmatch(name := path.resolve().name):
        return name
    return sha256_file(path)


def _absent(repository: Repository, what: str) -> LangspecError:
    return LangspecError(
        f"{what} is not in the cache and HF_HUB_OFFLINE forbids the network; run {FETCH} on a "
        "machine with network (unset HF_HUB_OFFLINE there) and the same HF_HOME",
        place=str(repository),
    )


@contextmanager
def _in_one_line(repository: Repository) -> Iterator[None]:
    """The library's errors, of many lines, as one line that says what to do."""
    import httpx2
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        yield
    except (OSError, ValueError, EntryNotFoundError, httpx2.HTTPError) as error:
        cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else None
        message = _explained(cause if isinstance(cause, Exception) else error, repository)
        raise LangspecError(message, place=str(repository)) from None


def _explained(error: Exception, repository: Repository) -> str:
    """What went wrong, and what to do."""
    import httpx2
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    if isinstance(error, errors.HFValidationError):
        return "is no name of a repository; expected owner/name"
    if isinstance(error, errors.GatedRepoError) or status == 403:
        return (
            f"access is restricted: accept its terms at {repository.page} and log in (hf auth "
            "login, or set HF_TOKEN)"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return f"the repository has no revision {repository.revision!r}; see {repository.page}"
    # The Hub answers 401 for what does not exist, so that nobody learns which private ones exist.
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
        return (
            f"no such {repository.kind} at {hub}, or it is private; check the name, or log in "
            "(hf auth login, or set HF_TOKEN)"
        )
    if status is not None:
        return f"{hub} answers {status}; try again later"
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    again = f"run {FETCH} again: whole files stay in the cache"
    if isinstance(error, httpx2.HTTPError | errors.LocalEntryNotFoundError | ConnectionError):
        return (
            f"{hub} cannot be reached ({reason}); check the network or HF_ENDPOINT, then {again}"
        )
    return f"the download failed ({reason}); {again}"
