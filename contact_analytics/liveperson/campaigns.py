"""Nested records of web sessions: campaigns, the engagements that they offer, and their goals."""

from typing import Any

import dataframely as dy

from contact_analytics.lib.schema import field, many, record


def _revision(meaning: str) -> Any:
    return record({"id": field(dy.Int64, meaning), "revision": field(dy.Int64, f"Revision of the {meaning.lower()}")})


def campaign() -> Any:
    return record(
        {
            "id": field(dy.Int64, "Campaign"),
            "visitor_profiles": many(_revision("Visitor profile"), "Visitor profiles that the campaign targets"),
        },
        "Campaign",
        avro="Campaign",
    )


def engagement(**wrapper: Any) -> Any:
    return record(
        {
            "id": field(dy.Int64, "Engagement; in the vendor's table, absent from its example"),
            "channel": field(dy.String, "Channel, such as 1 or 100"),
            "type": field(dy.String, "0 peeling corner, 1 overlay, 2 toaster, 3 slide-out, 5 embedded, 6 sticky"),
            "visitor_behaviors": many(_revision("Visitor behaviour"), "Behaviours that the engagement targets"),
            "skill_id": field(dy.Int32, "Skill; -1 for none"),
            "skill_name": field(dy.String, "Name of the skill"),
            "survey_skills": many(
                record({"id": field(dy.Int64, "Skill"), "name": field(dy.String, "Name of the skill")}),
                "Skills offered by the pre-chat survey",
            ),
            "is_offsite_engagement": field(dy.Bool, "Shown on another site than the brand's"),
            "availability_policy": field(dy.String, "When the engagement is offered"),
            "interaction_type": field(dy.Int32, "Chat or messaging; the vendor lists no values, 1 and 5 were seen"),
            "rendering_type": field(dy.Int32, "How the engagement is drawn"),
        },
        "Engagement offered to the visitor",
        **wrapper,
    )


def goal() -> Any:
    return record(
        {
            "id": field(dy.Int64, "Goal"),
            "type": field(dy.Int32, "Kind of goal"),
            "indicator_type": field(dy.Int32, "Indicator of the goal"),
        },
        "Goal of the campaign",
        avro="Goal",
    )
