"""The rows of NICE CXone's sandbox: by entity, version and UTC day, as they are at a moment."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from contact_analytics.sandbox.liveperson_brand import Brand
from contact_analytics.sandbox.nice_cxone_evaluations import LONGEST, Evaluation, Evaluations, Event
from contact_analytics.sandbox.nice_cxone_forms import REMARKS
from contact_analytics.sandbox.nice_cxone_segments import SEGMENT_COLUMNS, SIMULATED, Segments, Value

__all__ = ["COLUMNS", "KEYS", "SIMULATED", "Records", "Value", "columns"]

# Version 1, as documented, with the hyphen that real files have.
_WORKFLOWS = (
    "Tenant Name",
    "Agent ID",
    "Type",
    "Evaluation Flow Trigger",
    "Workflow Status",
    "Auto Acknowledged",
    "Workflow State",
    "Plan Name",
    "Form Name",
    "Form Version",
    "Start Date",
    "Submission Date",
    "Last Updated",
    "Score - Percentage",
    "Score",
    "Maximum Possible Score",
    "Rank",
    "Failed Critical Question",
    "User Review Comments",
    "Dispute Resolver Comments",
    "Segment ID",
    "ACD ID",
    "Interaction Type",
    "Interaction Start Date",
    "Interaction End Date",
    "Interaction Direction",
    "Team ID",
    "Team Name",
    "Phone Number",
    "FirstName (Eva)",
    "LastName (Eva)",
    "FirstName (Agent)",
    "LastName (Agent)",
    "FirstName (Disp)",
    "LastName (Disp)",
    "FirstName (Assigner)",
    "LastName (Assigner)",
)
_WITH_ID = (*_WORKFLOWS[:7], "Workflow ID", *_WORKFLOWS[7:])
# The texts of these headers are translated back from the field names of a client that reads them.
_QUESTIONS = (
    "Actual Score",
    "Answer",
    "Question ID",
    "Question Title",
    "Question Number",
    "Options",
    "Form ID",
    "Form Name",
    "Form Version",
    "Evaluation Score %",
    "Evaluation Start Date",
    "Evaluation Submission Date",
    "Workflow Type",
    "Section ID",
    "Section Title",
    "Section Score %",
    "Max Score",
    "Agent ID",
    "FirstName (Agent)",
    "LastName (Agent)",
    "Team ID",
    "Team Name",
    "FirstName (Eva)",
    "LastName (Eva)",
    "Critical",
    "Failed Critical Question",
    "Mandatory",
    "Scorable",
    "Question Type",
    "Segment ID",
    "Interaction Start Date",
    "Interaction End Date",
    "WorkflowInstance ID",
    "Bank ID",
)

# By entity and version. What version 4 of the workflows adds is not public: here it is as version 3.
COLUMNS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("qm-workflows", "1"): _WORKFLOWS,
    ("qm-workflows", "3"): _WITH_ID,
    ("qm-workflows", "4"): _WITH_ID,
    ("qm-questions", "1"): _QUESTIONS,
    ("recording-interaction-metadata", "7"): SEGMENT_COLUMNS,
    ("recording-interaction-metadata", "10"): SEGMENT_COLUMNS,
    ("recording-interaction-metadata", "12"): SEGMENT_COLUMNS,
}
# A column that no reader of an entity can do without.
KEYS = {
    "qm-workflows": "Last Updated",
    "qm-questions": "Question ID",
    "recording-interaction-metadata": "Segment ID",
}
_BY_WORD = {header.replace("(", "").replace(")", "").replace(" ", "_").lower(): header for header in _WITH_ID}


def columns(entity: str, version: str) -> tuple[str, ...]:
    """The columns of an entity's version; a version that is not known has those of the one before."""
    known = [version for name, version in COLUMNS if name == entity]
    before = [other for other in known if int(other) <= int(version)] or known[:1]
    return COLUMNS[entity, before[-1]]


