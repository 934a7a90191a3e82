"""DMN models as policy packs: exports come back, models of other tools are translated, and nothing is lost unsaid."""

from __future__ import annotations

import csv
import itertools
import random
import shutil
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from lxml import etree

from sancha.engine.book.store import iter_files, open_book, read_reference
from sancha.engine.book.synthesize import synthesize
from sancha.engine.diagnostics import SanchaError
from sancha.engine.dmn.export import export_pack
from sancha.engine.dmn.import_model import ImportReport, import_model
from sancha.engine.dmn.meanings import snake
from sancha.engine.dmn.run import load
from sancha.engine.policy.lower import lower_decision
from sancha.engine.policy.pack import load_pack
from sancha.engine.run.row import Evaluator
from sancha.engine.run.to_python import compile_core

RULES = Path(__file__).parent.parent / "rules"
NAMESPACE = "https://www.omg.org/spec/DMN/20230324/MODEL/"


# -- exports -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_pack(RULES, "dmn15", folder / "model.dmn")
    return folder / "model.dmn"


@pytest.mark.parametrize("target", ["dmn15", "camunda8"])
def test_an_export_comes_back_to_the_byte(tmp_path: Path, target: str) -> None:
    export_pack(RULES, target, tmp_path / "model.dmn")
    report = import_model(tmp_path / "model.dmn", tmp_path / "pack")
    assert report.restored
    assert report.lost == ()
    assert load_pack(tmp_path / "pack").digest == load_pack(RULES).digest
    for file in RULES.rglob("*"):
        if file.is_file() and file.suffix != ".pyc" and not file.name.startswith("."):
            assert (tmp_path / "pack" / file.relative_to(RULES)).read_bytes() == file.read_bytes()


def test_all_outcomes_are_the_same_after_the_round_trip(tmp_path: Path, exported: Path) -> None:
    import_model(exported, tmp_path / "pack")
    before, after = load_pack(RULES), load_pack(tmp_path / "pack")
    synthesize(300, 7, tmp_path / "book", before.vocabulary)
    book = open_book(tmp_path / "book", before.vocabulary)
    reference = read_reference(book, before.vocabulary)
    one, other = Evaluator(before), Evaluator(after)
    for file in itertools.islice(iter_files(book, before.vocabulary), 60):
        assert one.judge(file, reference, book.as_of) == other.judge(file, reference, book.as_of)


def without_our_extensions(model: Path, out: Path) -> Path:
    """The model as a tool would leave it that keeps no extension elements."""
    tree = etree.parse(model)
    for node in list(tree.getroot().iter("{*}extensionElements")):
        node.getparent().remove(node)
    tree.write(out)
    return out


def test_decisions_come_back_from_the_model_alone(tmp_path: Path, exported: Path) -> None:
    """Every decision of the pack, from its DMN form and nothing else, decides each file as before."""
    bare = without_our_extensions(exported, tmp_path / "bare.dmn")
    report = import_model(bare, tmp_path / "pack")
    assert not report.restored
    assert report.lost == ()
    before, after = load_pack(RULES), load_pack(tmp_path / "pack")
    names = [d.name for d in before.decisions.values() if not d.called]
    assert set(names) <= set(after.decisions)
    synthesize(250, 9, tmp_path / "book", before.vocabulary)
    book = open_book(tmp_path / "book", before.vocabulary)
    reference = read_reference(book, before.vocabulary)
    pairs = [
        [compile_core(lower_decision(pack, name, hindsight=True), pack.calendar) for pack in (before, after)]
        for name in names
    ]
    for file, day in zip(
        iter_files(book, before.vocabulary),
        itertools.cycle([book.as_of, book.as_of.replace(year=2017)]),
        strict=False,
    ):
        facts = {name: file.facts.get(name) for name in after.vocabulary.facts}
        for name, (one, other) in zip(names, pairs, strict=True):
            assert one(file.facts, file.lists, reference, day) == other(facts, file.lists, reference, day), (
                name
            )


