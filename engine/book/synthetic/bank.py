"""The bank: branches, staff, and who may approve what in which year."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np

from sancha.engine.book.synthetic.calendar import day
from sancha.engine.book.synthetic.columns import Column, Template, Words, words
from sancha.engine.book.synthetic.draw import NA, Ints, Stream
from sancha.engine.policy.vocabulary import Vocabulary

#: Branch, its share of the files, and whether its discipline is weak: there the heat map should be warm.
BRANCHES = (
    ("临江分行营业部", 16, False),
    ("滨江支行", 12, False),
    ("开发区支行", 11, False),
    ("城南支行", 10, False),
    ("青屿支行", 9, False),
    ("柳渡支行", 8, False),
    ("桐岭支行", 7, False),
    ("云堰支行", 7, False),
    ("南汐支行", 6, False),
    ("石垭支行", 5, False),
    ("望沙支行", 5, True),
    ("金塬支行", 4, True),
)
WEAK = np.array([weak for _, _, weak in BRANCHES])
NAMES = words([name for name, _, _ in BRANCHES])
HEAD_OFFICE = "临江分行"

FRONT = "小微金融部"
REVIEW = "授信审查部"
#: The approver's department, by level.
APPROVAL_DEPTS = words(["支行审批岗", "授信审批部", "分行贷审会", "总行授信审批部", "总行贷审会"])

# People a post, in the whole branch network; levels 1 … 5 for approvers.
_CENTRAL = (("reviewer", REVIEW, 10), ("disb_checker", "放款中心", 5), ("workout", "资产保全部", 3))
_APPROVERS = ((2, 8), (3, 4), (4, 4), (5, 2))
# New delegations usually start with the year; these came late in the years named.
_LATE = ((2023, 16), (2024, 22))
_LATE_PEOPLE = 3


@dataclass(frozen=True)
class Bank:
    """People are places in `staff`; tables of people by branch or level are padded and come with counts."""

    staff: dict[str, Column]
    delegations: dict[str, Column]
    ids: Words
    joined_on: Ints
    managers: Ints
    managers_count: Ints
    newcomers: Ints
    newcomers_branch: Ints
    reviewers: Ints
    checkers: Ints
    postloan: Ints
    approvers: Ints
    approvers_count: Ints
    late: Ints
    first_year: int

    def approver(self, level: Ints, branch: Ints, year: Ints, stream: Stream) -> Ints:
        """Somebody with the delegation of the level (1 … 5) in the branch and the year."""
        place = (level - 1, branch, np.clip(year - self.first_year, 0, self.approvers.shape[2] - 1))
        which = stream.below(self.approvers_count[place], len(level))
        return self.approvers[(*place, which)]


def found(seed: int, loans: int, as_of: dt.date, vocabulary: Vocabulary) -> Bank:
    """The same bank for the same seed; its account managers grow with the book, the rest of it does not."""
    stream = Stream(seed, "bank")
    people = _People(vocabulary)
    factor = min(8, 1 + loans // 20_000)
    last_year = as_of.year + 1
    first_year = as_of.year - 5
    veteran = (day(dt.date(as_of.year - 20, 1, 1)), day(dt.date(as_of.year - 6, 1, 1)))

    managers: list[list[int]] = []
    heads: list[list[int]] = []
    postloan: list[int] = []
    for branch, (_, share, _) in enumerate(BRANCHES):
        crew = max(4, round(54 * share / 100)) * factor
        posts = ["lead_rm" if i % 3 < 2 else "co_rm" for i in range(crew)]
        managers.append([people.add(branch, post, FRONT, stream, veteran) for post in posts])
        heads.append([people.add(branch, "unit_head", "支行", stream, veteran) for _ in range(2)])
        postloan.append(people.add(branch, "postloan", "贷后管理岗", stream, veteran))
    newcomers, homes = [], []
    for number in range(10):
        branch = int(stream.pick([share for _, share, _ in BRANCHES], 1)[0])
        joined = day(dt.date(as_of.year - 1 - number % 3, 7, 1))
        newcomers.append(people.add(branch, "lead_rm", FRONT, stream, (joined, joined + 3)))
        homes.append(branch)
    central = {
        post: [people.add(-1, post, dept, stream, veteran) for _ in range(count)]
        for post, dept, count in _CENTRAL
    }
    levels: dict[int, list[int]] = {
        level: [
            people.add(-1, "approver", APPROVAL_DEPTS.values[level - 1].as_py(), stream, veteran)
            for _ in range(count)
        ]
        for level, count in _APPROVERS
    }
    for _ in range(3):
        people.add(-1, "auditor", "审计部", stream, veteran)

    years = range(first_year, last_year + 1)
    promoted = {heads[2][1]: as_of.year - 1, heads[6][1]: as_of.year - 2}
    late = levels[2][:_LATE_PEOPLE]
    pools: dict[tuple[int, int, int], list[int]] = {}
    grants: list[tuple[int, int, int]] = []
    for year in years:
        for branch, pair in enumerate(heads):
            for person in pair:
                level = 2 if year >= promoted.get(person, last_year + 1) else 1
                grants.append((person, level, year))
                if level == 1:
                    pools.setdefault((1, branch, year), []).append(person)
                else:
                    for anywhere in range(len(BRANCHES)):
                        pools.setdefault((2, anywhere, year), []).append(person)
        for level, group in levels.items():
            for person in group:
                grants.append((person, level, year))
                for branch in range(len(BRANCHES)):
                    pools.setdefault((level, branch, year), []).append(person)

    widest = max(map(len, pools.values()))
    approvers = np.zeros((5, len(BRANCHES), len(years), widest), dtype=np.int64)
    approvers_count = np.ones(approvers.shape[:3], dtype=np.int64)
    for (level, branch, year), pool in pools.items():
        approvers[level - 1, branch, year - first_year, : len(pool)] = pool
        approvers_count[level - 1, branch, year - first_year] = len(pool)

    padded = np.zeros((len(BRANCHES), max(map(len, managers))), dtype=np.int64)
    for branch, crew_of in enumerate(managers):
        padded[branch, : len(crew_of)] = crew_of
    return Bank(
        staff=people.columns(),
        delegations=_delegations(grants, late, people.ids()),
        ids=people.ids(),
        joined_on=np.array(people.joined),
        managers=padded,
        managers_count=np.array(list(map(len, managers))),
        newcomers=np.array(newcomers),
        newcomers_branch=np.array(homes),
        reviewers=np.array(central["reviewer"]),
        checkers=np.array(central["disb_checker"]),
        postloan=np.array(postloan),
        approvers=approvers,
        approvers_count=approvers_count,
        late=np.array(late),
        first_year=first_year,
    )


class _People:
    """The staff as it is hired: parallel lists, a person is a place in them."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._posts = vocabulary.reference["staff"].fields["post"].type.values
        self._numbers: list[int] = []
        self._taken: dict[int, int] = {}
        self.branches: list[str] = []
        self.post: list[int] = []
        self.depts: list[str] = []
        self.joined: list[int] = []

    def add(self, branch: int, post: str, dept: str, stream: Stream, joined: tuple[int, int]) -> int:
        office = 90 if branch < 0 else branch + 1
        self._taken[office] = self._taken.get(office, 0) + 1
        self._numbers.append(office * 1_000 + self._taken[office])
        self.branches.append(HEAD_OFFICE if branch < 0 else BRANCHES[branch][0])
        self.post.append(self._posts.index(post))
        self.depts.append(dept)
        self.joined.append(int(stream.between(joined[0], joined[1], 1)[0]))
        return len(self._numbers) - 1

    def ids(self) -> Words:
        return Words(Template("S#####").render(np.array(self._numbers)))

    def columns(self) -> dict[str, Column]:
        everyone = np.arange(len(self._numbers))
        return {
            "id": Column(everyone, self.ids()),
            "post": Column(np.array(self.post)),
            "dept": Column(everyone, words(self.depts)),
            "branch": Column(everyone, words(self.branches)),
            "joined_on": Column(np.array(self.joined)),
        }


def _delegations(grants: list[tuple[int, int, int]], late: list[int], ids: Words) -> dict[str, Column]:
    start = np.array(
        [
            day(dt.date(year, 1, dict(_LATE).get(year, 1) if person in late else 1))
            for person, _, year in grants
        ]
    )
    first = {year: number for number, (_, _, year) in reversed(list(enumerate(grants)))}
    documents = [f"授权〔{year}〕{number - first[year] + 1}号" for number, (_, _, year) in enumerate(grants)]
    return {
        "person_id": Column(np.array([person for person, _, _ in grants]), ids),
        "level": Column(np.array([level for _, level, _ in grants])),
        "from": Column(start),
        "until": Column(np.array([day(dt.date(year, 12, 31)) for _, _, year in grants])),
        "document_no": Column(np.arange(len(grants)), words(documents)),
    }


def late_start(years: Ints) -> Ints:
    """The first day of the late delegations of each year; NA where they were in time."""
    start = np.full(len(years), NA)
    for year, first in _LATE:
        start[years == year] = day(dt.date(year, 1, first))
    return start
