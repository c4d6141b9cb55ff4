"""Entries of several systems are joined by what they share, unless one system would have a person twice."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_analytics.lib.record_linkage import Entry, LinkRule, Person, Shared, persons

STRONG, FAIR, WEAK = LinkRule("strong", 1.0), LinkRule("fair", 0.9), LinkRule("weak", 0.6)
RULES = (STRONG, FAIR, WEAK)
SYSTEMS = "abc"


def entry(name: str) -> Entry:
    """`a1` is entry 1 of system a."""
    return Entry(SYSTEMS.index(name[0]), name[0], name[1:])


def joined(entries: str, *values: tuple[LinkRule, str]) -> list[Person]:
    """The persons that entries come to, where each value is had by the entries that are named."""
    rules: list[tuple[LinkRule, Shared]] = [
        (rule, {str(place): {*map(entry, names.split())} for place, (of, names) in enumerate(values) if of is rule})
        for rule in RULES
    ]
    return persons(map(entry, entries.split()), rules)


def shown(found: Sequence[Person]) -> list[str]:
    """The persons as they are written in `joined`."""
    return [" ".join(each.system + each.id for each in person.entries) for person in found]


def pairs(found: Sequence[Person], what: str) -> set[str]:
    """Links or candidates, as `rule a1 b1`."""
    links = (link for person in found for link in getattr(person, what))
    return {f"{each.rule.name} {each.one.system}{each.one.id} {each.other.system}{each.other.id}" for each in links}


def test_what_shares_a_value_is_one_person() -> None:
    """Of three systems, with a link from the first to each."""
    found = joined("a1 b1 c1 c2", (STRONG, "a1 b1 c1"))
    assert shown(found) == ["a1 b1 c1", "c2"]
    assert pairs(found, "links") == {"strong a1 b1", "strong a1 c1"}
    assert not pairs(found, "candidates")


def test_a_value_that_a_system_has_twice_joins_nobody() -> None:
    """Not even those who have it once each: of the two of a, either may be b's and c's."""
    found = joined("a1 a2 b1 c1", (STRONG, "a1 a2 b1 c1"))
    assert shown(found) == ["a1", "a2", "b1", "c1"]
    every = {"strong a1 b1", "strong a1 c1", "strong a2 b1", "strong a2 c1", "strong b1 c1"}
    assert pairs(found, "candidates") == every


def test_a_rule_that_does_not_join_says_who_it_might_be() -> None:
    """Also where nobody else is meant; a weaker rule may still join them."""
    hint = LinkRule("hint", 0.3, joins=False)
    shared = {"v": [entry("a1"), entry("b1")]}
    found = persons([entry("a1"), entry("b1")], [(hint, shared)])
    assert shown(found) == ["a1", "b1"]
    assert pairs(found, "candidates") == {"hint a1 b1"}
    found = persons([entry("a1"), entry("b1")], [(hint, shared), (WEAK, shared)])
    assert shown(found) == ["a1 b1"]
    assert not pairs(found, "candidates")


def test_a_value_of_one_system_alone_is_no_doubt() -> None:
    """There is nobody whom it might join."""
    assert not pairs(joined("a1 a2 b1", (STRONG, "a1 a2")), "candidates")


def test_a_weaker_rule_settles_what_a_stronger_one_left_open() -> None:
    """Then nobody is a candidate any more: b1 has its a."""
    found = joined("a1 a2 b1", (STRONG, "a1 a2 b1"), (FAIR, "a1 b1"))
    assert shown(found) == ["a1 b1", "a2"]
    assert pairs(found, "links") == {"fair a1 b1"}
    assert not pairs(found, "candidates")


def test_what_a_stronger_rule_has_joined_counts_as_one() -> None:
    """The name of a1 and b1 is had by one person, so it joins c1; that of a2 and b1 would be two of a's."""
    found = joined("a1 a2 b1 c1", (STRONG, "a1 b1"), (WEAK, "a1 b1 c1"), (FAIR, "a2 b1"))
    assert shown(found) == ["a1 b1 c1", "a2"]
    assert pairs(found, "links") == {"strong a1 b1", "weak a1 c1"}
    assert not pairs(found, "candidates")


def test_values_that_each_join_but_not_together_join_nobody() -> None:
    """a1's name is c1's and b1's name is c2's: one person would be in c twice, and neither has more right."""
    found = joined("a1 b1 c1 c2", (STRONG, "a1 b1"), (WEAK, "a1 c1"), (WEAK, "b1 c2"))
    assert shown(found) == ["a1 b1", "c1", "c2"]
    assert pairs(found, "candidates") == {"weak a1 c1", "weak b1 c2"}


