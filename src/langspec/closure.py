"""The code that a result depends on: what a module imports, directly or through others.

Every cache entry is keyed by :func:`cache_key`: the hash of that code, the options and the hashes
of the inputs. The modules are found by reading import statements, so that no file is forgotten.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from langspec.files import sha256_json

PACKAGE = "langspec"
_SEARCH = "folder_classes"
_CODE = {".py", ".pyc", ".pyi"}


class SourceTree:
    """The modules of one package folder, and what each of them imports.

    Args:
        folder: the package's folder, such as ``src/langspec``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.modules: dict[str, Path] = {
            self._name(path): path for path in sorted(self.folder.rglob("*.py"))
        }
        self._imports: dict[tuple[str, bool], frozenset[str]] = {}
        self._digests: dict[str, str] = {}

    def imports(self, module: str, *, called: bool = True) -> frozenset[str]:
        """Names that ``module`` imports: modules of this package, and modules of others.

        Imports for type checkers alone do not count: they never run. A string
        ``"package.module:name"`` counts as an import of that module.

        Args:
            module: its name.
            called: do imports inside functions count? Else what importing the module runs.
        """
        if (module, called) not in self._imports:
            names = self._imported(self._path(module), called)
            self._imports[module, called] = frozenset(names)
        return self._imports[module, called]

    def closure(self, *roots: str) -> tuple[str, ...]:
        """The modules of this package that run when ``roots`` are imported, sorted by name.

        Args:
            roots: names of modules. One of another package counts with what it imports from here.
        """
        seen: set[str] = set()
        todo = list(roots)
        while todo:
            module = todo.pop()
            if module in seen:
                continue
            seen.add(module)
            todo += [name for name in self.imports(module) if name in self.modules]
            # Importing a.b.c runs the __init__ of a.b first.
            parent = module.rpartition(".")[0]
            if parent in self.modules and parent != PACKAGE:
                todo.append(parent)
        return tuple(sorted(seen))

    def searched(self, module: str) -> frozenset[str]:
        """The packages whose modules ``module`` searches for classes, none of which it names.

        They are the first arguments of its calls of
        :func:`langspec.folder_classes.folder_classes`.
        """
        text = self._path(module).read_text(encoding="utf-8")
        return frozenset(_searched(ast.parse(text)) if _SEARCH in text else ())

    def offered(self, *roots: str) -> tuple[str, ...]:
        """The modules that no import statement shows, because folders are searched for them.

        Args:
            roots: names of modules.

        Returns:
            The modules of every package that the closure of ``roots`` searches, and that what is
            there searches in turn, sorted by name.
        """
        modules: set[str] = set()
        while True:
            code = self.closure(*roots, *modules)
            folders = {folder for one in code for folder in self.searched(one)}
            inside = {one for one in self.modules if one.rpartition(".")[0] in folders}
            if inside <= modules:
                return tuple(sorted(modules))
            modules |= inside

    def code_hash(self, *roots: str) -> str:
        """SHA-256 over the bytes of every module of the closure of ``roots``."""
        return sha256_json([[name, self._digest(name)] for name in self.closure(*roots)])

    def _name(self, path: Path) -> str:
        parts = path.relative_to(self.folder).with_suffix("").parts
        return ".".join((PACKAGE, *parts)).removesuffix(".__init__")

    def _path(self, module: str) -> Path:
        if module in self.modules:
            return self.modules[module]
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is None:
            raise ValueError(f"no source file of module {module}")
        return Path(file)

    def _digest(self, module: str) -> str:
        """SHA-256 of a module, and of the data files that bear its name (``languages.tsv``)."""
        if module not in self._digests:
            path = self._path(module)
            data = sorted(
                file for file in path.parent.glob(f"{path.stem}.*") if file.suffix not in _CODE
            )
            content = b"".join(file.read_bytes() for file in (path, *data))
            self._digests[module] = hashlib.sha256(content).hexdigest()
        return self._digests[module]

    def _imported(self, path: Path, called: bool) -> Iterator[str]:
        for node in _run_nodes(ast.parse(path.read_text(encoding="utf-8")), called):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    yield inner if inner in self.modules else node.module
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                named, colon, name = node.value.partition(":")
                if colon and name.isidentifier() and named in self.modules:
                    yield named


def _searched(tree: ast.AST) -> Iterator[str]:
    """The first argument of every call of ``folder_classes``, which must be written out there."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id == _SEARCH:
            yield str(ast.literal_eval(call.args[0]))


def _run_nodes(tree: ast.AST, called: bool) -> Iterator[ast.AST]:
    """Every node that can run: not the body of ``if TYPE_CHECKING``; of functions if called."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
        elif called or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo += ast.iter_child_nodes(node)


@cache
def installed() -> SourceTree:
    """The package that is running."""
    return SourceTree(Path(__file__).parent)


def code_hash(*code: Any) -> str:
    """SHA-256 of all code that runs when ``code`` does.

    Args:
        code: names of modules, or functions and classes, which stand for their module.
    """
    names = [one if isinstance(one, str) else one.__module__ for one in code]
    return installed().code_hash(*names)


def cache_key(kind: str, *, code: Iterable[Any], **parts: Any) -> str:
    """The name of a cache entry: SHA-256 of what the entry was made from.

    Args:
        kind: what is cached, such as ``bank``.
        code: the functions, classes or modules that compute it.
        parts: JSON-able options and hashes of inputs.
    """
    return sha256_json({"kind": kind, "code": code_hash(*code), **parts})
