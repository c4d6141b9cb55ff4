"""The page of contact volume."""

import polars as pl

from contact_analytics.lib import figures
from contact_analytics.lib.page import Listing, Page, listing, percent
from contact_analytics.reports.channels import NOT_STATED

# In the order of a bar.
_MEDIA_TYPES = ("chat", "messaging", "social", "voice", NOT_STATED)
_VENDORS = {"liveperson": "LivePerson", "khoros_care": "Khoros Care", "nice_cxone": "NICE CXone"}
_COUNTS = ("contacts", "answered_contacts", "open_contacts", "bot_contacts")
_BY_DAY = ("partition_date", "media_type")
_TIMES = {"times_to_answer": "time_to_answer", "handle_times": "handle_time"}
_TITLES = {
    "answered_contacts": "answered",
    "open_contacts": "still open",
    "bot_contacts": "by bots alone",
    "median_time_to_answer": "median time to answer, min",
    "p90_time_to_answer": "90 % answered within, min",
    "median_handle_time": "median handle time, min",
    "p90_handle_time": "90 % handled within, min",
}


def paint(rows: pl.DataFrame, month: pl.DataFrame) -> Page:
    """The page of a day."""
    remarks = _remarks(rows)
    rows, month = (each.filter(pl.col("contacts") > 0) for each in (rows, month))
    hours, media_types = _by_hour(rows), [name for name in _MEDIA_TYPES if name in rows["media_type"]]
    return Page(
        headline={
            "Contacts": f"{rows['contacts'].sum():,}",
            "Busiest hour, UTC": _busiest(rows),
            "Answered": _share(rows, "answered_contacts"),
            "Still open": f"{rows['open_contacts'].sum():,}",
            "By bots alone": _share(rows, "bot_contacts"),
        },
        figures=[
            figures.bars(
                "Contacts by hour of the day, UTC",
                hours,
                category="hour",
                value="contacts",
                table="By hour",
                colour="media_type",
                order=media_types,
            ),
            figures.lines(
                "Contacts over thirty days",
                month.group_by("partition_date", "media_type").agg(pl.col("contacts").sum()).sort(_BY_DAY),
                day="partition_date",
                value="contacts",
                colour="media_type",
                order=[name for name in _MEDIA_TYPES if name in month["media_type"]],
            ),
        ],
        listings=[_channels(rows), _hours(hours, media_types)],
        remarks=remarks,
    )


def _by_hour(rows: pl.DataFrame) -> pl.DataFrame:
    """Contacts of each hour and media type, hours without any included."""
    hours = pl.DataFrame({"hour": range(24)}, schema={"hour": pl.Int64})
    counted = rows.group_by("hour", "media_type").agg(pl.col("contacts").sum())
    every = hours.join(rows.select("media_type").unique(), how="cross")
    filled = every.join(counted, on=["hour", "media_type"], how="left").with_columns(pl.col("contacts").fill_null(0))
    return filled.with_columns(hour=pl.format("{}:00", pl.col("hour").cast(pl.String).str.zfill(2))).sort("hour")


def _busiest(rows: pl.DataFrame) -> str:
    hours = rows.group_by("hour").agg(pl.col("contacts").sum()).sort("contacts", "hour", descending=[True, False])
    return f"{hours['hour'][0]:02}:00" if hours.height else "\N{EN DASH}"


def _share(rows: pl.DataFrame, part: str) -> str:
    """The part of the contacts of which it is known at all."""
    known = rows.filter(pl.col(part).is_not_null())
    return percent(known.select(pl.col(part).sum() / pl.col("contacts").sum()).item() if known.height else None)


def _channels(rows: pl.DataFrame) -> Listing:
    """Vendors and channels with the times of the whole day, which are not those of its hours."""
    keys = ["vendor", "media_type", "channel"]
    known = pl.col(_COUNTS[1:]).is_not_null().any()
    counts = [pl.col("contacts").sum(), pl.when(known).then(pl.col(_COUNTS[1:]).sum())]
    times = {
        f"{name}_{time}": measured
        for column, time in _TIMES.items()
        for name, measured in (
            ("median", pl.col(column).explode().median() / 60),
            ("p90", pl.col(column).explode().quantile(0.9, "linear") / 60),
        )
    }
    shown = rows.group_by(keys).agg(*counts, **times).sort(keys).with_columns(pl.col("vendor").replace(_VENDORS))
    return listing("By vendor and channel", shown, decimals=dict.fromkeys(times, 1), titles=_TITLES, header="channel")


def _hours(hours: pl.DataFrame, media_types: list[str]) -> Listing:
    wide = hours.pivot("media_type", index="hour", values="contacts").select("hour", *media_types)
    total = pl.sum_horizontal(media_types) if media_types else pl.lit(0, pl.Int64)
    return listing("By hour", wide.with_columns(total=total), titles={"hour": "hour, UTC"})


def _remarks(rows: pl.DataFrame) -> list[str]:
    said = list[str]()
    if still_open := rows["open_contacts"].sum():
        said.append(f"{still_open:,} contacts were still open when this page was made: their handle time is not in it.")
    left_out = {vendor: rows.filter(pl.col("vendor") == vendor)["left_out"].sum() for vendor in _VENDORS}
    if messaging := left_out["liveperson"]:
        said.append(f"Rows of messaging in liveperson.engagement, which liveperson.conversations has: {messaging:,}.")
    if unknown := left_out["khoros_care"]:
        said.append(f"Conversations of Khoros Care without a creation time, which are in no figure: {unknown:,}.")
    if "nice_cxone" in rows["vendor"]:
        said.append("Of NICE CXone, recorded interactions alone are counted.")
    return said
