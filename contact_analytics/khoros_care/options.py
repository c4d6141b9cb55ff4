"""What may be asked of an export beside its days: the format, columns, filters, and how dates are written."""

import hashlib
import json
from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field, ValidationError

from contact_analytics.lib.config import ExtractionConfig
from contact_analytics.lib.errors import ConfigurationError

SETTING = "KHOROS_CARE_EXPORT_OPTIONS"
_REMEDY = f"Change the launch's config or {SETTING}."
_EVERYWHERE = "*"
_FILTERS = frozenset({"priorities", "smart_view_id", "work_queue_ids", "business_hours"})
_COMMON = _FILTERS | {"report_format", "report_metrics", "locale", "timezone"}
_TEAMS = {"team_ids", "include_disabled"}
# What each export takes; `user` takes no filters and formats no dates.
_TAKEN: dict[str, frozenset[str]] = {
    **dict.fromkeys(("response", "incoming_post", "combined", "author"), _COMMON),
    **dict.fromkeys(("raw_expert_help", "conversation_actions"), _COMMON),
    "conversation": _COMMON | {"open_at_end"},
    "raw_agent_states": _COMMON | {"team_ids"},
    "team_performance": _COMMON | _TEAMS,
    "team_performance_interval": _COMMON | _TEAMS | {"time_interval"},
    "response_approval": _COMMON | _TEAMS,
    "conversation_history_action": _COMMON | {"raise_limit"},
    "user": frozenset({"report_format", "report_metrics", "locale", "include_disabled", "agent_ids", "team_ids"}),
    "marketing": _COMMON | {"campaign_id"},
}


class ReportFormat(Enum):
    """The form of an export's file."""

    json = "json"
    csv = "csv"


class BusinessHours(Enum):
    """Which hours count: those inside or outside the company's business hours."""

    inside = "inside"
    outside = "outside"


