"""One loan file as a value, and as JSON (docs/formats.md, "A loan file as JSON")."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from pathlib import Path

from sancha.engine.diagnostics import SanchaError, did_you_mean
from sancha.engine.feel.types import Type
from sancha.engine.policy.vocabulary import ListDef, Vocabulary

Item = dict[str, object]
Reference = dict[str, list[Item]]

#: Digits after the point, and digits in all, of the types that are kept as decimals.
DECIMALS = {"money": (2, 18), "rate": (8, 18), "number": (8, 30)}
_WIDE = Context(prec=60)

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")


@dataclass(frozen=True, slots=True)
class LoanFile:
    """One loan file. A fact, a field or a list that is None is missing; an empty list is known to be empty.

    `facts` holds every fact of the vocabulary by its full name (`application.amount`): str, bool, int,
    Decimal, datetime.date or datetime.datetime. An item of a list is a dict of its fields and of its number,
    `item`.
    """

    id: str
    facts: dict[str, object]
    lists: dict[str, list[Item] | None]


class _Unreadable(Exception):
    """A value that its type does not take: what was expected, and what would mend it."""

    def __init__(self, expected: str, help: str | None = None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.help = help


def load_loan_file(path: Path, vocabulary: Vocabulary) -> tuple[LoanFile, Reference, dt.date | None]:
    """A loan file from a JSON file; see `loan_file_from_json`. Numbers are read as decimals."""
    try:
        mapping = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as e:
        raise SanchaError(f"cannot read the loan file: {e.strerror}", where=path) from e
    except UnicodeDecodeError as e:
        raise SanchaError("the loan file is not UTF-8 text", where=path, help="save it as UTF-8") from e
    except json.JSONDecodeError as e:
        raise SanchaError(f"the loan file is not JSON: {e.msg}", where=f"{path}:{e.lineno}:{e.colno}") from e
    try:
        return loan_file_from_json(mapping, vocabulary)
    except SanchaError as e:
        raise SanchaError(e.message, help=e.help, code=e.code, where=f"{path}: {e.where}") from e


def loan_file_from_json(
    mapping: Mapping[str, object], vocabulary: Vocabulary, *, whole: bool = True
) -> tuple[LoanFile, Reference, dt.date | None]:
    """The loan file, the reference lists it carries and the day of the book, from parsed JSON.

    A part of a file (`whole=False`) may leave out required facts.
    Parse with `json.loads(text, parse_float=Decimal)`: a binary float is refused. Raises SanchaError, with
    the path (`visits[2].date`), for a key that the vocabulary lacks or a value that its type does not take.
    """
    if not isinstance(mapping, Mapping):
        raise SanchaError("a loan file is an object of groups and lists", where="the whole text")
    facts: dict[str, object] = dict.fromkeys(vocabulary.facts)
    lists: dict[str, list[Item] | None] = dict.fromkeys(vocabulary.lists)
    reference: Reference = {}
    groups = list(dict.fromkeys(name.split(".")[0] for name in vocabulary.facts if "." in name))
    file_id, as_of = "", None
    for key, value in mapping.items():
        if key == "id":
            file_id = str(_value(value, Type("text"), key) or "")
        elif key == "as_of":
            as_of = _value(value, Type("date"), key)
        elif key in facts:
            facts[key] = _value(value, vocabulary.facts[key].type, key)
        elif key in groups:
            facts |= group_from_json(key, value, vocabulary)
        elif key in lists:
            lists[key] = (
                None if value is None else items_from_json(key, value, vocabulary.lists[key], numbered=True)
            )
        elif key in vocabulary.reference:
            if value is not None:
                reference[key] = items_from_json(key, value, vocabulary.reference[key], numbered=False)
        else:
            known = ["id", "as_of", *groups, *lists, *vocabulary.reference]
            raise SanchaError(
                f"the vocabulary has no group and no list `{key}`",
                where=key,
                help=did_you_mean(str(key), known) or f"known: {', '.join(known)}",
            )
    required = [name for name, fact in vocabulary.facts.items() if fact.required] if whole else []
    absent = [name for name in required if facts[name] is None]
    if absent:
        raise SanchaError(f"the required fact `{absent[0]}` is missing", where=absent[0])
    assert as_of is None or isinstance(as_of, dt.date)
    return LoanFile(file_id, facts, lists), reference, as_of


def to_json(
    file: LoanFile,
    vocabulary: Vocabulary,
    *,
    reference: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
    as_of: dt.date | None = None,
) -> dict[str, object]:
    """The loan file as plain JSON values in the order of the vocabulary; `loan_file_from_json` reads it back.

    What is missing is left out. Decimals become text (see `plain`).
    """
    out: dict[str, object] = {"as_of": as_of.isoformat()} if as_of else {}
    out["id"] = file.id
    for name in vocabulary.facts:
        group, _, fact = name.partition(".")
        value = file.facts.get(name)
        if not fact:
            out |= {} if value is None else {name: plain(value)}
            continue
        facts = out.setdefault(group, {})
        assert isinstance(facts, dict)
        if value is not None:
            facts[fact] = plain(value)
    for name in vocabulary.lists:
        items = file.lists.get(name)
        if items is not None:
            out[name] = [plain_item(item, vocabulary.lists[name]) for item in items]
    for name, rows in (reference or {}).items():
        out[name] = [plain_item(row, vocabulary.reference[name]) for row in rows]
    return out


def group_from_json(group: str, value: object, vocabulary: Vocabulary) -> dict[str, object]:
    """The facts of a group that parsed JSON names, by their full names. Raises SanchaError."""
    if not isinstance(value, Mapping):
        raise SanchaError(f"`{group}` is a group: an object of facts", where=group)
    facts: dict[str, object] = {}
    for key, fact in value.items():
        name = f"{group}.{key}"
        if name not in vocabulary.facts:
            known = [n.partition(".")[2] for n in vocabulary.facts if n.startswith(f"{group}.")]
            raise SanchaError(
                f"the vocabulary has no fact `{name}`",
                where=name,
                help=did_you_mean(str(key), known) or f"known: {', '.join(known)}",
            )
        facts[name] = _value(fact, vocabulary.facts[name].type, name)
    return facts


def items_from_json(name: str, value: object, definition: ListDef, *, numbered: bool) -> list[Item]:
    """The items of a list from parsed JSON, whole; those of a loan file are numbered. Raises SanchaError."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise SanchaError(f"`{name}` is a list: an array of objects", where=name)
    items = []
    for number, entry in enumerate(value, 1):
        place = f"{name}[{number}]"
        if not isinstance(entry, Mapping):
            raise SanchaError(f"an item of `{name}` is an object of fields", where=place)
        item: Item = dict.fromkeys(definition.fields)
        for key, field in entry.items():
            if key not in definition.fields:
                raise SanchaError(
                    f"the items of `{name}` have no field `{key}`",
                    where=f"{place}.{key}",
                    help=did_you_mean(str(key), definition.fields)
                    or f"known: {', '.join(definition.fields)}",
                )
            item[key] = _value(field, definition.fields[key].type, f"{place}.{key}")
        if numbered:
            item["item"] = number
        items.append(item)
    return items


