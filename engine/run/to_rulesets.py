"""A plan as rulesets for durable_rules: what its engine decides of a file, and what it is given to decide upon.

A rule's outcome is a chain of conditions over *terms*: scalars such as a fact, a parameter of the day, a count of
items. The engine compares terms, combines the comparisons and concludes the outcome; a term is a number to it, which
the guard (`guard.py`) computes as the row evaluator would. For each outcome of a rule the conditions are brought into a
form without `or`: a ruleset's rule for each way to it. Of a comparison that may be missing the engine knows three
states: it holds, it does not, or one of its terms is missing, which stands in a property of its own.

What the engine cannot express within the limits that keep it exact (docs/live.md, "The engine") is a term too: its
truth is computed by the guard, and `RuleParts.guarded` names it.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from enum import IntEnum
from typing import Any

from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.policy.pack import AS_OF
from sancha.engine.policy.plan import Outcome, Plan, RulePlan
from sancha.engine.run.correlation import Correlation, correlated
from sancha.engine.run.ruleset_limits import within
from sancha.engine.run.table_rulesets import DecidedTable, TableRules, table_rules

#: Ways to an outcome, of one condition or of a rule; beyond it the condition becomes a term.
MOST_WAYS = 24
#: Rules of a ruleset, but for a rule of the pack that has more: larger rulesets are no faster.
_ENOUGH = 100
#: Numbers are whole numbers of millionths. Beyond ±2^53 the engine, which reads some as binary floats, is not exact.
SCALE = 6
LIMIT = 2**53

#: Properties of the facts that a ruleset reads. Every fact has `one`; a kind is told by `t`.
FILE_KIND = 0

_OPERATORS = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte", "=": "", "!=": "$neq"}
_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
_WIDE = Context(prec=100)
_EPOCH, _MICROSECOND = dt.datetime(1970, 1, 1), dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Term:
    """A scalar that the guard computes; `name` is its property. Its `core` may use the lets of the rule `of`."""

    number: int
    core: c.Core
    of: str | None

    @property
    def name(self) -> str:
        return f"s{self.number}"

    @property
    def missing(self) -> str:
        return f"m{self.number}"

    @property
    def kind(self) -> int:
        """What tells its fact, where it has one of its own."""
        return FILE_KIND + 1 + self.number


@dataclass(frozen=True, slots=True)
class Atom:
    """A condition on terms: a comparison with a constant (as the engine has it) or with another term; `known` asks
    whether the term is there."""

    operator: str
    left: Term
    right: Term | int | None = None


#: An atom, and whether it is true, false, or missing.
Literal = tuple[Atom, bool | None]
#: A way to a truth or an outcome: what must hold at once.
Way = frozenset[Literal]
Ways = frozenset[Way]

_NEVER: Ways = frozenset()
_ALWAYS: Ways = frozenset({frozenset()})


@dataclass(frozen=True)
class RuleParts:
    """Where the parts of a rule run: the terms that the engine compares, those whose truth the guard computes, and of a
    trigger those that the engine concludes, from the obligations of `correlations`. In `lets`, those of the rule, the
    outputs of `tables` are facts."""

    id: str
    lets: tuple[tuple[str, c.Core], ...]
    tables: tuple[DecidedTable, ...]
    terms: tuple[Term, ...]
    guarded: tuple[Term, ...]
    concluded: Mapping[str, Term]
    correlations: tuple[Correlation, ...]
    ways: Mapping[Outcome, Ways]


@dataclass(frozen=True)
class Ruleset:
    """A ruleset: the rules by which it concludes, and what each conclusion means: outcomes of rules."""

    name: str
    rules: Mapping[str, Any]
    meaning: tuple[tuple[tuple[str, Outcome], ...], ...]
    decides: tuple[str, ...]
    #: Terms that are facts of their own, for comparisons between terms.
    own: tuple[Term, ...]
    correlations: tuple[Correlation, ...]
    tables: tuple[DecidedTable, ...]


@dataclass(frozen=True)
class Rulesets:
    """A plan for the engine. `texts` are the numbers of the texts that rules name."""

    rulesets: tuple[Ruleset, ...]
    tables: tuple[TableRules, ...]
    rules: Mapping[str, RuleParts]
    texts: Mapping[str, int]


class TooMany(Exception):
    """More ways than a ruleset can hold."""


class Beyond(Exception):
    """A value that the engine does not hold exactly."""


def encoded(value: object, texts: dict[str, int]) -> int:
    """A value as the engine has it; texts are numbered as they come. Raises Beyond."""
    match value:
        case bool():
            return int(value)
        case str():
            return texts.setdefault(value, len(texts) + 1)
        case int():
            whole: int = value * 10**SCALE
        case Decimal():
            moved = value.scaleb(SCALE, _WIDE)
            whole = int(moved)
            if whole != moved:
                raise Beyond
        case dt.datetime():
            whole = (value - _EPOCH) // _MICROSECOND
        case dt.date():
            return value.toordinal()
        case _:
            raise Beyond
    if abs(whole) > LIMIT:
        raise Beyond
    return whole


def to_rulesets(plan: Plan) -> Rulesets:
    """The rules of a plan that speak of files, as rulesets."""
    terms = _Terms()
    rules = {rule.id: _RuleCompiler(rule, terms).parts() for rule in plan.rules}
    tables = tuple(found for found in terms.tables.values() if found is not None)
    return Rulesets(tuple(_sharded(rules.values())), tables, rules, dict(terms.texts))


class _Terms:
    """The terms of all rules, each once, and the texts that rules name."""

    def __init__(self) -> None:
        self.found: dict[tuple[str | None, c.Core], Term] = {}
        self.texts: dict[str, int] = {}
        #: How many versions of triggers are correlated.
        self.correlations = 0
        #: By identity: tables are large, and those of a version mostly one object.
        self.tables: dict[int, TableRules | None] = {}
        self.decided: dict[tuple[str | None, int, tuple[c.Core, ...]], DecidedTable] = {}

    def table(self, node: c.Lookup, rule: str | None) -> DecidedTable | None:
        """A table as it is read for some inputs; None where the guard has to."""
        key = id(node.table)
        if key not in self.tables:
            self.tables[key] = table_rules(len(self.tables), node.table, self.constant)
        rules = self.tables[key]
        if rules is None:
            return None
        read = (rule, key, node.inputs)
        if read not in self.decided:
            self.decided[read] = DecidedTable(len(self.decided), rules, node.inputs, rule)
        return self.decided[read]

    def constant(self, node: c.Core) -> int | None:
        """A constant as the engine has it; None for what is none, or is beyond it."""
        if not isinstance(node, c.Const) or node.value is None:
            return None
        try:
            return encoded(node.value, self.texts)
        except Beyond:
            return None

    def of(self, core: c.Core, rule: str | None) -> Term:
        key = (rule, core)
        if key not in self.found:
            self.found[key] = Term(len(self.found), core, rule)
        return self.found[key]


@dataclass(frozen=True, slots=True)
class _Truths:
    """The ways to each truth of a condition."""

    true: Ways
    false: Ways
    missing: Ways

    def of(self, truth: bool | None) -> Ways:
        return self.missing if truth is None else self.true if truth else self.false


class _Shut(IntEnum):
    """What of a rule becomes a term, the less of it the better: nothing but what has to, the conditions that have
    names, such as `applies`, or the outcome itself."""

    NOTHING = 0
    NAMED = 1
    OUTCOME = 2


class _RuleCompiler:
    """The ways to the outcomes of one rule."""

    def __init__(self, plan: RulePlan, terms: _Terms) -> None:
        self.plan = plan
        self.terms = terms
        self.tables: dict[int, DecidedTable] = {}
        self.bound: dict[str, c.Core] = {}
        for name, core in plan.lets:
            self.bound[name] = c.rewrite(core, self.with_tables)
        self._by_obligations: frozenset[str] = frozenset()
        self.shut = _Shut.NOTHING
        self.known: dict[c.Core, _Truths] = {}
        self.used: dict[Term, None] = {}
        self.guarded: dict[Term, None] = {}
        #: The lets whose truth the engine concludes from obligations.
        self.concluded: dict[str, Term] = {}
        self.correlations: list[Correlation] = []
        for version, obligation in enumerate(plan.obligations):
            found = correlated(
                plan.id, version, terms.correlations, obligation, _compared, terms.constant, _MIRRORED
            )
            if found is not None:
                terms.correlations += 1
                self.correlations.append(found)
                self._by_obligations |= found.lets

    def parts(self) -> RuleParts:
        ways: Mapping[Outcome, Ways] = {}
        for shut in _Shut:
            self.shut = shut
            self.known.clear()
            try:
                ways = self.outcomes(self.plan.code)
            except TooMany:
                continue
            if within(_written(_conclusions(ways), self.correlations)[0]):
                break
        # What became part of a greater condition whose truth is a term is not asked for.
        asked = {
            term for found in ways.values() for way in found for atom, _ in way for term in _terms_of(atom)
        }
        concluded = {name: term for name, term in self.concluded.items() if term in asked}
        return RuleParts(
            self.plan.id,
            tuple(self.bound.items()),
            tuple(self.tables.values()),
            tuple(term for term in self.used if term in asked),
            tuple(term for term in self.guarded if term in asked),
            concluded,
            tuple(found for found in self.correlations if found.lets & concluded.keys()),
            ways,
        )

    def with_tables(self, node: c.Core) -> c.Core:
        """An output of a table that the engine decides is a fact; one that is read item by item is not."""
        if not isinstance(node, c.Lookup):
            return node
        parts = [part for core in node.inputs for part in c.walk(core)]
        items = {part.var for part in parts if isinstance(part, c.Comp)}
        if any(isinstance(p, c.Field | c.ListField | c.Element) and p.var not in items for p in parts):
            return node
        if any(isinstance(p, c.Var) and p != AS_OF and p.name not in self.bound for p in parts):
            return node
        found = self.terms.table(node, self.own(*node.inputs))
        if found is None:
            return node
        self.tables[found.number] = found
        return c.Fact(node.type, found.fact(node.output))

    def own(self, *cores: c.Core) -> str | None:
        """The rule, where the expressions use its lets."""
        used = {node.name for core in cores for node in _variables(core)}
        return None if used.isdisjoint(self.bound) else self.plan.id

    def term(self, core: c.Core) -> Term:
        term = self.terms.of(core, self.own(core))
        self.used[term] = None
        return term

    def outcomes(self, node: c.Core) -> dict[Outcome, Ways]:
        """The ways to each outcome."""
        if self.shut == _Shut.OUTCOME:
            found = self.term(node)
            self.guarded[found] = None
            return {
                outcome: _one(Atom("=", found, encoded(int(outcome), self.terms.texts)), True)
                for outcome in Outcome
            }
        match node:
            case c.Const(value=int(code)):
                return {Outcome(code): _ALWAYS}
            case c.Var() if node.name in self.bound:
                return self.outcomes(self.bound[node.name])
            case c.If():
                condition = self.ways(node.condition)
                then, otherwise = self.outcomes(node.then), self.outcomes(node.otherwise)
                return {
                    outcome: _either(
                        _both(condition.true, then.get(outcome, _NEVER), most=4 * MOST_WAYS),
                        _both(condition.false, otherwise.get(outcome, _NEVER), most=4 * MOST_WAYS),
                    )
                    for outcome in Outcome
                    if outcome in then or outcome in otherwise
                }
        raise TypeError(f"the outcome of {self.plan.id} is no chain of conditions")

    def ways(self, node: c.Core) -> _Truths:
        """The ways to each truth of a condition; a condition with too many of them is a term."""
        if node not in self.known:
            try:
                found = self.open(node)
                if len(found.true) + len(found.false) + len(found.missing) > MOST_WAYS:
                    raise TooMany
            except TooMany:
                found = self.as_term(node)
            self.known[node] = found
        return self.known[node]

    def as_term(self, node: c.Core) -> _Truths:
        """A condition whose truth the guard computes."""
        term = self.term(node)
        self.guarded[term] = None
        return self.truths(term)

    def truths(self, term: Term) -> _Truths:
        atom = Atom("=", term, 1)
        return _Truths(_one(atom, True), _one(atom, False), self.absent(term))

    def absent(self, term: Term) -> Ways:
        return _one(Atom("known", term), False) if c.nullable(term.core) else _NEVER

    def open(self, node: c.Core) -> _Truths:
        match node:
            case c.Const(value=bool(truth)):
                return _Truths(_ALWAYS, _NEVER, _NEVER) if truth else _Truths(_NEVER, _ALWAYS, _NEVER)
            case c.Const():
                return _Truths(_NEVER, _NEVER, _ALWAYS)
            case c.Var() if node.name in self._by_obligations:
                self.concluded[node.name] = self.term(node)
                return self.truths(self.concluded[node.name])
            case c.Var() if node.name in self.bound and self.shut < _Shut.NAMED:
                return self.ways(self.bound[node.name])
            case c.Let() if not any(node.name == used.name for used in _of_tables(node.body)):
                return self.ways(_substituted(node))
            case c.Not():
                found = self.ways(node.arg)
                return _Truths(found.false, found.true, found.missing)
            case c.And():
                return self.conjunction([self.ways(arg) for arg in node.args])
            case c.Or():
                inner = [self.ways(arg) for arg in node.args]
                found = self.conjunction([_Truths(f.false, f.true, f.missing) for f in inner])
                return _Truths(found.false, found.true, found.missing)
            case c.If():
                given = self.ways(node.condition)
                then, otherwise = self.ways(node.then), self.ways(node.otherwise)
                true, false, missing = (
                    _either(_both(given.true, then.of(truth)), _both(given.false, otherwise.of(truth)))
                    for truth in (True, False, None)
                )
                return _Truths(true, false, _either(missing, given.missing))
            case c.Is() if node.arg.type.name == "boolean":
                found = self.ways(node.arg)
                rest = [found.of(truth) for truth in (True, False, None) if truth is not node.truth]
                return _Truths(found.of(node.truth), _either(*rest), _NEVER)
            case c.Is(truth=None):
                if not c.nullable(node.arg):
                    return _Truths(_NEVER, _ALWAYS, _NEVER)
                atom = Atom("known", self.term(node.arg))
                return _Truths(_one(atom, False), _one(atom, True), _NEVER)
            case c.Op() if _compared(node) is not None:
                return self.comparison(node)
        return self.as_term(node)

    def conjunction(self, args: Sequence[_Truths]) -> _Truths:
        true, known = _ALWAYS, _ALWAYS
        for arg in args:
            # Ways to all true, and to none false: what is left of them where not all are true is missing.
            true, known = _both(true, arg.true), _both(known, _either(arg.true, arg.missing))
        missing = _NEVER
        for n, arg in enumerate(args):
            ways = arg.missing
            for m, other in enumerate(args):
                if m != n:
                    ways = _both(ways, other.true if m < n else _either(other.true, other.missing))
            missing = _either(missing, ways)
        return _Truths(true, _either(*(arg.false for arg in args)), missing)

    def comparison(self, node: c.Op) -> _Truths:
        """A comparison of terms."""
        left, right = node.args
        operator = _compared(node)
        if operator is not None and isinstance(left, c.Const):
            left, right, operator = right, left, _MIRRORED[operator]
        if operator is None or isinstance(left, c.Const):
            return self.as_term(node)
        if isinstance(right, c.Const):
            if right.value is None:
                return _Truths(_NEVER, _NEVER, _ALWAYS)
            value = self.terms.constant(right)
            if value is None:
                return self.as_term(node)
            term = self.term(left)
            atom = Atom(operator, term, value)
            return _Truths(_one(atom, True), _one(atom, False), self.absent(term))
        first, second = self.term(left), self.term(right)
        atom = Atom(operator, first, second)
        missing = _either(self.absent(first), self.absent(second))
        return _Truths(_one(atom, True), _one(atom, False), missing)


def _compared(node: c.Op) -> str | None:
    """The operator of a comparison that the engine knows: of texts only whether they are equal."""
    if node.row.name not in _OPERATORS or len(node.args) != 2:
        return None
    kinds = {_kind(arg.type) for arg in node.args} - {"null"}
    equal_only = kinds == {"text"} and node.row.name not in ("=", "!=")
    return None if len(kinds) != 1 or None in kinds or equal_only else node.row.name


def _kind(type_: t.Type) -> str | None:
    """What values a type has for the engine; None: none that it compares."""
    if t.is_numeric(type_):
        return "number"
    if t.is_text(type_):
        return "text"
    return type_.name if type_.name in ("boolean", "date", "date-time", "null") else None


def _terms_of(atom: Atom) -> Iterator[Term]:
    yield atom.left
    if isinstance(atom.right, Term):
        yield atom.right


def _variables(core: c.Core) -> Iterator[c.Var]:
    """The variables that an expression uses."""
    yield from (node for node in c.walk(core) if isinstance(node, c.Var))
    yield from _of_tables(core)


def _of_tables(core: c.Core) -> Iterator[c.Var]:
    """The variables that the cells of its tables use, which cannot be replaced."""
    for node in c.walk(core):
        if isinstance(node, c.Lookup):
            yield from node.table.variables


def _substituted(node: c.Let) -> c.Core:
    """The body of a `Let` with its value in the place of its name."""

    def change(part: c.Core) -> c.Core:
        return node.value if isinstance(part, c.Var) and part.name == node.name else part

    return c.rewrite(node.body, change)


# -- ways -------------------------------------------------------------------------------------------------------------


def _one(atom: Atom, truth: bool) -> Ways:
    return frozenset({frozenset({(atom, truth)})})


def _either(*all_: Ways) -> Ways:
    return _shortest(frozenset().union(*all_))


def _both(a: Ways, b: Ways, most: int = MOST_WAYS) -> Ways:
    if a == _ALWAYS or not b:
        return b
    if b == _ALWAYS or not a:
        return a
    if len(a) * len(b) > 16 * most:
        raise TooMany
    found = _shortest(frozenset(x | y for x in a for y in b if _possible(x | y)))
    if len(found) > most:
        raise TooMany
    return found


def _shortest(ways: Ways) -> Ways:
    """Without ways that another one is part of."""
    return frozenset(way for way in ways if not any(other < way for other in ways))


def _possible(way: Way) -> bool:
    """Whether the conditions of a way do not contradict each other, as far as their form tells."""
    missing = {atom.left for atom, truth in way if atom.operator == "known" and not truth}
    equal: dict[Term, Any] = {}
    for atom, truth in way:
        if (atom, not truth) in way:
            return False
        if atom.operator != "known" and not missing.isdisjoint(_terms_of(atom)):
            return False
        is_equal = isinstance(atom.right, int) and (atom.operator, truth) in (("=", True), ("!=", False))
        if is_equal and equal.setdefault(atom.left, atom.right) != atom.right:
            return False
    return True


# -- rulesets ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Conclusion:
    """A rule of a ruleset that concludes an outcome: its patterns, and the terms that are facts of their own."""

    patterns: list[dict[str, Any]]
    own: tuple[Term, ...]
    outcome: Outcome


def _conclusions(ways: Mapping[Outcome, Ways]) -> list[_Conclusion]:
    return [_Conclusion(*_patterns(way), outcome) for outcome, some in ways.items() for way in _sorted(some)]


def _written(
    conclusions: Iterable[_Conclusion], correlations: Iterable[Correlation]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The rules of a ruleset by their names; and the names by the patterns, for rules conclude from the same."""
    names: dict[str, str] = {}
    rules: dict[str, Any] = {}
    for conclusion in conclusions:
        told = repr(conclusion.patterns)
        if told not in names:
            names[told] = f"r{len(names)}"
            rules[names[told]] = {"all": conclusion.patterns}
    for correlation in correlations:
        rules |= correlation.rules(_condition)
    return rules, names