class ExportOptions(dg.Config):
    """What to ask of an export; what is not given is as the deployment's settings say, else as the vendor has it."""

    report_format: ReportFormat | None = Field(default=None, description="json (default) or csv.")
    report_metrics: list[str] | None = Field(
        default=None,
        description="Columns to ask for, such as CONVERSATION_ID; all that the company has enabled if not.",
    )
    priorities: list[int] | None = Field(default=None, description="Priorities of conversations, 0 to 5; all if not.")
    smart_view_id: str | None = Field(default=None, description="One smart view's id.")
    work_queue_ids: list[str] | None = Field(default=None, description="Ids of work queues; all if not.")
    agent_ids: list[str] | None = Field(default=None, description="Ids of agents (export `user`); all if not.")
    team_ids: list[str] | None = Field(default=None, description="Ids of teams, as in khoros_care/teams; all if not.")
    campaign_id: str | None = Field(default=None, description="One campaign's id (Publishing exports).")
    include_disabled: bool | None = Field(default=None, description="Include agents that are turned off; no if not.")
    business_hours: BusinessHours | None = Field(
        default=None, description="Count business hours only, or those outside; around the clock if not."
    )
    time_interval: int | None = Field(
        default=None, description="Length of an interval in milliseconds (team_performance_interval); one hour if not."
    )
    raise_limit: bool | None = Field(
        default=None, description="Up to 2,000 actions a conversation instead of 500 (conversation_history_action)."
    )
    open_at_end: bool | None = Field(
        default=None, description="Also ask for conversations open at the day's end (conversation); no if not."
    )
    locale: str | None = Field(
        default=None, description="Language of titles and texts: en, es, fr, de, tr, or as en_US; the vendor's if not."
    )
    timezone: str | None = Field(
        default=None,
        description="IANA time zone in which the vendor writes dates, such as America/Chicago; UTC if not. Days "
        "are UTC days and columns UTC in any case.",
    )

    def check(self, export: str) -> None:
        """Raise `ConfigurationError` for what an export does not take, or that cannot be."""
        taken = _taken(export)
        if foreign := [name for name, _ in self.given() if name not in taken]:
            raise ConfigurationError(
                f"The export {export} does not take {', '.join(foreign)}.",
                f"It takes {', '.join(sorted(taken))}. {_REMEDY}",
            )
        if not all(0 <= priority <= 5 for priority in self.priorities or ()):
            raise ConfigurationError(f"Priorities are 0 to 5, and {_joined(self.priorities)} are asked for.", _REMEDY)
        if self.time_interval is not None and self.time_interval <= 0:
            raise ConfigurationError(f"An interval of {self.time_interval} milliseconds cannot be.", _REMEDY)
        try:
            # Not all that lies in a machine's folder of zones is one of IANA's.
            pl.Series([datetime(2025, 1, 1)], dtype=pl.Datetime).dt.replace_time_zone(self.timezone or "UTC")  # noqa: DTZ001
        except pl.exceptions.ComputeError as error:
            raise ConfigurationError(
                f"{self.timezone} is no time zone.", "Name one of IANA's, such as America/Chicago."
            ) from error

    def params(self, export: str) -> list[tuple[str, str]]:
        """The query of a submission, in one order whatever was given first."""
        found = [("reportFormat", self.form)]
        found += [("reportMetrics", name) for name in self.report_metrics or ()]
        for name, value in (
            ("priorities", _joined(self.priorities)),
            ("smartViewId", self.smart_view_id),
            ("workqueueIds", _joined(self.work_queue_ids)),
            ("campaignId", self.campaign_id),
            ("locale", self.locale),
            ("timezone", self.timezone),
        ):
            found += [(name, value)] if value else []
        if export == "user":
            found += [("agentId", each) for each in self.agent_ids or ()]
            found += [("teamId", each) for each in self.team_ids or ()]
        elif self.team_ids:
            found.append(("teamIds", _joined(self.team_ids)))
        if self.business_hours:
            inside = self.business_hours is BusinessHours.inside
            found += [("enableBusinessHour", "true"), ("businessHourType", str(inside).lower())]
        found += [("includeDisabled", "true")] if self.include_disabled else []
        found += [("raiselimit", "true")] if self.raise_limit else []
        if export == "team_performance_interval":
            found.append(("timeInterval", str(self.time_interval or 3_600_000)))
        return found

    @property
    def form(self) -> str:
        """The ending of a file's name."""
        return (self.report_format or ReportFormat.json).value

    def mark(self, export: str) -> str:
        """What tells files of other options apart; empty for those of none. The format is told by the file's name."""
        told = [pair for pair in self.params(export) if pair[0] != "reportFormat"]
        plain = ExportOptions().params(export)
        if [pair for pair in told if pair not in plain] == []:
            return ""
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]

    def over(self, others: "ExportOptions") -> "ExportOptions":
        """These, and what only the others give."""
        return ExportOptions(**(dict(others.given()) | dict(self.given())))

    def given(self) -> Iterator[tuple[str, Any]]:
        """The options that are given, by name."""
        for name in ExportOptions.model_fields:
            value = getattr(self, name)
            if value is not None:
                yield name, value


class KhorosCareConfig(ExtractionConfig, ExportOptions):
    """What to do differently this once."""


def options_of(export: str, config: ExportOptions, settings: str) -> ExportOptions:
    """What to ask of an export: what a launch says, then what the settings say of this export, then of every one.

    `settings` is a JSON object of options by export, with `*` for those of every one that takes them.
    """
    try:
        known: dict[str, dict[str, Any]] = json.loads(settings or "{}")
        if unknown := [name for name in known if name != _EVERYWHERE and _family(name) not in _TAKEN]:
            raise ValueError(f"there is no export {', '.join(unknown)}")
        everywhere, of_this = (ExportOptions(**_checked(known.get(key, {}))) for key in (_EVERYWHERE, export))
    except (ValueError, TypeError, AttributeError, ValidationError) as error:
        raise ConfigurationError(
            f"{SETTING} is no JSON object of options by export: {error}.",
            'An example: {"*": {"locale": "en"}, "conversation": {"priorities": [0, 1]}}.',
        ) from error
    taken = _taken(export)
    general = ExportOptions(**{name: value for name, value in everywhere.given() if name in taken})
    chosen = config.over(of_this).over(general)
    chosen.check(export)
    return chosen


def _taken(export: str) -> frozenset[str]:
    return _TAKEN.get(_family(export), _COMMON)


def _family(export: str) -> str:
    """An export's id, or what the ids of all Publishing exports begin with."""
    return export.partition("/")[0]


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    """Options of the settings; Dagster would pass over a name that it does not know."""
    if unknown := options.keys() - ExportOptions.model_fields.keys():
        raise ValueError(f"there is no option {', '.join(sorted(unknown))}")
    return options


def _joined(values: list[Any] | None) -> str:
    return ",".join(map(str, values or ()))
