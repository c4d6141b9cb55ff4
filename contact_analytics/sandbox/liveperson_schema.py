"""The Avro schema that `/le/schema` answers with, written from the formats of the files.

LivePerson publishes its text nowhere; names of unnamed records and the values of some enums are the sandbox's own.
"""

from collections.abc import Iterable
from typing import Any

import polars as pl

from contact_analytics.lib.avro_json import Array, Json, Record, Scalar
from contact_analytics.lib.wire import Node
from contact_analytics.liveperson.files import FileFormat
from contact_analytics.liveperson.records import NAMESPACE

_BARE: dict[type[pl.DataType], str] = {
    pl.String: "string",
    pl.Int32: "int",
    pl.Int64: "long",
    pl.Datetime: "long",
    pl.Float64: "double",
    pl.Boolean: "boolean",
}
_ENUMS = {
    "DataTypeEnum": ["AgentActivity", "WebSession", "Engagement", "Survey"],
    "ConversationType": ["LIVE_CHAT", "MESSAGING"],
    "DeviceType": ["NA", "DESKTOP", "TABLET", "MOBILE"],
    "ControlGroupEnum": ["NA", "TEST", "CONTROL"],
}


def avro_schema(formats: Iterable[FileFormat]) -> dict[str, Any]:
    """The schema of an envelope whose body may be any of the formats' branches."""
    formats = list(formats)
    names: set[str] = set()
    envelope = formats[0].documented
    bodies = {wire: branch for known in formats for wire, branch in known.branches.values()}
    body = {"name": "body", "type": [_record(wire, branch, names) for wire, branch in bodies.items()]}
    item = {"type": "record", "name": "RecordCollectionItem", "fields": [body]}
    return {
        "type": "record",
        "name": "DataAccessRecord",
        "namespace": NAMESPACE.rstrip("."),
        "fields": [
            {"name": "dataType", "type": _type(envelope.fields["data_type"][1], "DataType", names)},
            {"name": "metaData", "type": _record("MetaData", _as_record(envelope.fields["metadata"][1]), names)},
            {"name": "recordCollection", "type": {"type": "array", "items": item}},
        ],
    }


def _as_record(node: Node) -> Record:
    assert isinstance(node, Record)
    return node


def _record(name: str, record: Record, names: set[str]) -> Any:
    """A record's definition where it is named first, its name after that, as Avro wants it."""
    name = name.removeprefix(NAMESPACE)
    if name in names:
        return name
    names.add(name)
    fields = [{"name": wire, "type": _type(node, f"{name}_{wire}", names)} for wire, node in record.fields.values()]
    return {"type": "record", "name": name, "fields": fields}


def _type(node: Node, name: str, names: set[str]) -> Any:
    match node:
        case Scalar(dtype=dtype, branch=None):
            return _BARE[dtype]
        case Scalar(branch=str(branch)) if branch.startswith(NAMESPACE):
            return ["null", _enum(branch.removeprefix(NAMESPACE), names)]
        case Scalar(branch=branch):
            return ["null", branch]
        case Record(union=True):
            branches = ((wire, _as_record(inner)) for wire, inner in node.fields.values())
            return ["null", *(_record(wire, inner, names) for wire, inner in branches)]
        case Record(wrapper=None):
            return _record(name, node, names)
        case Record(wrapper=str(wrapper)):
            return ["null", _record(wrapper, node, names)]
        case Array():
            items = {"type": "array", "items": _type(node.item, f"{name}_item", names)}
            return items if node.bare else ["null", items]
        case Json():
            return ["null", {"type": "map", "values": "string"}]
        case _:
            raise TypeError(f"{name}: no Avro type for {type(node).__name__}")


def _enum(name: str, names: set[str]) -> Any:
    if name in names:
        return name
    names.add(name)
    return {"type": "enum", "name": name, "symbols": _ENUMS[name]}