def edited(model: Path, out: Path, *changes: tuple[str, str]) -> Path:
    """The model with texts of its DMN part replaced, the pack that it carries left alone."""
    head, end, text = model.read_text(encoding="utf-8").partition("</extensionElements>")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    out.write_text(head + end + text, encoding="utf-8")
    return out


def rows(file: Path) -> list[list[str]]:
    with file.open(encoding="utf-8") as held:
        return list(csv.reader(held))


def test_changes_made_elsewhere_are_taken_over(tmp_path: Path, exported: Path) -> None:
    model = edited(
        exported,
        tmp_path / "model.dmn",
        ('<text>"B1", "B2", "C"</text>', '<text>"B2", "C"</text>'),
        ("<text>0.70</text>", "<text>0.65</text>"),
        (
            "then parameters.entrusted_personal_business else",
            "then 2 * parameters.entrusted_personal_business else",
        ),
        ("<text>300000</text>", "<text>310000</text>"),
        ('<text>"substandard", "doubtful", "loss"</text>', '<text>not("normal", null)</text>'),
    )
    report = import_model(model, tmp_path / "pack")
    assert report.restored
    assert report.lost == ()
    pack = tmp_path / "pack"
    changed = {
        file.relative_to(pack).as_posix()
        for file in pack.rglob("*")
        if file.is_file() and file.read_bytes() != (RULES / file.relative_to(pack)).read_bytes()
    }
    assert changed == {
        "approval/authority_modifiers.csv",
        "disbursement/ltv_cap.csv",
        "disbursement/entrusted_limit.yaml",
        "parameters/pre_loan.yaml",
        "post_loan/inspection_interval.csv",
    }
    before, after = (
        rows(RULES / "approval/authority_modifiers.csv"),
        rows(pack / "approval/authority_modifiers.csv"),
    )
    assert [b for a, b in zip(before, after, strict=True) if a != b] == [
        ["-", "-", "-", "B2, C", "1", "grade B or worse"]
    ]
    assert ["-", 'not("normal")', "-", "-", "16", "S0 B: twice a month"] in rows(
        pack / "post_loan/inspection_interval.csv"
    )
    assert (
        "2 * parameters.entrusted_personal_business"
        in (pack / "disbursement/entrusted_limit.yaml").read_text()
    )
    values = [value.value for _, value, _ in load_pack(pack).parameters["dual_visit_amount"].steps]
    assert values == [Decimal(310000), Decimal(500000)]


def test_what_cannot_be_taken_over_is_said(tmp_path: Path, exported: Path) -> None:
    model = edited(
        exported,
        tmp_path / "model.dmn",
        (
            "<text>(5000000..10000000]</text>",
            "<text>(4000000..10000000]</text>",
        ),  # overlaps with the row before
        ("<text>0.75</text>", "<text>borrower.total_assets</text>"),
        ("<text>&gt; 36</text>", "<text>if ? &gt; 36 then</text>"),
    )
    report = import_model(model, tmp_path / "pack")
    lost = {e.where: e.what for e in report.lost}
    assert "both match" in lost['decision "authority"']
    assert "borrower.total_assets" in lost['businessKnowledgeModel "ltv_cap"']
    assert "if ? > 36 then" in lost['decision "authority_modifiers"']
    assert all(e.line > 0 for e in report.lost)
    assert load_pack(tmp_path / "pack").digest == load_pack(RULES).digest  # the pack stays as it was


def test_elements_added_or_removed_elsewhere_are_reported(tmp_path: Path, exported: Path) -> None:
    tree = etree.parse(exported)
    root = tree.getroot()
    gone = next(d for d in root.iter(f"{{{NAMESPACE}}}decision") if d.get("name") == "asymmetry_index")
    new = etree.fromstring(
        f'<decision xmlns="{NAMESPACE}" id="new" name="new"><variable name="new"/>'
        "<literalExpression><text>1</text></literalExpression></decision>"
    )
    gone.getparent().replace(gone, new)
    tree.write(tmp_path / "model.dmn")
    report = import_model(tmp_path / "model.dmn", tmp_path / "pack")
    assert {e.where for e in report.lost} == {'decision "new"', "asymmetry_index"}


