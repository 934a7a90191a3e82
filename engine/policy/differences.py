"""What two packs say differently: rules, decisions, tables, parameters, waivers and the rest, part by part as written.

What is called the same in both is compared; of what is left, a rule that keeps its title, or its clause and all that
it asks for, has been renamed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sancha.engine.policy.as_if import version_on
from sancha.engine.policy.pack import Decision, Pack, Parameter, Rule, needs
from sancha.engine.policy.source import read_yaml
from sancha.engine.policy.spreadsheet import table_source
from sancha.engine.policy.vocabulary import Vocabulary
from sancha.engine.run.as_text import as_text

#: What is said of a part without bearing on an outcome.
_WORDING = frozenset(
    (
        *(
            "title",
            "notice",
            "label",
            "finding",
            "recommend",
            "source",
            "cause",
            "clause",
            "impact",
            "signal",
        ),
        *("hard law", "version", "languages", "review by", "approver", "compensating control", "pack"),
        *("vocabulary", "text"),
    )
)
#: The keys by which the items of a list are told apart.
_NAMES = ("name", "waiver")


@dataclass(frozen=True, slots=True)
class Part:
    """A part that differs: its key, `require` or `values[2024-07-01].value`, and its text in either pack that has it.

    `decides` is false for wording: titles, sources, findings.
    """

    key: str
    old: str | None
    new: str | None
    decides: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """Something of a pack that is `added`, `removed`, `renamed` or `changed`.

    `kind` is rule, decision, table, parameter, waiver, clause, vocabulary, calendar or pack; `name` is what NEW calls
    it (OLD, if it is removed), `old_name` what OLD calls a rule that is renamed.
    """

    kind: str
    name: str
    state: str
    title: Mapping[str, str]
    parts: tuple[Part, ...] = ()
    old_name: str | None = None

    @property
    def decides(self) -> bool:
        """Whether it can bear on an outcome."""
        return any(part.decides for part in self.parts) or (
            self.kind != "clause" and self.state in ("added", "removed")
        )


def differences(old: Pack, new: Pack) -> tuple[Difference, ...]:
    """What `new` says differently from `old`: what bears on outcomes first, then by kind and name."""
    found = [
        *_rules(old, new),
        *_decisions(old, new),
        *_parameters(old, new),
        *_waivers(old, new),
        *_whole("vocabulary", _vocabulary(old.vocabulary), _vocabulary(new.vocabulary), wording=frozenset()),
        *_whole("calendar", _file(old.path / "calendar.yaml"), _file(new.path / "calendar.yaml")),
        *_clauses(old, new),
        *_whole("pack", _file(old.path / "pack.yaml"), _file(new.path / "pack.yaml")),
    ]
    return tuple(sorted(found, key=lambda d: not d.decides))


def in_force(old: Pack, new: Pack, days: tuple[date, date]) -> tuple[Difference, ...]:
    """What is in force in `old` on the one day, and in `new` on the other, in two versions or with two values."""
    found: list[Difference] = []
    for name, before, after in _both(old.parameters, new.parameters):
        if before is not None and after is not None:
            values = [_value_on(p, day) for p, day in zip((before, after), days, strict=True)]
            found += _unequal("parameter", name, after.label, "value", values)
    for name, was, now in _both(old.decisions, new.decisions):
        if was is not None and now is not None:
            kind = "decision" if now.versions[0].table is None else "table"
            found += _unequal(kind, name, now.title, "version", _versions_on((was, now), days))
    for rule, other in paired_rules(old, new):
        if rule is not None and other is not None:
            found += _unequal("rule", other.id, other.title, "version", _versions_on((rule, other), days))
    return tuple(found)


def _unequal(
    kind: str, name: str, title: Mapping[str, str], key: str, values: Sequence[str | None]
) -> Iterator[Difference]:
    if values[0] != values[1]:
        yield Difference(kind, name, "changed", title, (Part(key, values[0], values[1], True),))


def _value_on(parameter: Parameter, day: date) -> str | None:
    begun = [constant for first, constant, _ in parameter.steps if first <= day]
    return as_text(begun[-1].value, parameter.type) if begun else None


def _versions_on(parts: Sequence[Rule | Decision], days: Sequence[date]) -> list[str | None]:
    """The first days of the versions in force."""
    found = [version_on(part, day) for part, day in zip(parts, days, strict=True)]
    return [None if version is None else version.valid_from.isoformat() for version in found]


def paired_rules(old: Pack, new: Pack) -> list[tuple[Rule | None, Rule | None]]:
    """The rules of both packs in the order of `new`, then those that `old` alone has.

    Rules of one id are the same rule. Of the others, two of one kind and stage are if they have a title in common, or
    a clause and all that they ask for, and no further rule has.
    """
    gone = {name: rule for name, rule in old.rules.items() if name not in new.rules}
    come = {name: rule for name, rule in new.rules.items() if name not in old.rules}
    former: dict[str, Rule] = {}
    for same in (_same_title, _same_demand):
        matches = {
            name: [o for o in gone.values() if _alike(o, rule) and same(o, rule)]
            for name, rule in come.items()
        }
        for name, found in matches.items():
            if len(found) == 1 and sum(found[0] in others for others in matches.values()) == 1:
                former[name] = gone.pop(found[0].id)
                del come[name]
    pairs: list[tuple[Rule | None, Rule | None]] = [
        (old.rules.get(name) or former.get(name), rule) for name, rule in new.rules.items()
    ]
    return pairs + [(rule, None) for rule in gone.values()]


def reaching(rule: Rule, pack: Pack, found: Sequence[Difference]) -> list[Difference]:
    """Of the differences that bear on outcomes, those of the rule itself and of what it reads in the pack."""
    used = {pair for version in rule.versions for pair in needs(rule, version, pack.decisions)}
    waivers = {waiver.id for waiver in pack.waivers if waiver.rule == rule.id}
    return [
        d
        for d in found
        if d.decides
        and (
            (d.kind == "rule" and rule.id in (d.name, d.old_name))
            or ("parameter" if d.kind == "parameter" else "decision", d.name) in used
            or (d.kind == "waiver" and d.name in waivers)
        )
    ]


def other_facts(old: Vocabulary, new: Vocabulary) -> list[str]:
    """The facts that two vocabularies hold to be of different types, or that one of them lacks, in words."""
    before, after = _types(old), _types(new)
    out = []
    for name in sorted({*before, *after}):
        if name not in after:
            out.append(f"`{name}` is in OLD alone")
        elif name not in before:
            out.append(f"`{name}` is in NEW alone")
        elif before[name] != after[name]:
            out.append(f"`{name}` is {before[name]} in OLD, {after[name]} in NEW")
    return out


def _alike(old: Rule, new: Rule) -> bool:
    return old.kind == new.kind and old.stage == new.stage


def _same_title(old: Rule, new: Rule) -> bool:
    return any(old.title.get(lang) == text for lang, text in new.title.items())


def _same_demand(old: Rule, new: Rule) -> bool:
    def demand(rule: Rule) -> list[Any]:
        versions = [(v.valid_from, v.valid_until, v.applies, v.require, v.trigger) for v in rule.versions]
        return [rule.clause, rule.judged, rule.where, rule.group, rule.measure, *versions]

    return demand(old) == demand(new)


# -- the parts of a pack ----------------------------------------------------------------------------------------------


def _rules(old: Pack, new: Pack) -> Iterator[Difference]:
    for before, after in paired_rules(old, new):
        if after is None:
            assert before is not None
            yield Difference("rule", before.id, "removed", before.title)
        elif before is None:
            yield Difference("rule", after.id, "added", after.title)
        else:
            parts = _parts(_document(before, "rule"), _document(after, "rule"), skip=("rule",))
            if before.id != after.id:
                yield Difference("rule", after.id, "renamed", after.title, parts, before.id)
            elif parts:
                yield Difference("rule", after.id, "changed", after.title, parts)


def _decisions(old: Pack, new: Pack) -> Iterator[Difference]:
    for name, before, after in _both(old.decisions, new.decisions):
        kind = "decision" if (after or before).versions[0].table is None else "table"
        if after is None or before is None:
            yield _alone(kind, name, before, after)
            continue
        parts = _parts(_document(before, kind), _document(after, kind), skip=(kind, "rows"))
        parts += tuple(_row_parts(before, after))
        if parts:
            yield Difference(kind, name, "changed", after.title, parts)


def _row_parts(old: Decision, new: Decision) -> Iterator[Part]:
    """The rows of a table that differ, version by version. Rows are numbered as in NEW, those removed as in OLD."""
    before, after = (
        {v.valid_from: number for number, v in enumerate(d.versions) if v.table is not None}
        for d in (old, new)
    )
    several = len(before) > 1 or len(after) > 1
    for first in sorted({*before, *after}):
        rows = [
            [tuple(cells) for cells in table_source(d, numbers[first])[1]] if first in numbers else []
            for d, numbers in ((old, before), (new, after))
        ]
        version = f"[{first}]" if several else ""
        matcher = difflib.SequenceMatcher(None, rows[0], rows[1], autojunk=False)
        for tag, i, i_end, j, j_end in matcher.get_opcodes():
            if tag == "equal":
                continue
            for n in range(max(i_end - i, j_end - j)):
                was = " | ".join(rows[0][i + n]) if i + n < i_end else None
                now = " | ".join(rows[1][j + n]) if j + n < j_end else None
                yield Part(f"row{version} {(i if now is None else j) + n + 1}", was, now, True)


def _parameters(old: Pack, new: Pack) -> Iterator[Difference]:
    for name, before, after in _both(old.parameters, new.parameters):
        if after is None or before is None:
            found = after or before
            assert found is not None
            parts = _parts(_parameter(before), _parameter(after), skip=("from",))
            yield Difference("parameter", name, "removed" if after is None else "added", found.label, parts)
        elif parts := _parts(_parameter(before), _parameter(after), skip=("from",)):
            yield Difference("parameter", name, "changed", after.label, parts)


def _parameter(parameter: Parameter | None) -> dict[str, Any]:
    if parameter is None:
        return {}
    steps = [
        {"from": first.isoformat(), "value": as_text(constant.value, parameter.type), "source": dict(source)}
        for first, constant, source in parameter.steps
    ]
    return {"type": str(parameter.type), "label": dict(parameter.label), "values": steps}


def _waivers(old: Pack, new: Pack) -> Iterator[Difference]:
    before, after = (
        {w["waiver"]: w for w in _file(pack.path / "waivers.yaml").get("waivers") or ()}
        for pack in (old, new)
    )
    for name, was, now in _both(before, after):
        state = "removed" if now is None else "added" if was is None else "changed"
        if parts := _parts(was or {}, now or {}, skip=("waiver",)):
            yield Difference("waiver", name, state, {}, parts)


def _clauses(old: Pack, new: Pack) -> Iterator[Difference]:
    for name, before, after in _both(old.clauses, new.clauses):
        if after is None or before is None:
            found = after or before
            assert found is not None
            yield Difference("clause", name, "removed" if after is None else "added", {"": found.title})
        elif (before.title, before.text) != (after.title, after.text):
            parts = _parts(
                {"title": before.title, "text": before.text}, {"title": after.title, "text": after.text}
            )
            yield Difference("clause", name, "changed", {"": after.title}, parts)


def _vocabulary(vocabulary: Vocabulary) -> dict[str, Any]:
    facts = {
        name: {"type": str(fact.type), "known on": fact.known_on, "required": fact.required or None}
        for name, fact in vocabulary.facts.items()
    }
    lists = {
        name: {
            "known on": spec.known_on,
            **{
                f: {"type": str(field.type), "required": field.required or None}
                for f, field in spec.fields.items()
            },
        }
        for name, spec in (*vocabulary.lists.items(), *vocabulary.reference.items())
    }
    return {**facts, **lists}


def _types(vocabulary: Vocabulary) -> dict[str, str]:
    found = {name: str(fact.type) for name, fact in vocabulary.facts.items()}
    for name, spec in (*vocabulary.lists.items(), *vocabulary.reference.items()):
        found |= {f"{name}.{f}": str(field.type) for f, field in spec.fields.items()}
    return found


def _whole(
    kind: str, old: Mapping[str, Any], new: Mapping[str, Any], wording: frozenset[str] = _WORDING
) -> Iterator[Difference]:
    if parts := _parts(old, new, wording=wording):
        yield Difference(kind, kind, "changed", {}, parts)


def _alone(kind: str, name: str, old: Decision | None, new: Decision | None) -> Difference:
    found = new or old
    assert found is not None
    return Difference(kind, name, "removed" if new is None else "added", found.title)


def _both(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """What either has, by name in the order of `new`: (name, that of old or None, that of new or None)."""
    for name in (*new, *(name for name in old if name not in new)):
        yield name, old.get(name), new.get(name)


# -- as written -------------------------------------------------------------------------------------------------------


def _document(part: Rule | Decision, kind: str) -> Mapping[str, Any]:
    name = part.id if isinstance(part, Rule) else part.name
    documents = read_yaml(Path(part.place.file), part.place.file)
    found = (d.value for d in documents if isinstance(d.value, dict) and d.value.get(kind) == name)
    value: Mapping[str, Any] = next(found, {})
    return value


def _file(path: Path) -> Mapping[str, Any]:
    documents = read_yaml(path, str(path)) if path.is_file() else []
    value: Mapping[str, Any] = documents[0].value if documents else {}
    return value


def _parts(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    skip: Iterable[str] = (),
    wording: frozenset[str] = _WORDING,
) -> tuple[Part, ...]:
    """The leaves that differ, in the order of `new`. Lists of plain values are told by what is in one alone."""
    before, after = dict(_leaves(old, "", frozenset(skip))), dict(_leaves(new, "", frozenset(skip)))
    out = []
    for key, was, now in _both(before, after):
        if was == now:
            continue
        if isinstance(was, tuple) or isinstance(now, tuple):
            was, now = (_only(a, b) for a, b in ((was, now), (now, was)))
        out.append(Part(key, was, now, not any(s.partition("[")[0] in wording for s in key.split("."))))
    return tuple(out)


def _only(items: tuple[str, ...] | None, others: tuple[str, ...] | None) -> str | None:
    """The items that the others lack; all, where they are but in another order."""
    if items is None:
        return None
    return ", ".join([i for i in items if i not in (others or ())] or items)


def _leaves(value: Any, path: str, skip: frozenset[str]) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in skip:
                yield from _leaves(item, f"{path}.{key}" if path else str(key), skip)
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value, 1):
            yield from _leaves(item, f"{path}[{_name(item, number)}]", skip)
    elif isinstance(value, list):
        yield path, tuple(str(item) for item in value)
    elif value is not None:
        yield path, str(value)


def _name(item: Any, number: int) -> str:
    """What tells an item of a list from the others: its name, its first day, or its number."""
    if not isinstance(item, Mapping):
        return str(number)
    force = item.get("in force")
    first = item.get("from") if not isinstance(force, Mapping) else force.get("from")
    return str(next((item[key] for key in _NAMES if key in item), first or number))
