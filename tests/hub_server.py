"""A server on loopback that speaks as much of the Hub's API as its client library asks for.

Repositories are folders. It notes every request, can break a download off half-way, and can
refuse access as the Hub does.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".parquet", ".safetensors", ".bin")
"""Kept as LFS files, whose ETag is their SHA-256."""


@dataclass
class FakeHub:
    """What the server serves, and what it was asked."""

    repositories: dict[tuple[str, str], dict[str, Path]] = field(default_factory=dict)
    """(``models`` or ``datasets``, name) to folders by revision."""
    gated: set[str] = field(default_factory=set)
    down: bool = False
    """Answer 503 to everything."""
    breaks: dict[str, int] = field(default_factory=dict)
    """File name to how many bytes are sent before the connection is dropped, once."""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path, Range of every request."""
    endpoint: str = ""

    def add(self, kind: str, name: str, revision: str, folder: Path) -> None:
        self.repositories.setdefault((kind, name), {})[revision] = folder

    def commit(self, kind: str, name: str, revision: str) -> str:
        if re.fullmatch(r"[0-9a-f]{40}", revision):
            return revision
        folder = self.repositories[kind, name][revision]
        parts = [f"{path}\0{hash_of(path, 'sha1')}" for path in files_of(folder)]
        return hashlib.sha1("\n".join(parts).encode()).hexdigest()

    def folder(self, kind: str, name: str, revision: str) -> tuple[str, Path] | None:
        """The commit and folder of a revision or a commit."""
        for known, folder in self.repositories[kind, name].items():
            commit = self.commit(kind, name, known)
            if revision in (known, commit):
                return commit, folder
        return None

    def downloads(self, name: str) -> list[str | None]:
        """The Range of each GET of a file, in order."""
        return [span for method, path, span in self.requests if method == "GET"
                and path.endswith(f"/{name}")]  # fmt: skip


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def hash_of(path: Path, kind: str) -> str:
    return hashlib.new(kind, path.read_bytes()).hexdigest()


def etag_of(path: Path) -> str:
    return hash_of(path, "sha256" if path.suffix in LARGE else "sha1")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer()

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _refuse(self, status: int, code: str, message: str) -> None:
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": message})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _answer(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path, self.headers.get("Range")))
        if hub.down:
            self._send(503, b"", {})
            return
        api = path.startswith("/api/")
        parts = path.removeprefix("/api").strip("/").split("/")
        kind = parts.pop(0) if parts[0] in ("models", "datasets") else "models"
        name, rest = "/".join(parts[:2]), parts[2:]
        if (kind, name) not in hub.repositories:
            # As the Hub does for who is not logged in.
            self._refuse(401, "RepoNotFound", "Repository not found")
            return
        if name in hub.gated and not (api and rest[:1] != ["tree"]):
            self._refuse(403, "GatedRepo", "Access to this repository is restricted")
            return
        revision = "/".join(rest[1:]) or "main"
        remaining = ""
        if rest[:1] == ["resolve"] or (rest[:1] == ["tree"] and api):
            revision, remaining = self._revision(kind, name, revision)
        found = hub.folder(kind, name, revision)
        if found is None:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return
        commit, folder = found
        if rest[:1] == ["resolve"]:
            self._file(folder, remaining, commit)
        elif rest[:1] == ["tree"]:
            self._json([entry(folder, file) for file in files_of(folder)])
        else:
            names = [{"rfilename": f.relative_to(folder).as_posix()} for f in files_of(folder)]
            self._json({"id": name, "sha": commit, "siblings": names, "private": False})

    def _revision(self, kind: str, name: str, text: str) -> tuple[str, str]:
        """Split ``revision/file``, where revisions may have slashes themselves."""
        known = list(self.hub.repositories[kind, name])
        for revision in [*known, *(self.hub.commit(kind, name, one) for one in known)]:
            if text == revision or text.startswith(f"{revision}/"):
                return revision, text.removeprefix(revision).strip("/")
        return text.partition("/")[0], text.partition("/")[2]

    def _file(self, folder: Path, name: str, commit: str) -> None:
        path = folder / name
        if not path.is_file():
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        data, etag = path.read_bytes(), f'"{etag_of(path)}"'
        headers = {"ETag": etag, "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if path.suffix in LARGE:
            headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(len(data))}
        if self.command == "HEAD":
            self._send(200, data, headers)
            return
        start, status = 0, 200
        if span := self.headers.get("Range"):
            start, status = int(span.removeprefix("bytes=").split("-")[0]), 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        body = data[start:]
        end = self.hub.breaks.pop(path.name, None)
        if end is None:
            self._send(status, body, headers)
            return
        self.send_response(status)
        for key, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body[:end])
        self.wfile.flush()
        self.close_connection = True


def entry(folder: Path, file: Path) -> dict[str, Any]:
    """A file as the ``tree`` endpoint lists it."""
    size = file.stat().st_size
    found: dict[str, Any] = {
        "type": "file",
        "oid": hash_of(file, "sha1"),
        "size": size,
        "path": file.relative_to(folder).as_posix(),
    }
    if file.suffix in LARGE:
        found["lfs"] = {"oid": hash_of(file, "sha256"), "size": size, "pointerSize": 134}
    return found


@contextmanager
def serving(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve ``hub`` on a free port until the body ends."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