@pytest.mark.parametrize(
    "path", ["../outside.yaml", "/etc/x.yaml", "a/../../b.yaml", "run.py", "a\\..\\b.yaml", ".x.yaml"]
)
def test_a_carried_file_cannot_leave_the_pack(tmp_path: Path, exported: Path, path: str) -> None:
    text = exported.read_text(encoding="utf-8").replace('path="pack.yaml"', f'path="{path}"')
    (tmp_path / "model.dmn").write_text(text, encoding="utf-8")
    with pytest.raises(SanchaError, match="no part of a pack"):
        import_model(tmp_path / "model.dmn", tmp_path / "pack")
    assert [file.name for file in tmp_path.iterdir()] == ["model.dmn"]


# -- models of other tools ---------------------------------------------------------------------------------------------


def model_of(folder: Path, body: str) -> Path:
    path = folder / "model.dmn"
    path.write_text(
        f'<definitions xmlns="{NAMESPACE}" id="d" name="Card limits" namespace="https://example.org/card">'
        f"{dedent(body)}</definitions>",
        encoding="utf-8",
    )
    return path


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def input_data(name: str, type_: str) -> str:
    return f'<inputData id="i_{snake(name)}" name="{name}"><variable name="{name}" typeRef="{type_}"/></inputData>'


def decision(name: str, type_: str, logic: str, needs: str = "") -> str:
    required = "".join(
        f'<informationRequirement><required{"Decision" if n.startswith("d_") else "Input"} href="#{n}"/>'
        "</informationRequirement>"
        if not n.startswith("b_")
        else f'<knowledgeRequirement><requiredKnowledge href="#{n}"/></knowledgeRequirement>'
        for n in needs.split()
    )
    variable = f'<variable name="{name}" typeRef="{type_}"/>' if type_ else f'<variable name="{name}"/>'
    return f'<decision id="d_{snake(name)}" name="{name}">{variable}{required}{logic}</decision>'


def literal(text: str) -> str:
    return f"<literalExpression><text>{escaped(text)}</text></literalExpression>"


def table(policy: str, inputs: list[str], outputs: list[str], *lines: str, aggregation: str = "") -> str:
    """A decision table; a line is `cell | cell || output | output`."""
    head = "".join(
        f"<input><inputExpression><text>{escaped(x)}</text></inputExpression></input>" for x in inputs
    )
    head += "".join(f"<output {x}/>" if "<" not in x else x for x in outputs)
    body = ""
    for line in lines:
        left, _, right = line.partition("||")
        cells = "".join(
            f"<inputEntry><text>{escaped(x.strip())}</text></inputEntry>" for x in left.split("|")
        )
        cells += "".join(
            f"<outputEntry><text>{escaped(x.strip())}</text></outputEntry>" for x in right.split("|")
        )
        body += f"<rule>{cells}</rule>"
    collected = f' aggregation="{aggregation}"' if aggregation else ""
    return f'<decisionTable hitPolicy="{policy}"{collected}>{head}{body}</decisionTable>'


