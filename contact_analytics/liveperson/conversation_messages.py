"""Messages of a conversation, with their scores and their delivery."""

from typing import Any

import dataframely as dy

from contact_analytics.lib.schema import field, record
from contact_analytics.liveperson.conversation_parts import UNDEFINED, context, dialog_id, moment, text


def _file() -> dict[str, Any]:
    return {
        "relative_path": text("Path of the file in the vendor's storage"),
        "file_type": text("JPG, PNG, GIF, TXT or PDF"),
        "caption": text("Caption", personal=True),
        "preview": text("Preview in base64; only where the conversation was fetched by its id", personal=True),
    }


def _message_data() -> Any:
    """What a message holds; the names that wrap files, links and forms are not exemplified by the vendor."""
    link = {
        "external_file_link": text("Address", personal=True),
        "file_type": text("Type of the file"),
        "caption": text("Caption", personal=True),
    }
    form = {
        "form_id": text("Form"),
        "form_name": text("Name of the form"),
        "submission_id": text("Submission"),
        "invitation_id": text("Invitation"),
    }
    content = {"content": text("Content as JSON text", personal=True)}
    return record(
        {
            "msg": record({"text": text("Text", personal=True)}, "Text message"),
            "quick_replies": record(content, "Quick replies offered"),
            "rich_content": record(content, "Structured content"),
            "file": record(_file(), "File that was sent", inferred=True),
            "link": record(link, "Link that was sent", inferred=True),
            "secure_form": record(form, "Secure form", inferred=True),
        },
        "Content of the message",
    )


def message_record() -> Any:
    return record(
        {
            "message_id": text("Message, unique within the conversation"),
            "time": moment("time", "Time of the message"),
            "type": text("TEXT_PLAIN, TEXT_HTML, LINK, HOSTED_FILE, IMG, SECURE_FORM_…, RICH_CONTENT"),
            "message_data": _message_data(),
            "seq": field(dy.Int64, "Place in the dialog; there may be gaps"),
            "dialog_id": dialog_id(),
            "participant_id": text("Who wrote it: a consumer's or an agent's id"),
            "source": text("Deprecated by the vendor"),
            "device": text("Deprecated by the vendor", none=UNDEFINED),
            "sent_by": text("Agent or Consumer"),
            "audience": text("ALL or AGENTS_AND_MANAGERS"),
            "context_data": context(),
        }
    )


def message_score() -> Any:
    return record(
        {
            "message_id": text("Message"),
            "message_raw_score": field(dy.Int32, "Raw score of the message"),
            "score": field(dy.Int32, "Score, in older records", inferred=True),
            "mcs": field(dy.Int32, "Meaningful connection score", unit="0 to 100"),
            "time": moment("time", "Time of the score"),
        }
    )


def message_status() -> Any:
    return record(
        {
            "message_id": text("Message"),
            "seq": field(dy.Int64, "Place in the dialog"),
            "time": moment("time", "Time of the status"),
            "participant_id": text("Whose status it is"),
            "participant_type": text("Agent, Consumer or other"),
            "message_delivery_status": text("SENT, ACCEPT or READ, in several spellings"),
            "dialog_id": dialog_id(),
        }
    )
