"""Addresses: which may be asked, which may get credentials, and how they are shown."""

import ipaddress
from functools import cache

import httpx
from publicsuffixlist import PublicSuffixList

from contact_analytics.lib.errors import ConfigurationError, UnexpectedAnswer


def check_scheme(url: str, setting: str) -> str:
    """The URL of a setting, refused unless it is https, or http on loopback."""
    parsed = _parsed(url)
    if parsed and (_is_https(parsed) or _is_loopback_http(parsed)):
        return url.rstrip("/")
    raise ConfigurationError(
        f"{setting} is {shown(url) or 'empty'}, which is not an https:// address.",
        "Plain http:// is accepted for loopback only: credentials and customers' data would travel in the clear.",
    )


def followed(link: str, base: str | httpx.URL, vendor: str) -> str:
    """A vendor's link as it may be asked: absolute, and https unless the API itself is on loopback."""
    parsed = _parsed(link)
    absolute = httpx.URL(base).join(parsed) if parsed and (parsed.host or not parsed.scheme) else None
    if absolute and (_is_https(absolute) or (_is_loopback_http(absolute) and _is_loopback_http(httpx.URL(base)))):
        return str(absolute)
    raise UnexpectedAnswer(
        f"{vendor}: the link {shown(link)} is not an https:// address.",
        "It is not followed, as customers' data would travel in the clear: check the base URL's setting.",
    )


def same_site(link: str | httpx.URL, base: str | httpx.URL) -> bool:
    """Whether a link may be sent the credentials of `base`: same registrable domain, or both on loopback.

    A link that leaves https does not share anything with a base that has it.
    """
    there, here = _parsed(link), httpx.URL(base)
    if not there or there.scheme != here.scheme:
        return False
    if there.host == here.host:
        return True
    if _is_loopback(there.host) or _is_loopback(here.host):
        return _is_loopback(there.host) and _is_loopback(here.host)
    domain = _registrable(here.host)
    return domain is not None and domain == _registrable(there.host)


def shown(url: str | httpx.URL) -> str:
    """A URL as it may be logged: without query, fragment and credentials."""
    parsed = _parsed(url)
    return str(parsed.copy_with(query=None, fragment=None, userinfo=b"")) if parsed else "no valid address"


def _parsed(url: str | httpx.URL) -> httpx.URL | None:
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, UnicodeEncodeError):
        return None


def _is_https(url: httpx.URL) -> bool:
    return url.scheme == "https" and bool(url.host)


def _is_loopback_http(url: httpx.URL) -> bool:
    return url.scheme == "http" and _is_loopback(url.host)


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address else host == "localhost"


def _registrable(host: str) -> str | None:
    """`liveperson.net` of `va.da.liveperson.net`; an IP address belongs to no domain."""
    return None if _address(host) else _suffixes().privatesuffix(host)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