TYPES = """
    <itemDefinition name="tApplicant">
      <itemComponent name="Monthly Income"><typeRef>number</typeRef></itemComponent>
      <itemComponent name="Status">
        <typeRef>string</typeRef><allowedValues><text>"single", "married"</text></allowedValues>
      </itemComponent>
      <itemComponent name="Born"><typeRef>date</typeRef></itemComponent>
      <itemComponent name="Address"><itemComponent name="City"><typeRef>string</typeRef></itemComponent></itemComponent>
    </itemDefinition>
    <itemDefinition name="tCards" isCollection="true">
      <itemComponent name="Credit Limit"><typeRef>number</typeRef></itemComponent>
      <itemComponent name="kind"><typeRef>string</typeRef></itemComponent>
    </itemDefinition>
    <itemDefinition name="tRisk">
      <typeRef>string</typeRef><allowedValues><text>"high", "medium", "low"</text></allowedValues>
    </itemDefinition>
"""
INPUTS = (
    TYPES
    + input_data("Applicant", "tApplicant")
    + input_data("Cards Held", "tCards")
    + input_data("Score", "number")
    + input_data("Term", "number")
)
CARD_MODEL = INPUTS + "".join(
    [
        decision(
            "Risk",
            "tRisk",
            table("UNIQUE", ["Score"], [""], '< 500 || "high"', '[500..700) || "medium"', '>= 700 || "low"'),
            "i_score",
        ),
        decision(
            "Points",
            "number",
            table(
                "COLLECT", ["Applicant.Status", "Applicant.Monthly Income", "Risk"], [""],
                '"married" | - | - || 5', '- | > 3000 | - || 10', '- | - | not("high") || 7',
                '"single" | <= 3000 | "high" || 1',
                aggregation="SUM",
            ),
            "i_applicant d_risk",
        ),
        decision(
            "Offer",
            "",
            table(
                "FIRST", ["Risk", "Points"],
                ['name="Card Kind" typeRef="string"', 'name="Share" typeRef="number"'],
                '"low" | - || "gold" | 0.5', '"medium" | >= 12 || "silver" | 0.25', '- | - || "none" | 0',
            ),
            "d_risk d_points",
        ),
        decision(
            "Best",
            "tRisk",
            table(
                "PRIORITY", ["Score", "Applicant.Monthly Income"],
                ['<output><outputValues><text>"high", "medium", "low"</text></outputValues></output>'],
                '> 400 | - || "low"', '> 600 | > 1000 || "medium"', '> 650 | > 5000 || "high"',
            ),
            "i_score i_applicant",
        ),
        decision(
            "Limit",
            "number",
            """<context>
                 <contextEntry><variable name="Own Limits"/>"""
            + literal('Cards Held[kind = "credit"].Credit Limit')
            + """</contextEntry>
                 <contextEntry><variable name="Base"/>"""
            + literal("if Applicant.Monthly Income > 2000 then Applicant.Monthly Income * Offer.Share else 100")
            + "</contextEntry><contextEntry>"
            + literal("if count(Own Limits) = 0 then Base else Base - sum(Own Limits) / 10")
            + "</contextEntry></context>",
            "i_cards_held i_applicant d_offer",
        ),
        f"""<businessKnowledgeModel id="b_instalment" name="Monthly Instalment">
              <variable name="Monthly Instalment"/>
              <encapsulatedLogic>
                <formalParameter name="Sum" typeRef="number"/><formalParameter name="Months" typeRef="number"/>
                {literal("Sum * 0.01 / (1 - (1 + 0.01) ** -Months)")}
              </encapsulatedLogic>
            </businessKnowledgeModel>
            <businessKnowledgeModel id="b_factor" name="Factor">
              <variable name="Factor"/>
              <encapsulatedLogic>
                <formalParameter name="risk" typeRef="tRisk"/>
                {table("UNIQUE", ["risk"], [""], '"high" || 0.5', '"medium", "low" || 1')}
              </encapsulatedLogic>
            </businessKnowledgeModel>""",
        decision(
            "Affordable",
            "boolean",
            literal("Monthly Instalment(Sum: Limit, Months: Term) <= Applicant.Monthly Income * Factor(Risk)"),
            "d_limit d_risk i_term i_applicant b_instalment b_factor",
        ),
        decision(
            "Crowded",
            "boolean",
            literal("some c in Cards Held satisfies c.Credit Limit > 10 * Limit or c.kind = Applicant.Address.City"),
            "i_cards_held d_limit i_applicant",
        ),
        decision(
            "Boxed",
            "number",
            "<conditional><if><some iteratorVariable='c'><in>" + literal("Cards Held") + "</in><satisfies>"
            + literal('c.kind = "credit"') + "</satisfies></some></if><then>"
            + literal("count(Cards Held[Credit Limit > 1000])") + "</then><else>" + literal("-1")
            + "</else></conditional>",
            "i_cards_held",
        ),
        decision(
            "Fee",
            "number",
            table("UNIQUE", ["Risk"], [""], '"high" || Limit * 0.02', '"medium" || Limit * 0.01', '"low" || 0'),
            "d_risk d_limit",
        ),
    ]
)  # fmt: skip


