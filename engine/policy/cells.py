"""The cells of decision tables, from text to core."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.feel.check import Defect, Scope, check_cell, check_value

#: A cell and its defects.
Checked = tuple[c.Core | None, list[Defect]]

_BARE: Final = re.compile(r"[0-9.\s<>=!\[\](),]+")
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class CellReader:
    """Reads cells in a scope. Cells that are alike are read once: tables of thousands of rows repeat themselves.

    Cells that differ in nothing but their numbers are alike too, as long as these ascend: the core of the first
    serves the others, with their numbers in its place.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.known: dict[tuple[str, c.Var | t.Type], Checked] = {}
        self.patterns: dict[tuple[str, c.Var], c.Core | None] = {}

    def input(self, text: str | None, operand: c.Var) -> Checked:
        """The test of a cell, over the variable of its input. None is a cell that is in error already."""
        if text is None:
            return None, []
        key = (text, operand)
        if key not in self.known:
            slip = cell_slip(text, operand.type)
            self.known[key] = (None, [slip]) if slip is not None else self.test(text, operand)
        return self.known[key]

    def output(self, text: str | None, expect: t.Type) -> Checked:
        if text is None:
            return None, []
        key = (text, expect)
        if key not in self.known:
            self.known[key] = check_value(text, expect, self.scope)
        return self.known[key]

    def test(self, text: str, operand: c.Var) -> Checked:
        numbers = _numbers(text)
        if not numbers:
            return check_cell(text, operand, self.scope)
        # Whole numbers and fractions are of different types.
        shape = _NUMBER.sub(lambda found: "0.0" if "." in found[0] else "0", text)
        pattern = self.patterns.get((shape, operand))
        if pattern is not None:
            rest: Iterator[c.Value] = iter(numbers)
            return c.rewrite(pattern, lambda node: _with(node, rest)), []
        core, defects = check_cell(text, operand, self.scope)
        if core is not None:
            found = [node.value for node in c.walk(core) if isinstance(node, c.Const) and _is_number(node)]
            self.patterns[shape, operand] = core if found == numbers else None
        return core, defects


def _numbers(text: str) -> list[int | Decimal]:
    """The numbers of a cell that holds nothing but numbers in ascending order and signs; otherwise nothing."""
    if not _BARE.fullmatch(text):
        return []
    written = _NUMBER.findall(text)
    if max(map(len, written), default=0) > 18:
        return []
    numbers = [Decimal(n) if "." in n else int(n) for n in written]
    whole = any(isinstance(n, Decimal) and n == n.to_integral_value() for n in numbers)
    return [] if whole or any(a >= b for a, b in itertools.pairwise(numbers)) else numbers


def _is_number(node: c.Const) -> bool:
    return isinstance(node.value, int | Decimal) and not isinstance(node.value, bool)


def _with(node: c.Core, numbers: Iterator[c.Value]) -> c.Core:
    return c.Const(node.type, next(numbers)) if isinstance(node, c.Const) and _is_number(node) else node


# -- slips -------------------------------------------------------------------------------------------------------------

_TEXT: Final = re.compile(r'"[^"]*"')
_FULL_WIDTH: Final = re.compile("[０-９]")
_THOUSANDS: Final = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?!\w)")
_DIFFERENCE: Final = re.compile(r"(\d[\d.]*)\s*-\s*(\d[\d.]*)")


def cell_slip(text: str, type_: t.Type) -> Defect | None:
    """What FEEL reads in the cell of an input, but not as a person means it."""
    bare = _TEXT.sub(lambda found: " " * len(found[0]), text)
    if found := _FULL_WIDTH.search(bare):
        digit = unicodedata.normalize("NFKC", found[0])
        return Defect("E0101", f"full-width digit `{found[0]}`", found.span(), f"write `{digit}` instead")
    if not t.is_numeric(type_):
        return None
    if found := _THOUSANDS.search(bare):
        number = found[0].replace(",", "")
        help = f"write `{number}` for one number, and a blank after each comma for several"
        return Defect("E0408", f"`{found[0]}` would be several numbers", found.span(), help)
    if found := _DIFFERENCE.fullmatch(bare.strip()):
        help = f"write `[{found[1]}..{found[2]}]` for a range"
        return Defect("E0408", f"`{text}` would be a difference", (0, len(text)), help)
    return None
