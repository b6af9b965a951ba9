"""Language codes: one tag for each language, for all ways to write it.

Corpora name the same language ``zh_cn``, ``zho_Hans`` or ``cmn``. Inside evenrank a language is a
short BCP 47 tag: ``zh``, ``zh-TW``, ``pt``, ``pt-BR``, ``ar-Latn``. A script is left out where CLDR
expects it. A region that is written stays, because a data set may have both ``pt`` and ``pt-BR``;
the default region is left out only if the region gives the script: ``zh-CN`` is ``zh``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import cache, lru_cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from langcodes import Language, tag_parser
from langcodes.data_dicts import NORMALIZED_MACROLANGUAGES

from evenrank.errors import ConfigError, DataError
from evenrank.text import split_names

_LIKELY: dict[str, str] = get_global("likely_subtags")

# 'arb' is 'ar' and 'cmn' is 'zh'. But 'tw' and 'fat' are both members of 'ak', and stay apart.
_MEMBERS = Counter(NORMALIZED_MACROLANGUAGES.values())
_MACROLANGUAGES = {
    member: whole for member, whole in NORMALIZED_MACROLANGUAGES.items() if _MEMBERS[whole] == 1
}

RIGHT_TO_LEFT = """
Adlm Arab Aran Armi Avst Chrs Cprt Elym Gara Hatr Hebr Hung Khar Lydi Mand Mani Mend Merc Mero Narb
Nbat Nkoo Orkh Ougr Palm Phli Phlp Phnx Prti Rohg Samr Sarb Sogd Sogo Syrc Thaa Todr Yezi
"""
"""Scripts (ISO 15924) that are written from right to left, by the Unicode bidirectional class."""


_NAMES = {
    "acm": "Mesopotamian Arabic",
    "acq": "Taʽizzi-Adeni Arabic",
    "ajp": "South Levantine Arabic",
    "all": "Allar",
    "apc": "Levantine Arabic",
    "azb": "South Azerbaijani",
    "cjk": "Chokwe",
    "dev": "Domung",
    "fuv": "Nigerian Fulfulde",
    "hne": "Chhattisgarhi",
    "kbp": "Kabiyè",
    "mey": "Hassaniyya Arabic",
    "pbt": "Southern Pashto",
    "quy": "Ayacucho Quechua",
    "taq": "Tamasheq",
}
"""English names (ISO 639-3) that CLDR does not have: languages of FLORES-200 and NTREX-128, and
codes that are also English words."""


@lru_cache(maxsize=4096)
def normalise(code: str, place: str = "language code") -> str:
    """Return the tag that evenrank uses for the language that ``code`` names.

    Args:
        code: A BCP 47 tag or ISO 639 code, with hyphens or underscores, in any case; an English
            name of a language (mMARCO uses these); or ``dt``, mMARCO's code for Dutch.
        place: Where the code was found (file and line), for the error message.

    Raises:
        DataError: ``code`` names no language.

    >>> [normalise(code) for code in ("zh_cn", "zho_Hans", "cmn", "EN", "deu", "arb", "pt-PT")]
    ['zh', 'zh', 'zh', 'en', 'de', 'ar', 'pt-PT']
    """
    try:
        tag = Language.get(_names().get(code.lower(), code), normalize=True)
        if not tag.language or not tag.is_valid():
            raise ValueError(code)
    except (ValueError, AttributeError, tag_parser.LanguageTagError) as cause:
        raise DataError(
            place,
            f"language code {code!r}",
            "a BCP 47 or ISO 639 code such as 'de', 'zh-TW' or 'swh'",
            "Correct the code; for the name of a file, rename the file",
        ) from cause
    if tag.variants or tag.extensions or tag.private:
        return str(tag.to_tag())
    lang = _MACROLANGUAGES.get(tag.language, tag.language)
    script = None if (lang, tag.script) == ("ko", "Hang") else tag.script  # CLDR: Kore
    region = tag.territory
    if region and region == _expand(lang, script)[1] and lang in _scripts_by_region():
        region = None
    full = _expand(lang, script, region)
    shorter = [(None, region)] if region else [(None, None), (None, full[1]), (script, None)]
    for candidate in (*shorter, (script, region)):
        if _expand(lang, *candidate) == full:
            return "-".join(filter(None, (lang, *candidate)))
    raise AssertionError(code)  # the last candidate always expands to full


def language_in(name: str) -> str | None:
    """Return the language that a name has as a part of it, if there is exactly one.

    A part is a code of two letters, a longer code of a language that has one of two letters, a code
    with script or region, or an English name. (Many words are codes of three letters: ``dev`` is
    Domung.)

    >>> [language_in(name) for name in ("train-zh-TW", "mlqa-translate-train.de", "queries-german")]
    ['zh-TW', 'de', 'de']
    >>> [language_in(name) for name in ("train", "dev", "deu-eng", "train-00000-of-00002")]
    [None, None, None, None]
    """
    found = set()
    rest = name
    for whole in _FULL_CODE.findall(name):
        with suppress(DataError):
            found.add(normalise(whole))
            rest = rest.replace(whole, "")
    for piece in re.findall("[A-Za-z]+", rest):
        with suppress(DataError):
            code = normalise(piece)
            if len(piece) == 2 or piece.lower() in _names() or (len(piece), len(code)) == (3, 2):
                found.add(code)
    return found.pop() if len(found) == 1 else None


_FULL_CODE = re.compile("(?<![A-Za-z])[a-z]{2,3}[-_](?:[A-Z][a-z]{3}|[A-Z]{2})(?![A-Za-z])")


def parse_languages(languages: str | Iterable[str], place: str = "languages") -> list[str]:
    """Return normalised codes from a list, or from one text such as ``"de,en"``.

    Raises:
        ConfigError: No language is named.
        DataError: A code names no language.

    >>> parse_languages("deu, en"), parse_languages(["de,en", "fi", "de"])
    (['de', 'en'], ['de', 'en', 'fi'])
    """
    codes = split_names(languages)
    if not codes:
        raise ConfigError(place, "none", "at least one", "Name some, or leave it out for all")
    return list(dict.fromkeys(normalise(code, place) for code in codes))


def language_name(code: str) -> str:
    """Return the English name of a language; the code where neither CLDR nor we have a name.

    >>> language_name("el"), language_name("zh-TW"), language_name("taq-Tfng")
    ('Greek', 'Chinese (Traditional, Taiwan)', 'Tamasheq (Tifinagh)')
    """
    lang, *others = code.split("-")
    if not any(len(part) == 4 for part in others):  # Babel drops the script of 'ar-Latn'
        with suppress(UnknownLocaleError, ValueError):
            if (name := Locale.parse(code, sep="-").get_display_name("en")) not in (None, code):
                return str(name)
    english = Locale("en")
    name = english.languages.get(lang) or _NAMES.get(lang)
    if name is None:
        return code
    shown = [english.scripts.get(part) or english.territories.get(part) or part for part in others]
    return f"{name} ({', '.join(shown)})" if shown else name


def script_of(code: str) -> str:
    """Return the script (ISO 15924) of a normalised code; ``Zzzz`` where it is not known.

    >>> script_of("de"), script_of("zh-TW"), script_of("arz"), script_of("ar-Latn")
    ('Latn', 'Hant', 'Arab', 'Latn')
    """
    try:
        tag = Language.get(code, normalize=False)
    except (ValueError, tag_parser.LanguageTagError):
        return "Zzzz"
    return _expand(tag.language or "und", tag.script, tag.territory)[0] or "Zzzz"


def is_right_to_left(code: str) -> bool:
    """Return whether a language is written from right to left; this follows from its script.

    >>> is_right_to_left("ar"), is_right_to_left("ar-Latn"), is_right_to_left("de")
    (True, False, False)
    """
    return script_of(code) in RIGHT_TO_LEFT.split()


def _expand(
    lang: str, script: str | None = None, region: str | None = None
) -> tuple[str | None, str | None]:
    """Return script and region, those that are missing from CLDR's likely subtags."""
    for given in ((lang, script, region), (lang, region), (lang, script), (lang,)):
        if None not in given and (likely := _LIKELY.get("_".join(map(str, given)))):
            _, likely_script, likely_region = likely.split("_")
            return script or likely_script, region or likely_region
    return script, region


@cache
def _scripts_by_region() -> frozenset[str]:
    """Languages that are written in another script in another region, such as ``zh`` in ``TW``."""
    regional = [key.split("_") for key in _LIKELY if key.count("_") == 1 and len(key) < 7]
    return frozenset(
        lang for lang, region in regional if _expand(lang)[0] != _expand(lang, None, region)[0]
    )


@cache
def _names() -> dict[str, str]:
    """English names of languages, in lower case; and mMARCO's code for Dutch."""
    names = {name.lower(): code for code, name in Locale("en").languages.items()}
    return {name: code for name, code in names.items() if len(name) > 3} | {"dt": "nl"}