def imported(folder: Path, body: str) -> ImportReport:
    shutil.rmtree(folder / "pack", ignore_errors=True)
    return import_model(model_of(folder, body), folder / "pack")


def test_a_model_of_another_tool_decides_the_same_as_a_pack(tmp_path: Path) -> None:
    """Every decision, on generated files without gaps: where nothing is missing, both languages agree."""
    report = imported(tmp_path, CARD_MODEL)
    assert report.lost == (), report.text()
    pack, model = load_pack(tmp_path / "pack"), load(tmp_path / "model.dmn")
    same = {
        "risk": "Risk", "points": "Points", "offer.card_kind": "Offer.Card Kind", "offer.share": "Offer.Share",
        "best": "Best", "limit": "Limit", "affordable": "Affordable", "crowded": "Crowded", "fee": "Fee",
        "boxed": "Boxed",
    }  # fmt: skip
    functions = {n: compile_core(lower_decision(pack, n, hindsight=True), pack.calendar) for n in same}
    chance = random.Random(3)
    known = 0
    for _ in range(300):
        facts: dict[str, Any] = dict.fromkeys(pack.vocabulary.facts)
        facts |= {
            "applicant.monthly_income": Decimal(chance.choice([500, 1000, 2000, 2001, 3000, 3001, 6000])),
            "applicant.status": chance.choice(["single", "married"]),
            "applicant.address_city": chance.choice(["credit", "debit", "Bern"]),
            "inputs.score": Decimal(chance.choice([300, 401, 500, 601, 651, 699, 700, 800])),
            "inputs.term": chance.choice([1, 12, 60]),
        }
        cards = [
            {
                "credit_limit": Decimal(chance.choice([0, 100, 2500, 90000])),
                "kind": chance.choice(["credit", "debit"]),
            }
            for _ in range(chance.randrange(4))
        ]
        given = {
            "Applicant": {
                "Monthly Income": facts["applicant.monthly_income"], "Status": facts["applicant.status"],
                "Born": None, "Address": {"City": facts["applicant.address_city"]},
            },
            "Cards Held": [{"Credit Limit": c["credit_limit"], "kind": c["kind"]} for c in cards],
            "Score": facts["inputs.score"], "Term": Decimal(facts["inputs.term"]),
        }  # fmt: skip
        values = model.evaluate(given, None).values
        for name, original in same.items():
            head, _, part = original.partition(".")
            wanted = values[head][part] if part else values[head]
            got = functions[name](facts, {"cards_held": cards}, {}, None)
            assert got == wanted, (name, facts, cards)
            known += got is not None
    assert known > 2400


def test_what_a_pack_holds_after_the_import(tmp_path: Path) -> None:
    report = imported(tmp_path, CARD_MODEL)
    pack = load_pack(tmp_path / "pack")
    facts = pack.vocabulary.facts
    assert facts["applicant.monthly_income"].label == {"en": "Monthly Income"}
    assert str(facts["applicant.status"].type) == "one of [single, married]"
    assert str(facts["inputs.term"].type) == "integer"  # it is an exponent
    assert set(pack.vocabulary.lists["cards_held"].fields) == {"credit_limit", "kind"}
    assert pack.decisions["offer"].outputs[0][0] == "card_kind"
    assert pack.decisions["factor"].called
    policies = {
        d.name: d.versions[0].table.hit_policy for d in pack.decisions.values() if d.versions[0].table
    }
    assert policies["points"] == "collect sum"
    assert policies["best"] == "first"  # in order of priority
    assert {r.versions[0].require is not None for r in pack.rules.values()} == {True}
    told = [e.what for e in report.entries if e.kind == "changed"]
    assert any("order of priority" in what for what in told)
    assert any("exponent" in what for what in told)
    with report.report_path.open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(report.entries)


