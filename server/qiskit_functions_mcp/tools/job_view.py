"""The tool that the page in the chat polls. Hosts do not offer it to the model."""

from __future__ import annotations

from mcp_types import CallToolResult, TextContent

from qiskit_functions_core import JobStatus
from qiskit_functions_core.errors import QiskitFunctionsError
from qiskit_functions_core.job_texts import LogQuery

from ..replies.jobs import JobReply, add_result, job_reply
from ..replies.truncation import cut
from ..session import Ctx, session_of
from ..ui import FOR_THE_PAGE
from .inputs import JobId
from .tool_spec import READ, ToolSpec

_ROWS = 1_000
"""Of each part of a result: outcomes, points of a sweep. More are no longer told apart in a chart or a table."""

_RESULT_CHARACTERS = 250_000
"""Of a result, as JSON without other letters than ASCII. The SDK's own client refuses messages over 1 MiB."""

_RESULT_SECONDS = 45.0
"""To read a result; hosts give a call up after 60 s."""

_FAILURE_CHARACTERS = 40_000
_LOG = LogQuery(tail=200, characters=20_000)
"""What a person scrolls through in a box of a dozen lines."""


class JobView(JobReply):
    """A job as the page shows it.

    Attributes:
        log: the end of its log.
        log_left_out: how many of its lines come before that.
        no_log: why the log could not be read.
        can_stop: whether this server may stop jobs.
    """

    log: str = ""
    log_left_out: int = 0
    no_log: str | None = None
    can_stop: bool


async def get_job_view(ctx: Ctx, job_id: JobId) -> CallToolResult:
    """Show the page of a job what it draws."""
    session = session_of(ctx)
    client = await session.client()
    job = await client.jobs.recent(job_id)
    view = JobView(
        **(await job_reply(client, job, _FAILURE_CHARACTERS)).model_dump(), can_stop=not session.settings.read_only
    )
    try:
        log = await client.jobs.log_part(job_id, _LOG)
        view.log, view.log_left_out = log.text, log.left_out
    except QiskitFunctionsError as error:
        view.no_log = cut(error.message, 500)
    if job.status is JobStatus.DONE:
        await add_result(view, client, job.id, room=_RESULT_CHARACTERS, rows=_ROWS, within=_RESULT_SECONDS)
    # Not as text too: a host that hands results of the page's calls to the model, against the specification, mostly
    # hands on the text.
    return CallToolResult(
        content=[TextContent(type="text", text=f"job {job_id}: {job.status}")],
        structured_content=view.model_dump(mode="json", exclude_none=True),
    )


TOOLS = (ToolSpec(get_job_view, "Follow a job in the page", READ, FOR_THE_PAGE),)
