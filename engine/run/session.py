"""A session of expressions: facts that can be set, answers with their type, and the names that can be used.

The strict language over a loan file of a pack or over plain JSON, or the full language over JSON. Without terminal or
file: `repl.py` talks with people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from sancha.engine.book.loan_file import loan_file_from_json
from sancha.engine.diagnostics import Diagnostic, PackError, Place, SanchaError, did_you_mean
from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.feel.builtins import BUILTINS
from sancha.engine.feel.check import Scope
from sancha.engine.feel.context import checked, context_of
from sancha.engine.feel.lexer import KEYWORDS, FeelSyntaxError
from sancha.engine.feel.operators import BY_NAME, FORMS, FUNCTIONS
from sancha.engine.feel.parser import parse, parse_dmn
from sancha.engine.feel.temporal import temporal_value
from sancha.engine.feel.values import kind_of, written
from sancha.engine.policy.blame import blame
from sancha.engine.policy.lower import lower_core
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.run.as_text import as_text
from sancha.engine.run.dynamic import Program, compile_text
from sancha.engine.run.to_python import compile_core, compile_cores

#: Where the text of an error stands.
PLACE = "input"


@dataclass(frozen=True, slots=True)
class Name:
    """A name that can be used, with its kind or type and what it means; `called` like a function."""

    name: str
    type: str
    meaning: str = ""
    called: bool = False


class Session(Protocol):
    """What the dialogue needs of a language."""

    def answer(self, text: str) -> str:
        """The value and type of an expression, as it is shown. Raises SanchaError."""

    def type_of(self, text: str) -> str:
        """The type of an expression, without its value. Raises SanchaError."""

    def hint(self, text: str) -> str:
        """What can be said of an expression while it is written: its type, or what is wrong."""

    def complete(self, text: str) -> bool:
        """Whether the text is more than the beginning of an expression."""

    def assign(self, name: str, value: str) -> str:
        """Sets a fact; gives what is shown. Raises SanchaError."""

    def load(self, path: Path) -> None:
        """Takes the facts of a JSON file in place of all others. Raises SanchaError."""

    def names(self) -> Sequence[Name]:
        """Names that can begin an expression."""

    def within(self, text: str) -> Sequence[Name]:
        """Names that can stand after `text` and a dot: `visits`, `application`, a variable bound before."""


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object of facts, its numbers as decimals. Raises SanchaError."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise SanchaError(
            f"cannot read the file: {(error.strerror or str(error)).lower()}", where=path
        ) from None
    except UnicodeDecodeError:
        raise SanchaError("the file is not UTF-8 text", where=path, help="save it as UTF-8") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise SanchaError(f"the file is not JSON: {error}", where=path) from None
    if not isinstance(data, dict):
        raise SanchaError("the file is not an object", where=path, help='write {"amount": 5000000, …}')
    return data


def _ends_early(text: str, error: FeelSyntaxError) -> bool:
    """Whether more text may mend a text: it ends within an expression, a text or a comment."""
    return error.message.startswith("the expression ends too early") or (
        error.code == "E0103" and error.span[1] == len(text)
    )


class StrictSession:
    """The policy language. With a pack its vocabulary, parameters and decisions are known; without one, types are
    read off the values."""

    def __init__(self, pack: Pack | None = None, data: Mapping[str, Any] | None = None) -> None:
        self.pack = pack
        self.data: dict[str, Any] = dict(data or {})
        self._use(self.data)

    @staticmethod
    def of_files(pack: Path | None, context: Path | None) -> StrictSession:
        """A session over a JSON file, of a pack's vocabulary where one is given. Raises SanchaError."""
        loaded = load_pack(pack) if pack is not None else None
        session = StrictSession(loaded)
        if context is not None:
            session.load(context)
        return session

    def _use(self, data: dict[str, Any]) -> None:
        """Takes the facts; the session stays as it was where they are refused."""
        if self.pack is not None:
            file, reference, as_of = loan_file_from_json(data, self.pack.vocabulary)
            self.scope: Scope = self.pack.scope
            # Without a day, parameters have the values that are in force last.
            self.args: tuple[Any, ...] = (file.facts, file.lists, reference, as_of or date.max)
        else:
            found = context_of(data)
            self.scope, self.args = found.scope, (found.facts, found.lists, {}, date.max)
        self.data = data

    def load(self, path: Path) -> None:
        self._use(read_json(path))

    def core(self, text: str) -> c.Core:
        """The checked core of an expression."""
        return checked(text, self.scope, file=PLACE)

    def type_of(self, text: str) -> str:
        return _type_text(self.core(text).type)

    def hint(self, text: str) -> str:
        try:
            return f": {self.type_of(text)}"
        except PackError as error:
            return error.diagnostics[0].message

    def answer(self, text: str) -> str:
        name = text.strip()
        if name in self.scope.lists or name in self.scope.reference:
            return self._list(name)
        core = self.core(text)
        calendar = self.pack.calendar if self.pack is not None else None
        lowered = lower_core(self.pack, core) if self.pack is not None else core
        value = compile_core(lowered, calendar)(*self.args)
        if value is not None:
            shown = as_text(value, core.type)
            return f"{_quoted(str(shown), core.type)} : {_type_text(core.type)}"
        pairs = blame(lowered, {})
        blamed = compile_cores([condition for _, condition in pairs], (), calendar)(*self.args)
        missing = sorted({name for (name, _), yes in zip(pairs, blamed, strict=True) if yes})
        return f"unknown (missing: {', '.join(missing)})" if missing else "unknown"

    def _list(self, name: str) -> str:
        """A list, item by item: no value of the language, but a person may want to see it."""
        fields = {**self.scope.reference, **self.scope.lists}[name]
        source = self.args[1] if name in self.scope.lists else self.args[2]
        items = source.get(name)
        if items is None:
            return f"unknown (missing: {name})"
        shown = []
        for number, item in enumerate(items, 1):
            parts = [
                f"{key}: {as_text(item[key], type_)}"
                for key, type_ in fields.items()
                if item[key] is not None
            ]
            shown.append(f"\n  {number}  {', '.join(parts)}")
        count = "1 item" if len(items) == 1 else f"{len(items)} items"
        return f"a list of {count}{''.join(shown)}"

    def complete(self, text: str) -> bool:
        try:
            parse(text)
        except FeelSyntaxError as error:
            return not _ends_early(text, error)
        return True

    def assign(self, name: str, value: str) -> str:
        plain = self._plain(value)
        self._use(_with(self.data, name.split("."), plain))
        if name == "as_of":
            return f"{plain} : date"
        return self.answer(name)

    def _plain(self, text: str) -> Any:
        """The value of a text as JSON has it: written so, or as a date, or as an expression."""
        text = text.strip()
        if (temporal := temporal_value(text)) is not None:
            return temporal[1] if temporal[0] == "days" and self.pack is not None else text
        try:
            return json.loads(text, parse_float=Decimal)
        except json.JSONDecodeError:
            pass
        core = self.core(text)
        lowered = lower_core(self.pack, core) if self.pack is not None else core
        value = compile_core(lowered, self.pack.calendar if self.pack is not None else None)(*self.args)
        if value is None or isinstance(value, bool | Decimal):
            return value
        if isinstance(value, int) and (core.type.name != "days" or self.pack is not None):
            return value  # loan files write a span of days as its number
        return as_text(value, core.type)

    def names(self) -> list[Name]:
        vocabulary = self.pack.vocabulary if self.pack is not None else None
        out = []
        for name, type_ in self.scope.facts.items():
            kind = "one of" if type_.name == "one of" else str(type_)
            out.append(Name(name, kind, vocabulary.label(name, "en") if vocabulary else ""))
        for name in (*self.scope.lists, *self.scope.reference):
            out.append(Name(name, "list", self._label(name)))
        for name, type_ in self.scope.parameters.items():
            label = self.pack.parameters[name].label if self.pack is not None else {}
            out.append(Name(f"parameters.{name}", str(type_), str(label.get("en", ""))))
        for name, found in self.scope.decisions.items():
            title = self.pack.decisions[name].title.get("en", "") if self.pack is not None else ""
            if found.args:
                out.append(Name(name, str(found.outputs[0][1]), title, called=True))
            elif len(found.outputs) == 1:
                out.append(Name(name, str(found.outputs[0][1]), title))
            else:
                out += [Name(f"{name}.{output}", str(type_), title) for output, type_ in found.outputs]
        out += [
            Name(name, str(core.type))
            for name, core in self.scope.variables.items()
            if name not in self.scope.facts
        ]
        docs = {form.name: form.doc for form in FORMS} | {name: rows[0].doc for name, rows in BY_NAME.items()}
        out += [Name(name, "function", docs.get(name, ""), called=True) for name in sorted(FUNCTIONS)]
        return out + [Name(word, "keyword") for word in sorted(KEYWORDS - {"for", "return", "not"})]

    def _label(self, name: str) -> str:
        if self.pack is None:
            return ""
        found = {**self.pack.vocabulary.reference, **self.pack.vocabulary.lists}[name]
        return found.label.get("en", "")

    def within(self, text: str) -> list[Name]:
        fields = {**self.scope.reference, **self.scope.lists}.get(text)
        if fields is not None:
            return [Name(name, str(type_)) for name, type_ in fields.items()]
        known = {**self.scope.facts, **{f"parameters.{n}": x for n, x in self.scope.parameters.items()}}
        if text in known:
            return _properties(known[text])
        return []


