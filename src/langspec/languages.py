"""Language codes: names, scripts and families, for checks, captions and colours.

Known is what ISO 639 knows, by two letters or three (``languages.tsv`` says where its columns are
from), alone or with a script or a region after it as BCP 47 writes them: ``sr-Latn``, ``pt-br``,
``zh_Hant``. ``zh-yue`` is Cantonese.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from langspec.errors import LangspecError


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its code, as UD, XNLI and Wikipedia name it.

    ``script`` is "unknown" and ``family`` "other" where the table has none.
    """

    code: str
    name: str
    script: str
    family: str

    @property
    def common(self) -> bool:
        """Has it a two-letter code or a family in the table? Words rarely look like these."""
        return len(re.split("[-_]", self.code)[0]) == 2 or self.family != "other"


TAG = r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}"
"""What a code looks like, known or not."""

_SCRIPTS = {
    "Arab": "Arabic", "Armn": "Armenian", "Beng": "Bengali", "Cyrl": "Cyrillic",
    "Deva": "Devanagari", "Ethi": "Ethiopic", "Geor": "Georgian", "Grek": "Greek",
    "Gujr": "Gujarati", "Guru": "Gurmukhi", "Hang": "Hangul", "Hani": "Han", "Hans": "Han",
    "Hant": "Han", "Hebr": "Hebrew", "Jpan": "Japanese", "Khmr": "Khmer", "Knda": "Kannada",
    "Kore": "Hangul", "Laoo": "Lao", "Latn": "Latin", "Mlym": "Malayalam", "Mong": "Mongolian",
    "Mymr": "Myanmar", "Nkoo": "N’Ko", "Olck": "Ol Chiki", "Orya": "Odia", "Sinh": "Sinhala",
    "Syrc": "Syriac", "Taml": "Tamil", "Telu": "Telugu", "Tfng": "Tifinagh", "Thaa": "Thaana",
    "Thai": "Thai", "Tibt": "Tibetan", "Vaii": "Vai",
}  # fmt: skip
_REGIONS = frozenset(
    """
    ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs
    bt bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee
    eg eh er es et fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm
    hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc
    li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na
    nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw
    sa sb sc sd se sg sh si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm tn to
    tr tt tv tw tz ua ug um us uy uz va vc ve vg vi vn vu wf ws xk ye yt za zm zw 419 001 150
    """.split()
)
_GROUPS = {
    "ar": frozenset("acm acw aeb afb ajp apc apd arq ars ary arz ayl".split()),
    "zh": frozenset("cdo cjy cmn cpx czh gan hak hsn lzh mnp nan wuu yue".split()),
}
_LENGTHS: tuple[list[int], ...] = (
    [],
    [4],
    [2],
    [3],
    [4, 2],
    [4, 3],
)  # of a script and a region, in this order


@cache
def _table() -> dict[str, Language]:
    """The languages of ``languages.tsv`` by code."""
    text = (resources.files("langspec") / "languages.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {code: Language(code, *row) for code, *row in rows}


@cache
def _tagged(code: str) -> Language | None:
    """The language of a code with a script or a region after it; None: there is none."""
    if not re.fullmatch(TAG, code):
        return None
    base, *parts = re.split("[-_]", code)
    entry = _table().get(base)
    if parts and parts[0] in _GROUPS.get(base, ()):  # zh-yue: a language of a group
        entry = _table().get(parts.pop(0))
    if entry is None:
        return None
    if [len(part) for part in parts] not in _LENGTHS:
        return None
    said = []
    for part in parts:
        if part.title() in _SCRIPTS:
            entry = replace(entry, script=_SCRIPTS[part.title()])
            said.append(_SCRIPTS[part.title()])
        elif part.lower() in _REGIONS:
            said.append(part.upper())
        else:
            return None
    name = entry.name + (f" ({', '.join(said)})" if said else "")
    return replace(entry, code=code, name=name)


class _Languages(Mapping[str, Language]):
    """Every known language by code; what is iterated are the codes without script or region."""

    def __getitem__(self, code: str) -> Language:
        entry = _table().get(code) or (_tagged(code) if isinstance(code, str) else None)
        if entry is None:
            raise KeyError(code)
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(_table())

    def __len__(self) -> int:
        return len(_table())


LANGUAGES: Mapping[str, Language] = _Languages()


def language(code: str, *, place: str | None = None) -> Language:
    """Look a code up.

    Raises:
        LangspecError: the code is unknown; the message lists the nearest known ones.
    """
    if code in LANGUAGES:
        return LANGUAGES[code]
    import difflib

    common = [entry for entry in LANGUAGES.values() if entry.common]
    names: dict[str, str] = {}
    for entry in sorted(common, key=lambda entry: len(entry.code)):
        names.setdefault(entry.name.lower(), entry.code)  # of en and eng the shorter is shown
    codes = [entry.code for entry in common if len(entry.code) == 2]
    near = difflib.get_close_matches(code.lower(), [*codes, *names], n=2, cutoff=0.6)
    hint = ", ".join(names.get(name, name) for name in near)
    raise LangspecError(
        f"unknown language code {code!r}; expected an ISO 639 code such as en, de, zh"
        + (f" (did you mean {hint}?)" if hint else ""),
        place=place,
    )
