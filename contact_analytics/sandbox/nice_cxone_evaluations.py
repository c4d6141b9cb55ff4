"""Evaluations of NICE CXone's sandbox, each with all that happens to it, from its start to a dispute's end."""

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from math import ceil

from contact_analytics.sandbox.liveperson_brand import FIRST_NAMES, LAST_NAMES, Brand
from contact_analytics.sandbox.nice_cxone_forms import DISPUTES, FORMS, RESOLUTIONS, Answers, Form
from contact_analytics.sandbox.nice_cxone_segments import Person, Segment, Segments, Value

# How long at most an evaluation waits between its start and its submission.
LONGEST = timedelta(days=3)

_DAILY = 60
_WEEKDAYS = (1.1, 1.1, 1.05, 1.05, 1.0, 0.6, 0.5)
# By turns rather than by chance, so that a small day has many of them.
_COURSES = ("acknowledged", "disputed", "sent", "no review", "auto acknowledged", "self", "calibration", "timed out")
_UNSUBMITTED = ("claimed", "in progress", "expired")


@dataclass(frozen=True)
class Event:
    """A moment in an evaluation's life: the columns that change then, and the answers where those do."""

    at: datetime
    columns: Mapping[str, Value]
    answers: Answers | None = None


@dataclass(frozen=True)
class Evaluation:
    """An evaluation with its life; `submitted` is None where it never is."""

    id: str
    form: Form
    start: datetime
    submitted: datetime | None
    columns: Mapping[str, Value]
    events: tuple[Event, ...]

    def state(self, at: datetime, updates: tuple[Event, ...] = ()) -> dict[str, Value] | None:
        """The columns as they are at a moment; None before the start."""
        happened = sorted((event for event in (*self.events, *updates) if event.at <= at), key=lambda event: event.at)
        if not happened:
            return None
        state = dict(self.columns)
        for event in happened:
            state |= {"Last Updated": event.at, **event.columns}
        return state

    def answers(self, at: datetime) -> Answers:
        """The answers as they are at a moment: none before the submission."""
        given = [event.answers for event in self.events if event.at <= at and event.answers is not None]
        return given[-1] if given else (None,) * len(self.form.questions)


@dataclass
class _Life:
    """What happens to an evaluation, in order."""

    form: Form
    events: list[Event] = field(default_factory=list[Event])

    def add(self, at: datetime, status: str, state: str = "Open", **columns: Value) -> None:
        named = {name.replace("_", " ").title(): value for name, value in columns.items()}
        self.events.append(Event(at, {"Workflow Status": status, "Workflow State": state} | named))

    def score(self, answers: Answers) -> None:
        """Score the last event."""
        last, score = self.events[-1], self.form.score(answers)
        percentage = round(100 * score / self.form.most, 2)
        scores: dict[str, Value] = {
            "Score - Percentage": percentage,
            "Score": score,
            "Maximum Possible Score": self.form.most,
            "Rank": "Gold, plus" if percentage >= 90 else "Silver" if percentage >= 60 else None,
            "Failed Critical Question": any(self.form.failed(answers)),
        }
        self.events[-1] = Event(last.at, {**last.columns, **scores}, answers)


