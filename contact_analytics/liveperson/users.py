"""Users: agents, managers, administrators and bots of the account, with their history."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import dataframely as dy

from contact_analytics.lib.archive import ArchiveResource
from contact_analytics.lib.asset_options import dimension_table
from contact_analytics.lib.dataset import Dimension
from contact_analytics.lib.dimension import DimensionConfig, extract_history
from contact_analytics.lib.schema import field, many, record
from contact_analytics.lib.warehouse import WarehouseResource
from contact_analytics.liveperson.account_config import LivePersonAccountConfigResource, local_time

_GROUP = field(dy.Int64, "Agent group; joins agent_groups")
_ASSIGNED = local_time("Time of the assignment")


class Users(dy.Schema):
    """One row a state of a user."""

    id = field(dy.Int64, "User; joins latest_agent_id and agent_id of other tables", key=True)
    pid = field(dy.String, "Process id, a UUID; joins the ids that messaging gives to agents")
    deleted = field(dy.Bool, "Whether the user is deleted")
    login_name = field(dy.String, "Login name, unique", personal=True)
    full_name = field(dy.String, "Full name; the vendor sends it empty", personal=True)
    nickname = field(dy.String, "Name that visitors see", personal=True)
    is_enabled = field(dy.Bool, "Whether the user may log in")
    max_chats = field(dy.Int64, "Chats at a time")
    skill_ids = many(field(dy.Int64, "Skill"), "Skills; join skills", unordered=True)
    email = field(dy.String, "E-mail address", personal=True)
    member_of = record({"agent_group_id": _GROUP, "assignment_date": _ASSIGNED}, "Group that an agent is in")
    manager_of = many(
        record({"agent_group_id": _GROUP, "assignment_date": _ASSIGNED}),
        "Groups that an agent manager leads",
        unordered=True,
    )
    change_pwd_next_login = field(dy.Bool, "Whether a new password is due at the next login")
    last_pwd_change_date = local_time("Time of the last change of the password")
    date_updated = local_time("Time of the last change of the user")
    permission_groups = many(field(dy.Int64, "Permission group"), "Permission groups", unordered=True)
    picture_id = field(dy.String, "Picture")
    picture_url = field(dy.String, "Address of the picture", personal=True)
    disabled_manually = field(dy.Bool, "Whether somebody disabled the user")
    description = field(dy.String, "Description", personal=True)
    mobile_number = field(dy.String, "Mobile number", personal=True)
    employee_id = field(dy.String, "Employee id; the vendor sends it empty", personal=True)
    backgnd_img_uri = field(dy.String, "Address of the background image")
    pn_cert_name = field(dy.String, "Mobile app's id for push notifications")
    max_async_chats = field(dy.Int64, "Messaging conversations at a time; null for the account's default")
    profile_ids = many(field(dy.Int64, "Profile"), "Profiles, which are roles", also=("profiles",), unordered=True)
    is_api_user = field(dy.Bool, "Whether the user is a program with a key of its own")
    user_type_id = field(dy.Int32, "0 system, 1 human, 2 bot")
    allowed_app_keys = field(dy.String, "Keys that an API user may use", personal=True)
    lob_ids = many(field(dy.Int64, "Line of business"), "Lines of business", unordered=True)
    is_active = field(dy.Bool, "Whether the user is active; an older documentation has it", inferred=True)
    agent_groups = many(
        record(
            {
                "agent_group_id": _GROUP,
                "role_id": field(dy.Int64, "Role in the group"),
                "assignment_date": _ASSIGNED,
            }
        ),
        "Groups with the role in each; an older documentation's examples have it",
        inferred=True,
        unordered=True,
    )


DIMENSION = Dimension(
    vendor="liveperson",
    name="users",
    schema=Users,
    grain="One row a state of a user, from when until when it held.",
    documentation="https://developers.liveperson.com/users-api-appendix.html",
)


@dg.asset(**dimension_table(DIMENSION, pool="liveperson_account_config"))
def users(
    context: dg.AssetExecutionContext,
    config: DimensionConfig,
    liveperson_account_config: LivePersonAccountConfigResource,
    archive: ArchiveResource,
    warehouse: WarehouseResource,
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    yield from extract_history(context, DIMENSION, config, liveperson_account_config.connect, archive, warehouse)
