"""One server over HTTP, and the only room that knows httpx.

``transport`` calls a server: deadlines, retries, redirects, errors. Under it, ``connections`` is the adapter for httpx,
``answers`` turns a response into JSON or an error, ``forms`` encodes uploads, ``redaction`` keeps secrets out of errors
and logs, and ``telemetry`` records OpenTelemetry spans.
"""

import sys
from types import ModuleType
from typing import cast

# httpx has a command line, and does without where it cannot be imported; its imports would take 6 % of the time that
# importing this package takes.
sys.modules.setdefault("httpx._main", cast(ModuleType, None))
