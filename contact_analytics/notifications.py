"""What people are told by a webhook: runs that failed, checks that failed, and days that a vendor deletes soon.

A run is told of once. Where the receiver is down through all tries, the sensor's tick fails, which Dagster's UI shows,
and the message is not sent again.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import dropwhile

import dagster as dg

from contact_analytics import settings
from contact_analytics.lib.account import key_of
from contact_analytics.lib.day_range import days_of
from contact_analytics.lib.http import in_short
from contact_analytics.lib.retention import Day, first_to_go
from contact_analytics.lib.webhook import URL, WebhookResource

# Dagster's own tags of a run.
_WILL_RETRY, _RETRY_NUMBER = "dagster/will_retry", "dagster/retry_number"
_SHOWN_STEPS, _SHOWN_DAYS, _SHOWN_CHECKS, _SHOWN_REASONS, _SHOWN_ENDANGERED = 5, 10, 10, 3, 20
# Evaluations of one check among which a run's is looked for, should the sensor be behind.
_LOOKED_BACK = 50
# Of a long error its beginning is shown, and its end, which says what to do.
_HEAD_CHARACTERS, _TAIL_CHARACTERS, _REASON_CHARACTERS = 700, 250, 200
_STATUS = dg.DefaultSensorStatus.RUNNING if settings.text(URL) else dg.DefaultSensorStatus.STOPPED
_OFF = dg.SkipReason(f"{URL} is not set: nobody is told.")


@dg.run_failure_sensor(
    default_status=_STATUS,
    description="Tells the webhook of each run that failed: which assets and days, why, and what to do. "
    f"It is on where {URL} is set.",
)
def notify_failures(context: dg.RunFailureSensorContext, webhook: WebhookResource) -> dg.SkipReason | None:
    if not webhook.url:
        return _OFF
    run, events = context.dagster_run, context.get_step_failure_events()
    names, days = _names(context.instance, run.run_id), _days(run.tags)
    if events:
        failed = _in_words(dict.fromkeys(names.get(str(event.step_key), str(event.step_key)) for event in events))
        errors = _first([_error(event, names, days) for event in events], _SHOWN_STEPS)
    else:
        # The run ended outside of its steps: its process died, or a resource could not be made.
        failed = _in_words(_unfinished(context.instance, run.run_id, names)) or f"The job {run.job_name}"
        errors = [f"{_of(failed, days)}: {_cause(context.failure_event)}"]
    lines = [*errors, *_check_lines(_failed_checks(context.instance, run.run_id)), _advice(run.tags)]
    _post(webhook, f"{failed} failed", lines, run.run_id)
    return None


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    default_status=_STATUS,
    description="Tells the webhook of checks of severity ERROR that failed in a run that succeeded, of each once a UTC "
    f"day while it goes on failing. It is on where {URL} is set.",
)
def notify_failed_checks(context: dg.RunStatusSensorContext, webhook: WebhookResource) -> dg.SkipReason | None:
    if not webhook.url:
        return _OFF
    instance, run_id = context.instance, context.dagster_run.run_id
    news = [check for check in _failed_checks(instance, run_id) if not _failed_before(instance, check, run_id)]
    if news:
        advice = "The run itself succeeded. The checks' pages have all days and reasons."
        _post(webhook, "Checks failed", [*_check_lines(news), advice], run_id)
    return None


def notify_endangered(webhook: WebhookResource, days: Sequence[Day]) -> None:
    """Tell of days that are soon deleted and not safe, the most endangered first; of none, nothing is sent."""
    if not days:
        return
    lines = [
        f"{day.dataset.table}, {day.day}: {max(day.days_left or 0, 0):.1f} days left, until {day.deleted_from_in_words}"
        for day in sorted(days, key=first_to_go)
    ]
    advice = "Press Materialize… on these assets and choose these days, the first ones first."
    title = f"Days to load before the vendor deletes them: {len(days)}"
    lines = [*_first(lines, _SHOWN_ENDANGERED), advice]
    webhook.post(title, lines, name="Retention clock", path=f"assets/{'/'.join(key_of('meta.retention_clock').path)}")


def _post(webhook: WebhookResource, title: str, lines: Sequence[str], run_id: str) -> None:
    webhook.post(title, lines, name=f"Run {run_id}", path=f"runs/{run_id}")


def _names(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """The asset of each step that was to make one."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED).records
    planned = [event for record in records if (event := record.event_log_entry.dagster_event)]
    return {str(event.step_key): _name(event.asset_materialization_planned_data.asset_key) for event in planned}


def _unfinished(instance: dg.DagsterInstance, run_id: str, names: Mapping[str, str]) -> list[str]:
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_SUCCESS).records
    done = {record.event_log_entry.step_key for record in records}
    return [name for step, name in names.items() if step not in done]


