"""Recording metadata: the segments of recorded interactions, by the day they began."""

from collections.abc import Iterator
from functools import partial

import dagster as dg
import dataframely as dy

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import daily_table
from contact_analytics.lib.daily import extract_days
from contact_analytics.lib.schema import field, instant
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.nice_cxone.data_extraction import NiceCxoneDataExtractionResource
from contact_analytics.nice_cxone.entities import Entity, NiceCxoneConfig, extracted
from contact_analytics.nice_cxone.file_format import FileFormat
from contact_analytics.nice_cxone.window import archived_day
from contact_analytics.settings import PARTITIONS


class RecordingInteractionMetadata(dy.Schema):
    """One row a segment of an interaction."""

    segment_id = field(dy.String, "Segment; joins qm_workflows", key=True, seen=True, wire="Segment ID")
    start_date = instant("Start of the segment; dates the row", required=True, seen=True, wire="Start Date")
    acd_call_id = field(dy.String, "Call, which has one segment or more", seen=True, wire="ACD Call ID*")
    ani = field(dy.String, "Caller's number", personal=True, seen=True, wire="ANI")
    dnis = field(dy.String, "Number called", seen=True, wire="DNIS")
    disposition = field(dy.String, "Disposition", seen=True, wire="Disposition")
    voice_recording_status = field(
        dy.String, "Whether there is a recording, such as Success", seen=True, wire="Voice Recording Status"
    )
    agent_1_name = field(dy.String, "First agent's name", personal=True, seen=True, wire="Agent 1 Name")
    agent_1_acd_id = field(dy.String, "First agent's id", seen=True, wire="Agent 1 ACD ID")
    agent_1_team = field(dy.String, "First agent's team", seen=True, wire="Agent 1 Team")
    agent_1_skills = field(dy.String, "First agent's skills", seen=True, wire="Agent 1 Skills")
    agent_1_contact_number = field(
        dy.String, "Contact number of the first agent's leg", seen=True, wire="Agent 1 Contact Number*"
    )
    agent_2_name = field(dy.String, "Second agent's name", personal=True, inferred=True, wire="Agent 2 Name")
    agent_2_acd_id = field(dy.String, "Second agent's id", inferred=True, wire="Agent 2 ACD ID")
    agent_2_team = field(dy.String, "Second agent's team", inferred=True, wire="Agent 2 Team")
    agent_2_skills = field(dy.String, "Second agent's skills", inferred=True, wire="Agent 2 Skills")
    agent_2_contact_number = field(
        dy.String, "Contact number of the second agent's leg", inferred=True, wire="Agent 2 Contact Number*"
    )


FORMAT = FileFormat(RecordingInteractionMetadata)
ENTITY = Entity("recording-interaction-metadata", version="12", dated_by=("Start Date",))
DATASET = extracted(
    "recording_interaction_metadata",
    RecordingInteractionMetadata,
    grain="One row a segment of an interaction that began on the day.",
    event_time="start_date",
    measures={"recorded": "count(*) filter (where voice_recording_status ilike 'success')"},
)


@dg.asset(**daily_table(DATASET, PARTITIONS, pool="nice_cxone_data_extraction"))
def recording_interaction_metadata(
    context: dg.AssetExecutionContext,
    config: NiceCxoneConfig,
    nice_cxone_data_extraction: NiceCxoneDataExtractionResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckResult]:
    connect = partial(nice_cxone_data_extraction.connect, ENTITY, config)
    yield from extract_days(context, DATASET, config, connect, FORMAT, archive, warehouse, archived_day)
