"""langspec: what a multilingual encoder knows about which language it is reading.

The names of ``__all__`` are functions and classes for notebooks and other programs
(docs/python.md). They are imported when they are first used: importing langspec stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langspec.api import (
        AuditResult,
        audit_encoder,
        compare_methods,
        encode,
        leak_by_layer,
        load_encoder,
        load_results,
    )
    from langspec.language_eraser import LanguageEraser

__version__ = "0.1.0"

__all__ = [
    "AuditResult",
    "LanguageEraser",
    "audit_encoder",
    "compare_methods",
    "encode",
    "leak_by_layer",
    "load_encoder",
    "load_results",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        module = "langspec.language_eraser" if name == "LanguageEraser" else "langspec.api"
        return getattr(import_module(module), name)
    raise AttributeError(f"module 'langspec' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
