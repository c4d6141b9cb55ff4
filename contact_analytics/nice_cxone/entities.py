"""What an entity of the Data Extraction API is: facts, so that a new version is configuration."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dataframely as dy
from pydantic import Field

from contact_analytics.lib.checks import EXPORT_CHECKS
from contact_analytics.lib.config import ExtractionConfig
from contact_analytics.lib.dataset import Dataset, Repeats
from contact_analytics.lib.errors import ConfigurationError

SETTING = "NICE_CXONE_VERSIONS"
ENTITIES = frozenset({"qm-workflows", "qm-questions", "recording-interaction-metadata"})
_EXAMPLE = 'An example: {"qm-workflows": "3"}.'
# It becomes part of files' names, whose parts are separated by underscores.
_VERSION = re.compile(r"[0-9A-Za-z.-]{1,20}")
_DOCUMENTATION = "https://help.nicecxone.com/Content/recording/dataextractionapi.htm"
# New data takes up to half an hour.
_LATENESS = timedelta(minutes=30)


@dataclass(frozen=True)
class Entity:
    """An entity by the vendor's name, the version that is asked for unless the settings say another, and the columns
    that date a row: the first of them that is not blank."""

    name: str
    version: str
    dated_by: tuple[str, ...]


class NiceCxoneConfig(ExtractionConfig):
    """What to do differently this once."""

    version: str | None = Field(
        default=None,
        description="Version of the entity to ask for; as the settings say, else the newest known.",
    )


def extracted(name: str, schema: type[dy.Schema], **options: Any) -> Dataset:
    """The table of an entity: its rows are of the day, and the last of a key stands. No retention is published."""
    return Dataset(
        vendor="nice_cxone",
        name=name,
        schema=schema,
        documentation=_DOCUMENTATION,
        retention=None,
        lateness=_LATENESS,
        repeats=Repeats.LATEST,
        of_the_day=True,
        checks=EXPORT_CHECKS,
        **options,
    )


def version_of(entity: Entity, config: NiceCxoneConfig, settings: str) -> str:
    """The version to ask for: what a launch says, then the settings, a JSON object of versions by entity."""
    version = str(config.version or _versions(settings).get(entity.name) or entity.version)
    if not _VERSION.fullmatch(version):
        raise ConfigurationError(f"{version:.40} is no version of {entity.name}.", 'It is a number such as "4".')
    return version


def _versions(settings: str) -> Mapping[str, Any]:
    """The settings' versions by entity."""
    try:
        known = {name.replace("_", "-"): version for name, version in json.loads(settings or "{}").items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise ConfigurationError(f"{SETTING} is no JSON object of versions by entity: {error}.", _EXAMPLE) from error
    if unknown := sorted(known.keys() - ENTITIES):
        raise ConfigurationError(
            f"{SETTING} names {', '.join(unknown):.100}; there are {', '.join(sorted(ENTITIES))}.", _EXAMPLE
        )
    return known