class Evaluations:
    """The evaluations of each UTC day, a function of the brand and of the numbers in `volume` alone."""

    def __init__(self, brand: Brand, segments: Segments, volume: Mapping[date, int], tenant: str) -> None:
        self._brand, self._segments, self._volume, self._tenant = brand, segments, volume, tenant
        self.by_id: dict[str, Evaluation] = {}
        self.of_day = lru_cache(maxsize=512)(self._of_day)

    def volume(self, day: date) -> int:
        """How many evaluations are submitted on a day."""
        if day in self._volume:
            return self._volume[day]
        usual = _DAILY * self._brand.scale * _WEEKDAYS[day.weekday()]
        return max(1, round(usual * self._brand.chance("nice volume", day).uniform(0.85, 1.15)))

    def _of_day(self, day: date) -> tuple[Evaluation, ...]:
        """Those that are submitted on a day sooner or later, then those that start on it and never are."""
        count = self.volume(day)
        never = ceil(count * 0.08)
        numbers = [(number, True) for number in range(count)] + [(number, False) for number in range(never)]
        found = tuple(self._evaluation(day, number, submitted=submitted) for number, submitted in numbers)
        self.by_id |= {one.id: one for one in found}
        return found

    def _evaluation(self, day: date, number: int, *, submitted: bool) -> Evaluation:
        chance = self._brand.chance("nice evaluation", day, number, submitted)
        turn = number + day.toordinal()
        course = _COURSES[turn % len(_COURSES)] if submitted else _UNSUBMITTED[turn % len(_UNSUBMITTED)]
        midnight = datetime.combine(day, time(), UTC)
        # The day's first and last moments are where windows go wrong.
        edge = {0: 0, 1: 86_399_999}.get(number) if submitted else None
        at = midnight + timedelta(milliseconds=chance.randrange(86_400_000) if edge is None else edge)
        start = self._start(at, number, chance) if submitted else at
        form = FORMS[turn % len(FORMS)]
        life = _Life(form)
        life.add(start, "Claimed (new)")
        if submitted:
            self._submitted(life, at, course, chance)
        elif course != "claimed":
            life.add(start + timedelta(hours=1), "In Progress")
            if course == "expired":
                life.add(start + timedelta(days=7), "Expired", "Timed-Out")
        return Evaluation(
            id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            form=form,
            start=start,
            submitted=at if submitted else None,
            columns=self._columns(form, start, number, course, chance),
            events=tuple(life.events),
        )

    def _start(self, submitted: datetime, number: int, chance: random.Random) -> datetime:
        """When an evaluation began: within the hour before, or for every fourth days before."""
        most = LONGEST if number % 4 == 3 else timedelta(hours=1)
        start = submitted - timedelta(milliseconds=chance.randrange(1, most // timedelta(milliseconds=1)))
        midnight = submitted.replace(hour=0, minute=0, second=0, microsecond=0)
        # A day that is asked to be empty must be so before these are submitted as well.
        return start if start >= midnight or self.volume(start.date()) else midnight

    def _submitted(self, life: _Life, at: datetime, course: str, chance: random.Random) -> None:
        """What happens from the submission on."""
        answers = tuple(
            chance.choices(range(len(question.options)), (14, 2, 1)[: len(question.options)])[0]
            if question.options
            else chance.randrange(5)
            for question in life.form.questions
        )
        first = {"self": "Completed", "calibration": "In Review", "no review": "Completed No Review"}
        open_ = course not in {"self", "no review"}
        life.add(at, first.get(course, "Sent to Agent"), "Open" if open_ else "Closed", submission_date=at)
        life.score(answers)
        later = at + timedelta(hours=chance.randrange(5, 70), minutes=chance.randrange(60))
        if course in {"acknowledged", "auto acknowledged"}:
            life.add(later, "Completed Acknowledged", "Closed", auto_acknowledged=course.startswith("auto"))
        elif course == "timed out":
            life.add(at + timedelta(days=14), "Expired", "Timed-Out")
        elif course == "calibration":
            life.add(later, "Completed", "Closed")
        elif course == "disputed":
            life.add(later, "Dispute", user_review_comments=chance.choice(DISPUTES))
            life.add(later + timedelta(days=1), "In Review")
            resolver = self.officer(chance.randrange(4))
            life.add(
                later + timedelta(days=1 + chance.randrange(1, 6)),
                "Completed Reviewed",
                "Closed",
                dispute_resolver_comments=chance.choice(RESOLUTIONS),
                auto_acknowledged=False,
            )
            names = {"FirstName (Disp)": resolver[0], "LastName (Disp)": resolver[1]}
            life.events[-1] = Event(life.events[-1].at, {**life.events[-1].columns, **names})
            life.score(_corrected(life.form, answers))

    def officer(self, number: int) -> tuple[str, str]:
        """First and last name of someone who evaluates."""
        chance = self._brand.chance("nice officer", number)
        return chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)

    def _columns(
        self, form: Form, start: datetime, number: int, course: str, chance: random.Random
    ) -> dict[str, Value]:
        """What stays as it is."""
        kind = {"self": "Self-Assessment", "calibration": "Calibration"}.get(course, "Evaluation")
        trigger = "Calibration" if kind == "Calibration" else ("Manual trigger", "Quality Plan")[number % 2]
        known = self._segments.of_day(start.date() - timedelta(days=1 + number % 3))
        segment = chance.choice(known) if kind != "Self-Assessment" else None
        agent = segment.agents[0] if segment else chance.choice(self._segments.people)
        evaluator = (agent.first_name, agent.last_name) if not segment else self.officer(number % 7)
        assigner = self.officer(number % 3) if trigger == "Manual trigger" else (None, None)
        return {
            "Tenant Name": self._tenant,
            "Type": kind,
            "Evaluation Flow Trigger": trigger,
            "Plan Name": 'Plan "Q4", voice' if trigger == "Quality Plan" else None,
            "Form Name": form.name,
            "Form Version": form.version,
            "Start Date": start,
            **_interaction(segment),
            **_about(agent),
            "FirstName (Eva)": evaluator[0],
            "LastName (Eva)": evaluator[1],
            "FirstName (Assigner)": assigner[0],
            "LastName (Assigner)": assigner[1],
        }


def _corrected(form: Form, answers: Answers) -> Answers:
    """Every answer as good as can be: what a dispute changes."""
    return tuple(0 if question.options else answer for question, answer in zip(form.questions, answers, strict=True))


def _about(agent: Person) -> dict[str, Value]:
    return {
        "Agent ID": agent.id,
        "FirstName (Agent)": agent.first_name,
        "LastName (Agent)": agent.last_name,
        "Team ID": agent.team_id,
        "Team Name": agent.team_name,
    }


def _interaction(segment: Segment | None) -> dict[str, Value]:
    if segment is None:
        return {}
    return {
        "Segment ID": segment.id,
        "ACD ID": segment.contact,
        "Interaction Type": segment.type,
        "Interaction Start Date": segment.start,
        "Interaction End Date": segment.end,
        "Interaction Direction": segment.direction,
        "Phone Number": segment.phone,
    }