def _properties(type_: t.Type) -> list[Name]:
    """What can stand after a value of the type and a dot."""
    return [
        Name(row.name[1:], str(row.result), row.doc)
        for rows in BY_NAME.values()
        for row in rows
        if row.name.startswith(".") and row.params == (type_,)
    ]


def _type_text(type_: t.Type) -> str:
    """A type as answers show it: of a long list of values the first few."""
    if len(type_.values) > 4 and type_.name == "one of":
        return f"one of [{', '.join(type_.values[:3])}, … {len(type_.values)} values]"
    return str(type_)


def _quoted(text: str, type_: t.Type) -> str:
    return json.dumps(text, ensure_ascii=False) if t.is_text(type_) else text


def _with(data: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """The data with another value at a path; None takes it out."""
    head, rest = path[0], path[1:]
    out = dict(data)
    if rest:
        inner = out.get(head)
        out[head] = _with(inner if isinstance(inner, Mapping) else {}, rest, value)
    else:
        out[head] = value
    return out


class FullSession:
    """The full language, over the values of names in scope: `Monthly Salary`, `Applicant`."""

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        self.values: dict[str, Any] = {key: _feel(value) for key, value in (data or {}).items()}

    @staticmethod
    def of_file(context: Path | None) -> FullSession:
        """A session over a JSON file: objects are contexts, arrays lists, texts stay texts. Raises SanchaError."""
        return FullSession(read_json(context) if context is not None else None)

    def load(self, path: Path) -> None:
        self.values = {key: _feel(value) for key, value in read_json(path).items()}

    def _run(self, text: str) -> tuple[Any, list[str]]:
        """The value, and why what is null is null."""
        result = self._program(text).run(self.values)
        seen: dict[str, None] = {}
        for w in result.warnings:
            line = w.text.split("\n")[w.line - 1] if w.text else ""
            place = Place(PLACE, w.line, w.column, 1, line)
            seen[_as_warning(Diagnostic("", w.message, place).render(), w.kind)] = None
        return result.value, list(seen)

    def answer(self, text: str) -> str:
        value, warnings = self._run(text)
        return "\n".join([f"{written(value)} : {kind_of(value)}", *warnings])

    def type_of(self, text: str) -> str:
        return kind_of(self._run(text)[0])

    def hint(self, text: str) -> str:
        try:
            problems = self._program(text).problems
        except PackError as error:
            return error.diagnostics[0].message
        return problems[0].message if problems else ""

    def _program(self, text: str) -> Program:
        try:
            return compile_text(text, self.values, keys=set(_keys(self.values)))
        except FeelSyntaxError as error:
            raise PackError([_located(text, error)]) from None

    def complete(self, text: str) -> bool:
        try:
            parse_dmn(text, [*self.values, *_keys(self.values)])
        except FeelSyntaxError as error:
            return not _ends_early(text, error)
        return True

    def assign(self, name: str, value: str) -> str:
        found, warnings = self._run(value)
        head, *rest = name.split(".")
        if rest and not isinstance(self.values.get(head), dict):
            raise SanchaError(f"`{head}` is no context", help=f"set {head} = {{}} first")
        self.values = _with(self.values, [head, *rest], found)
        return "\n".join([f"{written(found)} : {kind_of(found)}", *warnings])

    def names(self) -> list[Name]:
        out = [Name(name, kind_of(value)) for name, value in self.values.items()]
        for name, rows in BUILTINS.items():
            out.append(Name(name, "function", rows[0].doc.split("\n")[0], called=True))
        words = sorted((KEYWORDS | {"function", "instance of", "return", "for", "partial"}) - {"not"})
        return out + [Name(word, "keyword") for word in words]

    def within(self, text: str) -> list[Name]:
        value: Any = self.values
        for step in text.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, list):
            value = next((item for item in value if isinstance(item, dict)), None)
        return [Name(key, kind_of(part)) for key, part in value.items()] if isinstance(value, dict) else []


def _feel(value: Any) -> Any:
    """A JSON value as the full language has it."""
    if isinstance(value, dict):
        return {key: _feel(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_feel(part) for part in value]
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _keys(value: Any) -> Iterator[str]:
    """All keys of contexts within a value."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from _keys(part)
    elif isinstance(value, list):
        for part in value:
            yield from _keys(part)


def _located(text: str, error: FeelSyntaxError) -> Diagnostic:
    line = text.count("\n", 0, error.span[0])
    column = error.span[0] - (text.rfind("\n", 0, error.span[0]) + 1)
    length = max(1, error.span[1] - error.span[0])
    return Diagnostic(
        error.code,
        error.message,
        Place(PLACE, line + 1, column + 1, length, text.split("\n")[line]),
        error.help,
    )


def _as_warning(text: str, kind: str) -> str:
    return text.replace("error:", f"warning[{kind}]:", 1)


def unknown_command(word: str, known: Sequence[str]) -> SanchaError:
    """The error for a command that the dialogue does not have."""
    return SanchaError(
        f"unknown command `{word}`", help=did_you_mean(word, known) or ":help lists the commands"
    )
