"""Lowering: a typed policy to a plan. Here, and only here, it is decided what a rule means for a file.

Clocks. A rule is judged on a day. The version in force on that day speaks; parameters, decisions and tables have their
value of that day; and, unless with hindsight, facts and items known later are not seen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sancha.engine.diagnostics import SanchaError, did_you_mean
from sancha.engine.feel import core as c
from sancha.engine.feel import types as t
from sancha.engine.feel.operators import resolve
from sancha.engine.policy.blame import blame
from sancha.engine.policy.pack import AS_OF, Decision, Pack, Rule, Version
from sancha.engine.policy.plan import (
    Evidence,
    ListEvidence,
    ObligationPlan,
    Outcome,
    Plan,
    PortfolioPlan,
    RulePlan,
    ScalarEvidence,
)
from sancha.engine.policy.tables import Table

_DAY = c.Var(t.DATE, "day", nullable=False)


def lower(pack: Pack, *, hindsight: bool = False) -> Plan:
    """The plan of a pack. With `hindsight`, facts known after the day judged are seen too."""
    lowering = _Lowering(pack, hindsight)
    rules = tuple(_unique_rule(lowering.rule(r)) for r in pack.rules.values() if r.kind != "portfolio")
    portfolio = tuple(
        _unique_portfolio(lowering.portfolio(r)) for r in pack.rules.values() if r.kind == "portfolio"
    )
    branch, exposure = lowering.fact(pack.branch), lowering.fact(pack.exposure)
    facts: set[str] = {pack.branch, pack.exposure}
    lists: dict[str, set[str]] = {}
    reference: dict[str, set[str]] = {}
    for node in c.walk_once(_cores(rules, portfolio)):
        if isinstance(node, c.Fact):
            facts.add(node.name)
        elif isinstance(node, c.Field | c.ListField):
            (reference if node.list in pack.vocabulary.reference else lists).setdefault(node.list, set()).add(
                node.name
            )
        elif isinstance(node, c.ListFact):
            (reference if node.reference else lists).setdefault(node.name, set())
        elif isinstance(node, c.ListMissing):
            (reference if node.list in pack.vocabulary.reference else lists).setdefault(node.list, set())
    return Plan(
        rules,
        portfolio,
        branch,
        exposure,
        frozenset(facts),
        {n: frozenset(f) for n, f in sorted(lists.items())},
        {n: frozenset(f) for n, f in sorted(reference.items())},
        hindsight,
    )


def lower_decision(pack: Pack, name: str, *, hindsight: bool = False) -> c.Core:
    """A named decision, `name` or `name.output`, as read on the day that `as_of` is bound to.

    Raises SanchaError where the pack has no such decision that reads the file.
    """
    head, _, output = name.partition(".")
    decision = pack.decisions.get(head)
    outputs = dict(decision.outputs) if decision is not None else {}
    output = output or (next(iter(outputs)) if len(outputs) == 1 else "")
    if decision is None or decision.called or output not in outputs:
        known = [
            d.name if len(d.outputs) == 1 else f"{d.name}.{o}"
            for d in pack.decisions.values()
            for o, _ in d.outputs
            if not d.called
        ]
        raise SanchaError(f"unknown decision `{name}`", code="E0201", help=did_you_mean(name, known))
    clock = _Clock(AS_OF, None if hindsight else AS_OF, AS_OF)
    core = _Lowering(pack, hindsight).decided(c.Decided(outputs[output], head, output), clock, inline=True)
    return c.unique(core)


def lower_core(pack: Pack, core: c.Core, *, hindsight: bool = False) -> c.Core:
    """One expression of the pack's scope, as read on the day that `as_of` is bound to."""
    clock = _Clock(AS_OF, None if hindsight else AS_OF, AS_OF)
    return c.unique(_Lowering(pack, hindsight).at(core, clock, inline=True))


def _unique_rule(plan: RulePlan) -> RulePlan:
    """The plan with a name of its own for the items of every list that it walks."""
    return dataclasses.replace(
        plan,
        lets=tuple((name, c.unique(core)) for name, core in plan.lets),
        code=c.unique(plan.code),
        version=c.unique(plan.version),
        judged=c.unique(plan.judged),
        note=c.unique(plan.note),
        evidence=tuple(_unique_evidence(e) for e in plan.evidence),
        blame=tuple((name, c.unique(core)) for name, core in plan.blame),
    )


