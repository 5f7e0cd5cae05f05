"""Language codes: names, scripts and families, for checks, captions and colours."""

from __future__ import annotations

from dataclasses import dataclass

from langspec.errors import LangspecError


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its ISO 639-1 (or -3) code, as UD, XNLI and Wikipedia name it."""

    code: str
    name: str
    script: str
    family: str


_TABLE = """
af Afrikaans Latin Germanic|ar Arabic Arabic Semitic|bg Bulgarian Cyrillic Slavic
bn Bengali Bengali Indo-Aryan|ca Catalan Latin Romance|cs Czech Latin Slavic
cy Welsh Latin Celtic|da Danish Latin Germanic|de German Latin Germanic
el Greek Greek Hellenic|en English Latin Germanic|es Spanish Latin Romance
et Estonian Latin Uralic|eu Basque Latin Basque|fa Persian Arabic Iranian
fi Finnish Latin Uralic|fr French Latin Romance|ga Irish Latin Celtic
gl Galician Latin Romance|he Hebrew Hebrew Semitic|hi Hindi Devanagari Indo-Aryan
hr Croatian Latin Slavic|hu Hungarian Latin Uralic|hy Armenian Armenian Armenian
id Indonesian Latin Austronesian|is Icelandic Latin Germanic|it Italian Latin Romance
ja Japanese Japanese Japonic|jv Javanese Latin Austronesian|ka Georgian Georgian Kartvelian
kk Kazakh Cyrillic Turkic|ko Korean Hangul Koreanic|la Latin Latin Italic
lt Lithuanian Latin Baltic|lv Latvian Latin Baltic|ml Malayalam Malayalam Dravidian
mr Marathi Devanagari Indo-Aryan|ms Malay Latin Austronesian|mt Maltese Latin Semitic
my Burmese Myanmar Sino-Tibetan|nb Norwegian_Bokmål Latin Germanic|nl Dutch Latin Germanic
nn Norwegian_Nynorsk Latin Germanic|no Norwegian Latin Germanic|pl Polish Latin Slavic
pt Portuguese Latin Romance|ro Romanian Latin Romance|ru Russian Cyrillic Slavic
sk Slovak Latin Slavic|sl Slovenian Latin Slavic|sr Serbian Cyrillic Slavic
sv Swedish Latin Germanic|sw Swahili Latin Bantu|ta Tamil Tamil Dravidian
te Telugu Telugu Dravidian|th Thai Thai Kra-Dai|tl Tagalog Latin Austronesian
tr Turkish Latin Turkic|uk Ukrainian Cyrillic Slavic|ur Urdu Arabic Indo-Aryan
uz Uzbek Latin Turkic|vi Vietnamese Latin Austroasiatic|yo Yoruba Latin Niger-Congo
yue Cantonese Han Sino-Tibetan|zh Chinese Han Sino-Tibetan
"""


def _parse() -> dict[str, Language]:
    table = {}
    for entry in _TABLE.replace("\n", "|").split("|"):
        if entry:
            code, name, script, family = entry.split()
            table[code] = Language(code, name.replace("_", " "), script, family)
    return table


LANGUAGES: dict[str, Language] = _parse()


def language(code: str, *, place: str | None = None) -> Language:
    """Look a code up.

    Raises:
        LangspecError: the code is unknown; the message lists the nearest known ones.
    """
    if code in LANGUAGES:
        return LANGUAGES[code]
    import difflib

    names = {entry.name.lower(): entry.code for entry in LANGUAGES.values()}
    near = difflib.get_close_matches(code.lower(), [*LANGUAGES, *names], n=2, cutoff=0.6)
    hint = ", ".join(names.get(name, name) for name in near)
    raise LangspecError(
        f"unknown language code {code!r}; expected an ISO 639 code such as en, de, zh"
        + (f" (did you mean {hint}?)" if hint else ""),
        place=place,
    )
