"""Characters that no font has, and data that no page can show."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

from sancha.engine.diagnostics import SanchaError

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def printable(text: str) -> str:
    """Data without the characters that no page can show; each leaves a mark where it stood."""
    return _CONTROL.sub("\ufffd", text)


@contextmanager
def missing_glyphs() -> Iterator[set[str]]:
    """Collects the characters that the PDF renderer draws as an empty box because no font has them."""
    found: set[str] = set()

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if ".notdef" in str(record.msg) and record.args:
                found.add(str(record.args[0]))  # type: ignore[index]

    logger = logging.getLogger("weasyprint")
    handler = Collect(logging.WARNING)
    kept = logger.propagate, logger.level
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield found
    finally:
        logger.removeHandler(handler)
        logger.propagate, _ = kept


def missing_glyph_error(missing: set[str], html: str) -> SanchaError:
    shown = ", ".join(f"`{c}` (U+{ord(c[0]):04X})" for c in sorted(missing)[:5])
    text = re.sub(r"<[^>]+>", " ", html)
    at = min((i for c in missing if (i := text.find(c)) >= 0), default=-1)
    near = " ".join(text[max(0, at - 30) : at + 30].split()) if at >= 0 else ""
    cjk = any("\u2e80" <= c <= "\uffef" for c in missing)
    return SanchaError(
        f"no installed font has {len(missing)} of the report's characters: {shown}",
        where=f"near “{near}”" if near else None,
        code="E0803",
        help="install the package `fonts-noto-cjk` (Noto Sans CJK SC and Noto Serif CJK SC)"
        if cjk
        else "install a font that has these characters, or replace them in the text or data they come from",
    )
