"""Random policies: a vocabulary of its own, parameters, decisions, tables, rules of all kinds, waivers, a calendar."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from agreement import Varied, constants_of, differences, generated_book
from expressions import FIRST_DAYS, Expressions, rule

from sancha.engine.diagnostics import PackError
from sancha.engine.feel import types as t
from sancha.engine.feel.check import check
from sancha.engine.policy.pack import Pack, load_pack
from sancha.engine.run import working
from sancha.engine.run.replay import replay

TYPES = ("money", "rate", "number", "integer", "days", "boolean", "text", "date", "date-time", "one of")
ONE_OFS = (("p", "q", "r"), ("good", "bad"), ("q", "三", "p"), ("S1", "S2"), ("only",))
SOURCE = {"document": "S", "evidence": "B"}
HIT_POLICIES = ("unique", "first", "any", "collect sum", "collect min", "collect max", "collect count")
_DECIMALS = ("0.7", "0.5", "0.70", "0.12345678", "1", "0", "-2")
CELL_VALUES: dict[str, tuple[str, ...]] = {
    "money": ("0", "1", "70", "70.01", "100", "33.33", "700000", "-5"),
    "rate": _DECIMALS,
    "number": (*_DECIMALS, "1234567.12345678", "0.12345678"),
    "integer": ("0", "1", "2", "3", "-1", "36"),
    "days": ('@"P0D"', '@"P15D"', '-@"P3D"'),
    "boolean": ("true", "false"),
    "text": ('"S1"', '"S2"', '"三查"', '""', '"y{0}"', '"a\'b"'),
    "date": ('@"2024-01-31"', '@"2024-02-29"', '@"2023-12-31"'),
    "date-time": ('@"2024-02-29T12:00:00"', '@"2024-02-29T00:00:00"'),
}


@dataclass(frozen=True)
class Compared:
    """Two runs of a generated policy over a generated book: files times rules, and what they say differently."""

    comparisons: int
    differences: list[str]


def compare(folder: Path, seed: int, files: int, rules: int = 12) -> Compared:
    """Judges a generated book by a generated policy in both ways. The folder holds them, and both runs."""
    rng = random.Random(seed)
    pack = policy(folder / "pack", seed, rules)
    as_of = rng.choice(
        [dt.date(2024, 12, 31), dt.date(2024, 2, 29), dt.date(2024, 6, 30), dt.date(2024, 7, 1)]
    )
    values = Varied(seed, constants_of(pack))
    generated_book(
        folder / "book", pack.vocabulary, values, files, as_of=as_of, references=rng.choice([0, 1, 7])
    )
    hindsight, whole = rng.random() < 0.25, working.CHUNK
    try:
        # Some books in several chunks.
        working.CHUNK = rng.choice([whole, whole, files // 2 + 1])
        for engine in ("columns", "row"):
            shutil.rmtree(folder / engine, ignore_errors=True)
            replay(folder / "book", pack, folder / engine, engine=engine, progress=False, hindsight=hindsight)
    finally:
        working.CHUNK = whole
    return Compared(files * len(pack.rules), differences(folder / "columns", folder / "row"))


def policy(folder: Path, seed: int, rules: int = 12) -> Pack:
    """Writes a policy to a folder, and loads it; what does not check is left out, and something else put in."""
    return _Policy(folder, seed).write(rules)


class _Policy:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.written: dict[str, dict[str, Any]] = {}
        self.values: dict[str, tuple[str, ...]] = {}

    def write(self, rules: int) -> Pack:
        rng = self.random
        vocabulary = self.vocabulary()
        facts = {
            f"{group}.{name}": spec["type"]
            for group, part in vocabulary["groups"].items()
            for name, spec in part["facts"].items()
        }
        of = {
            kind: [n for n, type_ in facts.items() if type_.startswith(kind)] for kind in ("money", "one of")
        }
        texts = [n for n, type_ in facts.items() if type_ == "text" or type_.startswith("one of")]
        dimensions = {"branch": rng.choice(texts), "exposure": rng.choice(of["money"])}
        if rng.random() < 0.7:
            dimensions["product"] = rng.choice(texts)
        en = {"en": "Generated"}
        self.file("vocabulary.yaml", vocabulary)
        head = {"pack": "generated", "version": "1", "title": en, "notice": en, "languages": ["en"]}
        head |= {"currency": "CNY", "time zone": "Asia/Shanghai", "dimensions": dimensions}
        self.file("pack.yaml", head)
        self.file("sources.yaml", {"S": en})
        self.file("causes.yaml", {"C": en})
        self.text("clauses/all.md", "## one.1 Clause\n\nText.\n")
        self.file("parameters/all.yaml", {"parameters": self.parameters()})
        if rng.random() < 0.85:
            self.file("calendar.yaml", self.calendar())
        self.file("rules/base.yaml", self.base())
        pack = load_pack(self.folder)
        for number in range(rng.randint(2, 5)):
            pack = self.added(pack, f"rules/decision{number}.yaml", [self.decision(pack, number)])
        made: list[str] = []
        while len(made) < rules:
            wanted = {
                f"rules/rule{number:02d}.yaml": [rule(rng, pack.scope, number)]
                for number in range(len(made), rules)
            }
            pack = self.all_added(pack, wanted)
            made = sorted(p.name for p in (self.folder / "rules").glob("rule*.yaml"))
            for number, name in enumerate(made):
                # The numbers of those left out are given anew.
                (self.folder / "rules" / name).rename(self.folder / "rules" / f"rule{number:02d}.yaml")
                self.renumber(self.folder / "rules" / f"rule{number:02d}.yaml", number)
        (self.folder / "rules" / "base.yaml").unlink()
        return self.waivers(load_pack(self.folder))

    # -- writing ------------------------------------------------------------------------------------------

    def text(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def file(self, name: str, value: Any) -> None:
        self.text(name, yaml.safe_dump(value, allow_unicode=True, sort_keys=False))

    def renumber(self, path: Path, number: int) -> None:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        # Dates are texts in what was written, and dates in what was read.
        self.file(str(path.relative_to(self.folder)), _as_written(value | {"rule": f"GEN-{number:02d}"}))

    def added(self, pack: Pack, name: str, documents: list[dict[str, Any]]) -> Pack:
        return self.all_added(pack, {name: documents})

    def all_added(self, pack: Pack, files: dict[str, list[dict[str, Any]]]) -> Pack:
        """The pack with files added, but for those in error."""
        for name, documents in files.items():
            self.file(name, documents[0])
        try:
            return load_pack(self.folder)
        except PackError as error:
            for name in {Path(d.place.file) for d in error.diagnostics if d.place is not None}:
                assert any(name == self.folder / file for file in files), error
                name.unlink()
        return load_pack(self.folder)

    # -- parts --------------------------------------------------------------------------------------------

    def type(self, kinds: tuple[str, ...] = TYPES) -> str:
        kind = self.random.choice(kinds)
        if kind == "one of":
            return f"one of [{', '.join(self.random.choice(ONE_OFS))}]"
        return kind

    def typed(self, required: float) -> dict[str, Any]:
        spec: dict[str, Any] = {"type": self.type(), "label": {"en": "Label"}}
        return spec | ({"required": True} if self.random.random() < required else {})

    def vocabulary(self) -> dict[str, Any]:
        rng = self.random
        label = {"en": "Label"}
        groups: dict[str, Any] = {}
        names = rng.sample(["loan", "review", "later", "审批", "borrower"], rng.randint(2, 4))
        days = [f"{group}.on" for group in names if rng.random() < 0.7] or [f"{names[0]}.on"]
        required = rng.choice([0, 0.2, 0.6])
        for group in names:
            facts = {f"f{i}": self.typed(required) for i in range(rng.randint(2, 9))}
            if f"{group}.on" in days:
                facts["on"] = {"type": "date", "label": label}
            groups[group] = {"label": label, "facts": facts}
            if rng.random() < 0.4:
                groups[group]["known on"] = rng.choice([*days, "as_of"])
            for spec in facts.values():
                if rng.random() < 0.08:
                    spec["known on"] = rng.choice([*days, "as_of"])
        first = groups[names[0]]["facts"]
        first |= {
            "amount": {"type": "money", "label": label},
            "value": {"type": "money", "label": label},
            "branch": {"type": "text", "label": label},
            "kind": {"type": self.type(("one of",)), "label": label},
            "rate": {"type": "rate", "label": label},
        }
        out = {"vocabulary": "generated", "groups": groups, "lists": {}, "reference": {}}
        for name in rng.sample(["visits", "payments", "pledges", "电话"], rng.randint(0, 3)):
            fields = {f"a{i}": self.typed(0.1) for i in range(rng.randint(1, 5))}
            if rng.random() < 0.8:
                fields["date"] = {"type": "date", "label": label}
            for number in range(rng.choice([0, 0, 1, 2])):
                item = self.type(("text", "one of", "integer", "date"))
                fields[f"held{number}"] = {"type": f"list of {item}", "label": label}
            spec: dict[str, Any] = {"label": label, "fields": fields}
            if "date" in fields and rng.random() < 0.6:
                spec["known on"] = "date"
            out["lists"][name] = spec
        for name in rng.sample(["people", "limits"], rng.randint(0, 2)):
            fields = {f"r{i}": self.typed(0) for i in range(rng.randint(1, 4))}
            out["reference"][name] = {
                "label": label,
                "fields": {"id": {"type": "text", "label": label}, **fields},
            }
        return {key: value for key, value in out.items() if value}

    def parameters(self) -> dict[str, Any]:
        rng = self.random
        kinds = {"cap": "rate", "least": "money", "days": "integer"}
        kinds |= {f"p{i}": self.type() for i in range(rng.randint(0, 3))}
        out = {}
        for name, kind in kinds.items():
            days = [
                "2010-01-01",
                *rng.sample(["2023-12-31", "2024-02-29", "2024-06-30", "2024-07-01"], rng.randint(0, 3)),
            ]
            values = [{"from": day, "value": self.plain(kind), "source": SOURCE} for day in sorted(days)]
            out[name] = {"label": {"en": "Label"}, "type": kind, "values": values}
        return out

    def value(self, kind: str) -> str:
        """A value of an output cell."""
        type_ = t.parse_type(kind)
        assert type_ is not None
        return self.random.choice(type_.values or CELL_VALUES[type_.name])

    def plain(self, kind: str) -> str:
        """A value of a parameter: dates and texts stand without marks."""
        text = self.value(kind)
        if kind in ("text", "date", "date-time", "days"):
            sign = text.startswith("-")
            text = text.lstrip("-@").strip('"')
            return f"-{text}" if sign else text or "S1"
        return text

    def calendar(self) -> dict[str, Any]:
        first, last = self.random.choice(
            [("2023-01-01", "2025-06-30"), ("2024-02-01", "2024-02-29"), ("1950-01-01", "2049-12-31")]
        )
        found: dict[str, Any] = {"from": first, "until": last, "source": "a test"}
        if self.random.random() < 0.7:
            found |= {"holidays": ["2024-02-12", "2024-02-13"], "working weekends": ["2024-02-04"]}
        if self.random.random() < 0.3:
            found["weekend"] = self.random.choice([["friday"], ["friday", "saturday"], []])
        return found

    def base(self) -> dict[str, Any]:
        """A rule to start from: a pack needs one."""
        drawn = {"rule": "BASE-01", "title": {"en": "Base"}, "stage": "pre-loan", "judged on": "as_of"}
        drawn |= {"in force": {"from": "2010-01-01"}, "require": "true", "impact": "control", "cause": "C"}
        texts = {"finding": {"en": "Found"}, "recommend": {"en": "Do"}}
        return drawn | {"clause": "one.1", "source": SOURCE} | texts

    # -- decisions ----------------------------------------------------------------------------------------

    def decision(self, pack: Pack, number: int) -> dict[str, Any]:
        rng = self.random
        if rng.random() < 0.35:
            return self.literal(pack, number)
        while True:
            drawn = self.table(pack, number)
            if drawn is not None:
                return drawn

    def literal(self, pack: Pack, number: int) -> dict[str, Any]:
        rng = self.random
        draw = Expressions(rng, pack.scope)
        kind = rng.choice(["money", "number", "integer", "boolean", "text", "date", "days"])
        expect = t.parse_type(kind)
        common = {"decision": f"d{number}", "title": {"en": "Decision"}, "type": kind}
        end = {"clause": "one.1", "source": SOURCE}
        if rng.random() < 0.6:
            body: dict[str, Any] = {"in force": {"from": "2010-01-01"}} if rng.random() < 0.7 else {}
            return common | body | {"value": draw.sound(kind, 2, expect)} | end
        last = rng.choice(["2024-01-30", "2024-06-29"])
        versions = [
            {"in force": {"from": "2010-01-01", "until": last}, "value": draw.sound(kind, 2, expect)},
            {"in force": {"from": "2024-06-30"}, "value": draw.sound(kind, 2, expect)},
        ]
        return common | {"versions": versions} | end

    def table(self, pack: Pack, number: int) -> dict[str, Any] | None:
        """A table with inputs of the file, or called with arguments; None where no input could be drawn."""
        rng = self.random
        policy = rng.choice(HIT_POLICIES)
        called = rng.random() < 0.35
        draw = Expressions(rng, pack.scope)
        inputs: list[dict[str, Any]] = []
        kinds: list[str] = []
        for i in range(rng.randint(1, 3)):
            kind = self.type()
            if called:
                inputs.append({"name": f"i{i}", "type": kind})
            else:
                name = kind.split(" [")[0]
                text = draw.sound(name, rng.choice([0, 0, 1, 2]))
                core, _ = check(text, pack.scope)
                if core is None or core.type.name in ("numeral", "months", "null"):
                    return None
                kind = str(core.type)
                inputs.append({"name": f"i{i}", "expression": text})
            kinds.append(kind)
        fit = {"collect sum": ("integer", "rate", "money", "number", "days")}
        fit["collect min"] = fit["collect max"] = (*fit["collect sum"], "date")
        if policy == "collect count":
            fit["collect count"] = ("integer",)
        outputs = [self.type(fit.get(policy, TYPES)) for _ in range(1 if called else rng.randint(1, 2))]
        drawn = {"table": f"t{number}", "title": {"en": "Table"}, "hit policy": policy, "inputs": inputs}
        drawn["outputs"] = [{"name": f"o{i}", "type": kind} for i, kind in enumerate(outputs)]
        end = {"clause": "one.1", "source": SOURCE}
        if rng.random() < 0.7:
            return drawn | {"in force": {"from": "2010-01-01"}} | self.rows(policy, kinds, outputs) | end
        versions = [
            {"in force": {"from": "2010-01-01", "until": rng.choice(FIRST_DAYS[1:])}},
            {"in force": {"from": "2024-07-01"}},
        ]
        for version in versions:
            version |= self.rows(policy, kinds, outputs)
        return drawn | {"versions": versions} | end

    def rows(self, policy: str, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
        rng = self.random
        same = policy == "any" and rng.random() < 0.6
        answer = [self.output(kind) for kind in outputs]
        rows = [
            [*(self.cell(kind) for kind in inputs), *(answer if same else [self.output(k) for k in outputs])]
            for _ in range(rng.choice([1, 2, 3, 3, 4, 6, 25 if policy == "first" else 5]))
        ]
        if policy == "unique" and len(rows) > 1:
            # Rows of an input that overlap by no cell: bands, values or true and false.
            rows = self.apart(inputs, rows)
        default = {"default": [self.output(kind) for kind in outputs]} if rng.random() < 0.4 else {}
        return {"rows": rows, **default}

    def apart(self, inputs: list[str], rows: list[list[str]]) -> list[list[str]]:
        kind = inputs[0].split(" [")[0]
        type_ = t.parse_type(inputs[0])
        if kind in ("money", "rate", "number", "integer"):
            ends = sorted(self.random.sample([0, 1, 2, 3, 7, 70, 100, 700_000], min(len(rows), 8)))
            bands = [f"({a}..{b}]" for a, b in itertools.pairwise(ends)]
            cells = [f"<= {ends[0]}", *bands][: len(rows)]
        elif kind == "boolean":
            cells = ["true", "false"]
        elif type_ is not None and type_.values:
            cells = list(type_.values)
        else:
            return rows[:1]
        return [[cell, *row[1:]] for cell, row in zip(cells, rows, strict=False)]

    def output(self, kind: str) -> str:
        if self.random.random() < 0.06:
            return "null"
        if self.random.random() < 0.1:
            name = {"rate": "cap", "money": "least", "integer": "days"}.get(kind)
            if name:
                return f"parameters.{name}"
        return self.value(kind)

    def cell(self, kind: str) -> str:
        rng = self.random
        if rng.random() < 0.25:
            return "-"
        type_ = t.parse_type(kind)
        assert type_ is not None
        if type_.values:
            some = rng.sample(type_.values, rng.randint(1, len(type_.values)))
            return rng.choice([", ".join(some), f"not({some[0]})", f'"{some[0]}"'])
        if kind == "boolean":
            return rng.choice(["true", "false", "not(true)", "true, false"])
        values = CELL_VALUES[kind]
        a, b = rng.choice(values), rng.choice(values)
        parameter = {"rate": "cap", "money": "least", "integer": "days"}.get(kind)
        if parameter and rng.random() < 0.15:
            a = f"parameters.{parameter}"
        tests = [a, f"{a}, {b}", f"not({a})", f"not({a}, {b})", f"? != {a}"]
        signs = [f"{sign} {a}" for sign in ("<", "<=", ">", ">=")]
        ranges = [f"{rng.choice('([')}{a}..{b}{rng.choice(')]')}"]
        return rng.choice([*tests, *signs, *signs, *ranges, *ranges, *ranges, f"< {a}, > {b}"])

    # -- waivers ------------------------------------------------------------------------------------------

    def waivers(self, pack: Pack) -> Pack:
        rng = self.random
        draw = Expressions(rng, pack.scope)
        found = []
        for name, made in pack.rules.items():
            for _ in range(rng.choice([0, 0, 1, 2]) if made.kind != "portfolio" else 0):
                first = dt.date.fromisoformat(rng.choice(["2020-01-01", "2024-01-01", "2024-02-29"]))
                last = dt.date.fromisoformat(rng.choice(["2024-02-29", "2024-03-31", "2025-12-31"]))
                found.append(
                    {
                        "waiver": f"W-{len(found)}",
                        "rule": name,
                        "scope": draw.sound("boolean", rng.choice([0, 1, 2]), t.BOOLEAN),
                        "approver": "S1",
                        "level": rng.choice([2, 3, 4]),
                        "from": first.isoformat(),
                        "until": last.isoformat(),
                        "compensating control": {"en": "None"},
                    }
                )
        self.file("waivers.yaml", {"waivers": found})
        return load_pack(self.folder)


def _as_written(value: Any) -> Any:
    """What YAML reads as a date, as a text again."""
    if isinstance(value, dict):
        return {k: _as_written(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_written(v) for v in value]
    return value.isoformat() if isinstance(value, dt.date) else value
