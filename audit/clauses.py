"""Clauses of the policy text: which of its languages to show, and its Markdown as HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from markupsafe import Markup


def by_language(parts: Sequence[str], lang: str) -> list[str]:
    """The parts that are in the language, or all where none is: packs write both languages side by side."""
    chinese = [p for p in parts if len(re.findall(r"[\u3400-\u9fff]", p)) * 4 > len(p)]
    own = chinese if lang == "zh" else [p for p in parts if p not in chinese]
    return own or list(parts)


def clause_title(title: str, lang: str) -> str:
    """`Two people · 双人调查` in one language."""
    return " · ".join(by_language([p.strip() for p in title.split("·")], lang))


def clause_html(text: str, lang: str) -> Markup:
    """A clause as HTML: paragraphs, lists and bold of Markdown. Everything else stays as written."""
    blocks = by_language([b.strip() for b in re.split(r"\n\s*\n", text) if b.strip()], lang)
    out = []
    for block in blocks:
        lines = block.splitlines()
        glue = "" if lang == "zh" else " "
        if all(line.lstrip().startswith(("- ", "* ")) for line in lines):
            items = "".join(f"<li>{_bold(line.lstrip()[2:])}</li>" for line in lines)
            out.append(f"<ul>{items}</ul>")
        else:
            out.append(f"<p>{_bold(glue.join(line.strip() for line in lines))}</p>")
    return Markup("".join(out))


_KEPT = re.compile(r"(<(script|style|title|svg|select)\b.*?</\2>|<[^>]*>)", re.S)
_CHINESE = re.compile(r"[\u3400-\u9fff][\u3000-\u303f\u3400-\u9fff\uff00-\uffef]*")


def mark_chinese(page: str) -> str:
    """A page in another language with its Chinese marked as such, for fonts and for screen readers."""
    parts = _KEPT.split(page)
    # Between two texts stand the part to keep and, where it is an element, its name.
    for i in range(0, len(parts), 3):
        parts[i] = _CHINESE.sub(r'<span lang="zh-CN">\g<0></span>', parts[i])
    return "".join(part for i, part in enumerate(parts) if i % 3 != 2)


def _bold(text: str) -> str:
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text, quote=False))
