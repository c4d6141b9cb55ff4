"""LivePerson's domain lookup: which host serves an API for an account."""

import httpx

from contact_analytics.lib.errors import ConfigurationError, RequestRejected, UnexpectedAnswer
from contact_analytics.lib.http import Caller, check_scheme


def base_uri(caller: Caller, domain_url: str, account_id: str, service: str) -> str:
    """The base URL of a service such as `sentinel`; a `baseURI` that comes with a scheme is used as it is."""
    url = f"{domain_url}/api/account/{account_id}/service/{service}/baseURI.json"
    try:
        answer = caller.get(url, params={"version": "1.0"})
        host = str(answer.json()["baseURI"])
    except RequestRejected as error:
        raise ConfigurationError(
            f"LivePerson knows no service {service} of the account {account_id}: {error.happened}",
            "Check LIVEPERSON_ACCOUNT_ID and LIVEPERSON_DOMAIN_URL.",
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UnexpectedAnswer(
            f"LivePerson's domain lookup of {service} answered without a baseURI.", "Check LIVEPERSON_DOMAIN_URL."
        ) from error
    return check_scheme(host if httpx.URL(host).scheme in ("http", "https") else f"https://{host}", "baseURI")
