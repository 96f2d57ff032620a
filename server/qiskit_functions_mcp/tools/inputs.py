"""Arguments that several tools share. Their types are flat: some hosts refuse $ref and anyOf in input schemas."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

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
Cursor = Annotated[str, Field(description="next_cursor of the previous reply", max_length=_MAX_CURSOR)]


def _any_if_empty(value: Any) -> Any:
    """Some hosts fill in every parameter, texts with empty ones."""
    return "any" if value == "" else str(value).lower() if isinstance(value, bool) else value


AnyIfEmpty = BeforeValidator(_any_if_empty)
"""Of a choice that has "any": an empty enum value in the schema would make Gemini's API refuse every turn."""

YesNo = Annotated[Literal["any", "true", "false"], AnyIfEmpty]
"""A boolean or "any", without anyOf in its schema. Assistants also send real booleans."""


def _object_of(value: Any) -> Any:
    """Read an object that was sent as JSON text, as older Gemini APIs need it; the SDK does so for most texts."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is a text that is not JSON ({error}); give an object") from None


JsonObject = Annotated[dict[str, Any], BeforeValidator(_object_of)]

OneOrMore = BeforeValidator(lambda value: [value] if isinstance(value, str) and value else value or [])
"""Of a list: a single text counts as a list of it."""

WaitSeconds = Annotated[float, Field(ge=0, le=50, description="Seconds to wait for the end")]