def _unique_portfolio(plan: PortfolioPlan) -> PortfolioPlan:
    return dataclasses.replace(
        plan,
        lets=tuple((name, c.unique(core)) for name, core in plan.lets),
        where=c.unique(plan.where),
        group=c.unique(plan.group),
        measure=c.unique(plan.measure),
        evidence=tuple(_unique_evidence(e) for e in plan.evidence),
    )


def _unique_evidence(evidence: Evidence) -> Evidence:
    if isinstance(evidence, ScalarEvidence):
        return ScalarEvidence(evidence.name, c.unique(evidence.value))
    return evidence


def _cores(rules: Sequence[RulePlan], portfolio: Sequence[PortfolioPlan]) -> Iterator[c.Core]:
    for rule in rules:
        yield from (core for _, core in rule.lets)
        yield from (rule.code, rule.version, rule.judged, rule.note)
        yield from (core for _, core in rule.blame)
        yield from _evidence_cores(rule.evidence)
    for p in portfolio:
        yield from (core for _, core in p.lets)
        yield from (p.where, p.group, p.measure, p.require)
        yield from _evidence_cores(p.evidence)


def _evidence_cores(evidence: Sequence[Evidence]) -> Iterator[c.Core]:
    for e in evidence:
        if isinstance(e, ScalarEvidence):
            yield e.value
        else:
            yield from e.fields
            if e.where is not None:
                yield e.where


@dataclass(frozen=True)
class _Clock:
    """The days by which an expression is read: `force` picks versions and values, `seen` hides what came later.

    `seen` is None with hindsight. `judged` is the rule's day as written, by which needless conditions are spared.
    """

    force: c.Core
    seen: c.Core | None
    judged: c.Core | None = None


