"""Finding what a folder of this package offers: a file an eraser, a file a measure."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import TypeVar

Base = TypeVar("Base")


def folder_classes(package: str, base: type[Base]) -> Iterator[type[Base]]:
    """The classes that the modules of a package define of one kind, module by module.

    Every module of the package is imported, so none of them may import anything heavy.

    Args:
        package: full name of the package; folders inside it are left out.
        base: the class that those classes inherit from; abstract ones are left out.
    """
    folder = importlib.import_module(package).__path__
    for module in pkgutil.iter_modules(folder, f"{package}."):
        if module.ispkg:
            continue
        code = importlib.import_module(module.name)
        for _, one in inspect.getmembers(code, inspect.isclass):
            if inspect.isabstract(one) or one.__module__ != code.__name__:
                continue
            if issubclass(one, base):
                yield one
