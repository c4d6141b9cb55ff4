"""The account that this process works for, where one deployment has several: whose assets, pools and rows are apart."""

import os
import re

import dagster as dg

from contact_analytics.lib.errors import ConfigurationError

VARIABLE = "CONTACT_ANALYTICS_ACCOUNT"
# The column that tells accounts apart, where they have names, and what it means.
COLUMN, ACCOUNT = "_account", "Account that the row belongs to"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")


def account() -> str:
    """Its name; empty where there is one account, which needs none. Raises `ConfigurationError` for an unfit one."""
    name = os.environ.get(VARIABLE, "")
    if name:
        check_account(name, VARIABLE)
    return name


def check_account(name: str, where: str) -> None:
    """Raise `ConfigurationError` for what cannot be a part of asset keys, pools, schemas and folders alike."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{where} names the account {name!r}.",
            "Name it by small letters, digits and underscores, a letter first, 31 at most: acme_uk.",
        )


def key_of(table: str) -> dg.AssetKey:
    """The asset of a table: its schema and name, behind the account's where it has one."""
    return dg.AssetKey([*filter(None, [account()]), *table.split(".")])


def pool_of(api: str) -> str:
    """The pool of an API, whose limits are the account's own."""
    return "_".join(filter(None, [account(), api]))