class _Lowering:
    def __init__(self, pack: Pack, hindsight: bool) -> None:
        self.pack = pack
        self.hindsight = hindsight

    def fact(self, name: str) -> c.Fact:
        return c.Fact(self.pack.vocabulary.facts[name].type, name)

    # -- reading by a clock -------------------------------------------------------------------------------

    def at(self, core: c.Core, clock: _Clock, inline: bool = False) -> c.Core:
        """The core as read by a clock: values and versions of the day, and nothing that was not yet known.

        Decisions become variables (see `lets`), or, with `inline`, are put in place.
        """

        def change(node: c.Core) -> c.Core:
            match node:
                case c.Fact():
                    return self.seen_fact(node, clock)
                case c.Some() | c.Agg():
                    return self.seen_list(node, clock)
                case c.Param():
                    return self.parameter(node, clock)
                case c.Decided():
                    if inline:
                        return self.decided(node, clock, inline=True)
                    return c.Var(node.type, f"{node.name}.{node.output}")
                case c.TableCall():
                    return self.table_call(node, clock)
                case c.Var() if node.name == "judged_on" and clock.force != _DAY:
                    # Only a check that is judged on a fact binds it: elsewhere it is the day of the clock.
                    return clock.force
                case _:
                    return node

        return c.rewrite(core, change)

    def seen_fact(self, fact: c.Fact, clock: _Clock) -> c.Core:
        known_on = self.pack.vocabulary.facts[fact.name].known_on
        if clock.seen is None or known_on is None or fact.known is not None:
            return fact
        known: c.Core = AS_OF if known_on == "as_of" else self.fact(known_on)
        if known == clock.judged or (known == AS_OF and clock.seen == AS_OF):
            return fact
        return c.Fact(fact.type, fact.name, compare("<=", known, clock.seen))

    def seen_list(self, node: c.Some | c.Agg, clock: _Clock) -> c.Core:
        comp = self.seen_comp(node.comp, clock)
        if comp is node.comp:
            return node
        if isinstance(node, c.Some):
            return c.Some(node.type, comp, node.body)
        return c.Agg(node.type, node.function, comp, node.distinct)

    def seen_comp(self, comp: c.Comp, clock: _Clock) -> c.Comp:
        if clock.seen is None or not isinstance(comp.source, c.ListFact) or comp.source.reference:
            return comp
        spec = self.pack.vocabulary.lists[comp.source.name]
        if spec.known_on is None:
            return comp
        known = compare("<=", c.Field(t.DATE, comp.var, spec.known_on, spec.name), clock.seen)
        return c.Comp(comp.source, comp.var, c.conj(known, comp.where), comp.item)

    def parameter(self, node: c.Param, clock: _Clock) -> c.Core:
        value: c.Core = c.MISSING
        for first, constant, _ in self.pack.parameters[node.name].steps:
            value = self.from_day(first, constant, value, clock)
        return value

    def from_day(self, first: date, then: c.Core, otherwise: c.Core, clock: _Clock) -> c.Core:
        """`then` from the day on, `otherwise` before it."""
        if first == date.min:
            return then
        return c.If(then.type, compare(">=", clock.force, _day(first)), then, otherwise)

    def versioned(self, versions: Sequence[tuple[date, date | None, c.Core]], clock: _Clock) -> c.Core:
        """The value of the version in force on the day; missing where none was."""
        value: c.Core = c.MISSING
        for first, last, core in sorted(versions, key=lambda v: v[0]):
            if last is not None:
                core = c.If(core.type, compare("<=", clock.force, _day(last)), core, c.MISSING)
            value = self.from_day(first, core, value, clock)
        return value

    def decided(self, node: c.Decided, clock: _Clock, inline: bool) -> c.Core:
        decision = self.pack.decisions[node.name]
        output = [name for name, _ in decision.outputs].index(node.output)
        versions = []
        core: c.Core
        for v in decision.versions:
            if v.table is not None:
                inputs = tuple(self.at(i, clock, inline) for i in v.inputs)
                core = self.looked_up(node.type, v.table, inputs, output, clock)
            else:
                assert v.value is not None
                core = self.at(v.value, clock, inline)
            versions.append((v.valid_from, v.valid_until, core))
        return self.versioned(versions, clock)

    def table_call(self, node: c.TableCall, clock: _Clock) -> c.Core:
        decision = self.pack.decisions[node.name]
        output = [name for name, _ in decision.outputs].index(node.output)
        versions = [
            (
                v.valid_from,
                v.valid_until,
                self.looked_up(node.type, v.table, node.args, output, clock),
            )
            for v in decision.versions
            if v.table is not None
        ]
        return self.versioned(versions, clock)

    def looked_up(
        self, type_: t.Type, table: Table, inputs: tuple[c.Core, ...], output: int, clock: _Clock
    ) -> c.Core:
        """The table looked up, its cells read by the clock."""
        if not table.computed or isinstance(clock.force, c.Var):
            return c.Lookup(type_, self.table_at(table, clock), inputs, output)
        # Cells see the inputs and variables alone: the day of an event gets a name.
        day = c.Var(t.DATE, "day", c.nullable(clock.force))
        lookup = c.Lookup(type_, self.table_at(table, _Clock(day, None)), inputs, output)
        return c.Let(type_, "day", clock.force, lookup)

    def table_at(self, table: Table, clock: _Clock) -> Table:
        """The table with the parameters in its cells read by the clock."""

        known: dict[int, c.Core] = {}

        def read(core: c.Core) -> c.Core:
            if id(core) not in known:
                known[id(core)] = self.at(core, clock)
            return known[id(core)]

        if not table.computed:
            return table
        rows = tuple(
            dataclasses.replace(r, tests=tuple(map(read, r.tests)), outputs=tuple(map(read, r.outputs)))
            for r in table.rows
        )
        default = None if table.default is None else tuple(map(read, table.default))
        return dataclasses.replace(table, rows=rows, default=default)

    # -- rules --------------------------------------------------------------------------------------------

    def rule(self, rule: Rule) -> RulePlan:
        return self.check(rule) if rule.kind == "check" else self.trigger(rule)

    def clock(self, judged: c.Core) -> _Clock:
        day = AS_OF if judged == AS_OF else _DAY
        return _Clock(day, None if self.hindsight else day, judged)

    def lets(self, cores: Sequence[c.Core], clock: _Clock) -> list[tuple[str, c.Core]]:
        """Bindings for the decisions that the cores use, those they need first."""
        out: dict[str, c.Core] = {}

        def visit(core: c.Core) -> None:
            for node in c.walk(core):
                if isinstance(node, c.Decided) and f"{node.name}.{node.output}" not in out:
                    for v in self.pack.decisions[node.name].versions:
                        for part in (v.value, *v.inputs):
                            if part is not None:
                                visit(part)
                    out[f"{node.name}.{node.output}"] = self.decided(node, clock, inline=False)

        for core in cores:
            visit(core)
        return list(out.items())

    def check(self, rule: Rule) -> RulePlan:
        clock = self.clock(rule.judged)
        lets: list[tuple[str, c.Core]] = []
        judged: c.Core = AS_OF
        if rule.judged != AS_OF:
            judged = c.Var(t.DATE, "judged_on")
            lets.append(("judged_on", self.at(rule.judged, _Clock(AS_OF, None), inline=True)))
            lets.append(("day", c.If(t.DATE, c.Is(t.BOOLEAN, judged, None), AS_OF, judged)))
        versions = rule.versions
        waivers = [w for w in self.pack.waivers if w.rule == rule.id]
        sources = [core for v in versions for core in (v.applies, v.require) if core is not None]
        lets += self.lets(sources + [w.scope for w in waivers], clock)
        in_force = [self.in_force(v, clock.force) for v in versions]
        applies: c.Core = c.FALSE
        holds: c.Core = c.MISSING
        for v, force in zip(versions, in_force, strict=True):
            assert v.require is not None
            applies = (
                c.If(t.BOOLEAN, force, self.at(v.applies, clock), applies)
                if force != c.TRUE
                else self.at(v.applies, clock)
            )
            required = self.at(v.require, clock)
            holds = required if len(versions) == 1 else c.If(t.BOOLEAN, force, required, holds)
        lets += [("applies", applies), ("holds", holds)]
        applied, held = c.Var(t.BOOLEAN, "applies"), c.Var(t.BOOLEAN, "holds")
        unknown = [c.Is(t.BOOLEAN, applied, None)]
        if judged != AS_OF:
            unknown.append(c.Is(t.BOOLEAN, judged, None))
        broken, note = self.waived(rule, clock)
        code = choose(
            (c.Is(t.BOOLEAN, applied, False), _code(Outcome.NOT_APPLICABLE)),
            (c.disj(*unknown), _code(Outcome.UNKNOWN)),
            (c.Is(t.BOOLEAN, held, True), _code(Outcome.PASS)),
            (c.Is(t.BOOLEAN, held, None), _code(Outcome.UNKNOWN)),
            otherwise=broken,
        )
        lets.append(("code", code))
        bound = dict(lets)
        pairs = [*blame(judged, bound), *blame(applied, bound), *blame(held, bound)]
        return RulePlan(
            rule.id,
            rule.kind,
            rule.stage,
            tuple(lets),
            c.Var(t.INTEGER, "code", nullable=False),
            self.version_index(in_force),
            tuple(v.valid_from.isoformat() for v in versions),
            judged,
            note,
            self.evidence([rule.judged, *sources], clock),
            _joined(pairs),
        )

    def in_force(self, version: Version, day: c.Core) -> c.Core:
        since = c.TRUE if version.valid_from == date.min else compare(">=", day, _day(version.valid_from))
        until = c.TRUE if version.valid_until is None else compare("<=", day, _day(version.valid_until))
        return c.conj(since, until)

    def version_index(self, in_force: Sequence[c.Core]) -> c.Core:
        index: c.Core = c.Const(t.INTEGER, None)
        for i, force in enumerate(in_force):
            index = c.If(t.INTEGER, force, c.Const(t.INTEGER, i), index)
        return index

    def waived(self, rule: Rule, clock: _Clock) -> tuple[c.Core, c.Core]:
        """What a breach becomes where waivers reach it, and the note that says so."""
        code: c.Core = _code(Outcome.BREACH)
        note: c.Core = c.Const(t.TEXT, None)
        waivers = [w for w in self.pack.waivers if w.rule == rule.id]
        flaws: list[tuple[c.Core, c.Core]] = []
        valid: list[tuple[c.Core, c.Core]] = []
        for w in waivers:
            scope = c.Is(t.BOOLEAN, self.at(w.scope, clock, inline=False), True)
            begun, over = (
                compare(">=", clock.force, _day(w.valid_from)),
                compare(">", clock.force, _day(w.valid_until)),
            )
            on_the_day = c.conj(scope, begun, c.negate(over))
            if rule.waivable_by is not None and w.level >= rule.waivable_by:
                valid.append((on_the_day, _text(f"waiver {w.id}")))
            else:
                flaws.append((on_the_day, _text(f"waiver {w.id} beyond authority")))
            flaws.append((c.conj(scope, over), _text(f"waiver {w.id} expired {w.valid_until}")))
            flaws.append(
                (c.conj(scope, c.negate(begun)), _text(f"waiver {w.id} not in force before {w.valid_from}"))
            )
        if valid:
            covered = c.disj(*(condition for condition, _ in valid))
            code = c.If(t.INTEGER, covered, _code(Outcome.WAIVED), _code(Outcome.BREACH))
        if waivers:
            found = c.Var(t.INTEGER, "code", nullable=False)
            broken = c.disj(*(compare("=", found, _code(o)) for o in (Outcome.BREACH, Outcome.WAIVED)))
            note = c.If(t.TEXT, broken, choose(*valid, *flaws, otherwise=note), note)
        return code, note

    # -- triggers -----------------------------------------------------------------------------------------

    def trigger(self, rule: Rule) -> RulePlan:
        by_book = _Clock(AS_OF, None if self.hindsight else AS_OF)
        late: list[c.Core] = []
        open_: list[c.Core] = []
        any_: list[c.Core] = []
        dates: list[tuple[c.Core, c.Core]] = []
        obligations: list[ObligationPlan] = []
        sources: list[c.Core] = [rule.judged]
        for version in rule.versions:
            parts = self.trigger_version(version, by_book)
            obligations.append(parts.obligation)
            late.append(parts.late)
            open_.append(parts.open)
            any_.append(parts.any)
            dates.append((parts.late_due, parts.due))
            assert version.trigger is not None
            tr = version.trigger
            sources += [version.applies, tr.start, tr.within, tr.expect]
            if tr.comp is not None:
                sources.append(c.Agg(t.INTEGER, "count", tr.comp))
        lets: list[tuple[str, c.Core]] = []
        waivers = [w for w in self.pack.waivers if w.rule == rule.id]
        lets += self.lets([w.scope for w in waivers], by_book)
        for i, (a, b, n) in enumerate(zip(late, any_, open_, strict=True)):
            lets += [(f"late{i}", a), (f"any{i}", b), (f"open{i}", n)]
        count = range(len(rule.versions))
        some_late = c.disj(*(c.Var(t.BOOLEAN, f"late{i}") for i in count))
        some = c.disj(*(c.Var(t.BOOLEAN, f"any{i}") for i in count))
        some_open = c.disj(*(c.Var(t.BOOLEAN, f"open{i}") for i in count))
        broken, note = self.waived(rule, by_book)
        code = choose(
            (c.Is(t.BOOLEAN, some_late, True), broken),
            (c.Is(t.BOOLEAN, some_late, None), _code(Outcome.UNKNOWN)),
            (c.Is(t.BOOLEAN, some, False), _code(Outcome.NOT_APPLICABLE)),
            (c.Is(t.BOOLEAN, some_open, True), _code(Outcome.NOT_DUE)),
            (c.disj(c.Is(t.BOOLEAN, some_open, None), c.Is(t.BOOLEAN, some, None)), _code(Outcome.UNKNOWN)),
            otherwise=_code(Outcome.PASS),
        )
        lets.append(("code", code))
        index: c.Core = c.Const(t.INTEGER, None)
        judged: c.Core = AS_OF
        for i in count:
            index = c.If(
                t.INTEGER, c.Is(t.BOOLEAN, c.Var(t.BOOLEAN, f"any{i}"), False), index, c.Const(t.INTEGER, i)
            )
            judged = first_known(dates[i][1], judged)
        for i in count:
            is_late = c.Is(t.BOOLEAN, c.Var(t.BOOLEAN, f"late{i}"), True)
            index = c.If(t.INTEGER, is_late, c.Const(t.INTEGER, i), index)
            judged = c.If(t.DATE, is_late, first_known(dates[i][0], judged), judged)
        bound = dict(lets)
        pairs = [
            p
            for i in count
            for name in ("late", "any", "open")
            for p in blame(c.Var(t.BOOLEAN, f"{name}{i}"), bound)
        ]
        return RulePlan(
            rule.id,
            rule.kind,
            rule.stage,
            tuple(lets),
            c.Var(t.INTEGER, "code", nullable=False),
            index,
            tuple(v.valid_from.isoformat() for v in rule.versions),
            judged,
            note,
            self.evidence(sources, by_book),
            _joined(pairs),
            tuple(obligations),
        )

    def trigger_version(self, version: Version, by_book: _Clock) -> _TriggerParts:
        """The conditions of one version over its events.

        An event's own terms are read on its day. Whether the expected followed is judged by what was known on the
        last day to respond, or on the day of the book if that comes first.
        """
        tr = version.trigger
        assert tr is not None
        start = self.at(tr.start, by_book, inline=True)
        event = _Clock(start, None if self.hindsight else start)
        within = self.at(tr.within, event, inline=True)
        row = resolve("add working days" if tr.working_days else "+", [t.DATE, within.type])
        assert row is not None
        last_day = c.Op(t.DATE, row, (start, within))
        due = c.Var(t.DATE, "due")
        latest = c.If(t.DATE, compare("<=", due, AS_OF), due, AS_OF)
        response = _Clock(start, None if self.hindsight else latest)
        expect = self.at(tr.expect, response, inline=True)
        applies = c.conj(self.in_force(version, start), self.at(version.applies, event, inline=True))
        over = compare("<", due, AS_OF)
        unmet = c.negate(expect)
        conditions = {
            "late": c.conj(applies, over, unmet),
            "open": c.conj(applies, c.negate(over), unmet),
            "any": applies,
        }
        conditions = {name: c.Let(t.BOOLEAN, "due", last_day, body) for name, body in conditions.items()}
        first_day = version.valid_from.isoformat()
        if tr.comp is None:
            obligation = ObligationPlan(first_day, None, start, last_day, applies, expect)
            late_due = c.If(
                t.DATE, c.Is(t.BOOLEAN, conditions["late"], True), last_day, c.Const(t.DATE, None)
            )
            return _TriggerParts(
                conditions["late"], conditions["open"], conditions["any"], late_due, last_day, obligation
            )
        comp = self.seen_comp(tr.comp, by_book)
        if comp.where is not None:
            comp = c.Comp(comp.source, comp.var, self.at(comp.where, by_book, inline=True), comp.item)
        found = {name: c.Some(t.BOOLEAN, comp, body) for name, body in conditions.items()}

        def earliest(condition: c.Core) -> c.Core:
            where = c.Is(
                t.BOOLEAN, c.conj(comp.where, condition, c.negate(c.Is(t.BOOLEAN, last_day, None))), True
            )
            return c.Agg(t.DATE, "min", c.Comp(comp.source, comp.var, where, last_day))

        return _TriggerParts(
            found["late"],
            found["open"],
            found["any"],
            earliest(conditions["late"]),
            earliest(conditions["any"]),
            ObligationPlan(first_day, comp, start, last_day, applies, expect),
        )

    # -- portfolio ----------------------------------------------------------------------------------------

    def portfolio(self, rule: Rule) -> PortfolioPlan:
        clock = self.clock(AS_OF)
        version = rule.versions[0]
        assert rule.where is not None and rule.group is not None and rule.measure is not None
        assert version.require is not None
        sources = [rule.where, rule.group, rule.measure, version.require]
        where, group, measure, require = (self.at(core, clock) for core in sources)
        return PortfolioPlan(
            rule.id,
            rule.stage,
            tuple(self.lets(sources, clock)),
            self.in_force(version, clock.force),
            where,
            group,
            measure,
            require,
            version.valid_from.isoformat(),
            self.evidence([version.require], clock),
        )

    # -- evidence -----------------------------------------------------------------------------------------

    def evidence(self, sources: Sequence[c.Core], clock: _Clock) -> tuple[Evidence, ...]:
        """The facts, parameters, decisions and items that the sources read, decisions followed to their facts."""
        scalars: dict[str, c.Core] = {}
        fields: dict[str, dict[str, c.Field]] = {}
        seen: set[str] = set()
        pending = list(sources)
        while pending:
            for node in c.walk(pending.pop()):
                match node:
                    case c.Fact():
                        scalars[node.name] = self.at(node, clock)
                    case c.Param():
                        scalars[f"parameters.{node.name}"] = self.at(node, clock)
                    case c.Field() | c.ListField() if node.list in self.pack.vocabulary.lists:
                        type_ = self.pack.vocabulary.lists[node.list].fields[node.name].type
                        fields.setdefault(node.list, {})[node.name] = c.Field(
                            type_, "each", node.name, node.list
                        )
                    case c.ListFact() if not node.reference:
                        # When an item became known is shown too: it says why the rule saw it.
                        spec = self.pack.vocabulary.lists[node.name]
                        if spec.known_on is not None:
                            known = c.Field(t.DATE, "each", spec.known_on, node.name)
                            fields.setdefault(node.name, {})[spec.known_on] = known
                    case c.Decided() | c.TableCall() if node.name not in seen:
                        seen.add(node.name)
                        decision = self.pack.decisions[node.name]
                        pending += _parts_of(decision)
                        if isinstance(node, c.Decided) and _printable(decision, self.pack.decisions):
                            for output, type_ in decision.outputs:
                                name = node.name if output == node.name else f"{node.name}.{output}"
                                value = self.decided(c.Decided(type_, node.name, output), clock, inline=True)
                                scalars[name] = value
                    case _:
                        pass
        out: list[Evidence] = [ScalarEvidence(name, scalars[name]) for name in sorted(scalars)]
        for name in sorted(fields):
            comp = self.seen_comp(c.Comp(c.ListFact(name), "each", None, None), clock)
            out.append(
                ListEvidence(name, "each", comp.where, tuple(fields[name][f] for f in sorted(fields[name])))
            )
        return tuple(out)


