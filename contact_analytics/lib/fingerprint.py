"""Fingerprints of tables: what a stored day was made by, so that a day of the same files is made again when it would
become another one."""

import hashlib
from collections.abc import Iterator, Mapping
from importlib.metadata import version

import dataframely as dy
import polars as pl

from contact_analytics.lib.schema import columns_of, duckdb_type, facts, walk

# Facts that say what a column means, and not how it is read.
_SAID_ONLY = {"unit", "personal", "seen", "sources"}


def fingerprint(schema: type[dy.Schema], columns: Mapping[str, dy.Column]) -> str:
    """Changes with our version, and with what the schema says of names, types, keys, rules and how a value is read.

    `columns` are those of the whole table. It is the same in every process.
    """
    types = (f"{name} {duckdb_type(column.dtype)}" for name, column in columns.items())
    keys = (name for name, column in columns_of(schema).items() if column.primary_key)
    parts = [version("contact_analytics"), *types, *keys, *_rules(schema), *_wire(schema)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _rules(schema: type[dy.Schema]) -> Iterator[str]:
    """What is demanded of rows: each rule's name and expression."""
    # dataframely has no public way to list the rules that a schema has beside those of its columns.
    own = schema._schema_validation_rules()  # pyright: ignore[reportPrivateUsage]
    rules = {name: rule.expr for name, rule in own.items()}
    for column, declared in columns_of(schema).items():
        rules |= {f"{column}|{name}": rule for name, rule in declared.validation_rules(pl.col(column)).items()}
    for name, rule in sorted(rules.items()):
        # That a value must be there is said by the name, for nested fields too; how that is asked is Polars' matter.
        yield name if name.endswith("nullability") else f"{name} {_told(rule)}"


def _told(expression: pl.Expr) -> str:
    text = str(expression)
    # Long lists are shortened there. What is serialized is whole, but may change with Polars.
    return text if "…" not in text else expression.meta.serialize(format="json")


def _wire(schema: type[dy.Schema]) -> Iterator[str]:
    """How each field is found and read, where that is declared."""
    for path, column in walk(schema):
        for each in (column, column.inner) if isinstance(column, dy.List) else (column,):
            known = {name: value for name, value in vars(facts(each)).items() if value and name not in _SAID_ONLY}
            yield f"{path} {sorted(known.items())}"