def _name(key: dg.AssetKey) -> str:
    return key.to_user_string()


def _error(event: dg.DagsterEvent, names: Mapping[str, str], days: str) -> str:
    """What a step failed of, in our words where it is one of our errors, which hold no secret."""
    step, data = str(event.step_key), event.step_failure_data
    failure, error = data.user_failure_data, data.error
    if failure and failure.description and error:
        failed = failure.metadata.get("failed_days")
        if isinstance(failed, dg.JsonMetadataValue) and isinstance(failed.value, list):
            days = ", ".join(_first([str(day) for day in failed.value], _SHOWN_DAYS))
        words = _shortened(f"{error.cls_name}: {failure.description}")
    else:
        words = _cause(event)
    return f"{_of(names.get(step, step), days)}: {words}"


def _cause(event: dg.DagsterEvent) -> str:
    """The first error of those that led to a failure, or Dagster's own word where there is none."""
    data = event.step_failure_data if event.is_step_failure else event.job_failure_data
    # Where Dagster found a run dead, there is no data.
    error = data.error if data else None
    while error and error.cause:
        error = error.cause
    return in_short(error.message if error else event.message or "")


def _shortened(text: str) -> str:
    if len(text) <= _HEAD_CHARACTERS + _TAIL_CHARACTERS:
        return text
    return f"{text[:_HEAD_CHARACTERS]} … {text[-_TAIL_CHARACTERS:]}"


def _failed_checks(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetCheckEvaluation]:
    """The checks of severity ERROR that failed in a run; of a step that was tried again, the last try counts."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    checks = [check for record in records if (check := _evaluation(record.event_log_entry))]
    return [check for check in {check.asset_check_key: check for check in checks}.values() if _is_error(check)]


def _failed_before(instance: dg.DagsterInstance, check: dg.AssetCheckEvaluation, run_id: str) -> bool:
    """Whether the run before, on the same UTC day, found the check failing, too: some look each hour."""
    history = instance.event_log_storage.get_asset_check_execution_history(check.asset_check_key, _LOOKED_BACK)
    entries = [record.event for record in history if record.event and _evaluation(record.event)]
    since = list(dropwhile(lambda entry: entry.run_id != run_id, entries))
    before = next((entry for entry in since if entry.run_id != run_id), None)
    evaluation = before and _evaluation(before)
    return bool(before and evaluation and _is_error(evaluation) and _utc_day(before) == _utc_day(since[0]))


def _evaluation(entry: dg.EventLogEntry) -> dg.AssetCheckEvaluation | None:
    event = entry.dagster_event
    is_evaluation = event and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    return event.asset_check_evaluation_data if event and is_evaluation else None


def _is_error(check: dg.AssetCheckEvaluation) -> bool:
    return not check.passed and check.severity is dg.AssetCheckSeverity.ERROR


def _utc_day(entry: dg.EventLogEntry) -> date:
    return datetime.fromtimestamp(entry.timestamp, UTC).date()


def _check_lines(checks: Sequence[dg.AssetCheckEvaluation]) -> list[str]:
    return _first([_check(check) for check in checks], _SHOWN_CHECKS)


def _check(check: dg.AssetCheckEvaluation) -> str:
    tables = [value for value in check.metadata.values() if isinstance(value, dg.TableMetadataValue)]
    rows = [": ".join(map(str, record.data.values())) for table in tables for record in table.records]
    reasons = [row[:_REASON_CHARACTERS] for row in ([check.description] if check.description else rows)]
    said = f"{_name(check.asset_key)}: the check {check.check_name} failed"
    return ": ".join([said, "; ".join(_first(reasons, _SHOWN_REASONS))]) if reasons else f"{said}."


def _advice(tags: Mapping[str, str]) -> str:
    before = f" This was its retry {tags[_RETRY_NUMBER]}." if _RETRY_NUMBER in tags else ""
    if tags.get(_WILL_RETRY) == "true":
        return f"Dagster runs it again by itself: nothing to press now.{before}"
    choice = " and choose the days" if _days(tags) else ""
    return (
        f"Dagster does not run it again by itself.{before} When the cause is gone, press Materialize… on the "
        f"asset{choice}, or Re-execute from failure on the run. What is stored stays."
    )


def _days(tags: Mapping[str, str]) -> str:
    """The days of a run, or nothing where it is not for days."""
    first, last = days_of(tags) or ("", "")
    return first if first == last else f"{first} to {last}"


def _of(name: str, days: str) -> str:
    return f"{name}, {days}" if days else name


def _in_words(names: Iterable[str]) -> str:
    return ", ".join(_first(list(names), _SHOWN_STEPS))


def _first(items: Sequence[str], most: int) -> list[str]:
    more = len(items) - most
    return [*items[:most], *([f"and {more} more"] if more > 0 else [])]
