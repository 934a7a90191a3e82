"""YAML in one layout: what is written stays, comments included; only how it stands on the lines is set.

The text is read as events with their places, each comment is tied to the entry that it speaks of, and the tree is
written anew. `parts` says which scalars are expressions and in which order the keys of a mapping stand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from sancha.engine.feel.layout import has_comment, lay_out, width_of
from sancha.engine.policy.source import Key

#: Longest line, in columns; longer texts are folded where they have spaces.
WIDTH = 120
INDENT = 2
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: Plain texts that YAML readers take for something else than text: they keep the form in which they were written.
_AMBIGUOUS = re.compile(
    r"""~|null|true|false|yes|no|on|off|y|n|=|<<
      | [-+]?(\.\d+|\d[\d_]*(\.[\d_]*)?)([eE][-+]?\d+)?
      | 0[xob][0-9a-fA-F_]+
      | [-+]?\d[\d_]*(:[0-5]?\d)+(\.\d*)?
      | [-+]?\.(inf|nan)
      | \d{4}-\d\d?-\d\d?([Tt\s].*)?""",
    re.X | re.I,
)
_CONTROL = re.compile(r"[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_BLOCK_HEADER = re.compile(r"[|>]([-+0-9]*)[ \t]*(?=#|\n|$)")


@dataclass
class Node:
    """A value as written: `start` and `end` are offsets, `column` where it begins in its line."""

    start: int
    end: int
    line: int
    column: int
    anchor: str | None = None


@dataclass
class Scalar(Node):
    """`style` is None for plain text, or one of `" ' | >`; `raw` is the text as written."""

    value: str = ""
    style: str | None = None
    raw: str = ""
    #: An expression of FEEL, without comments.
    feel: bool = False


@dataclass
class Alias(Node):
    name: str = ""


@dataclass
class Entry:
    """A key with its value, or an item. `before`: comments above, each with whether a blank line precedes it;
    `after`: the comment beside it."""

    key: Scalar | Alias | None
    value: Node
    before: list[tuple[bool, str]] = field(default_factory=list)
    blank: bool = False
    after: str | None = None

    @property
    def start(self) -> int:
        return self.value.start if self.key is None else self.key.start

    @property
    def line(self) -> int:
        return self.value.line if self.key is None else self.key.line


@dataclass
class Collection(Node):
    """A mapping (entries have keys) or a sequence; `flow` in brackets. `tail`: comments after the last entry."""

    mapping: bool = False
    flow: bool = False
    entries: list[Entry] = field(default_factory=list)
    tail: list[tuple[bool, str]] = field(default_factory=list)


@dataclass
class Comment:
    start: int
    line: int
    column: int
    text: str
    own_line: bool
    blank: bool


#: For a document: whether the scalar at a path is an expression, and the order of the keys of the mapping at a path.
Parts = tuple[Callable[[Key], bool], Callable[[Key], Sequence[str] | None]]


def lay_out_yaml(text: str, parts: Callable[[Node], Parts]) -> str:
    """The text of a YAML file in one layout. It must be readable: `read_yaml` says what is wrong with one that is not.

    `parts` is asked once a document. Raises FeelSyntaxError for an expression that is none.
    """
    out: list[str] = []
    written = False
    for root, head in _documents(text):
        if root is None:
            out += _comment_lines(head, 0, _open(out))
            continue
        if written:
            out.append("---")
        lines = _Writer(text, *parts(root)).document(root, head)
        out += lines
        written = True
    return "\n".join(out) + "\n" if out else ""


def comments(text: str) -> list[str]:
    """The comments of a YAML text, in order, without trailing blanks."""
    return [c.text for c in _comments(text, _events(text))]


# -- reading ----------------------------------------------------------------------------------------------------------


def _offset(mark: Any) -> int:
    """The place of an event in the text; events of a parser always have one."""
    return int(mark.index)


def _documents(text: str) -> Iterator[tuple[Node | None, list[tuple[bool, str]]]]:
    """The root of each document, comments tied to its entries, and the comments above its first entry."""
    events = _events(text)
    notes = _comments(text, events)
    starts = [_offset(e.start_mark) for e in events if isinstance(e, yaml.DocumentStartEvent)]
    stream = iter(events)
    number = 0
    for event in stream:
        if not isinstance(event, yaml.DocumentStartEvent):
            continue
        root: Node | None = _node(next(stream), stream, text)
        number += 1
        until = starts[number] if number < len(starts) else len(text)
        if isinstance(root, Scalar) and _missing(root):
            root = None
            head = _taken(notes, until)
        else:
            assert root is not None
            head = _taken(notes, _content(root))
            if isinstance(root, Collection):
                _tie(text, root, notes, until, -1)
                root.tail += _taken(notes, until)
            else:
                head += _taken(notes, until)
        yield root, head
    if notes:
        yield None, _taken(notes, len(text))


def _events(text: str) -> list[Any]:
    return list(yaml.parse(text, Loader=_LOADER))


def _node(event: Any, stream: Iterator[Any], text: str) -> Node:
    start, end = event.start_mark, event.end_mark
    at = (start.index, end.index, start.line, start.column)
    if isinstance(event, yaml.AliasEvent):
        return Alias(*at, name=str(event.anchor))
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(*at, event.anchor, event.value, event.style or None, text[start.index : end.index])
    mapping = isinstance(event, yaml.MappingStartEvent)
    node = Collection(*at, event.anchor, mapping=mapping, flow=bool(event.flow_style))
    while not isinstance(inner := next(stream), yaml.MappingEndEvent | yaml.SequenceEndEvent):
        if mapping:
            key = _node(inner, stream, text)
            assert isinstance(key, Scalar | Alias)  # the reader refuses other keys
            node.entries.append(Entry(key, _node(next(stream), stream, text)))
        else:
            node.entries.append(Entry(None, _node(inner, stream, text)))
    node.end = _offset(inner.end_mark)
    if not node.flow and node.entries:
        node.end = node.entries[-1].value.end
    return node


def _comments(text: str, events: list[Any]) -> list[Comment]:
    """The comments: what begins with `#` outside of scalars."""
    lines = text.split("\n")
    masked: list[tuple[int, int]] = []
    for event in events:
        if isinstance(event, yaml.ScalarEvent):
            start, end = _offset(event.start_mark), _offset(event.end_mark)
            if event.style in ("|", ">"):
                start = text.find("\n", start)
                start = end if start < 0 else start
            masked.append((start, end))
    out = []
    offset = 0
    at = 0
    for number, line in enumerate(lines):
        position = line.find("#")
        while position >= 0:
            here = offset + position
            while at < len(masked) and masked[at][1] <= here:
                at += 1
            if at < len(masked) and masked[at][0] <= here:
                position = line.find("#", min(masked[at][1] - offset, len(line)))
                continue
            own = not line[:position].strip()
            blank = own and number > 0 and not lines[number - 1].strip()
            out.append(Comment(here, number, position, line[position:].rstrip(), own, blank))
            break
        offset += len(line) + 1
    return out


def _content(node: Node) -> int:
    """Where the first text within a node begins."""
    while isinstance(node, Collection) and not node.flow and node.entries and not node.anchor:
        entry = node.entries[0]
        if entry.key is not None:
            return entry.key.start
        node = entry.value
    return node.start


def _taken(notes: list[Comment], until: int) -> list[tuple[bool, str]]:
    taken = []
    while notes and notes[0].start < until:
        note = notes.pop(0)
        taken.append((note.blank, note.text))
    return taken


def _tie(text: str, node: Collection, notes: list[Comment], until: int, outer: int) -> None:
    """Ties the comments up to the offset `until` to the entries of a collection whose parent stands at `outer`."""
    for i, entry in enumerate(node.entries):
        entry.before += _taken(notes, _content(entry.value) if entry.key is None else entry.key.start)
        entry.blank = _blank_before(text, entry.start)
        following = _content_of(node.entries[i + 1]) if i + 1 < len(node.entries) else until
        value = entry.value
        body = value.end if isinstance(value, Scalar) and value.style in ("|", ">") else _content(value)
        nested = isinstance(value, Collection) and bool(value.entries)
        if isinstance(value, Collection) and value.flow:
            body = value.entries[0].start if value.entries else value.end
        while notes and notes[0].start < body and not (nested and notes[0].own_line):
            note = notes.pop(0)
            if entry.after is None and not note.own_line and (entry.key is not None or not nested):
                entry.after = note.text
            else:
                entry.before.append((note.blank, note.text))
        if isinstance(value, Collection):
            if value.flow:
                _tie(text, value, notes, value.end, node.column)
                value.tail += _taken(notes, value.end)
            else:
                _tie(text, value, notes, following, node.column)
        if notes and notes[0].start < following and not notes[0].own_line and entry.after is None:
            line_end = text.find("\n", max(value.end - 1, value.start))
            if notes[0].start < (line_end if line_end >= 0 else len(text)):
                entry.after = notes.pop(0).text
    if node.flow:
        return
    while notes and notes[0].start < until and notes[0].own_line and notes[0].column >= node.column > outer:
        note = notes.pop(0)
        node.tail.append((note.blank, note.text))


def _content_of(entry: Entry) -> int:
    return entry.key.start if entry.key is not None else _content(entry.value)


def _blank_before(text: str, start: int) -> bool:
    """Whether the line above the one of `start` is blank."""
    line = text.rfind("\n", 0, start)
    above = text.rfind("\n", 0, max(line, 0))
    return line > 0 and not text[above + 1 : line].strip()


def _missing(node: Node) -> bool:
    return isinstance(node, Scalar) and not node.style and node.value in ("", "~", "null")


# -- writing ----------------------------------------------------------------------------------------------------------


def _comment_lines(notes: Sequence[tuple[bool, str]], indent: int, spaced: bool) -> list[str]:
    """The lines of comments; `spaced`: a blank line may stand before the first."""
    out: list[str] = []
    for blank, text in notes:
        out += [""] if blank and (out or spaced) else []
        out.append(" " * indent + text)
    return out


def _open(lines: Sequence[str]) -> bool:
    """Whether a blank line may follow: not at the top, nor where a text ends in blank lines of its own."""
    return bool(lines) and lines[-1] != ""


class _Writer:
    def __init__(
        self, text: str, expression: Callable[[Key], bool], order: Callable[[Key], Sequence[str] | None]
    ) -> None:
        self.text = text
        self.expression = expression
        self.order = order

    def document(self, root: Node, head: list[tuple[bool, str]]) -> list[str]:
        out = _comment_lines(head, 0, False)
        if not isinstance(root, Collection):
            return [*out, self.flat(root, ())]
        flat = self.fitting(root, (), "") if root.flow else None
        if flat is not None or not root.entries:
            out.append(flat or _brackets(root))
        else:
            if head and root.entries[0].blank:
                out.append("")
            out += [f"&{root.anchor}"] if root.anchor else []
            out += self.block(root, 0, ())
        return [*out, *_comment_lines(root.tail, 0, _open(out))]

    def ordered(self, node: Collection, path: Key) -> list[Entry]:
        """The entries in the order that their keys have; where it is not known, as they stand."""
        known = self.order(path) if node.mapping else None
        if not known:
            return node.entries
        place = {name: i for i, name in enumerate(known)}

        def rank(entry: Entry) -> int:
            name = entry.key.value if isinstance(entry.key, Scalar) else ""
            return place.get(name, len(place))

        return sorted(node.entries, key=rank)

    def block(self, node: Collection, indent: int, path: Key) -> list[str]:
        """The entries of a collection, each on lines of its own."""
        out: list[str] = []
        pad = " " * indent
        for i, entry in enumerate(self.ordered(node, path)):
            step: str | int = i if entry.key is None else _name(entry.key)
            head = pad + ("-" if entry.key is None else f"{self.key(entry.key)}:")
            before = [*entry.before, *self.hoisted(entry, head, (*path, step))]
            out += _comment_lines(before, indent, _open(out))
            out += [""] if entry.blank and _open(out) else []
            out += self.entry(entry, head, indent, (*path, step))
        return out

    def hoisted(self, entry: Entry, head: str, path: Key) -> list[tuple[bool, str]]:
        """Comments that have no place behind a `- ` and so stand above it."""
        value = entry.value
        if entry.key is not None or not isinstance(value, Collection) or not value.entries:
            return []
        if value.flow and self.fitting(value, path, head) is not None:
            return []
        first = value.entries[0]
        notes = [*first.before, *([(False, entry.after)] if entry.after is not None else [])]
        first.before, entry.after = [], None
        return notes + self.hoisted(first, " " * (len(head) + 1) + "-", (*path, 0))

    def entry(self, entry: Entry, head: str, indent: int, path: Key) -> list[str]:
        """The lines of an entry whose first line begins with `head`."""
        value = entry.value
        if isinstance(value, Collection):
            return self.collection(entry, value, head, indent, path)
        if isinstance(value, Scalar) and not _missing(value):
            lines = self.scalar(value, head, indent, path)
        else:
            lines = [f"{head} {self.flat(value, path)}".rstrip()]
        if entry.after is not None:
            lines[0] += f"  {entry.after}"
        return lines

    def collection(self, entry: Entry, value: Collection, head: str, indent: int, path: Key) -> list[str]:
        after = "" if entry.after is None else f"  {entry.after}"
        anchor = f" &{value.anchor}" if value.anchor else ""
        if (value.flow or not value.entries) and (flat := self.fitting(value, path, head)) is not None:
            return [f"{head} {flat}{after}"]
        if not value.entries:
            return [f"{head}{anchor} {_brackets(value)}{after}", *_comment_lines(value.tail, indent, False)]
        if value.flow and not value.mapping and (lines := self.listed(value, indent, path)) is not None:
            return [f"{head}{anchor} [{after}", *lines, " " * indent + "]"]
        inner = indent + INDENT
        lines = self.block(value, inner, path)
        tail = _comment_lines(value.tail, inner, _open(lines))
        if entry.key is None and not value.anchor:
            first = lines[0].lstrip(" ")
            return [f"{head} {first}", *lines[1:], *tail]
        return [f"{head}{anchor}{after}", *lines, *tail]

    def fitting(self, value: Collection, path: Key, head: str) -> str | None:
        """A collection on one line, where it fits."""
        flat = self.flat_of(value, path)
        if flat is None or (value.entries and width_of(f"{head} {flat}") > WIDTH):
            return None
        return flat

    def listed(self, value: Collection, indent: int, path: Key) -> list[str] | None:
        """The lines of a list in brackets: broken where they were broken, and where they are too long."""
        pad = " " * (indent + INDENT)
        lines: list[str] = []
        row: int | None = None
        for i, entry in enumerate(value.entries):
            flat = self.flat_of(entry.value, (*path, i))
            if flat is None:
                return None
            flat += "," if i < len(value.entries) - 1 else ""
            notes = _comment_lines(entry.before, indent + INDENT, False)
            lines += notes
            joined = f"{lines[-1]} {flat}" if lines and row == entry.line and not notes else ""
            if joined and width_of(joined) <= WIDTH:
                lines[-1] = joined
            else:
                lines.append(pad + flat)
            row = entry.line
            if entry.after is not None:
                lines[-1] += f"  {entry.after}"
                row = None
        return [*lines, *_comment_lines(value.tail, indent + INDENT, False)]

    # -- scalars ------------------------------------------------------------------------------------------

    def scalar(self, node: Scalar, head: str, indent: int, path: Key) -> list[str]:
        """A text below or beside its key: on one line where it fits, otherwise folded."""
        anchor = f" &{node.anchor}" if node.anchor else ""
        inner = " " * (indent + INDENT)
        room = WIDTH - indent - INDENT
        if self.expression(path) and not has_comment(node.value):
            text = _laid_out(node.value, WIDTH * 100)[0]
            line = f"{head}{anchor} {_quoted(text, node, False)}"
            if width_of(line) <= WIDTH or len(lines := _laid_out(node.value, room)) == 1:
                return [line]
            return [f"{head}{anchor} |-", *(inner + part for part in lines)]
        value = node.value
        if node.style in ("|", ">"):
            if node.style == "|" or not _one_paragraph(value):
                return self.verbatim(node, f"{head}{anchor}", indent)
            if _plain(value, False) and not _AMBIGUOUS.fullmatch(value):
                line = f"{head}{anchor} {value}"
                if width_of(line) <= WIDTH:
                    return [line]
            lines = [part.strip() for part in node.raw.split("\n")[1:] if part.strip()]
            if any(width_of(part) > room for part in lines) and _foldable(value):
                lines = _filled(value, room)
            return [f"{head}{anchor} >-", *(inner + part for part in lines)]
        line = f"{head}{anchor} {self.flat(node, path)}".replace(f"{anchor}{anchor}", anchor)
        if width_of(line) <= WIDTH or not _foldable(value) or len(lines := _filled(value, room)) == 1:
            return [line]
        return [f"{head}{anchor} >-", *(inner + part for part in lines)]

    def verbatim(self, node: Scalar, head: str, indent: int) -> list[str]:
        """A text in several lines as it stands; one that could not stand so is put in quotes."""
        value = node.value
        body = value.rstrip("\n")
        chomp = "-" if value == body else "" if value == body + "\n" and body else "+"
        first = body.split("\n")[0] if body else ""
        header = _BLOCK_HEADER.match(node.raw)
        explicit = header is not None and any(char.isdigit() for char in header[1])
        if (
            not body
            or explicit
            or first.startswith(" ")
            or not first
            or _CONTROL.search(body.replace("\n", ""))
        ):
            return [f"{head} {_escaped(value)}"]
        inner = " " * (indent + INDENT)
        if node.style == "|":
            lines = value.split("\n") if chomp == "+" else body.split("\n")
            lines = lines[:-1] if chomp == "+" else lines
        else:
            raw = node.raw.split("\n")[1:]
            while raw and not raw[-1].strip() and chomp != "+":
                raw.pop()
            if chomp == "+" and raw and not raw[-1].strip():
                raw.pop()
            depth = min(len(part) - len(part.lstrip(" ")) for part in raw if part.strip())
            lines = [part[depth:] if part.strip() else "" for part in raw]
        return [f"{head} {node.style}{chomp}", *((inner + part) if part else "" for part in lines)]

    def key(self, node: Scalar | Alias) -> str:
        if isinstance(node, Alias):
            return f"*{node.name} "
        anchor = f"&{node.anchor} " if node.anchor else ""
        return anchor + _quoted(node.value, node, True)

    def flat(self, node: Node, path: Key) -> str:
        """A value on one line, as it may stand within brackets only if `flat_of` gave it."""
        if isinstance(node, Alias):
            return f"*{node.name}"
        anchor = f"&{node.anchor} " if node.anchor else ""
        if isinstance(node, Scalar):
            if _missing(node):
                return (anchor + node.value).rstrip()
            return anchor + _quoted(node.value, node, False)
        return str(self.flat_of(node, path))

    def flat_of(self, node: Node, path: Key = ()) -> str | None:
        """A value on one line within brackets; None where a comment stands in it, or a text in a block."""
        if isinstance(node, Alias):
            return f"*{node.name}"
        anchor = f"&{node.anchor} " if node.anchor else ""
        if isinstance(node, Scalar):
            if node.style in ("|", ">"):
                return None
            if _missing(node):
                return anchor + (node.value or "null")
            value = node.value
            if self.expression(path) and not has_comment(value):
                value = _laid_out(value, WIDTH * 100)[0]
            return anchor + _quoted(value, node, True)
        assert isinstance(node, Collection)
        if node.tail or any(e.before or e.after is not None for e in node.entries):
            return None
        parts = []
        for i, entry in enumerate(self.ordered(node, path)):
            step: str | int = i if entry.key is None else _name(entry.key)
            value_text = self.flat_of(entry.value, (*path, step))
            if value_text is None:
                return None
            parts.append(value_text if entry.key is None else f"{self.key(entry.key)}: {value_text}")
        opening, closing = tuple(_brackets(node))
        return f"{anchor}{opening}{', '.join(parts)}{closing}"


def _brackets(node: Collection) -> str:
    return "{}" if node.mapping else "[]"


def _name(key: Scalar | Alias) -> str:
    return key.value if isinstance(key, Scalar) else key.name


_WORKING_DAYS = re.compile(r"\s*\bworking\s+days\s*$")


def without_unit(text: str) -> str:
    """The expression in a text that may end in `working days`."""
    return _WORKING_DAYS.sub("", text)


def _laid_out(text: str, width: int) -> list[str]:
    """An expression, or a number of working days."""
    if (unit := _WORKING_DAYS.search(text)) is not None:
        lines = lay_out(text[: unit.start()], width)
        return [*lines[:-1], f"{lines[-1]} working days"]
    return lay_out(text, width)


def _one_paragraph(value: str) -> bool:
    return bool(value) and value == " ".join(value.split()) and not _CONTROL.search(value)


def _foldable(value: str) -> bool:
    """Whether lines may be broken anew. The few spaces of a Chinese text are no places for it."""
    return _one_paragraph(value) and width_of(value) == len(value)


def _filled(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and width_of(f"{lines[-1]} {word}") > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip(" ")
    return lines


def _plain(value: str, flow: bool) -> bool:
    """Whether a text can stand without quotes."""
    if not value or value != value.strip() or _CONTROL.search(value):
        return False
    if value[0] in ",[]{}#&*!|>'\"%@`?:" or (value[0] == "-" and value[1:2] in ("", " ")):
        return False
    if ": " in value or " #" in value or value.endswith(":") or value.startswith(("---", "...")):
        return False
    return not (flow and any(char in value for char in ",[]{}"))


def _quoted(value: str, node: Scalar, flow: bool) -> str:
    """A text on one line: plain where that is read as the same text, otherwise in quotes."""
    plain_before = node.style is None and "\n" not in node.raw
    if plain_before and value == node.raw and value and (not flow or _plain(value, True)):
        return value
    if _plain(value, flow) and (node.style is None or not _AMBIGUOUS.fullmatch(value)):
        return value
    if "\n" in value or _CONTROL.search(value):
        return _escaped(value)
    if '"' not in value and "\\" not in value:
        return f'"{value}"'
    return "'" + value.replace("'", "''") + "'"


def _escaped(value: str) -> str:
    """A text in double quotes, with escapes."""
    out = []
    for char in value:
        if char in '"\\':
            out.append("\\" + char)
        elif char == "\n":
            out.append("\\n")
        elif char == "\t":
            out.append("\\t")
        elif _CONTROL.match(char):
            code = ord(char)
            out.append(
                f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
            )
        else:
            out.append(char)
    return f'"{"".join(out)}"'
