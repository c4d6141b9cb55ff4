"""What conversations promise beside what every daily table does."""

import dagster as dg
from duckdb import DuckDBPyConnection

from contact_analytics.lib.checks import counted
from contact_analytics.lib.completeness import archive_and_table_agree
from contact_analytics.lib.dataset import PARTITION, Check, Dataset, Known, Reasons

_SHOWN_IDS = 5
# Lists of the account's, the column that refers to one, and what it may hold.
_LISTS = (
    ("users", "latest_agent_id", "select id::varchar from liveperson.users union select pid from liveperson.users"),
    ("skills", "latest_skill_id", "select id from liveperson.skills"),
)


def _on_several_days(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    return counted(
        connection,
        f"select {PARTITION}, count(*) from {dataset.sql_name} where conversation_id in (select conversation_id from "
        f"{dataset.sql_name} group by all having count(*) > 1) group by all",
        "conversations are in the table more than once",
    )


def _cut(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    return counted(
        connection,
        f"select {PARTITION}, count(*) from {dataset.sql_name} where is_partial group by all",
        "conversations that the vendor cut even when asked for them by their ids",
    )


def _strangers(connection: DuckDBPyConnection, dataset: Dataset, known: Known) -> Reasons:
    """Days whose last agents or skills are in no list of the account's."""
    has = {
        name
        for (name,) in connection.execute(
            "select table_name from duckdb_tables() where schema_name = ?", [dataset.vendor]
        ).fetchall()
    }
    reasons: dict[str, Reasons] = {
        what: _unknown(connection, dataset, what, column, keys) for what, column, keys in _LISTS if what in has
    }
    days = {day for each in reasons.values() for day in each}
    return {day: "; ".join(each[day] for each in reasons.values() if day in each) for day in days}


def _unknown(connection: DuckDBPyConnection, dataset: Dataset, what: str, column: str, keys: str) -> Reasons:
    rows = connection.execute(
        f"select {PARTITION}, list_sort(list(distinct {column}::varchar)) from {dataset.sql_name} "
        f"anti join (select k as {column} from ({keys}) as listed(k)) using ({column}) "
        f"where {column} is not null group by all"
    ).fetchall()
    return {
        day: f"{column} {', '.join(ids[:_SHOWN_IDS])}{' …' if len(ids) > _SHOWN_IDS else ''} not in liveperson.{what}"
        for day, ids in rows
    }


_ERROR, _WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
CONVERSATION_CHECKS = (
    # Pages of a search that is not whole yet lie beside those that a day was loaded from.
    archive_and_table_agree(),
    Check(
        "conversations_are_in_one_day_only",
        "No conversation is in the table twice, over all days.",
        _ERROR,
        _on_several_days,
    ),
    Check("no_conversation_is_cut", "No conversation is truncated by the vendor.", _WARN, _cut),
    Check(
        "last_agents_and_skills_are_known",
        "Every `latest_agent_id` is in `liveperson.users` and every `latest_skill_id` in `liveperson.skills`, once "
        "those are loaded. Materialize them again if a new agent or skill is missing.",
        _WARN,
        _strangers,
    ),
)
