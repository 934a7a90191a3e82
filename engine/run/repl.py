"""`sancha feel`: a dialogue in the policy language, with history, completion and the type of each answer."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style

from sancha.engine.diagnostics import PackError, SanchaError
from sancha.engine.feel.lexer import pieces
from sancha.engine.run.session import Name, Session, unknown_command

COMMANDS = {
    ":help": "what can be written here",
    ":type": ":type EXPRESSION gives its type without its value",
    ":set": ":set FACT = VALUE sets a fact; null takes it out",
    ":load": ":load FILE takes the facts of a JSON file",
    ":names": ":names PART lists names that hold PART, with type and meaning",
    ":quit": "ends the dialogue; Ctrl-D does too",
}
_HELP = """\
An expression is answered with its value and its type. It may go on over several
lines, and is read when it is whole; Alt-Enter begins a new line. Tab completes
a name, the arrow keys bring back what was written before.
"""
_STYLE = Style.from_dict(
    {
        "prompt": "bold",
        "feel.keyword": "ansiblue bold",
        "feel.text": "ansigreen",
        "feel.number": "ansicyan",
        "feel.temporal": "ansimagenta",
        "feel.comment": "ansibrightblack italic",
        "feel.error": "ansired underline",
        "feel.command": "bold",
        "bottom-toolbar": "noreverse ansibrightblack",
    }
)


class Dialogue:
    """Lines in, answers out; what the terminal and a pipe have in common. `width`: the columns of lists of names."""

    def __init__(self, session: Session, width: int | None = None) -> None:
        self.session = session
        self.width = width

    def complete(self, text: str) -> bool:
        """Whether a text can be answered. After an empty line it is, whatever it holds."""
        if not text.strip() or text.lstrip().startswith(":") or text.endswith("\n\n"):
            return True
        return self.session.complete(text)

    def reply(self, text: str) -> str | None:
        """What a text is answered with; None ends the dialogue. Raises SanchaError."""
        text = text.strip()
        if not text.startswith(":"):
            return self.session.answer(text) if text else ""
        command, _, rest = text.partition(" ")
        rest = rest.strip()
        match command:
            case ":quit" | ":q":
                return None
            case ":help" | ":h":
                width = max(map(len, COMMANDS))
                return (
                    _HELP + "\n" + "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
                )
            case ":type" | ":t":
                return f": {self.session.type_of(rest)}"
            case ":set":
                name, equals, value = rest.partition("=")
                if not equals or not name.strip() or not value.strip():
                    raise SanchaError(
                        "`:set` needs a name and a value", help=":set application.amount = 500000"
                    )
                return self.session.assign(name.strip(), value)
            case ":load":
                if not rest:
                    raise SanchaError("`:load` needs the name of a JSON file")
                self.session.load(Path(rest).expanduser())
                return f"loaded {rest}"
            case ":names":
                return self.names(rest)
        raise unknown_command(command, list(COMMANDS))

    def names(self, part: str) -> str:
        """The names that hold a text, and those whose meaning does."""
        part = part.lower()
        found = [n for n in self.session.names() if part in n.name.lower() or part in n.meaning.lower()]
        if not found:
            raise SanchaError(f"no name holds `{part}`")
        width = min(40, max(len(n.name) for n in found))
        kinds = min(24, max(len(n.type) for n in found))
        lines = (f"{n.name:<{width}}  {_cut(n.type, kinds):<{kinds}}  {n.meaning}".rstrip() for n in found)
        return "\n".join(line if self.width is None else _cut(line, self.width) for line in lines)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def rendered(error: SanchaError) -> str:
    """An error of one expression: place, mark and help, without the sum that a whole pack gets."""
    if isinstance(error, PackError):
        return "\n\n".join(d.render() for d in error.diagnostics)
    return error.render()


def parted(reply: str) -> tuple[str, str]:
    """An answer, and the warnings below it."""
    value, mark, warnings = reply.partition("\nwarning[")
    return value, f"{mark.lstrip()}{warnings}"


# -- a pipe -----------------------------------------------------------------------------------------------------------


def run_lines(
    session: Session, lines: Iterable[str], out: TextIO | None = None, err: TextIO | None = None
) -> bool:
    """Answers what comes from a pipe, without prompts; errors go to `err`. Returns whether there was none."""
    out, err = out or sys.stdout, err or sys.stderr
    dialogue = Dialogue(session)
    sound = True
    text = ""

    def answered() -> bool:
        nonlocal sound
        try:
            reply = dialogue.reply(text)
        except SanchaError as error:
            sound = False
            print(rendered(error), file=err)
            return True
        if reply:
            value, warnings = parted(reply)
            print(value, file=out)
            if warnings:
                print(warnings, file=err)
        return reply is not None

    for line in lines:
        text += line if line.endswith("\n") else f"{line}\n"
        if dialogue.complete(text):
            if not answered():
                return sound
            text = ""
    if text.strip():
        answered()
    return sound


# -- a terminal -------------------------------------------------------------------------------------------------------


def run_terminal(
    session: Session,
    title: str = "",
    *,
    input: Input | None = None,
    output: Output | None = None,
    history: History | None = None,
) -> None:
    """The dialogue on a terminal. It ends with Ctrl-D or `:quit`."""
    dialogue = Dialogue(session)
    prompt: PromptSession[str] = PromptSession(
        message=[("class:prompt", "feel> ")],
        prompt_continuation=[("class:prompt", "    > ")],
        history=history or _history(),
        lexer=FeelLexer(),
        completer=FeelCompleter(session),
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
        key_bindings=_keys(dialogue),
        multiline=True,
        style=_STYLE,
        bottom_toolbar=_toolbar(session),
        input=input,
        output=output,
    )
    say = prompt.output
    dialogue.width = say.get_size().columns
    if title:
        _print(say, title)
    while True:
        try:
            text = prompt.prompt()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        try:
            reply = dialogue.reply(text)
        except SanchaError as error:
            reply = rendered(error)
        except KeyboardInterrupt:
            reply = "interrupted"
        if reply is None:
            return
        if reply:
            _print(say, reply)


def _print(output: Output, text: str) -> None:
    output.write(text.replace("\n", "\r\n") + "\r\n")
    output.flush()


def _keys(dialogue: Dialogue) -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
            buffer.complete_state = None
        elif buffer.document.is_cursor_at_the_end and not dialogue.complete(buffer.text + "\n"):
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings


def _toolbar(session: Session) -> Callable[[], str]:
    """Shows the type of what has been written so far, or what is wrong with it."""

    def text() -> str:
        from prompt_toolkit.application import get_app

        written = get_app().current_buffer.text
        if not written.strip() or written.lstrip().startswith(":") or not session.complete(written):
            return ""
        return session.hint(written)

    return text


class _KeptHistory(FileHistory):
    """A history file that only its owner can read; where it cannot be written, the dialogue goes on."""

    def store_string(self, string: str) -> None:
        try:
            os.close(os.open(self.filename, os.O_CREAT | os.O_APPEND, 0o600))
            super().store_string(string)
        except OSError:
            pass


def _history() -> History:
    """`$XDG_STATE_HOME/sancha/history`, or none where it cannot be."""
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        home = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
        folder = home / "sancha"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "history"
        if os.access(path if path.exists() else folder, os.R_OK | os.W_OK):
            return _KeptHistory(str(path))
    except (OSError, RuntimeError):
        pass
    return InMemoryHistory()


class FeelLexer(Lexer):
    """The colours of what is written."""

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        lines: list[StyleAndTextTuples] = [[]]
        if document.text.startswith(":"):
            command, space, rest = document.text.partition(" ")
            parts: list[tuple[str, str]] = [("command", command), ("space", space), *pieces(rest)]
        else:
            parts = list(pieces(document.text))
        for kind, text in parts:
            style = f"class:feel.{kind}" if kind not in ("space", "name", "operator") else ""
            for i, part in enumerate(text.split("\n")):
                if i:
                    lines.append([])
                lines[-1].append((style, part))
        return lambda number: lines[number] if number < len(lines) else []


_WORD = re.compile(r"(?:[^\W\d]\w*\.)*(?:[^\W\d]\w*)?$")
_BOUND = re.compile(r"\b([^\W\d]\w*)\s+in\s+([^\W\d][\w.]*)")


class FeelCompleter(Completer):
    """Names that fit the word before the cursor: facts, lists, parameters, decisions, functions; after a dot fields."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor
        if before.startswith(":") and " " not in before:
            for name, meaning in COMMANDS.items():
                if name.startswith(before):
                    yield Completion(name, -len(before), display_meta=meaning)
            return
        match = _WORD.search(before)
        word = match[0] if match is not None else ""
        base, dot, last = word.rpartition(".")
        if dot and (fields := self.fields(base, before)):
            yield from _completions(fields, last)
            return
        fields = self.filtered(before) if not dot else []
        bound = [Name(m[1], "item") for m in _BOUND.finditer(before[: len(before) - len(word)])]
        yield from _completions([*fields, *bound, *self.session.names()], word, before)

    def fields(self, base: str, before: str) -> Sequence[Name]:
        """What can stand after `base.`: of an item bound before, the fields of its list."""
        for match in reversed(list(_BOUND.finditer(before))):
            if match[1] == base:
                return self.session.within(match[2])
        return self.session.within(base)

    def filtered(self, before: str) -> Sequence[Name]:
        """Within `visits[ …`, the fields of the list."""
        depth = 0
        for at in range(len(before) - 1, -1, -1):
            depth += (before[at] == "]") - (before[at] == "[")
            if depth < 0:
                match = _WORD.search(before[:at])
                return self.session.within(match[0]) if match is not None and match[0] else []
        return []