def _value(value: object, t: Type, path: str) -> object:
    if value is None:
        return None
    try:
        return read_value(value, t)
    except _Unreadable as e:
        raise SanchaError(
            f"`{path}` is {_shown(value)}; expected {e.expected}", where=path, help=e.help
        ) from e


def read_value(value: object, t: Type) -> object:
    """A JSON value as the type has it; decimals come with the places of the type (money two, rate eight)."""
    if isinstance(value, float):
        raise _Unreadable(f"{t} without binary floating point", "parse the JSON with parse_float=Decimal")
    if t.name == "list" and t.item is not None:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise _Unreadable(f"an array: {t}")
        return [None if v is None else read_value(v, t.item) for v in value]
    if t.name == "boolean":
        if not isinstance(value, bool):
            raise _Unreadable("true or false")
        return value
    if isinstance(value, bool):
        raise _Unreadable(str(t))
    if t.name in ("integer", "days"):
        if not isinstance(value, (int, Decimal)) or (isinstance(value, Decimal) and value.adjusted() > 18):
            raise _Unreadable("a whole number")
        if value != int(value) or not -(2**63) <= value < 2**63:
            raise _Unreadable("a whole number of 64 bits" if value == int(value) else "a whole number")
        return int(value)
    if t.name in DECIMALS:
        return _decimal(value, t)
    if not isinstance(value, str):
        raise _Unreadable("text" if t.name == "text" else f"{t}, as text")
    if t.name == "one of" and value not in t.values:
        raise _Unreadable(str(t), did_you_mean(value, t.values))
    if t.name == "date":
        return _date(value)
    if t.name == "date-time":
        return _date_time(value)
    return value


def _decimal(value: object, t: Type) -> Decimal:
    places, digits = DECIMALS[t.name]
    if not isinstance(value, (int, Decimal, str)):
        raise _Unreadable(f"{t}: a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _Unreadable(
            f"{t}: a number", "write digits with a point, without separators or units"
        ) from None
    if not number.is_finite():
        raise _Unreadable(f"{t}: a finite number")
    if number.adjusted() + 1 > digits - places:
        raise _Unreadable(f"{t}: at most {digits - places} digits before the point")
    rounded = number.quantize(Decimal(1).scaleb(-places), context=_WIDE)
    if rounded != number:
        raise _Unreadable(f"{t}: at most {places} digits after the point")
    return rounded


def _date(text: str) -> dt.date:
    try:
        if _DATE.fullmatch(text):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    raise _Unreadable("a date", "write dates as 2024-12-31")


def _date_time(text: str) -> dt.datetime:
    try:
        if _DATE_TIME.fullmatch(text):
            return dt.datetime.fromisoformat(text)
    except ValueError:
        pass
    raise _Unreadable("a date-time", "write local times as 2024-12-31T09:30:00, without an offset")


def plain(value: object) -> object:
    """A value as JSON has it; a decimal is text, for a JSON number is a binary float to most readers."""
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def plain_item(item: Mapping[str, object], definition: ListDef) -> dict[str, object]:
    """The fields of an item that are there, as JSON has them, in the order of the vocabulary."""
    return {name: plain(v) for name in definition.fields if (v := item.get(name)) is not None}


def _shown(value: object) -> str:
    text = f"{value:f}" if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False, default=str)
    return f"`{text if len(text) <= 60 else text[:57] + '…'}`"
