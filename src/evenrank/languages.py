"""Language codes: the many spellings of one language meet in one place.

Corpora name the same language ``zh_cn``, ``zho_Hans`` or ``cmn``. Inside evenrank a language is the
shortest BCP 47 tag that CLDR's likely subtags expand to the same language, script and territory:
``zh``, ``zh-TW``, ``pt`` (Brazil), ``pt-PT``.
"""

from __future__ import annotations

from functools import lru_cache

from babel import Locale, UnknownLocaleError
from langcodes import Language, tag_parser

from evenrank.errors import DataError


@lru_cache(maxsize=4096)
def normalise(code: str, place: str = "language code") -> str:
    """Return the one tag that evenrank uses for the language that ``code`` names.

    Args:
        code: Any BCP 47 tag or ISO 639 code, with hyphens or underscores, in any case.
        place: Where the code stands (file and line), for the error message.

    Raises:
        DataError: ``code`` names no language.

    >>> [normalise(code) for code in ("zh_cn", "zho_Hans", "cmn", "EN", "deu", "arb", "pt-PT")]
    ['zh', 'zh', 'zh', 'en', 'de', 'ar', 'pt-PT']
    """
    try:
        language = Language.get(code, normalize=True)
        if not language.language or not language.is_valid():
            raise ValueError(code)
        full = Language.get(language.to_tag(), normalize=True).prefer_macrolanguage().maximize()
    except (ValueError, AttributeError, tag_parser.LanguageTagError) as cause:
        raise DataError(
            place,
            f"language code {code!r}",
            "a BCP 47 or ISO 639 code such as 'de', 'zh-TW' or 'swh'",
            "Correct the code; for the name of a file, rename the file",
        ) from cause
    shorter = (
        Language.make(language=full.language),
        Language.make(language=full.language, territory=full.territory),
        Language.make(language=full.language, script=full.script),
    )
    for candidate in shorter:
        if candidate.maximize() == full:
            return str(candidate.to_tag())
    return str(full.to_tag())


def language_name(code: str) -> str:
    """Return the English name of a language, or the code where CLDR has none.

    >>> language_name("el"), language_name("zh-TW")
    ('Greek', 'Chinese (Traditional, Taiwan)')
    """
    try:
        name = Locale.parse(code, sep="-").get_display_name("en")
    except (UnknownLocaleError, ValueError):
        return code
    return str(name or code)


def is_right_to_left(code: str) -> bool:
    """Tell whether the language is written from right to left.

    >>> is_right_to_left("ar"), is_right_to_left("de")
    (True, False)
    """
    try:
        return bool(Locale.parse(code, sep="-").character_order == "right-to-left")
    except (UnknownLocaleError, ValueError):
        return False
