"""YAML with places: every key and value of a file keeps its line and column, and nothing is guessed.

All plain scalars stay text (`no`, `1.10` and `2024-01-31` are what was written); the models give them types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from sancha.engine.diagnostics import Diagnostic, PackError, Place, did_you_mean

Key = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)
#: Deeper files are refused before they could exhaust the stack.
MAX_DEPTH = 50
#: Aliases can make a large file of a small one.
MAX_NODES = 200_000


class Closed(BaseModel):
    """A model of a part of a file: keys it does not name are errors, and its values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


@dataclass
class Document:
    """One YAML document of a file: plain values (dict, list, str, None) and the place of each."""

    file: str
    text: str
    value: Any
    nodes: dict[Key, yaml.Node] = field(repr=False, default_factory=dict)
    keys: dict[Key, yaml.Node] = field(repr=False, default_factory=dict)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def place(self, path: Sequence[str | int] = (), span: tuple[int, int] | None = None) -> Place:
        """The place of the value at `path`, or, with `span`, of a part of its text. Falls back to the nearest
        enclosing value that exists."""
        key = tuple(path)
        while key not in self.nodes and key:
            key = key[:-1]
        node = self.nodes.get(key)
        if node is None:
            return Place(self.file, 1, 1, 1, self.lines[0] if self.lines else "")
        start, end = node.start_mark.index, node.end_mark.index
        if span is not None and isinstance(node, yaml.ScalarNode):
            offsets = _align(self.text, node)
            start, end = offsets[span[0]], offsets[max(span[0], span[1] - 1)] + 1
        return self._span(start, end)

    def key_place(self, path: Sequence[str | int]) -> Place:
        """The place of the key that leads to `path`."""
        node = self.keys.get(tuple(path))
        return (
            self.place(path[:-1]) if node is None else self._span(node.start_mark.index, node.end_mark.index)
        )

    def _span(self, start: int, end: int) -> Place:
        line = self.text.count("\n", 0, start)
        column = start - (self.text.rfind("\n", 0, start) + 1)
        text = self.lines[line] if line < len(self.lines) else ""
        length = max(1, min(end - start, len(text.rstrip()) - column))
        return Place(self.file, line + 1, column + 1, length, text)


def _align(text: str, node: yaml.ScalarNode) -> list[int]:
    """For each character of a scalar's value, its offset in the file; white space may have been folded."""
    at = node.start_mark.index
    if node.style in ("|", ">"):
        at = text.find("\n", at) + 1
    elif node.style in ('"', "'"):
        at += 1
    offsets = []
    end = node.end_mark.index
    for char in node.value:
        if not char.isspace():
            found = text.find(char, at, end)
            at = found if found >= 0 else at
        offsets.append(min(at, max(end - 1, 0)))
        at += 1
    return [*offsets, min(at, max(end - 1, 0))]


def read_text(path: Path, shown: str) -> str:
    """A text file in UTF-8. Raises PackError with the place of the first byte or character that is not text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PackError([Diagnostic("E0301", f"cannot read `{shown}`: {reason}")]) from None
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise PackError([_not_utf8(data, shown, error.start)]) from None
    if (control := _CONTROL.search(text)) is not None:
        message = f"the file holds a control character, U+{ord(control[0]):04X}"
        raise PackError(
            [Diagnostic("E0301", message, _place_at(shown, text, control.start()), "take it out")]
        )
    return text


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


def _not_utf8(data: bytes, shown: str, at: int) -> Diagnostic:
    """The place of the first byte that is not UTF-8, with the line as the likely encoding reads it."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        help = "it is UTF-16, which Windows calls Unicode: save it as UTF-8"
        return Diagnostic("E0301", "the file is not UTF-8", Place(shown, 1, 1), help)
    try:
        text, guess = data.decode("gb18030"), "it looks like GBK: "
    except UnicodeDecodeError:
        text, guess = data.decode("latin-1"), ""
    before = data[:at].decode("utf-8", "replace")
    line = before.count("\n")
    place = Place(
        shown, line + 1, len(before) - (before.rfind("\n") + 1) + 1, 1, text.split("\n")[line].rstrip("\r")
    )
    where = " (in Excel: as `CSV UTF-8`)" if shown.endswith(".csv") else ""
    return Diagnostic("E0301", "the file is not UTF-8", place, f"{guess}save it as UTF-8{where}")


