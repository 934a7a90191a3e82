"""Errors as an interface: a code, a place, the source line, a help line, and a page for each code."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """A span in a text file. `line` and `column` count from 1, `length` counts characters.

    In a workbook `cell` is the cell, `D14`: `line` is its row, and the span lies within its text.
    """

    file: str
    line: int
    column: int
    length: int = 1
    text: str = ""
    cell: str = ""

    def __str__(self) -> str:
        if self.cell:
            return f"{self.file}!{self.cell}"
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One defect of a text: what is wrong, where, and what would mend it."""

    code: str
    message: str
    place: Place | None = None
    help: str | None = None

    def render(self) -> str:
        """The diagnostic as plain text: message, place, the source line with the span marked, help."""
        lines = [f"error[{self.code}]: {self.message}" if self.code else f"error: {self.message}"]
        if self.place is not None:
            number = str(self.place.line)
            gutter = " " * len(number)
            lines.append(f"{gutter}--> {self.place}")
            if self.place.text:
                text, start, length = _window(self.place)
                lines.append(f"{gutter} |")
                lines.append(f"{number} | {text}".rstrip())
                marked = text[start : start + length] or " "
                lines.append(f"{gutter} | {' ' * _width(text[:start])}{'^' * max(1, _width(marked))}")
        if self.help:
            lines.append(f"  = help: {self.help}")
        return "\n".join(lines)


#: Longer lines are shown in part, so that the mark stays in view.
_LONGEST_LINE = 160


def _window(place: Place) -> tuple[str, int, int]:
    """The source line as it is shown, and the span in it: a long line from a little before the span."""
    text = "".join(c if c.isprintable() else " " for c in place.text)
    start = min(place.column - 1, len(text))
    if len(text) <= _LONGEST_LINE:
        return text, start, place.length
    first = max(0, min(start - 40, len(text) - 120))
    last = min(len(text), first + 120)
    shown = ("…" if first else "") + text[first:last] + ("…" if last < len(text) else "")
    at = start - first + bool(first)
    return shown, at, max(1, min(place.length, last - start))


class SanchaError(Exception):
    """Input that cannot be worked with. The command line prints it and exits with status 2.

    `where` is a `Place`, a path or a description of the place; `help` says what would mend it.
    """

    def __init__(
        self,
        message: str,
        *,
        help: str | None = None,
        code: str | None = None,
        where: Place | Path | str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.code = code
        self.where = where

    def render(self) -> str:
        if isinstance(self.where, Place):
            return Diagnostic(self.code or "", self.message, self.where, self.help).render()
        lines = [f"error[{self.code}]: {self.message}" if self.code else f"error: {self.message}"]
        if self.where is not None:
            lines.append(f"  --> {self.where}")
        if self.help:
            lines.append(f"  = help: {self.help}")
        return "\n".join(lines)


class PackError(SanchaError):
    """All defects of a pack, found in one pass."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(diagnostics, key=_in_order))
        super().__init__("\n\n".join(d.render() for d in self.diagnostics))

    def render(self) -> str:
        count = len(self.diagnostics)
        tail = "1 error" if count == 1 else f"{count} errors"
        codes = sorted({d.code for d in self.diagnostics if d.code})
        more = f"`sancha explain {codes[0]}` tells more" if codes else ""
        if len(codes) > 1:
            more = f"`sancha explain CODE` tells more about each of {', '.join(codes)}"
        return f"{self.message}\n\n{tail}{'; ' if more else ''}{more}"


def _in_order(found: Diagnostic) -> tuple[str, int, int, str, int]:
    """By file, line, cell and column; `AA2` comes after `B2`."""
    place = found.place or Place("", 0, 0)
    return place.file, place.line, len(place.cell), place.cell, place.column


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A help line that names the nearest known words, or None where nothing is near."""
    near = difflib.get_close_matches(word, list(dict.fromkeys(known)), n=3, cutoff=0.6)
    if not near:
        return None
    # What is much further off than the nearest only distracts.
    matcher = difflib.SequenceMatcher(b=word)
    ratios = []
    for candidate in near:
        matcher.set_seq1(candidate)
        ratios.append(matcher.ratio())
    near = [n for n, ratio in zip(near, ratios, strict=True) if ratio > ratios[0] - 0.1]
    return "did you mean " + " or ".join(f"`{n}`" for n in near) + "?"


def explanation(code: str) -> str | None:
    """The page of an error code as Markdown, or None where there is no such code."""
    page = resources.files(__package__) / "pages" / f"{code.upper()}.md"
    return page.read_text(encoding="utf-8") if page.is_file() else None


def known_codes() -> list[str]:
    """All error codes that have a page, in order."""
    pages = resources.files(__package__) / "pages"
    return sorted(p.name.removesuffix(".md") for p in pages.iterdir() if p.name.endswith(".md"))


def _width(text: str) -> int:
    """Columns that a text takes on a terminal: CJK characters take two."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) != 0 for c in text)
