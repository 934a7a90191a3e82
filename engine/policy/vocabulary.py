"""The vocabulary: what a loan file holds, with the type of every fact and the date on which it became known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sancha.engine.diagnostics import Diagnostic, PackError, did_you_mean
from sancha.engine.feel.types import DATE, Type, parse_type
from sancha.engine.policy import models
from sancha.engine.policy.source import Document, parse_model, read_yaml

#: What `known on` may name besides a date fact: the day of the book.
AS_OF = "as_of"
#: Names that expressions use for other things.
RESERVED = frozenset({"as_of", "judged_on", "due", "parameters", "item", "group", "share", "total", "files"})


@dataclass(frozen=True, slots=True)
class Field:
    """A scalar fact, or a field of an item. `known_on` is a date fact, `as_of`, or None: known from the start."""

    name: str
    type: Type
    label: dict[str, str]
    known_on: str | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class ListDef:
    """A list of items. `known_on` is the date field that says when an item became known, or None."""

    name: str
    label: dict[str, str]
    fields: dict[str, Field]
    known_on: str | None = None


@dataclass(frozen=True)
class Vocabulary:
    """`facts` by dotted name, `lists` of the loan file, `reference` lists of the book, labels of the groups."""

    name: str
    facts: Mapping[str, Field]
    lists: Mapping[str, ListDef]
    reference: Mapping[str, ListDef]
    groups: Mapping[str, dict[str, str]]

    @cached_property
    def group_names(self) -> tuple[str, ...]:
        """The groups that facts stand in, in order."""
        return tuple(dict.fromkeys(name.partition(".")[0] for name in self.facts if "." in name))

    def label(self, fact: str, language: str) -> str:
        """`Borrower: kind`, in the language where the vocabulary has it."""
        group, _, _ = fact.partition(".")
        label = self.facts[fact].label
        heading = self.groups.get(group, {})
        sep = "：" if language == "zh" else ": "
        return f"{heading.get(language, group)}{sep}{label.get(language) or next(iter(label.values()))}"


def load_vocabulary(path: Path, shown: str | None = None) -> Vocabulary:
    """Reads vocabulary.yaml. Raises PackError with all defects."""
    documents = read_yaml(path, shown or path.name)
    if len(documents) != 1:
        raise PackError(
            [Diagnostic("E0301", f"expected one document in `{path.name}`, found {len(documents)}")]
        )
    vocabulary, defects = vocabulary_of(documents[0])
    if vocabulary is None or defects:
        raise PackError(defects)
    return vocabulary


def vocabulary_of(document: Document) -> tuple[Vocabulary | None, list[Diagnostic]]:
    """The vocabulary of a document, and its defects."""
    file, defects = parse_model(models.VocabularyFile, document)
    if file is None:
        return None, defects
    facts: dict[str, Field] = {}
    for group, part in file.groups.items():
        for name, fact in part.facts.items():
            path = ("groups", group, "facts", name)
            type_ = _type(document, (*path, "type"), fact.type, defects)
            known = fact.known_on or part.known_on
            facts[f"{group}.{name}"] = Field(f"{group}.{name}", type_, fact.label, known, fact.required)
            if type_.name == "list":
                defects.append(
                    Diagnostic(
                        "E0306",
                        "a scalar fact cannot be a list",
                        document.place((*path, "type")),
                        "declare it under `lists`",
                    )
                )
    for group, part in file.groups.items():
        spots: list[tuple[tuple[str, ...], str | None]] = [(("groups", group, "known on"), part.known_on)]
        spots += [(("groups", group, "facts", n, "known on"), f.known_on) for n, f in part.facts.items()]
        for spot, known in spots:
            if known is not None and known != AS_OF and (known not in facts or facts[known].type != DATE):
                defects.append(
                    Diagnostic(
                        "E0306",
                        f"`{known}` is not a fact of type date",
                        document.place(spot),
                        did_you_mean(known, [n for n, f in facts.items() if f.type == DATE]),
                    )
                )
    lists = {n: _list(document, ("lists", n), n, part, defects) for n, part in file.lists.items()}
    reference = {n: _list(document, ("reference", n), n, part, defects) for n, part in file.reference.items()}
    for section, names in (("groups", file.groups), ("lists", lists), ("reference", reference)):
        for name in names:
            twice = name in RESERVED or sum(name in s for s in (file.groups, lists, reference)) > 1
            if twice:
                word = "is reserved" if name in RESERVED else "is used twice"
                defects.append(
                    Diagnostic("E0306", f"the name `{name}` {word}", document.key_place((section, name)))
                )
    labels = {n: g.label for n, g in file.groups.items()}
    return Vocabulary(file.vocabulary, facts, lists, reference, labels), defects


def _list(
    document: Document, path: tuple[str, ...], name: str, part: models.ListFile, defects: list[Diagnostic]
) -> ListDef:
    fields = {}
    for field, spec in part.fields.items():
        type_ = _type(document, (*path, "fields", field, "type"), spec.type, defects)
        fields[field] = Field(field, type_, spec.label, None, spec.required)
    if part.known_on is not None and (part.known_on not in fields or fields[part.known_on].type != DATE):
        defects.append(
            Diagnostic(
                "E0306",
                f"`{part.known_on}` is not a date field of `{name}`",
                document.place((*path, "known on")),
                did_you_mean(part.known_on, fields),
            )
        )
    return ListDef(name, part.label, fields, part.known_on)


def _type(document: Document, path: tuple[str, ...], text: str, defects: list[Diagnostic]) -> Type:
    type_ = parse_type(text)
    if type_ is None:
        known = ["text", "boolean", "integer", "number", "money", "rate", "date", "date-time", "days"]
        help = did_you_mean(text, known) or f"types are {', '.join(known)}, one of [a, b], list of text"
        defects.append(Diagnostic("E0306", f"unknown type `{text}`", document.place(path), help))
        return Type("error")
    return type_