@dataclass(frozen=True)
class _TriggerParts:
    late: c.Core
    open: c.Core
    any: c.Core
    late_due: c.Core
    due: c.Core
    obligation: ObligationPlan


def compare(op: str, left: c.Core, right: c.Core) -> c.Core:
    """A comparison of two values whose types are known to fit."""
    row = resolve(op, [left.type, right.type])
    assert row is not None, (op, left.type, right.type)
    return c.Op(t.BOOLEAN, row, (left, right))


def choose(*arms: tuple[c.Core, c.Core], otherwise: c.Core) -> c.Core:
    """The value of the first arm whose condition is true; conditions that are never missing."""
    for condition, value in reversed(arms):
        otherwise = c.If(value.type, condition, value, otherwise)
    return otherwise


def first_known(value: c.Core, otherwise: c.Core) -> c.Core:
    return c.If(value.type, c.Is(t.BOOLEAN, value, None), otherwise, value)


def _joined(pairs: Sequence[tuple[str, c.Core]]) -> tuple[tuple[str, c.Core], ...]:
    """One condition a fact, by name."""
    by_name: dict[str, list[c.Core]] = {}
    for name, condition in pairs:
        if condition not in by_name.setdefault(name, []):
            by_name[name].append(condition)
    return tuple((name, c.disj(*by_name[name])) for name in sorted(by_name))


def _parts_of(decision: Decision) -> list[c.Core]:
    out: list[c.Core] = []
    for v in decision.versions:
        out += [core for core in (v.value, *v.inputs) if core is not None]
        if v.table is not None:
            out += v.table.computed
    return out


def _printable(decision: Decision, decisions: Mapping[str, Decision]) -> bool:
    """Whether a decision's value is the same text in every way to run: a quotient's last digits need not be."""
    for core in _parts_of(decision):
        for node in c.walk(core):
            if isinstance(node, c.Op) and node.row.name in ("/", "**"):
                return False
            if isinstance(node, c.Agg) and node.function == "mean":
                return False
            if isinstance(node, c.Decided | c.TableCall) and not _printable(decisions[node.name], decisions):
                return False
    return True


def _day(day: date) -> c.Const:
    return c.Const(t.DATE, day)


def _code(outcome: Outcome) -> c.Const:
    return c.Const(t.INTEGER, int(outcome))


def _text(text: str) -> c.Const:
    return c.Const(t.TEXT, text)
