"""Inputs that several tools share. Flat types only: some hosts refuse $ref and anyOf in input schemas."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

MAX_NAME = 600
"""Characters: a title and a provider of 255 each, as gateways take them, and some more; errors repeat names."""

MAX_PATH = 4096
"""Characters, as Linux has it."""

_MAX_CURSOR = 20

FunctionName = Annotated[
    str, Field(description="title or provider/title, for example examples/vqe", max_length=MAX_NAME)
]
JobId = Annotated[str, Field(description="The job_id that run_function or list_jobs gave", max_length=MAX_NAME)]
Limit = Annotated[int, Field(ge=1, le=200, description="At most so many items")]
Cursor = Annotated[
    str, Field(description="next_cursor of the reply before, to go on from there", max_length=_MAX_CURSOR)
]
WaitSeconds = Annotated[
    float, Field(ge=0, le=50, description="Wait so long for the end; many hosts cut a call at 60 s")
]
