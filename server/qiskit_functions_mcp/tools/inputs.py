"""Arguments that several tools share. Their types are flat: some hosts refuse $ref and anyOf in input schemas."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

MAX_NAME = 600
"""Characters: more than a title and a provider of 255 each, which is what gateways accept. Errors repeat names."""

MAX_PATH = 4096
"""Characters; PATH_MAX on Linux."""

_MAX_CURSOR = 20

FunctionName = Annotated[
    str, Field(description="title or provider/title, for example examples/vqe", max_length=MAX_NAME)
]
JobId = Annotated[str, Field(description="job_id from run_function or list_jobs", max_length=MAX_NAME)]
Limit = Annotated[int, Field(ge=1, le=200, description="Maximum number of items")]
Cursor = Annotated[
    str, Field(description="next_cursor of the previous reply, to continue the list", max_length=_MAX_CURSOR)
]
WaitSeconds = Annotated[
    float, Field(ge=0, le=50, description="Seconds to wait for the end; many hosts cut calls at 60 s")
]