@pytest.mark.parametrize(
    ("logic", "reason"),
    [
        (literal("for i in [1, 2] return i * Score"), "for … return"),
        (literal("{a: Score}"), "contexts as values"),
        (literal("function(x) x + Score"), "functions as values"),
        (literal("Score instance of number"), "instance of"),
        (literal("Cards Held[1].Credit Limit"), "position"),
        (literal('split("a;b", ";")'), "unknown function `split`"),
        (literal('@"10:00:00" < time("11:00:00")'), "no date, date-time or duration"),
        (literal("Score + nowhere"), "unknown name `nowhere`"),
        (literal('Score + "a"'), "`+` does not take"),
        (literal("if Score > then 1"), "expected a value"),
        (literal("Applicant"), "several values"),
        ("<relation><column name='a'/><row><literalExpression><text>1</text></literalExpression></row></relation>",
         "no boxed relation"),
        ("<list><literalExpression><text>1</text></literalExpression></list>", "no boxed list"),
        (table("COLLECT", ["Score"], [""], "> 1 || 2"), "hit policy C"),
        (table("RULE ORDER", ["Score"], [""], "> 1 || 2"), "hit policy R"),
        (table("OUTPUT ORDER", ["Score"], [""], "> 1 || 2"), "hit policy O"),
        (table("FIRST", ["Score"], [""], "> Term || 2"), "unknown name"),
        (table("FIRST", ["Score"], [""], '> 1 || "a"', "> 2 || 3"), "different types"),
        ("", "no logic"),
    ],
)  # fmt: skip
def test_what_the_strict_form_cannot_hold_is_left_out_and_named(
    tmp_path: Path, logic: str, reason: str
) -> None:
    body = INPUTS + decision("Good", "number", literal("Score + 1"), "i_score")
    body += decision("Bad", "", logic, "i_score i_term i_applicant i_cards_held")
    body += decision("After", "", literal("Bad"), "d_bad")
    report = imported(tmp_path, body)
    lost = {e.where: e.what for e in report.lost}
    assert reason in lost['decision "Bad"'], lost
    assert "requires" in lost['decision "After"']
    pack = load_pack(tmp_path / "pack")
    assert set(pack.decisions) == {"good"}


def test_tables_without_input_data_as_some_tools_write_them(tmp_path: Path) -> None:
    logic = table(
        "UNIQUE", ["season", "guests"], ['name="dish" typeRef="string"'], '"winter" | < 5 || "soup"'
    )
    logic = logic.replace("<inputExpression>", '<inputExpression typeRef="string">', 1)
    logic = logic.replace("<inputExpression><text>guests", '<inputExpression typeRef="number"><text>guests')
    report = imported(tmp_path, f'<decision id="dish" name="Dish">{logic}</decision>')
    pack = load_pack(tmp_path / "pack")
    assert {n: str(f.type) for n, f in pack.vocabulary.facts.items() if n.startswith("inputs.")} == {
        "inputs.season": "text",
        "inputs.guests": "number",
    }
    assert [e.kind for e in report.entries].count("added") == 4
    core = compile_core(lower_decision(pack, "dish"))
    assert core({"inputs.season": "winter", "inputs.guests": Decimal(3)}, {}, {}, None) == "soup"


def test_types_that_the_model_does_not_say_are_told_by_use(tmp_path: Path) -> None:
    names = ("a", "b", "flag", "word", "day")
    body = "".join(f'<inputData id="i_{n}" name="{n}"/>' for n in names)
    body += decision(
        "D", "number", literal('if flag and word = "x" then a * 2 else max(a, b)'), "i_a i_b i_flag i_word"
    )
    body += decision("E", "boolean", literal('day >= date("2024-01-01")'), "i_day")
    report = imported(tmp_path, body)
    assert report.lost == ()
    found = {
        n.removeprefix("inputs."): str(f.type)
        for n, f in load_pack(tmp_path / "pack").vocabulary.facts.items()
    }
    assert {n: found[n] for n in names} == {
        "a": "number",
        "b": "number",
        "flag": "boolean",
        "word": "text",
        "day": "date",
    }