def _sharded(rules: Iterable[RuleParts]) -> Iterator[Ruleset]:
    """Rulesets of whole rules, in their order."""
    group: list[RuleParts] = []
    conclusions: list[_Conclusion] = []
    correlations: list[Correlation] = []
    number = itertools.count()
    for parts in rules:
        more = _conclusions(parts.ways)
        written, _ = _written([*conclusions, *more], [*correlations, *parts.correlations])
        if group and (len(written) > _ENOUGH or not within(written)):
            yield _ruleset(next(number), group, conclusions, correlations)
            group, conclusions, correlations = [], [], []
        group.append(parts)
        conclusions += more
        correlations += parts.correlations
    if group:
        yield _ruleset(next(number), group, conclusions, correlations)


def _ruleset(
    number: int,
    group: Sequence[RuleParts],
    conclusions: Sequence[_Conclusion],
    correlations: Sequence[Correlation],
) -> Ruleset:
    rules, names = _written(conclusions, correlations)
    meaning: dict[str, list[tuple[str, Outcome]]] = {name: [] for name in names.values()}
    of = (parts.id for parts in group for ways in parts.ways.values() for _ in ways)
    for id, conclusion in zip(of, conclusions, strict=True):
        meaning[names[repr(conclusion.patterns)]].append((id, conclusion.outcome))
    return Ruleset(
        f"shard{number}",
        rules,
        tuple(map(tuple, meaning.values())),
        tuple(parts.id for parts in group),
        tuple(dict.fromkeys(term for conclusion in conclusions for term in conclusion.own)),
        tuple(correlations),
        tuple({table.number: table for parts in group for table in parts.tables}.values()),
    )


