"""`sancha feel`: the dialogue on a terminal and through a pipe, in both languages."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.data_structures import Size
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from sancha.engine.diagnostics import SanchaError
from sancha.engine.policy.pack import load_pack
from sancha.engine.run import repl
from sancha.engine.run.repl import COMMANDS, Dialogue, FeelCompleter, FeelLexer, run_lines, run_terminal
from sancha.engine.run.session import FullSession, Session, StrictSession

ROOT = Path(__file__).resolve().parent.parent
SANCHA = Path(sys.executable).with_name("sancha")
FILE = ROOT / "rules" / "files" / "ordinary working-capital loan.json"


@pytest.fixture(scope="module")
def pack_session() -> StrictSession:
    session = StrictSession(load_pack(ROOT / "rules"))
    session.load(FILE)
    return session


def plain() -> StrictSession:
    data = {"loan": {"amount": 5000000, "note": None}, "visits": [{"date": "2024-01-02", "done": True}]}
    return StrictSession(None, data)


def typed_on_a_terminal(session: Session, keys: str, history: InMemoryHistory | None = None) -> str:
    """What the terminal shows when the keys are pressed; the dialogue must end by them."""
    written = io.StringIO()
    output = Vt100_Output(written, lambda: Size(rows=30, columns=80), term="dumb")
    with create_pipe_input() as pipe:
        pipe.send_text(keys)
        run_terminal(session, "hello", input=pipe, output=output, history=history or InMemoryHistory())
    return written.getvalue()


def test_answers_have_their_type(pack_session: StrictSession) -> None:
    for text, answer in (
        ("1 + 2", "3 : number"),
        ("application.amount * 0.7", "2100000.00 : money"),
        ("count(visits)", "2 : integer"),
        ('application.product in ("working_capital")', "true : boolean"),
        ("parameters.report_similarity_limit", "0.9 : rate"),
        ("application.prior_maturity_on", "unknown (missing: application.prior_maturity_on)"),
        ("approval.decided_on.weekday > 0 and false", "false : boolean"),
    ):
        assert pack_session.answer(text) == answer


def test_facts_are_set_and_taken_out() -> None:
    session = StrictSession(load_pack(ROOT / "rules"))
    dialogue = Dialogue(session)
    assert dialogue.reply("application.amount") == "unknown (missing: application.amount)"
    assert dialogue.reply(":set application.amount = 500000") == "500000.00 : money"
    assert dialogue.reply(":set application.amount = application.amount * 2") == "1000000.00 : money"
    assert dialogue.reply(":set application.received_on = 2024-01-31") == "2024-01-31 : date"
    assert dialogue.reply('application.received_on + @"P1M"') == "2024-02-29 : date"
    assert "1 item" in str(dialogue.reply(':set visits = [{"date": "2024-01-02", "on_site": true}]'))
    assert dialogue.reply("count(visits[on_site])") == "1 : integer"
    assert dialogue.reply(":set loan.days_past_due = 3 * 5") == "15 : integer"
    assert dialogue.reply(":set application.amount = null") == "unknown (missing: application.amount)"
    for wrong in (
        ":set application.amuont = 5",
        ":set application.amount = true",
        ":set application.amount =",
        ":set",
    ):
        with pytest.raises(SanchaError):
            dialogue.reply(wrong)
    assert dialogue.reply("application.received_on") == "2024-01-31 : date"
    # The parameters are those of the day.
    assert dialogue.reply(":set as_of = 2023-01-01") == "2023-01-01 : date"
    assert dialogue.reply("parameters.dual_visit_amount") == "300000.00 : money"


def test_commands(tmp_path: Path) -> None:
    dialogue = Dialogue(plain())
    assert all(command in str(dialogue.reply(":help")) for command in COMMANDS)
    assert max(map(len, str(dialogue.reply(":help")).split("\n"))) <= 80
    assert dialogue.reply(":type loan.amount / 3") == ": number"
    assert dialogue.reply(":quit") is None
    (tmp_path / "file.json").write_text('{"loan": {"rate": 0.05}}', encoding="utf-8")
    assert dialogue.reply(f":load {tmp_path / 'file.json'}") == f"loaded {tmp_path / 'file.json'}"
    assert dialogue.reply("loan.rate") == "0.05 : number"
    assert "loan.rate" in str(dialogue.reply(":names loan"))
    for wrong in (":lod x", ":load", f":load {tmp_path / 'none.json'}", ":names qqq", "loan.amount"):
        with pytest.raises(SanchaError):
            dialogue.reply(wrong)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("1 +", False),
        ("1 + 2", True),
        ("every v in visits", False),
        ('"open', False),
        ("/* open", False),
        ("(1", False),
        ("1 + )", True),
        (":set", True),
        ("", True),
        ("1 +\n\n", True),
    ],
)
def test_a_text_goes_on_until_it_is_whole(text: str, whole: bool) -> None:
    assert Dialogue(plain()).complete(text) is whole
    if '"' not in text:
        assert Dialogue(FullSession()).complete(text) is whole


def test_a_pipe_gets_answers_without_prompts() -> None:
    out, err = io.StringIO(), io.StringIO()
    lines = ["loan.amount\n", "\n", "every v in visits\n", "  satisfies v.done\n", "loan.amuont\n", "1 +\n"]
    assert run_lines(plain(), lines, out, err) is False
    assert out.getvalue() == "5000000 : integer\ntrue : boolean\n"
    assert "did you mean `loan.amount`?" in err.getvalue() and "ends too early" in err.getvalue()
    assert " | ^^^^^^^^^^^" in err.getvalue()
    assert run_lines(plain(), ["1\n", ":quit\n", "2\n"], out := io.StringIO(), err) is True
    assert out.getvalue() == "1 : number\n"


def test_a_dialogue_on_a_terminal() -> None:
    history = InMemoryHistory()
    keys = "1 + 2\revery v in visits\rsatisfies v.done\rloan.amuont\r\x1b[A\x1b[A\x1b[A\r\x03:quit\r"
    shown = typed_on_a_terminal(plain(), keys, history)
    assert "hello" in shown
    assert shown.count("3 : number") >= 1 and "true : boolean" in shown
    assert "did you mean `loan.amount`?" in shown
    assert "every v in visits\nsatisfies v.done" in history.get_strings()


def test_ctrl_d_ends_it() -> None:
    assert "5000000 : integer" in typed_on_a_terminal(plain(), "loan.amount\r\x04")


def completions(session: Session, text: str) -> list[str]:
    return [c.text for c in FeelCompleter(session).get_completions(Document(text), CompleteEvent())]


def test_completion(pack_session: StrictSession) -> None:
    assert "application.amount" in completions(pack_session, "application.am")
    assert "visits" in completions(pack_session, "count(vis")
    assert set(completions(pack_session, "some v in visits satisfies v.on")) == {"on_site"}
    assert "staff" in completions(pack_session, "visits.s")
    assert completions(pack_session, "visits[on_")[0] == "on_site"
    assert "parameters.dual_visit_amount" in completions(pack_session, "parameters.dual")
    assert "ltv_cap(" in completions(pack_session, "ltv")
    assert "days between(" in completions(pack_session, "day")
    assert set(completions(pack_session, "approval.decided_on.")) >= {"year", "month", "day", "weekday"}
    assert "v" in completions(pack_session, "some v in visits satisfies v")
    assert ":type" in completions(pack_session, ":t")
    assert "satisfies" in completions(pack_session, "some v in visits sat")
    full = FullSession({"Applicant": {"Monthly Salary": 1, "age": 3}})
    assert set(completions(full, "Applicant.")) == {"Monthly Salary", "age"}
    assert "string length(" in completions(full, "string l")[:1] or "string length(" in completions(
        full, "string"
    )


def test_colours() -> None:
    lex = FeelLexer().lex_document(Document('if x then "a" // note\nelse ~1'))
    styles = {text.strip(): style for line in (0, 1) for style, text, *_ in lex(line)}
    assert styles["if"] == "class:feel.keyword" and styles['"a"'] == "class:feel.text"
    assert styles["// note"] == "class:feel.comment" and styles["~"] == "class:feel.error"
    assert styles["1"] == "class:feel.number" and styles["x"] == ""
    assert (
        "".join(text for _, text, *_ in FeelLexer().lex_document(Document(":set a = 1"))(0)) == ":set a = 1"
    )


def test_the_history_is_kept_where_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    history = repl._history()
    history.append_string("1 + 2")
    file = tmp_path / "state" / "sancha" / "history"
    assert "1 + 2" in file.read_text(encoding="utf-8") and file.stat().st_mode & 0o077 == 0
    assert list(repl._history().load_history_strings()) == ["1 + 2"]
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    repl._history().append_string("nowhere")
    file.unlink()
    file.mkdir()
    history.append_string("the dialogue goes on")


def test_the_full_language() -> None:
    session = FullSession()
    assert session.assign("Monthly Salary", "1000.5") == "1000.5 : number"
    assert session.answer("Monthly Salary * 2") == "2001 : number"
    assert session.answer('{a: 1, b: [a, "x"]}') == '{a: 1, b: [1, "x"]} : context'
    assert session.assign("loan", "{}") == "{} : context"
    assert session.assign("loan.rate", "0.05") == "0.05 : number"
    assert session.answer("loan") == "{rate: 0.05} : context"
    answer = session.answer('1 + "a"')
    assert answer.startswith("null : null\nwarning[") and "^" in answer
    assert session.type_of("[1, 2]") == "list" and session.hint("foo(1)") and session.hint("1") == ""
    with pytest.raises(SanchaError):
        session.assign("nothing.at", "1")
    with pytest.raises(SanchaError):
        session.answer("1 +")


def sancha(*arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    command = [str(SANCHA), *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, env=environment)


def test_the_command(tmp_path: Path) -> None:
    done = sancha("feel", text="1 + 2\n")
    assert (done.returncode, done.stdout) == (0, "3 : number\n"), done.stderr
    context = tmp_path / "facts.json"
    context.write_text(json.dumps({"loan": {"amount": 5}, "Full Name": "三查"}), encoding="utf-8")
    done = sancha("feel", "--dmn", "--context", context, text='Full Name + "!"\nloan.amount\n')
    assert (done.returncode, done.stdout) == (0, '"三查!" : string\n5 : number\n'), done.stderr
    assert sancha("feel", "--dmn", "[1,2][item > 1]").stdout == "[2] : list\n"
    done = sancha("feel", "--dmn", '1 + "a"')
    assert done.stdout == "null : null\n" and done.stderr.startswith("warning[")
    done = sancha("feel", "--pack", ROOT / "rules", text="borrower.nam\n")
    assert done.returncode == 2 and "did you mean" in done.stderr and "Traceback" not in done.stderr
    assert sancha("feel", "--dmn", "--pack", ROOT / "rules").returncode == 2
