"""Inputs that several tools share. Flat types only: some hosts refuse $ref and anyOf in input schemas."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

FunctionName = Annotated[str, Field(description="title or provider/title, for example examples/vqe")]
JobId = Annotated[str, Field(description="The job_id that run_function or list_jobs gave")]
Limit = Annotated[int, Field(ge=1, le=200, description="At most so many items")]
Cursor = Annotated[str, Field(description="next_cursor of the reply before, to go on from there")]
WaitSeconds = Annotated[
    float, Field(ge=0, le=50, description="Wait so long for the end; many hosts cut a call at 60 s")
]