def _sorted(ways: Ways) -> list[Way]:
    return sorted(ways, key=lambda way: sorted(map(_order, way)))


def _order(literal: Literal) -> tuple[int, str, int, bool]:
    atom, truth = literal
    right = atom.right.number if isinstance(atom.right, Term) else atom.right or 0
    return (atom.left.number, atom.operator, right, bool(truth))


def _patterns(way: Way) -> tuple[list[dict[str, Any]], tuple[Term, ...]]:
    """The patterns of a ruleset's rule: one of the file's fact, and one a term that another is compared with."""
    conditions: list[dict[str, Any]] = []
    joins: dict[Term, list[dict[str, Any]]] = {}
    for atom, truth in sorted(way, key=_order):
        operator = atom.operator
        if operator == "known":
            conditions.append({atom.left.missing: 0 if truth else 1})
            continue
        if not truth:
            operator = _OPPOSITE[operator]
        if isinstance(atom.right, Term):
            conditions.append({atom.left.missing: 0})
            # A fact meets one pattern of a rule at most: what is said of a term stands together.
            joined = _condition(_MIRRORED[operator], "v", {"f": atom.left.name})
            joins.setdefault(atom.right, []).append(joined)
        else:
            conditions.append(_condition(operator, atom.left.name, atom.right))
    conditions = [{"t": FILE_KIND}, *{repr(condition): condition for condition in conditions}.values()]
    patterns: list[dict[str, Any]] = [{"f": {"$and": conditions} if len(conditions) > 1 else conditions[0]}]
    # Without a last condition that is always true the engine reads beyond what it has.
    last = {"$gte": {"one": {"f": "one"}}}
    patterns += [
        {f"g{n}": {"$and": [{"t": term.kind}, *joined, last]}}
        for n, (term, joined) in enumerate(joins.items())
    ]
    return patterns, tuple(joins)


def _condition(operator: str, name: str, value: Any) -> dict[str, Any]:
    sign = _OPERATORS[operator]
    return {sign: {name: value}} if sign else {name: value}