def _place_at(shown: str, text: str, at: int) -> Place:
    line = text.count("\n", 0, at)
    return Place(shown, line + 1, at - (text.rfind("\n", 0, at) + 1) + 1, 1, text.split("\n")[line])


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
#: With fewer, no nesting could exhaust the stack of the YAML reader, which works by recursion.
_MANY_BRACKETS = 10_000


def _not_bottomless(text: str, shown: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH and event.start_mark is not None:
            place = _place_at(shown, text, event.start_mark.index)
            raise PackError([Diagnostic("E0301", f"nested more than {MAX_DEPTH} deep", place)])


def read_yaml(path: Path, shown: str) -> list[Document]:
    """All documents of a YAML file. Raises PackError for what is not YAML, and for all keys given twice."""
    text = read_text(path, shown)
    documents: list[Document] = []
    reading = _Reading()
    try:
        if sum(map(text.count, ("[", "{", "- ", "? "))) > _MANY_BRACKETS:
            _not_bottomless(text, shown)
        for node in yaml.compose_all(text, Loader=_LOADER):
            document = Document(shown, text, None)
            if node is not None:
                document.value = reading.value(document, node, (), 0)
                documents.append(document)
    except yaml.MarkedYAMLError as error:
        raise PackError([*reading.defects, _not_yaml(error, text, shown)]) from None
    except (yaml.YAMLError, RecursionError) as error:
        message = "too deeply nested" if isinstance(error, RecursionError) else str(error)
        raise PackError([Diagnostic("E0301", f"not YAML: {message}", Place(shown, 1, 1))]) from None
    if reading.defects:
        raise PackError(reading.defects)
    return documents


#: What the YAML reader says, what it means, and what mends it.
_YAML = (
    (
        "found character that cannot start any token",
        "a text cannot begin with `{char}`",
        "put the text in quotes",
    ),
    (
        "mapping values are not allowed",
        "`: ` stands where no key can be",
        "put the text in quotes, or mend the indentation",
    ),
    (
        "could not find expected ':'",
        "a line is neither a key with `: ` nor part of a text",
        "write `key: value`",
    ),
    (
        "did not find expected key",
        "the line does not fit those above it",
        "mend the indentation, or put a text that goes on after a closing quote in quotes as a whole",
    ),
    (
        "did not find expected '-' indicator",
        "the line does not fit the list above it",
        "begin each entry with `- `",
    ),
    (
        "did not find expected ',' or",
        "a list in brackets is not closed, or lacks a comma",
        "close it with `]` or `}`",
    ),
    (
        "block sequence entries are not allowed",
        "`- ` begins a list where none can be",
        "begin the list on a line of its own",
    ),
    ("found unexpected end of stream", "a text in quotes is not closed", "close it"),
    ("found unexpected document indicator", "a text in quotes is not closed", "close it"),
    (
        "found unknown escape character",
        "a backslash in a text in double quotes",
        "use single quotes, or write `\\\\`",
    ),
    ("found undefined alias", "a text that begins with `*` is read as an alias", "put the text in quotes"),
    ("while scanning an anchor", "a text cannot begin with `&`", "put the text in quotes"),
    ("while scanning an alias", "a text cannot begin with `*`", "put the text in quotes"),
)


def _not_yaml(error: yaml.MarkedYAMLError, text: str, shown: str) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    said = f"{error.context or ''} {error.problem or ''}"
    place = None if mark is None else _place_at(shown, text, min(mark.index, max(len(text) - 1, 0)))
    char = text[mark.index : mark.index + 1] if mark is not None else ""
    if char == "\t":
        return Diagnostic("E0301", "not YAML: a tab indents the line", place, "indent with spaces")
    for words, meaning, help in _YAML:
        if words in said:
            return Diagnostic("E0301", f"not YAML: {meaning.format(char=char)}", place, help)
    return Diagnostic(
        "E0301", f"not YAML: {error.problem}", place, "put a text that holds marks of YAML in quotes"
    )


_SEPARATORS = "a number is written without separators: 3000000"


class _Reading:
    """Builds the values of a file, and collects what YAML would take silently."""

    def __init__(self) -> None:
        self.defects: list[Diagnostic] = []
        self.nodes = 0

    def value(self, document: Document, node: yaml.Node, path: Key, depth: int) -> Any:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            limit = (
                f"nested more than {MAX_DEPTH} deep"
                if depth > MAX_DEPTH
                else f"more than {MAX_NODES:,} entries"
            )
            help = "an alias, `*name`, repeats what it names" if depth <= MAX_DEPTH else None
            raise PackError([*self.defects, Diagnostic("E0301", limit, document.place(path[:-1]), help)])
        document.nodes[path] = node
        if not str(node.tag).startswith("tag:yaml.org,2002:"):
            self.defects.append(
                Diagnostic(
                    "E0301", f"`{node.tag}` is read as a tag", document.place(path), "put the text in quotes"
                )
            )
        if isinstance(node, yaml.ScalarNode):
            # `style` is None or empty for a plain scalar, by the reader that is installed.
            if not node.style and node.value in ("", "null", "~"):
                return None
            return node.value
        if isinstance(node, yaml.SequenceNode):
            return [self.value(document, item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            scalar = isinstance(key_node, yaml.ScalarNode)
            key = str(key_node.value) if scalar else ""
            document.keys[(*path, key)] = key_node
            if not scalar or (*path, key) in document.nodes:
                message = f"the key `{key}` is given twice" if scalar else "a key is not a text"
                help = "keep one of them" if scalar else "put a text that begins with `{` or `[` in quotes"
                help = _SEPARATORS if key.isdigit() else help
                place = document.key_place((*path, key))
                self.defects.append(Diagnostic("E0302" if scalar else "E0303", message, place, help))
                continue
            out[key] = self.value(document, value_node, (*path, key), depth + 1)
        return out


def parse_model(
    model: type[Model], document: Document, base: Key = ()
) -> tuple[Model | None, list[Diagnostic]]:
    """The value at `base` as a model, and its defects, each at the key or value that it speaks of."""
    value = document.value
    for step in base:
        value = value[step]
    if not isinstance(value, dict):
        return None, [
            Diagnostic("E0303", f"expected keys and values, found {_found(value)}", document.place(base))
        ]
    empty = list(_empty(document, value, base))
    try:
        return (None if empty else model.model_validate(value)), empty
    except ValidationError as error:
        missed = {d.place for d in empty}
        return None, [*empty, *(d for d in _defects(model, document, base, error) if d.place not in missed)]


def faulty_keys(model: type[BaseModel], value: Mapping[str, Any]) -> set[str]:
    """The keys at the top of a value with which its model finds fault, and those it lacks."""
    empty = {key for key, part in value.items() if part is None}
    try:
        model.model_validate(value)
        return empty
    except ValidationError as error:
        return empty | {str(item["loc"][0]) for item in error.errors(include_url=False) if item["loc"]}


def _empty(document: Document, value: Any, path: Key) -> Iterator[Diagnostic]:
    """Keys without a value, which a reader could take for keys that are not there."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        if part is None:
            place = document.key_place((*path, key)) if isinstance(key, str) else document.place((*path, key))
            what = f"the key `{key}`" if isinstance(key, str) else "an entry of the list"
            yield Diagnostic("E0304", f"{what} has no value", place, "give it a value, or take it out")
        yield from _empty(document, part, (*path, key))


def _defects(
    model: type[BaseModel], document: Document, base: Key, error: ValidationError
) -> Iterator[Diagnostic]:
    seen = set()
    slips = set()
    for item in error.errors(include_url=False):
        if item["type"] == "extra_forbidden":
            near = did_you_mean(str(item["loc"][-1]), _known_keys(model, item["loc"][:-1])) or ""
            slips |= {(*item["loc"][:-1], name) for name in re.findall(r"`([^`]+)`", near)}
    for item in error.errors(include_url=False):
        loc = _real(document, base, item["loc"])
        path = (*base, *loc)
        kind = item["type"]
        if kind == "extra_forbidden":
            known = _known_keys(model, loc[:-1])
            name = str(loc[-1])
            help = did_you_mean(name, known) or (f"known keys: {', '.join(known)}" if known else None)
            help = _SEPARATORS if name.isdigit() else help
            yield Diagnostic("E0303", f"unknown key `{name}`", document.key_place(path), help)
        elif kind == "missing":
            if item["loc"] in slips:
                continue  # it stands there, misspelt
            within = f" of `{loc[-2]}`" if len(loc) > 1 and isinstance(loc[-2], str) else ""
            place = document.place(path[:-1]) if not within else document.key_place(path[:-1])
            yield Diagnostic("E0304", f"the key `{loc[-1]}`{within} is lacking", place)
        else:
            message, help = _wrong(kind, item)
            place = document.key_place(path) if item["loc"][-1:] == ("[key]",) else document.place(path)
            key = (path, message)
            if key not in seen:
                seen.add(key)
                yield Diagnostic("E0305", message, place, help)


def _wrong(kind: str, item: Mapping[str, Any]) -> tuple[str, str | None]:
    """What is wrong with a value, in words, and a help line."""
    given = item["input"]
    shown = f"`{given}`" if isinstance(given, str) else _found(given)
    if kind == "literal_error":
        values = re.findall(r"'([^']*)'", item["ctx"]["expected"])
        near = did_you_mean(given, values) if isinstance(given, str) else None
        return f"{shown} is no value of `{item['loc'][-1]}`", near or f"the values are {', '.join(values)}"
    if kind == "string_pattern_mismatch":
        if "-" in item["ctx"]["pattern"]:
            return (
                f"{shown} is no id of a rule",
                "an id is capitals and digits, a hyphen, and digits or letters: `CR-01`",
            )
        return (
            f"{shown} is no name",
            "a name is made of letters, digits and `_`, and does not begin with a digit",
        )
    if kind.startswith("int_"):
        return f"expected an integer, that is a whole number, found {shown}", None
    if kind.startswith("bool_"):
        return f"expected true or false, found {shown}", None
    if kind == "string_type":
        return f"expected a text, found {shown}", "put a text that begins with `{` or `[` in quotes"
    if kind in ("list_type", "tuple_type"):
        return (
            f"expected a list, found {shown}",
            "write `[a, b]`, or each entry on a line that begins with `- `",
        )
    if kind in ("dict_type", "model_type", "model_attributes_type", "mapping_type"):
        return (
            f"expected keys and values, found {shown}",
            "write `{key: value}`, or each key on a line of its own",
        )
    if kind == "too_short":
        return "expected at least one entry", None
    message = str(item["msg"]).removeprefix("Value error, ")
    help = None
    if kind == "value_error" and "; " in message:
        message, _, help = message.partition("; ")
    return message[0].lower() + message[1:], help


def _found(value: Any) -> str:
    return {dict: "keys and values", list: "a list", type(None): "nothing"}.get(type(value)) or f"`{value}`"


def _real(document: Document, base: Key, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The part of pydantic's location that exists in the file, plus one step for a key that is lacking."""
    out: list[str | int] = []
    for step in loc:
        if (*base, *out, step) in document.nodes or step == loc[-1]:
            out.append(step)
    return tuple(out)


def _known_keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that the model knows at a location below it."""
    current: Any = model
    for step in loc:
        current = _within(current, step)
    current = _bare(current)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [f.alias or n for n, f in current.model_fields.items()]
    return []


def _within(annotation: Any, step: str | int) -> Any:
    """What stands at a key or index of what is annotated so; None where that is not known."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {f.alias or n: f.annotation for n, f in annotation.model_fields.items()}.get(str(step))
    if get_origin(annotation) in (list, dict, tuple):
        return get_args(annotation)[-1]
    return None


def _bare(annotation: Any) -> Any:
    """An annotation such as `M | None` without its alternatives that hold no keys."""
    if get_origin(annotation) in (Union, UnionType):
        parts = [a for a in get_args(annotation) if a is not type(None)]
        return next(
            (
                a
                for a in parts
                if get_origin(a) is not None or (isinstance(a, type) and issubclass(a, BaseModel))
            ),
            None,
        )
    return annotation