class Records:
    """All rows, a function of the brand, the day and the moment, and of the updates that a test makes."""

    def __init__(self, brand: Brand, volume: Mapping[date, int], tenant: str) -> None:
        self.segments = Segments(brand)
        self.evaluations = Evaluations(brand, self.segments, volume, tenant)
        self._updates: dict[str, tuple[Event, ...]] = {}

    def update(self, workflow_id: str, at: datetime, new: Mapping[str, Value]) -> None:
        """Change columns of an evaluation from a moment on, by header or by its words in lower case."""
        if workflow_id not in self.evaluations.by_id:
            raise ValueError(f"no such evaluation in the days that were looked at: {workflow_id}")
        named = {_BY_WORD.get(name, name): value for name, value in new.items()}
        if unknown := named.keys() - {*_WITH_ID}:
            raise ValueError(f"no such columns: {', '.join(sorted(unknown))}")
        self._updates[workflow_id] = (*self._updates.get(workflow_id, ()), Event(at, named))

    def rows(self, entity: str, day: date, at: datetime) -> list[dict[str, Value]]:
        """The rows that belong to a UTC day as they are at a moment, with all columns that any version has."""
        if entity == "recording-interaction-metadata":
            return [segment.columns() for segment in self.segments.known(day, at)]
        workflows = self._workflows(day, at)
        if entity == "qm-workflows":
            return [state for _, state in workflows]
        return [row for evaluation, state in workflows for row in _questions(evaluation, state, at)]

    def _workflows(self, day: date, at: datetime) -> list[tuple[Evaluation, dict[str, Value]]]:
        """The evaluations of a day: by submission, and by start until they are submitted."""
        days = (day + timedelta(days=ahead) for ahead in range(LONGEST.days + 1))
        near = {one.id: one for each in days for one in self.evaluations.of_day(each)}
        moved = {known: self.evaluations.by_id[known] for known in self._updates}
        found: list[tuple[Evaluation, dict[str, Value]]] = []
        for evaluation in (near | moved).values():
            state = evaluation.state(at, self._updates.get(evaluation.id, ()))
            if state is None:
                continue
            belongs = state.get("Submission Date") or state["Start Date"]
            if isinstance(belongs, datetime) and belongs.date() == day:
                found.append((evaluation, {**dict.fromkeys(_WITH_ID), **state, "Workflow ID": evaluation.id}))
        return found


def _questions(evaluation: Evaluation, state: Mapping[str, Value], at: datetime) -> list[dict[str, Value]]:
    form, answers = evaluation.form, evaluation.answers(at)
    shared = {
        **{name: state[name] for name in _QUESTIONS if name in state},
        "Form ID": form.id,
        "Evaluation Score %": state["Score - Percentage"],
        "Evaluation Start Date": state["Start Date"],
        "Evaluation Submission Date": state["Submission Date"],
        "Workflow Type": state["Type"],
        "WorkflowInstance ID": evaluation.id,
    }
    rows: list[dict[str, Value]] = []
    failed = form.failed(answers)
    for place, (question, answer, points) in enumerate(zip(form.questions, answers, form.points(answers), strict=True)):
        said = [text for text, _ in question.options] or list(REMARKS)
        own: dict[str, Value] = {
            "Actual Score": points,
            "Answer": None if answer is None else said[answer],
            "Question ID": question.id,
            "Question Title": question.title,
            "Question Number": question.number,
            "Options": ", ".join(text for text, _ in question.options),
            "Section ID": question.section_id,
            "Section Title": question.section,
            "Section Score %": None if answer is None else form.section_percentage(answers, question.section_id),
            "Max Score": question.most if question.options else None,
            "Critical": question.critical,
            "Failed Critical Question": None if answer is None else failed[place],
            "Mandatory": question.mandatory,
            "Scorable": bool(question.options),
            "Question Type": question.kind,
            "Bank ID": question.bank_id,
        }
        rows.append({**shared, **own})
    return rows
