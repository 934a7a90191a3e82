"""The steps of the scenarios, in English and Chinese: any fact can be given, any outcome asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pytest_bdd import given, parsers, then, when

from sancha.engine.book.loan_file import LoanFile, load_loan_file
from sancha.engine.diagnostics import SanchaError, did_you_mean
from sancha.engine.feel.types import Type
from sancha.engine.policy.pack import Pack, constant
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.as_text import as_text
from sancha.engine.run.portfolio import RowTallies, judge_groups
from sancha.engine.run.row import Evaluator, Judgement, Reasons, Reference

OUTCOMES = {o.text: o for o in Outcome} | {
    "通过": Outcome.PASS,
    "违反": Outcome.BREACH,
    "不适用": Outcome.NOT_APPLICABLE,
    "无法判断": Outcome.UNKNOWN,
    "豁免": Outcome.WAIVED,
    "未到期": Outcome.NOT_DUE,
}
#: The day of the book where a scenario names none.
DEFAULT_DAY = date(2024, 12, 31)


@dataclass
class Case:
    """What a scenario has said so far: facts and lists, the day, and what was found."""

    evaluators: dict[bool, Evaluator]
    folder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, list[dict[str, Any]] | None] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    as_of: date = DEFAULT_DAY
    hindsight: bool = False
    judgement: Judgement | None = None
    reasons: Reasons | None = None
    groups: dict[str, Outcome] = field(default_factory=dict)

    @property
    def evaluator(self) -> Evaluator:
        return self.evaluators[self.hindsight]

    @property
    def pack(self) -> Pack:
        return self.evaluator.pack

    def value(self, text: str, type_: Type, where: str) -> Any:
        """A value as a scenario writes it: bare, or a text in double quotes."""
        text = text.strip()
        if text.startswith('"') and text.endswith('"') and len(text) > 1:
            text = text[1:-1]
        if type_.name == "list":
            assert type_.item is not None
            return [self.value(part, type_.item, where) for part in text.replace("，", ",").split(",")]
        core = constant(text, type_)
        if core is None:
            raise SanchaError(f"`{text}` is no value of type {type_}", where=where)
        return core.value

    def fact(self, name: str) -> str:
        """The name of a fact, known to the vocabulary."""
        if name not in self.pack.vocabulary.facts:
            raise SanchaError(f"unknown fact `{name}`", help=did_you_mean(name, self.pack.vocabulary.facts))
        return name

    def give(self, name: str, value: Any) -> None:
        self.facts[self.fact(name)] = value

    def fields_of(self, name: str) -> dict[str, Type]:
        vocabulary = self.pack.vocabulary
        spec = vocabulary.lists.get(name) or vocabulary.reference.get(name)
        if spec is None:
            raise SanchaError(
                f"unknown list `{name}`", help=did_you_mean(name, [*vocabulary.lists, *vocabulary.reference])
            )
        return {f.name: f.type for f in spec.fields.values()}

    def items(self, name: str, table: list[list[str]]) -> list[dict[str, Any]]:
        fields = self.fields_of(name)
        for column in table[0]:
            if column not in fields:
                raise SanchaError(f"`{name}` has no field `{column}`", help=did_you_mean(column, fields))
        items = []
        for number, row in enumerate(table[1:], 1):
            cells = {
                c: self.value(cell, fields[c], f"{name}.{c}")
                for c, cell in zip(table[0], row, strict=True)
                if cell
            }
            items.append({**dict.fromkeys(fields), **cells, "item": number})
        return items

    def loan_file(self) -> tuple[LoanFile, Reference]:
        vocabulary = self.pack.vocabulary
        lists = {
            **dict.fromkeys(vocabulary.lists),
            **{n: v for n, v in self.lists.items() if n in vocabulary.lists},
        }
        reference = {n: v for n, v in self.lists.items() if n in vocabulary.reference}
        return LoanFile("L1", {**dict.fromkeys(vocabulary.facts), **self.facts}, lists), reference


@pytest.fixture
def case(evaluators: dict[bool, Evaluator]) -> Case:
    """An empty case; `evaluators` are those of the pack, without and with hindsight."""
    return Case(evaluators, evaluators[False].pack.path)


_FACT = r"(?P<fact>[^\W\d]\w*\.\w+)"
_LIST = r"(?P<name>[^\W\d]\w*)"


@given("a loan file")
@given("一份贷款档案")
def empty_file(case: Case) -> None:
    case.facts, case.lists = {}, {}


@given(parsers.re(r'the loan file "(?P<name>.+)"$'))
@given(parsers.re(r"贷款档案“(?P<name>.+)”$"))
def named_file(case: Case, name: str) -> None:
    path = case.folder / "files" / f"{name}.json"
    if not path.is_file():
        known = [p.stem for p in path.parent.glob("*.json")]
        raise SanchaError(f"there is no loan file `{name}`", help=did_you_mean(name, known), where=path)
    file, reference, as_of = load_loan_file(path, case.pack.vocabulary)
    case.facts, case.lists = dict(file.facts), {**file.lists, **reference}
    case.as_of = as_of or DEFAULT_DAY


@given(parsers.re(_FACT + r" is missing$"))
@given(parsers.re(_FACT + r" 缺失$"))
def missing_fact(case: Case, fact: str) -> None:
    case.give(fact, None)


@given(parsers.re(_FACT + r" is (?!missing$)(?P<value>.+)$"))
@given(parsers.re(_FACT + r" 为 (?P<value>.+)$"))
def given_fact(case: Case, fact: str, value: str) -> None:
    case.give(fact, case.value(value, case.pack.vocabulary.facts[case.fact(fact)].type, fact))


@given(parsers.re(_LIST + r" are:?$"))
@given(parsers.re(_LIST + r" 如下[:：]?$"))
def given_items(case: Case, name: str, datatable: list[list[str]]) -> None:
    case.lists[name] = case.items(name, datatable)


@given(parsers.re(r"there are no " + _LIST + "$"))
@given(parsers.re(r"没有 " + _LIST + "$"))
def no_items(case: Case, name: str) -> None:
    case.fields_of(name)
    case.lists[name] = []


@given(parsers.re(_LIST + r" is missing$"))
@given(parsers.re(_LIST + r" 缺失$"))
def missing_list(case: Case, name: str) -> None:
    case.fields_of(name)
    case.lists[name] = None


@given(parsers.re(r"the book is dated (?P<day>\S+)$"))
@given(parsers.re(r"账册日期为 (?P<day>\S+)$"))
def book_day(case: Case, day: str) -> None:
    case.as_of = case.value(day, Type("date"), "the day of the book")


@given("with hindsight")
@given("不限于当时已知信息")
def with_hindsight(case: Case) -> None:
    case.hindsight = True


@given("a book of files")
@given("一本贷款账册")
def book_of_files(case: Case, datatable: list[list[str]]) -> None:
    types = [case.pack.vocabulary.facts[case.fact(name)].type for name in datatable[0]]
    case.files = [
        {n: case.value(cell, t, n) for n, t, cell in zip(datatable[0], types, row, strict=True) if cell}
        for row in datatable[1:]
    ]


@when(parsers.re(r"the file is judged by (?P<rule>\S+)$"))
@when(parsers.re(r"按 (?P<rule>\S+) 审查$"))
def judge_file(case: Case, rule: str) -> None:
    _known_rule(case, rule)
    file, reference = case.loan_file()
    (case.judgement,) = case.evaluator.judge(file, reference, case.as_of, [rule])
    case.reasons = case.evaluator.reasons(case.judgement, file, reference, case.as_of)


@when(parsers.re(r"the book is judged by (?P<rule>\S+)$"))
@when(parsers.re(r"按 (?P<rule>\S+) 审查账册$"))
def judge_book(case: Case, rule: str) -> None:
    _known_rule(case, rule)
    vocabulary = case.pack.vocabulary
    absent, lists = dict.fromkeys(vocabulary.facts), dict.fromkeys(vocabulary.lists)
    files = [LoanFile(f"L{n}", {**absent, **facts}, dict(lists)) for n, facts in enumerate(case.files, 1)]
    plan = next(p for p in case.evaluator.plan.portfolio if p.id == rule)
    counts = RowTallies([plan], case.pack.exposure, case.pack)
    for file in files:
        counts.add(file, {}, case.as_of)
    found = judge_groups(plan, counts.tallies[rule], case.pack, {}, case.as_of)
    case.groups = {group.group: group.outcome for group in found}


def _known_rule(case: Case, rule: str) -> None:
    if rule not in case.pack.rules:
        raise SanchaError(f"unknown rule `{rule}`", help=did_you_mean(rule, case.pack.rules))


@then(parsers.re(r"the outcome is (?P<outcome>.+)$"))
@then(parsers.re(r"结论为 (?P<outcome>.+)$"))
def outcome_is(case: Case, outcome: str) -> None:
    assert case.judgement is not None and case.reasons is not None, "no rule has judged the file"
    found = case.judgement.outcome
    assert found is _outcome(outcome), (
        f"{case.judgement.rule} gives {found.text}, expected {_outcome(outcome).text}\n{_explained(case)}"
    )


@then(parsers.re(r'the outcome of "(?P<group>.*)" is (?P<outcome>.+)$'))
@then(parsers.re(r"“(?P<group>.*)” 的结论为 (?P<outcome>.+)$"))
def group_outcome_is(case: Case, group: str, outcome: str) -> None:
    assert group in case.groups, f"there is no group {group!r}; there are {sorted(case.groups)}"
    found = case.groups[group]
    assert found is _outcome(outcome), f"{group} gives {found.text}, expected {_outcome(outcome).text}"


@then(parsers.re(r"the missing facts are (?P<names>.+)$"))
@then(parsers.re(r"缺少的事实为 (?P<names>.+)$"))
def missing_are(case: Case, names: str) -> None:
    assert case.reasons is not None, "no rule has judged the file"
    expected = sorted(n.strip() for n in names.replace("，", ",").replace("、", ",").split(","))
    assert sorted(case.reasons.missing) == expected, _explained(case)


@then(parsers.re(r"the version in force is from (?P<day>\S+)$"))
@then(parsers.re(r"适用版本始于 (?P<day>\S+)$"))
def version_is(case: Case, day: str) -> None:
    assert case.judgement is not None, "no rule has judged the file"
    assert case.judgement.version == day, f"the version in force is from {case.judgement.version}"


@then(parsers.re(r"the decision (?P<name>[\w.]+) is (?P<value>.+)$"))
@then(parsers.re(r"决策 (?P<name>[\w.]+) 为 (?P<value>.+)$"))
def decision_is(case: Case, name: str, value: str) -> None:
    file, reference = case.loan_file()
    head, _, output = name.partition(".")
    decision = case.pack.decisions.get(head)
    if decision is None:
        raise SanchaError(f"unknown decision `{name}`", help=did_you_mean(head, case.pack.decisions))
    type_ = dict(decision.outputs).get(output) or decision.outputs[0][1]
    found = case.evaluator.decision(name, file, reference, case.as_of)
    if value in ("unknown", "无法判断"):
        assert found is None, f"{name} is {as_text(found, type_)}"
    else:
        assert found == case.value(value, type_, name), f"{name} is {as_text(found, type_)}"


def _outcome(text: str) -> Outcome:
    text = text.strip()
    if text not in OUTCOMES:
        raise SanchaError(f"unknown outcome `{text}`", help=did_you_mean(text, OUTCOMES))
    return OUTCOMES[text]


def _explained(case: Case) -> str:
    assert case.reasons is not None
    lines = [f"  {name} = {'(missing)' if value is None else value}" for name, value in case.reasons.facts]
    if case.reasons.missing:
        lines.append(f"  left open by {', '.join(case.reasons.missing)}")
    if case.judgement is not None and case.judgement.note:
        lines.append(f"  {case.judgement.note}")
    return "\n".join(lines)
