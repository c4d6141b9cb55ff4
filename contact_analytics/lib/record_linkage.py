"""Record linkage: which entries of several systems are the same person, by rules in the order of their confidence.

A rule says which values entries have, such as e-mail addresses. Entries with the same value are one person, unless
one system would then have that person twice: such a value joins nobody, and says who it might be.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

# A value that more entries share tells nobody from another.
_MOST_CANDIDATES = 20


@dataclass(frozen=True, order=True)
class Entry:
    """An entry of a system by its id there; systems of a lower rank come first."""

    rank: int
    system: str
    id: str


@dataclass(frozen=True)
class LinkRule:
    """Why two entries are the same person, and how sure that is, from 0 to 1.

    A rule that does not join says who might be the same person, and no more.
    """

    name: str
    confidence: float
    joins: bool = True


# The entries that have a value.
Shared = Mapping[str, Collection[Entry]]


@dataclass(frozen=True)
class Link:
    """Two entries that have the same value; as a candidate, two that may be the same person."""

    rule: LinkRule
    one: Entry
    other: Entry


@dataclass(frozen=True)
class Person:
    """Entries of different systems that are one person, by links, and other persons that it might be."""

    entries: tuple[Entry, ...]
    links: tuple[Link, ...]
    candidates: tuple[Link, ...]


def persons(entries: Iterable[Entry], rules: Iterable[tuple[LinkRule, Shared]]) -> list[Person]:
    """Each entry in one person, whatever the order in which entries are given; rules apply in their order."""
    linkage = _Linkage({entry: frozenset({entry}) for entry in entries})
    for rule, shared in rules:
        linkage.apply(rule, shared)
    return linkage.persons()


@dataclass
class _Linkage:
    """Entries with those that they are joined with so far."""

    groups: dict[Entry, frozenset[Entry]]
    links: list[Link] = field(default_factory=list[Link])
    doubts: list[tuple[LinkRule, list[Entry]]] = field(default_factory=list[tuple[LinkRule, list[Entry]]])

    def apply(self, rule: LinkRule, shared: Shared) -> None:
        """Join what a rule joins without doubt, by the groups as they are before."""
        telling = list[list[Entry]]()
        for entries in map(sorted, shared.values()):
            groups = {self.groups[entry] for entry in entries}
            if len(groups) > 1 and not (rule.joins and _fit(groups)):
                self.doubts.append((rule, entries))
            elif len(groups) > 1:
                telling.append(entries)
        for values in self._connected(telling):
            groups = {self.groups[entry] for entries in values for entry in entries}
            if _fit(groups):
                self._join(rule, values, groups)
            else:
                self.doubts += [(rule, entries) for entries in values]

    def persons(self) -> list[Person]:
        """What all rules came to, in the order of the entries."""
        links, candidates = _by_entry(self.links), _by_entry(self._candidates())
        return [
            Person(tuple(sorted(group)), _of_group(links, group), _of_group(candidates, group))
            for group in sorted({*self.groups.values()}, key=min)
        ]

    def _connected(self, telling: Sequence[list[Entry]]) -> Iterator[list[list[Entry]]]:
        """Values that have groups in common with each other, directly or by way of further ones."""
        of_group = defaultdict[frozenset[Entry], list[int]](list)
        for place, entries in enumerate(telling):
            for group in {self.groups[entry] for entry in entries}:
                of_group[group].append(place)
        seen = set[int]()
        for start in range(len(telling)):
            found, ahead = list[int](), [start]
            while ahead:
                place = ahead.pop()
                if place not in seen:
                    seen.add(place)
                    found.append(place)
                    ahead += [near for entry in telling[place] for near in of_group[self.groups[entry]]]
            if found:
                yield [telling[place] for place in sorted(found)]

    def _join(self, rule: LinkRule, values: Iterable[Sequence[Entry]], groups: Iterable[frozenset[Entry]]) -> None:
        for entries in values:
            firsts = {self.groups[entry]: entry for entry in reversed(entries)}
            one, *others = sorted(firsts.values())
            self.links += [Link(rule, one, other) for other in others]
        joined = frozenset[Entry]().union(*groups)
        self.groups |= dict.fromkeys(joined, joined)

    def _candidates(self) -> Iterable[Link]:
        """Persons that a doubtful value points to, and that could still be joined after all rules: a pair for each."""
        found = dict[tuple[LinkRule, frozenset[frozenset[Entry]]], Link]()
        for rule, entries in sorted(self.doubts, key=lambda doubt: doubt[1]):
            if len(entries) <= _MOST_CANDIDATES:
                for one, other in combinations(entries, 2):
                    groups = frozenset({self.groups[one], self.groups[other]})
                    if len(groups) > 1 and _fit(groups):
                        found.setdefault((rule, groups), Link(rule, one, other))
        return found.values()


def _fit(groups: Iterable[frozenset[Entry]]) -> bool:
    """Whether the groups together have one entry of a system at most."""
    systems = [entry.system for group in groups for entry in group]
    return len(systems) == len({*systems})


def _by_entry(links: Iterable[Link]) -> Mapping[Entry, list[Link]]:
    found = defaultdict[Entry, list[Link]](list)
    for link in links:
        found[link.one].append(link)
        found[link.other].append(link)
    return found


def _of_group(links: Mapping[Entry, list[Link]], group: frozenset[Entry]) -> tuple[Link, ...]:
    """The links of a person, the surest first."""
    found = {link for entry in group for link in links[entry]}
    return tuple(sorted(found, key=lambda each: (-each.rule.confidence, each.rule.name, each.one, each.other)))
