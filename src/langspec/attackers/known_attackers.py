"""Every attacker of this folder, and the section of params.yaml that holds their options."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import create_model

from langspec.attackers.base import Attacker
from langspec.folder_classes import folder_classes
from langspec.section import Section


@cache
def attacker_classes() -> dict[str, type[Attacker]]:
    """The classes of all attackers by name."""
    classes = folder_classes("langspec.attackers", Attacker)  # type: ignore[type-abstract]
    return {one.name: one for one in classes}


ATTACKERS = tuple(attacker_classes())
"""The names of all attackers."""


class AttackersBase(Section):
    """Section ``evaluate.attackers``: the options of each non-linear attacker, by its name."""

    if TYPE_CHECKING:

        def __init__(self, **options: Section) -> None: ...

        def __getattr__(self, name: str) -> Any: ...


def _attackers_section() -> type[AttackersBase]:
    fields: dict[str, Any] = {name: (one.section, ...) for name, one in attacker_classes().items()}
    return create_model(
        "Attackers", __base__=AttackersBase, __doc__=AttackersBase.__doc__, **fields
    )


if TYPE_CHECKING:
    Attackers = AttackersBase
else:
    Attackers = _attackers_section()
