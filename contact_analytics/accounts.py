"""Several accounts in one deployment: each is a code location of its own, with settings from a file of its own.

`accounts/acme.env` (the folder is CONTACT_ANALYTICS_ACCOUNTS) has the variables of `.env.example` that are acme's. What
it does not set is the environment's, and where things are kept gets the account's name behind it. Dagster loads an
account as an attribute of this module; `python -m contact_analytics.accounts` prints the `workspace.yaml` for it.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

import dagster as dg
from dotenv import dotenv_values

from contact_analytics.lib.account import VARIABLE, check_account
from contact_analytics.lib.errors import ConfigurationError
from contact_analytics.lib.lake import PREFIX
from contact_analytics.places import PLACES, PUBLISH, WAREHOUSE

_FOLDER = "CONTACT_ANALYTICS_ACCOUNTS"
# The file whose settings the environment has.
_FILE = "CONTACT_ANALYTICS_ACCOUNT_FILE"
_DEFINITIONS = "contact_analytics.definitions"
# The account that this process has loaded.
_loaded: list[str] = []


def __getattr__(name: str) -> dg.Definitions:
    """The definitions of an account, for Dagster, which asks for them by name."""
    path = _folder() / f"{name}.env"
    if name.startswith("_") or not path.is_file():
        raise AttributeError(f"{path} is not there, so {name} is no account.")
    return definitions_of(name, path)


def names() -> list[str]:
    """The accounts that have a file, in order. Raises `ConfigurationError` for a name that cannot be one."""
    found = sorted(path.stem for path in _folder().glob("*.env") if path.stem)
    for name in found:
        check_account(name, f"{_folder() / name}.env")
    return found


def definitions_of(name: str, path: Path) -> dg.Definitions:
    """The code location of an account. A process works for one: its settings are the process's."""
    check_account(name, str(path))
    before = _loaded[0] if _loaded else "another one, or for none," if _DEFINITIONS in sys.modules else name
    if before != name:
        raise ConfigurationError(
            f"This process works for {before} and was to load {name}.",
            "Each account needs a process of its own: start Celery's workers with --max-tasks-per-child=1.",
        )
    if os.environ.get(_FILE) != str(path):  # A process that the account's has started has its settings already.
        os.environ.update({**settings_of(name, path), _FILE: str(path)})
    _loaded[:] = [name]
    return import_module(_DEFINITIONS).defs


def settings_of(name: str, path: Path) -> dict[str, str]:
    """An account's environment: what its file says, and its own part of what all accounts share.

    A place that the file gives as `.env.example` does is not the account's own, nor is an empty variable.
    """
    given = {key: value for key, value in dotenv_values(path).items() if value}
    own = {key: value for key, value in given.items() if value != PLACES.get(key)}
    shared = {key: os.environ.get(key) or default for key, default in PLACES.items()}
    places = {key: _part(key, place, name) for key, place in shared.items() if place}
    return {**places, **own, VARIABLE: name}


def _part(key: str, place: str, name: str) -> str:
    """An account's part of a place that all share."""
    if key not in (WAREHOUSE, PUBLISH):
        return f"{place.rstrip('/')}/{name}"
    # In a lake it is a schema of the catalog that is the account's own.
    return place if place.startswith(PREFIX) else str(Path(place).parent / name / Path(place).name)


def workspace() -> str:
    """The text of a `workspace.yaml` with a code location an account."""
    _check_apart()
    module = "  - python_module:\n      module_name: contact_analytics.accounts"
    locations = [f"{module}\n      attribute: {name}\n      location_name: {name}\n" for name in names()]
    if not locations:
        raise ConfigurationError(
            f"{_folder()} holds no account.", "Put a file for each account there, such as acme.env: see .env.example."
        )
    return "# Made by `python -m contact_analytics.accounts`.\nload_from:\n" + "".join(locations)


def _check_apart() -> None:
    """Raise `ConfigurationError` for accounts that would keep something in the same place."""
    taken = dict[tuple[str, str], str]()
    for name in names():
        found = settings_of(name, _folder() / f"{name}.env")
        for key in PLACES.keys() & found.keys():
            place = found[key]
            other = taken.setdefault((key, place), name)
            if other != name and not place.startswith(PREFIX):
                raise ConfigurationError(
                    f"{key} of {other} and of {name} is {place}, so that they would take each other's for their own.",
                    "Leave it out of both files: each then has a part of its own.",
                )


def _folder() -> Path:
    return Path(os.environ.get(_FOLDER) or "accounts").absolute()


if __name__ == "__main__":
    sys.stdout.write(workspace())