def _completions(names: Iterable[Name], word: str, before: str = "") -> Iterable[Completion]:
    """The names that begin with the word; of a name of several words, with what stands before the cursor."""
    seen = set()
    for name in names:
        begun = max(len(word), _begun(name.name, before)) if " " in name.name else len(word)
        if name.name not in seen and (begun > len(word) or name.name.startswith(word)):
            seen.add(name.name)
            text = f"{name.name}(" if name.called else name.name
            meaning = f"{name.type}  {name.meaning}".rstrip()
            yield Completion(text, -begun, display=name.name, display_meta=meaning)


def _begun(name: str, before: str) -> int:
    """How much of the name the text ends with; 0 if nothing."""
    for length in range(min(len(name), len(before)), 0, -1):
        whole = length == len(before) or not (before[-length - 1].isalnum() or before[-length - 1] in "_.")
        if whole and before.endswith(name[:length]):
            return length
    return 0


def run(session: Session, title: str) -> bool:
    """The dialogue where people are, and answers alone for a pipe. Returns False if a pipe brought an error."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        run_terminal(session, title)
        return True
    return run_lines(session, sys.stdin)


__all__: list[Any] = [
    "COMMANDS",
    "Dialogue",
    "FeelCompleter",
    "FeelLexer",
    "run",
    "run_lines",
    "run_terminal",
]
