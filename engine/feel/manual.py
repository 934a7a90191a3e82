"""The tables of the two manuals, made of the tables that the engine reads: `make docs`, or run this module.

`docs/language.md` is the strict language, `docs/feel.md` the full one. Their prose is written there by hand; what
stands between `<!-- table: NAME -->` and `<!-- end -->` is written by this module.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from sancha.engine.feel.builtins import BUILTINS, Builtin
from sancha.engine.feel.lexer import KEYWORDS
from sancha.engine.feel.operators import FORMS, OPERATORS, Operator
from sancha.engine.feel.parser import BINDING

MANUALS = ("language.md", "feel.md")
_BLOCK = re.compile(r"(<!-- table: ([\w -]+) -->\n).*?(<!-- end -->)", re.S)
#: Kinds that have an order; a parameter that takes all of them takes a point.
_POINT = frozenset(
    (
        "number",
        "string",
        "date",
        "time",
        "date and time",
        "days and time duration",
        "years and months duration",
    )
)


def refreshed(text: str) -> str:
    """A manual with its tables made anew. Raises KeyError for a table that there is not."""
    return _BLOCK.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}{m[3]}", text)


def refresh(folder: Path) -> None:
    """Makes the tables of the manuals in a folder anew."""
    for name in MANUALS:
        path = folder / name
        text = path.read_text(encoding="utf-8")
        if (new := refreshed(text)) != text:
            path.write_text(new, encoding="utf-8")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _example(example: tuple[str, str]) -> str:
    return f"`{example[0]}` → `{example[1]}`"


def _precedence() -> str:
    levels: dict[int, list[str]] = {}
    for name, binding in BINDING.items():
        levels.setdefault(binding, []).append(f"`{name}`")
    rows = [
        ["`a.b` `a[b]` `f(a)`", "paths, filters, calls"],
        ["`-a`", "the negative: `-5 ** 2` is 25"],
        *(
            [" ".join(names), _LEVELS[names[0].strip("`")]]
            for _, names in sorted(levels.items(), reverse=True)
        ),
        ["`if` `some` `every`", "their last part takes all that follows"],
    ]
    return _table(("operators, tightest first", ""), rows)


_LEVELS = {
    "**": "power; `2 ** 3 ** 2` is 64",
    "*": "products",
    "+": "sums",
    "=": "comparisons; they do not chain",
    "and": "",
    "or": "",
}


def _keywords() -> str:
    return ", ".join(f"`{word}`" for word in sorted(KEYWORDS)) + ".\n"


def _operators(rows: Iterable[Operator], show: Callable[[Operator], str]) -> str:
    """Rows of the same text as one, with all types that they take."""
    found: dict[tuple[str, str], list[Operator]] = {}
    for row in rows:
        found.setdefault((show(row), row.doc), []).append(row)
    lines = []
    for (name, doc), same in found.items():
        kinds = [f"{', '.join(map(str, row.params))} → {row.result}" for row in same]
        partial = (
            ""
            if not any(row.partial for row in same) or "nknown" in doc
            else " Unknown where it has no value."
        )
        lines.append([f"`{name}`", "<br>".join(kinds), doc + partial, _example(same[0].example)])
    return _table(("", "types", "meaning", "example"), lines)


def _comparisons() -> str:
    lines = []
    for name in ("=", "!=", "<", "<=", ">", ">="):
        rows = [row for row in OPERATORS if row.name == name]
        kinds = ", ".join(str(row.params[0]) for row in rows)
        lines.append([f"`a {name} b`", kinds, rows[0].doc, _example(rows[3].example)])
    return _table(("", "both operands are", "meaning", "example"), lines)


def _arithmetic() -> str:
    order = ("+", "-", "*", "/", "**", "negate")
    rows = sorted((row for row in OPERATORS if row.name in order), key=lambda row: order.index(row.name))
    return _operators(rows, lambda row: "-a" if row.name == "negate" else f"a {row.name} b")


def _functions() -> str:
    rows = [row for row in OPERATORS if row.names]
    return _operators(rows, lambda row: f"{row.name}({', '.join(row.names)})")


def _properties() -> str:
    return _operators([row for row in OPERATORS if row.name.startswith(".")], lambda row: f"x{row.name}")


def _forms() -> str:
    rows = []
    for form in FORMS:
        call = f"({', '.join(form.names)})" if form.names else ""
        rows.append([f"`{form.name}{call}`", form.doc, _example(form.example)])
    return _table(("", "meaning", "example"), rows)


# -- the full language ------------------------------------------------------------------------------------------------


def _signature(row: Builtin) -> str:
    parts = []
    for p in row.parameters:
        kinds = ["point"] if set(p.kinds) >= _POINT else []
        kinds += [kind for kind in p.kinds if not (kinds and kind in _POINT) and kind != "null"]
        mark = "…" if p.variadic else "?" if p.optional else ""
        parts.append(f"{p.name}{mark}: {' or '.join(kinds)}")
    return f"{row.name}({', '.join(parts)})"


def _builtins(module: str) -> Callable[[], str]:
    def table() -> str:
        rows = [
            row for rows in BUILTINS.values() for row in rows if row.run.__module__.endswith(f".{module}")
        ]
        lines = [[f"`{_signature(row)}`", _prose(row.doc), _example(row.example)] for row in rows]
        return _table(("", "meaning", "example"), lines)

    return table


def _prose(doc: str) -> str:
    """A docstring in one line."""
    return " ".join(doc.split())


def _count() -> str:
    return f"{len(BUILTINS)} functions in {sum(map(len, BUILTINS.values()))} forms.\n"


TABLES: dict[str, Callable[[], str]] = {
    "precedence": _precedence,
    "keywords": _keywords,
    "comparisons": _comparisons,
    "arithmetic": _arithmetic,
    "forms": _forms,
    "functions": _functions,
    "properties": _properties,
    "count of built-ins": _count,
    "conversions": _builtins("conversions"),
    "numbers": _builtins("numbers"),
    "texts": _builtins("texts"),
    "lists": _builtins("lists"),
    "contexts": _builtins("contexts"),
    "ranges": _builtins("ranges"),
    "temporal": _builtins("temporal"),
}


if __name__ == "__main__":
    refresh(Path(__file__).resolve().parent.parent.parent / "docs")
