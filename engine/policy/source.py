"""YAML with places: every key and value of a file keeps its line and column, and nothing is guessed.

All plain scalars stay text (`no`, `1.10` and `2024-01-31` are what was written); the models give them types.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        return self.place(path[:-1]) if node is None else self._span(node.start_mark.index, node.end_mark.index)

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
    """A text file in UTF-8. Raises PackError with the place of the first byte that is not."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PackError([Diagnostic("E0301", f"cannot read `{shown}`: {error.strerror}")]) from None
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PackError(
            [Diagnostic("E0301", "the file is not UTF-8", Place(shown, line, 1), "save it as UTF-8")]
        ) from None


def read_yaml(path: Path, shown: str) -> list[Document]:
    """All documents of a YAML file. Raises PackError for what is not YAML, and for keys given twice."""
    text = read_text(path, shown)
    documents: list[Document] = []
    try:
        for node in yaml.compose_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            document = Document(shown, text, None)
            if node is not None:
                document.value = _build(document, node, (), 0)
                documents.append(document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = None
        if mark is not None:
            lines = text.split("\n")
            place = Place(shown, mark.line + 1, mark.column + 1, 1, lines[mark.line] if mark.line < len(lines) else "")
        help = "put the text in quotes if it holds `: ` or begins with `@`, `[`, `{`, `*`, `&`, `!`, `%` or a quote"
        raise PackError([Diagnostic("E0301", f"not YAML: {error.problem}", place, help)]) from None
    except yaml.YAMLError as error:
        raise PackError([Diagnostic("E0301", f"not YAML: {error}", Place(shown, 1, 1))]) from None
    return documents


def _build(document: Document, node: yaml.Node, path: Key, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise PackError([Diagnostic("E0301", f"nested more than {MAX_DEPTH} deep", document.place(path[:-1]))])
    document.nodes[path] = node
    if isinstance(node, yaml.ScalarNode):
        if not node.style and node.value in ("", "null", "~"):
            return None
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_build(document, item, (*path, i), depth + 1) for i, item in enumerate(node.value)]
    out: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else ""
        if key in out:
            document.keys[(*path, key)] = key_node
            place = document.key_place((*path, key))
            raise PackError([Diagnostic("E0302", f"the key `{key}` is given twice", place, "keep one of them")])
        document.keys[(*path, key)] = key_node
        out[key] = _build(document, value_node, (*path, key), depth + 1)
    return out


def parse_model(model: type[Model], document: Document, base: Key = ()) -> tuple[Model | None, list[Diagnostic]]:
    """The value at `base` as a model, and its defects, each at the key or value that it speaks of."""
    value = document.value
    for step in base:
        value = value[step]
    if not isinstance(value, dict):
        return None, [Diagnostic("E0303", "expected keys and values", document.place(base))]
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        return None, list(_defects(model, document, base, error))


def _defects(model: type[BaseModel], document: Document, base: Key, error: ValidationError) -> Iterator[Diagnostic]:
    seen = set()
    for item in error.errors(include_url=False):
        loc = _real(document, base, item["loc"])
        path = (*base, *loc)
        kind = item["type"]
        if kind == "extra_forbidden":
            known = _known_keys(model, loc[:-1])
            name = str(loc[-1])
            help = did_you_mean(name, known) or (f"known keys: {', '.join(known)}" if known else None)
            yield Diagnostic("E0303", f"unknown key `{name}`", document.key_place(path), help)
        elif kind == "missing":
            yield Diagnostic("E0304", f"the key `{loc[-1]}` is lacking", document.place(path[:-1]) if not loc[:-1]
                             else document.key_place(path[:-1]))  # fmt: skip
        else:
            message = item["msg"].removeprefix("Value error, ")
            message = message[0].lower() + message[1:]
            key = (path, message)
            if key not in seen:
                seen.add(key)
                yield Diagnostic("E0305", message, document.place(path))


def _real(document: Document, base: Key, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The part of pydantic's location that exists in the file, plus one step for a key that is lacking."""
    out: list[str | int] = []
    for step in loc:
        if (*base, *out, step) in document.nodes:
            out.append(step)
        elif step == loc[-1]:
            out.append(step)
    return tuple(out)


def _known_keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that the model knows at a location below it."""
    current: Any = model
    for step in loc:
        if isinstance(current, type) and issubclass(current, BaseModel):
            fields = {f.alias or n: f for n, f in current.model_fields.items()}
            current = fields[str(step)].annotation if str(step) in fields else None
        current = _inner(current)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return [f.alias or n for n, f in current.model_fields.items()]
    return []


def _inner(annotation: Any) -> Any:
    """The model within an annotation such as `list[M]`, `dict[str, M]` or `M | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, dict, tuple, Union, UnionType):
        for arg in get_args(annotation):
            if (found := _inner(arg)) is not None:
                return found
    return None
