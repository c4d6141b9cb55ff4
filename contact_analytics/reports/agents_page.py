"""The page of agents across vendors."""

import polars as pl

from contact_analytics.lib import figures
from contact_analytics.lib.page import Listing, Page, listing
from contact_analytics.reports.agent_identities import NAME, RULES, SYSTEMS

_SHOWN = 100
# The name of each kind of id, for people.
_KINDS = {
    "liveperson_user_id": "LivePerson user",
    "khoros_care_agent_id": "Khoros Care agent",
    "nice_cxone_agent_id": "CXone agent",
    "nice_cxone_acd_id": "CXone agent at the call distributor",
}


def paint(rows: pl.DataFrame) -> Page:
    """The page of today."""
    known_at = rows.with_columns(vendor=_vendors())
    by_rule, in_doubt = _by_rule(rows), _in_doubt(rows)
    by_name = rows.filter(pl.col("rule") == NAME.name).sort("name", "agent_key")
    return Page(
        headline={
            "Agents": f"{rows.height:,}",
            "At two vendors or more": f"{(rows['vendors'] > 1).sum():,}",
            "At one vendor": f"{(rows['vendors'] == 1).sum():,}",
            "Matched by name alone": f"{by_name.height:,}",
            "In doubt": f"{in_doubt.height:,}",
        },
        figures=[
            figures.bars(
                "Where agents are known",
                known_at.group_by("vendor").agg(agents=pl.len()).sort("agents", "vendor", descending=True),
                category="vendor",
                value="agents",
            ),
            figures.bars("Why ids are one person", by_rule, category="rule", value="links"),
        ],
        listings=[
            _by_system(rows),
            listing("By rule", by_rule, percents=["confidence"]),
            listing("Matched by name alone", _first(by_name.select("name", *_KINDS)), titles=_KINDS),
            listing("In doubt", _first(in_doubt), titles={"rule": "because of"}),
        ],
        remarks=_remarks(rows, by_name.height, in_doubt.height),
    )


def _vendors() -> pl.Expr:
    """The vendors that have a person, in words."""
    of_vendor = {vendor: [name for name in SYSTEMS if SYSTEMS[name] == vendor] for vendor in SYSTEMS.values()}
    return pl.concat_str(
        (
            pl.when(pl.any_horizontal(pl.col(names).is_not_null())).then(pl.lit(vendor))
            for vendor, names in of_vendor.items()
        ),
        separator=", ",
        ignore_nulls=True,
    )


def _exploded(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """The pairs of ids of all persons."""
    return rows.select("agent_key", "name", column).explode(column).drop_nulls(column).unnest(column)


def _in_doubt(rows: pl.DataFrame) -> pl.DataFrame:
    """Who may be one person with someone, and with whom."""
    known_as, might_be = (
        pl.format("{} {}", pl.col(f"{which}system").replace(_KINDS), f"{which}id") for which in ("", "other_")
    )
    pairs = _exploded(rows, "candidates").select("agent_key", "name", "rule", known_as=known_as, might_be=might_be)
    texts = pl.col("known_as", "might_be").unique().sort().str.join(", ")
    persons = pairs.group_by("agent_key").agg(
        pl.col("name").first(), texts, pl.col("rule").unique().sort().str.join(", ")
    )
    return persons.sort("name", "known_as").drop("agent_key")


def _first(frame: pl.DataFrame) -> pl.DataFrame:
    """The first rows; ids are names, not amounts."""
    return frame.with_columns(pl.col(pl.Int64).cast(pl.String)).head(_SHOWN)


def _by_rule(rows: pl.DataFrame) -> pl.DataFrame:
    """How many links each rule has made, rules that made none included."""
    rules = pl.DataFrame({"rule": [rule.name for rule in RULES], "confidence": [rule.confidence for rule in RULES]})
    counts = _exploded(rows, "links").group_by("rule").agg(links=pl.len())
    return rules.join(counts, on="rule", how="left", maintain_order="left").with_columns(pl.col("links").fill_null(0))


def _by_system(rows: pl.DataFrame) -> Listing:
    """How many of each kind of id are matched with another vendor's."""
    is_matched = pl.col("vendors") > 1
    counts = [
        rows.filter(pl.col(name).is_not_null()).select(
            id=pl.lit(kind), agents=pl.len(), matched=is_matched.sum(), unmatched=(~is_matched).sum()
        )
        for name, kind in _KINDS.items()
    ]
    titles = {"id": "known as", "matched": "at another vendor too", "unmatched": "at this vendor alone"}
    return listing("By vendor", pl.concat(counts), titles=titles)


def _remarks(rows: pl.DataFrame, by_name: int, in_doubt: int) -> list[str]:
    said = list[str]()
    if by_name:
        said.append(f"Agents with an id that is theirs by name alone: {by_name:,}. Look through them.")
    if in_doubt:
        said.append(f"Agents who may be the same as others, and are not joined as more than one may be: {in_doubt:,}.")
    for name, count in (("Matched by name alone", by_name), ("In doubt", in_doubt)):
        if count > _SHOWN:
            said.append(f"{name}: the first {_SHOWN} of {count:,} are shown; the table has all.")
    if bots := rows["liveperson_user_type"].is_in(["bot", "system"]).sum():
        said.append(f"Users of LivePerson that are bots or programs: {bots:,}.")
    return said
