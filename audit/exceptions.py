"""Exceptions in words: the rule's own sentence with the values of the file in its slots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

import pyarrow as pa
import pyarrow.compute as pc

from sancha.audit.evidence import Evidence
from sancha.audit.findings import fact_label, plain_fact
from sancha.audit.texts import Texts
from sancha.engine.policy.pack import Pack, Rule, slots_of

_SLOT = re.compile(r"\{\s*([^{}\s]+)\s*\}")


def sentence(t: Texts, pack: Pack, rule: Rule, values: Mapping[str, str]) -> str:
    """The rule's finding text with its slots filled. A slot without a value shows the fact's label."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        value = values.get(name)
        if value is None:
            return f"[{t.said(label(pack, name))}]"
        return value_text(t, type_of(pack, name), value)

    return _SLOT.sub(fill, t.said(rule.finding))


def label(pack: Pack, name: str) -> Mapping[str, str]:
    """The label of a fact, a parameter or a decision in each language, or its name."""
    if name.startswith("parameters."):
        parameter = pack.parameters.get(name.removeprefix("parameters."))
        return parameter.label if parameter else {"en": name}
    decision = pack.decisions.get(name.partition(".")[0])
    if decision and name not in pack.vocabulary.facts:
        return decision.title
    return fact_label(pack.vocabulary, name)


def type_of(pack: Pack, name: str) -> str:
    """The name of a fact's type, `text` where it is not known."""
    if name.startswith("parameters."):
        parameter = pack.parameters.get(name.removeprefix("parameters."))
        return parameter.type.name if parameter else "text"
    name = plain_fact(name)
    if name in pack.vocabulary.facts:
        return pack.vocabulary.facts[name].type.name
    head, _, rest = name.partition(".")
    for lists in (pack.vocabulary.lists, pack.vocabulary.reference):
        if head in lists and rest in lists[head].fields:
            return lists[head].fields[rest].type.name
    return "text"


def value_text(t: Texts, type_name: str, value: str) -> str:
    """A value for readers: amounts with thousands apart, fractions as percent, booleans in words."""
    if type_name == "boolean" and value in ("true", "false"):
        return t("yes" if value == "true" else "no")
    if type_name in ("money", "rate"):
        try:
            number = Decimal(value)
        except InvalidOperation:
            return value
        if type_name == "money":
            return f"{number:,.2f}"
        return f"{(number * 100).normalize():f}%"
    return value


def sentences(t: Texts, pack: Pack, evidence: Evidence, batch: pa.RecordBatch) -> list[str]:
    """What each exception says; nothing where it is not a breach."""
    book = SlotValues(evidence, pack, batch)
    slots = {rule: slots_of(t.said(pack.rules[rule].finding)) for rule in set(batch["rule"].to_pylist())}
    said = []
    columns = (batch[c].to_pylist() for c in ("loan_id", "rule", "outcome", "facts"))
    for loan, rule, outcome, facts in zip(*columns, strict=True):
        if outcome != "breach":
            said.append("")
            continue
        read = {f["fact"]: f["value"] for f in facts or ()}
        said.append(sentence(t, pack, pack.rules[rule], book.of(loan, slots[rule], read)))
    return said


class SlotValues:
    """What the sentences of some exceptions need beyond the facts that their rules read, from the book."""

    def __init__(self, evidence: Evidence, pack: Pack, table: pa.Table | pa.RecordBatch) -> None:
        loans = pc.unique(table["loan_id"]).drop_null()
        self._place = {loan: i for i, loan in enumerate(loans.to_pylist())}
        rules = pc.unique(table["rule"]).to_pylist()
        texts = [text for rule in rules for text in pack.rules[rule].finding.values()]
        facts = {slot for text in texts for slot in slots_of(text)} & set(pack.vocabulary.facts)
        self._facts = evidence.loan_facts(loans, sorted(facts))

    def of(self, loan: str | None, names: Iterable[str], read: Mapping[str, str]) -> dict[str, str]:
        """The values of these facts of a file: as the rule read them, or else as the book has them."""
        values = {}
        for name in names:
            found = read.get(name)
            if found is None and loan is not None and name in self._facts:
                found = self._facts[name][self._place[loan]]
            if found is not None:
                values[name] = found
        return values