def test_values_that_fit_together_are_joined_in_a_chain() -> None:
    """By two addresses of b1, which are a1's and c1's."""
    found = joined("a1 b1 c1", (STRONG, "a1 b1"), (STRONG, "b1 c1"))
    assert shown(found) == ["a1 b1 c1"]
    assert pairs(found, "links") == {"strong a1 b1", "strong b1 c1"}


def test_a_person_is_a_candidate_of_another_once_for_a_rule() -> None:
    """By the first id of each that has the value."""
    found = joined("a1 b1 a2 b2 c1", (STRONG, "a1 b1"), (STRONG, "a2 b2"), (WEAK, "a1 b1 a2 b2 c1"))
    assert shown(found) == ["a1 b1", "a2 b2", "c1"]
    assert pairs(found, "candidates") == {"weak a1 c1", "weak a2 c1"}


@pytest.mark.parametrize(("number", "candidates"), [(10, 100), (11, 0)])
def test_a_value_that_many_share_points_to_nobody(number: int, candidates: int) -> None:
    """Such as an address that a company gives to all: up to twenty are listed."""
    names = " ".join(f"{system}{place}" for system in "ab" for place in range(number))
    assert len(pairs(joined(names, (STRONG, names)), "candidates")) == candidates


ENTRIES = [Entry(rank, system, str(number)) for rank, system in enumerate(SYSTEMS) for number in range(4)]
VALUES = st.dictionaries(st.sampled_from("uvwxyz"), st.sets(st.sampled_from(ENTRIES), min_size=1, max_size=4))
EVIDENCE = st.tuples(VALUES, VALUES, VALUES)


def found_by(entries: Sequence[Entry], evidence: Sequence[Mapping[str, Sequence[Entry]]]) -> list[Person]:
    return persons(entries, list(zip(RULES, evidence, strict=True)))


@given(EVIDENCE, st.randoms(use_true_random=False))
def test_order_changes_nothing(evidence: tuple[dict[str, set[Entry]], ...], chance: Random) -> None:
    """That of the entries, of the values, and of the entries of a value."""
    mixed = [
        dict(_shuffled([(value, _shuffled(sorted(had), chance)) for value, had in values.items()], chance))
        for values in evidence
    ]
    plain = [{value: sorted(had) for value, had in values.items()} for values in evidence]
    assert found_by(_shuffled(ENTRIES, chance), mixed) == found_by(ENTRIES, plain)


def _shuffled(items: Sequence[Any], chance: Random) -> list[Any]:
    mixed = list(items)
    chance.shuffle(mixed)
    return mixed


@given(EVIDENCE)
def test_each_entry_is_in_one_person_and_each_person_fits(evidence: tuple[dict[str, set[Entry]], ...]) -> None:
    """A person has one entry of a system, held together by links of shared values; candidates would fit as well."""
    found = found_by(ENTRIES, [{value: sorted(had) for value, had in values.items()} for values in evidence])
    assert sorted(each for person in found for each in person.entries) == ENTRIES
    of = {each: person for person in found for each in person.entries}
    for person in found:
        assert len({each.system for each in person.entries}) == len(person.entries)
        assert _reached(person) == set(person.entries)
        for link in (*person.links, *person.candidates):
            values = evidence[RULES.index(link.rule)].values()
            assert any({link.one, link.other} <= had for had in values)
            assert link.one.system != link.other.system
        for link in person.candidates:
            assert of[link.one] is not of[link.other]
            assert link in of[link.one].candidates
            assert link in of[link.other].candidates
            assert not {each.system for each in of[link.one].entries} & {each.system for each in of[link.other].entries}


def _reached(person: Person) -> set[Entry]:
    """The entries that links lead to from the first."""
    reached = {person.entries[0]}
    for _ in person.entries:
        reached |= {
            each for link in person.links for each in (link.one, link.other) if {link.one, link.other} & reached
        }
    return reached


@given(EVIDENCE)
def test_a_value_that_two_have_and_nobody_else_is_decided(evidence: tuple[dict[str, set[Entry]], ...]) -> None:
    """Two entries that share a value end as one person, or as each other's candidates, or one of them is taken: by an
    entry of the other's system."""
    found = found_by(ENTRIES, [{value: sorted(had) for value, had in values.items()} for values in evidence])
    of = {each: person for person in found for each in person.entries}
    for had in (had for values in evidence for had in values.values()):
        for one, other in combinations(sorted(had), 2):
            mine, theirs = of[one], of[other]
            apart = {each.system for each in mine.entries} & {each.system for each in theirs.entries}
            pointed = {of[link.other] if of[link.one] is mine else of[link.one] for link in mine.candidates}
            assert mine is theirs or apart or theirs in pointed
