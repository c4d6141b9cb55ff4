"""LivePerson's domain lookup: which host serves an API for an account."""

from contact_analytics.lib.errors import ConfigurationError, RequestRejected, UnexpectedAnswer
from contact_analytics.lib.http import Caller
from contact_analytics.lib.links import followed, same_site, shown


def base_uri(caller: Caller, domain_url: str, account_id: str, service: str) -> str:
    """The base URL of a service such as `sentinel`; a `baseURI` that comes with a scheme is used as it is.

    Credentials are sent there, so it is a sibling of the domain lookup's own host or nothing.
    """
    url = f"{domain_url}/api/account/{account_id}/service/{service}/baseURI.json"
    try:
        host = caller.get(url, params={"version": "1.0"}).json()["baseURI"]
        link = followed(host if "://" in host else f"https://{host}", domain_url, "LivePerson's domain lookup")
    except RequestRejected as error:
        raise ConfigurationError(
            f"LivePerson knows no service {service} of the account {account_id}: {error.happened}",
            "Check LIVEPERSON_ACCOUNT_ID and LIVEPERSON_DOMAIN_URL.",
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnexpectedAnswer(
            f"LivePerson's domain lookup of {service} answered without a baseURI.", "Check LIVEPERSON_DOMAIN_URL."
        ) from error
    if not same_site(link, domain_url):
        raise UnexpectedAnswer(
            f"LivePerson's domain lookup says that {service} is at {shown(link)}, which is not a host of LivePerson's.",
            "No credentials were sent there. Check LIVEPERSON_DOMAIN_URL.",
        )
    return link.rstrip("/")
