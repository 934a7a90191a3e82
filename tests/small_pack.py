"""A small pack, written to a folder, for tests of the engine: each test adds the rules it speaks of."""

from __future__ import annotations

import textwrap
from datetime import date
from pathlib import Path
from typing import Any

from sancha.engine.book.loan_file import LoanFile
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.policy.plan import Outcome
from sancha.engine.run.row import Evaluator, Judgement, Reasons

FRAME = {
    "pack.yaml": """
        pack: small
        version: "1"
        title: {en: Small}
        notice: {en: A pack for tests}
        languages: [en]
        currency: CNY
        time zone: Asia/Shanghai
        dimensions: {branch: loan.branch, exposure: loan.amount}
    """,
    "vocabulary.yaml": """
        vocabulary: small
        groups:
          loan:
            label: {en: Loan}
            facts:
              branch: {type: text, label: {en: branch}}
              kind: {type: "one of [a, b, c]", label: {en: kind}}
              amount: {type: money, label: {en: amount}}
              other: {type: money, label: {en: other amount}}
              rate: {type: rate, label: {en: rate}}
              decided_on: {type: date, label: {en: decided on}}
              grade: {type: integer, known on: as_of, label: {en: grade}}
          review:
            label: {en: Review}
            known on: review.done_on
            facts:
              done_on: {type: date, label: {en: done on}}
              level: {type: integer, label: {en: level}}
        lists:
          visits:
            label: {en: Visits}
            known on: date
            fields:
              date: {type: date, label: {en: date}}
              staff: {type: list of text, label: {en: staff}}
              done: {type: boolean, label: {en: done}}
          payments:
            label: {en: Payments}
            known on: date
            fields:
              number: {type: text, label: {en: number}}
              date: {type: date, label: {en: date}}
              amount: {type: money, label: {en: amount}}
        reference:
          people:
            label: {en: People}
            fields:
              id: {type: text, label: {en: id}}
              level: {type: integer, label: {en: level}}
    """,
    "calendar.yaml": """
        from: 2024-01-01
        until: 2024-12-31
        holidays: [2024-10-01, 2024-10-02, 2024-10-03, 2024-10-04, 2024-10-07]
        working weekends: [2024-09-29, 2024-10-12]
        source: a test
    """,
    "sources.yaml": "S: {en: Source}",
    "causes.yaml": "C: {en: Cause}",
    "clauses/all.md": "## one.1 Clause\n\nText.\n",
}

COMMON = """
title: {en: Title}
stage: pre-loan
impact: control
cause: C
clause: one.1
source: {document: S, evidence: B}
finding: {en: "Found {loan.amount}"}
recommend: {en: Do}
"""


def write_pack(folder: Path, *parts: str, **files: str) -> Path:
    """Writes the frame, `parts` (rules, decisions, tables; those of rules are completed) and further files."""
    texts = {name: textwrap.dedent(text) for name, text in FRAME.items()}
    texts |= {
        name.replace("__", "/").replace("_yaml", ".yaml").replace("_csv", ".csv"): textwrap.dedent(t)
        for name, t in files.items()
    }
    for number, part in enumerate(parts):
        text = textwrap.dedent(part).strip()
        if text.startswith("rule:"):
            given = {line.split(":")[0] for line in text.split("\n")}
            text += "\n" + "\n".join(
                line for line in COMMON.strip().split("\n") if line.split(":")[0] not in given
            )
        else:
            text += "\ntitle: {en: Title}\nclause: one.1\nsource: {document: S, evidence: B}"
        texts[f"rules/part{number}.yaml"] = text + "\n"
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def small_pack(folder: Path, *parts: str, **files: str) -> Pack:
    return load_pack(write_pack(folder, *parts, **files))


def loan_file(pack: Pack, lists: dict[str, Any] | None = None, **facts: Any) -> LoanFile:
    """A file with these facts (`loan__amount=…`) and lists; the rest is missing. Items are numbered and completed."""
    known = {name.replace("__", "."): value for name, value in facts.items()}
    filled: dict[str, Any] = dict.fromkeys(pack.vocabulary.lists)
    for name, items in (lists or {}).items():
        fields = pack.vocabulary.lists[name].fields
        filled[name] = (
            None
            if items is None
            else [{**dict.fromkeys(fields), **item, "item": n} for n, item in enumerate(items, 1)]
        )
    assert set(known) <= set(pack.vocabulary.facts)
    return LoanFile("L1", {**dict.fromkeys(pack.vocabulary.facts), **known}, filled)


def judged(
    pack: Pack,
    file: LoanFile,
    rule: str,
    as_of: date = date(2024, 12, 31),
    *,
    hindsight: bool = False,
    reference: dict[str, Any] | None = None,
) -> tuple[Judgement, Reasons]:
    evaluator = Evaluator(pack, hindsight=hindsight)
    (judgement,) = evaluator.judge(file, reference or {}, as_of, [rule])
    return judgement, evaluator.reasons(judgement, file, reference or {}, as_of)


def outcome(pack: Pack, file: LoanFile, rule: str, as_of: date = date(2024, 12, 31), **more: Any) -> Outcome:
    return judged(pack, file, rule, as_of, **more)[0].outcome
