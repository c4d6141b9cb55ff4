"""What the Analytics Reports API answers: an envelope whose `result` is an object, a list of one, or a text."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from contact_analytics.khoros_care.options import SETTING
from contact_analytics.lib.errors import RequestRejected, UnexpectedAnswer
from contact_analytics.lib.http import Api, check, excerpt, in_short
from contact_analytics.lib.links import shown

API = Api(
    "Khoros Care Analytics Reports",
    "Check KHOROS_CARE_USERNAME, KHOROS_CARE_PASSWORD and KHOROS_CARE_COMPANY_KEY, and that Khoros' support has "
    "enabled the Analytics Reports API for this user.",
    throttles=True,
)


@dataclass(frozen=True)
class Submission:
    """An export that was accepted: its two ids, and the address of its status if the answer has one."""

    workflow_id: str
    run_id: str
    status_url: str


@dataclass(frozen=True)
class Report:
    """How an export is: the runner's state, how it closed, why, and the addresses of its file and its next status."""

    runner_state: str
    detail: str
    reason: str
    download_url: str
    status_url: str

    @property
    def said(self) -> str:
        return in_short(" ".join(filter(None, (self.runner_state or "no state", self.detail, self.reason))))


def result_of(response: httpx.Response) -> Any:
    """The result in an answer's envelope, whatever content type it has.

    Raises `RequestRejected` with the vendor's words if the answer is an error in an envelope.
    """
    try:
        envelope = json.loads(response.content)
        status, result = envelope["status"], envelope["result"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _unexpected(response, f"{type(error).__name__} {error}") from error
    if str(status).casefold() != "pass" or isinstance(result, str):
        raise _refused(response, "The vendor's words say what it does not take.")
    return result


def submission(response: httpx.Response) -> Submission:
    """The export that an answer accepts. Raises what `check` does for one that does not."""
    if response.status_code == 400:
        raise _refused(response, "It is answered so without a word as to why: look at its metrics, ids and locale.")
    check(response, API)
    result = result_of(response)
    accepted = _object(result[0] if isinstance(result, list) and len(result) == 1 else result)
    try:
        workflow_id, run_id = accepted["workflowId"], accepted["runId"]
        if not (isinstance(workflow_id, str) and isinstance(run_id, str) and workflow_id and run_id):
            raise TypeError("its ids are no text")
    except (TypeError, KeyError) as error:
        raise _unexpected(response, f"{type(error).__name__} {error}") from error
    return Submission(workflow_id, run_id, _text(accepted.get("statusUrl")))


def report(response: httpx.Response, run_id: str) -> Report | None:
    """How the export with a run id is; None if the vendor knows of none."""
    result = result_of(response)
    found = [_object(each) for each in (result if isinstance(result, list) else [result])]
    named = [each for each in found if _object(each.get("jobInfo")).get("runId") == run_id]
    chosen = named or (found if len(found) == 1 else [])
    if not chosen:
        return None
    about, state = _object(chosen[0].get("jobInfo")), _object(chosen[0].get("result"))
    detail = _text(state.get("detail")) or _text(state.get("details"))
    return Report(
        _text(state.get("runnerState")).upper(),
        detail.upper(),
        _text(state.get("reason")),
        _text(about.get("downloadUrl")),
        _text(about.get("statusUrl")),
    )


def _refused(response: httpx.Response, hint: str) -> RequestRejected:
    asked = f"{response.request.method} {shown(response.request.url)}"
    return RequestRejected(
        f"{API.name}: {asked} was refused ({response.status_code}): {excerpt(response)}",
        f"Nothing stored was changed. Change the launch's config or {SETTING}. {hint}",
    )


def _unexpected(response: httpx.Response, why: str) -> UnexpectedAnswer:
    return UnexpectedAnswer(
        f"{API.name}: {shown(response.request.url)} was answered {response.status_code} in an unknown shape ({why}): "
        f"{excerpt(response)}",
        "Nothing of it was kept. A proxy or a login page may stand in between: check KHOROS_CARE_URL and the network.",
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