def test_rows_of_a_unique_table_that_overlap(tmp_path: Path) -> None:
    report = imported(
        tmp_path,
        INPUTS + decision("D", "number", table("UNIQUE", ["Score"], [""], "> 1 || 2", "> 5 || 3"), "i_score"),
    )
    assert any("both match" in e.what for e in report.entries if e.kind == "changed")
    assert load_pack(tmp_path / "pack").decisions["d"].versions[0].table.hit_policy == "any"  # type: ignore[union-attr]


def test_a_value_that_the_type_lacks_makes_a_column_of_texts(tmp_path: Path) -> None:
    rows_ = ['"single" || 1', '"widowed" || 2']
    imported(
        tmp_path,
        INPUTS + decision("D", "number", table("UNIQUE", ["Applicant.Status"], [""], *rows_), "i_applicant"),
    )
    pack = load_pack(tmp_path / "pack")
    held = pack.decisions["d"].versions[0].table
    assert held is not None
    assert str(held.inputs[0][1]) == "text"
    assert [row[0] for row in rows(tmp_path / "pack" / "decisions" / "d.csv")] == [
        "applicant_status",
        '"single"',
        '"widowed"',
    ]


def test_a_decision_left_out_takes_nothing_with_it_that_it_requires(tmp_path: Path) -> None:
    body = INPUTS + decision("Outer", "number", literal("Inner + Missing"), "d_inner d_missing")
    body += decision("Inner", "number", table("UNIQUE", ["Score"], [""], "> 1 || 2"), "i_score")
    body += decision("Missing", "number", "")
    report = imported(tmp_path, body)
    assert {e.where for e in report.lost} == {'decision "Outer"', 'decision "Missing"'}
    assert set(load_pack(tmp_path / "pack").decisions) == {"inner"}


def test_functions_that_double_each_other_are_not_written_out(tmp_path: Path) -> None:
    functions = "".join(
        f'<businessKnowledgeModel id="b_{n}" name="f{n}"><variable name="f{n}"/><encapsulatedLogic>'
        f'<formalParameter name="x" typeRef="number"/>{literal(f"f{n - 1}(x) + f{n - 1}(x)" if n else "x + 1")}'
        "</encapsulatedLogic>"
        + (
            f'<knowledgeRequirement><requiredKnowledge href="#b_{n - 1}"/></knowledgeRequirement>'
            if n
            else ""
        )
        + "</businessKnowledgeModel>"
        for n in range(25)
    )
    body = INPUTS + functions + decision("Good", "number", literal("f3(Score)"), "i_score b_3")
    report = imported(tmp_path, body + decision("Bad", "number", literal("f24(Score)"), "i_score b_24"))
    assert [(e.where, "too long" in e.what) for e in report.lost] == [('decision "Bad"', True)]
    assert set(load_pack(tmp_path / "pack").decisions) == {"good"}


def test_a_model_of_which_nothing_fits(tmp_path: Path) -> None:
    with pytest.raises(SanchaError, match="nothing of the model") as error:
        imported(tmp_path, decision("D", "", literal("{a: 1}")))
    assert 'decision "D"' in (error.value.help or "")
    assert [file.name for file in tmp_path.iterdir()] == ["model.dmn"]


def test_an_existing_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    with pytest.raises(SanchaError, match="exists"):
        import_model(model_of(tmp_path, INPUTS), tmp_path / "pack")


@pytest.mark.parametrize(
    ("original", "name"),
    [
        ("Applicant's Age", "applicant_s_age"),
        ("riskLevel", "risk_level"),
        ("DTI", "dti"),
        ("LTVRatio", "ltv_ratio"),
        ("2nd review", "n_2nd_review"),
        ("申请人 年龄", "申请人_年龄"),
        ("for", "for_"),
        ("Note", "note_"),
        ("–", "value"),
    ],
)
def test_names_become_identifiers(original: str, name: str) -> None:
    assert snake(original) == name
