"""The functions and jobs that the captures speak of, remade in an embedded gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

from qiskit_functions_gateway.api.context import Gateway
from qiskit_functions_gateway.server import GatewayServer

from .captured import capture
from .raw_http import encoded, multipart, send, tar_of
from .still_gateway import TOKEN, StillGateway, still_gateway

PROVIDER = "mockprovider"

ECHO = """\
import base64, json, os, zlib
arguments = json.load(open(os.environ["ARGUMENTS_PATH"]))
for value in arguments.values():
    if isinstance(value, dict) and value.get("__type__") == "ndarray":
        zlib.decompress(base64.b64decode(value["__value__"]))
with open(os.environ["RESULTS_PATH"], "w") as result:
    json.dump({"echo": arguments}, result)
"""
OF_PROVIDER = f"""\
{ECHO}
print("[PUBLIC] INFO: user log line")
print("bare print line")
print("[PRIVATE] INFO: provider log line")
"""
ENVIRONMENT = f"""\
import json, os
names = {list(json.loads(capture("223").body["result"]))}
with open(os.environ["RESULTS_PATH"], "w") as result:
    json.dump({{name: os.environ.get(name) for name in names}}, result)
"""

SOURCES = {
    "echo-fn": ECHO,
    "schema-fn": ECHO,
    "slow-fn": "import time\ntime.sleep(600)\n",
    "noresult-fn": 'print("no save_result here")\n',
    "boom-fn": 'raise ValueError("boom")\n',
    "substatus-fn": 'print("start")\n',
    "env-fn": ENVIRONMENT,
    "ghost-entry": ECHO,
}
PROVIDER_SOURCES = {"p-fn": OF_PROVIDER, "img-fn": OF_PROVIDER, "imgfn": OF_PROVIDER}

RUNS = {
    "77d67d4f-dc19-4bc2-aa2b-7e83abdea163": ("echo-fn", capture("122").request_body["arguments"]),
    "631753e6-01e6-403c-8600-5143120de95a": ("boom-fn", "{}"),
    "d337fe5f-5d5e-4797-acb0-d094f3eb3484": ("noresult-fn", "{}"),
    "7ed9cdb6-e74b-49e5-bba1-f48df6b3076f": ("env-fn", "{}"),
    "a2041c23-093e-45d7-ac49-9e5da8d3ae35": ("ghost-entry", "{}"),
    "7fea9353-6295-4b63-afd1-9e9fbb74e3e0": ("nottar", "{}"),
    "f6785711-6895-4d60-a588-52c3ece82a33": ("no-artifact", "{}"),
    "dc58b84b-9a67-4218-929d-367f87904bdd": ("echo-fn", "{nope"),
    "d1af02c8-194f-4f0c-a022-d3a1d366ea9c": ("echo-fn", '{"arr": {"__type__": "ndarray", "__value__": "AAAA"}}'),
    "1ef6ec7f-84e6-4fab-b24b-cb6714dbffab": ("substatus-fn", "{}"),
    "5badce4d-08c3-4c15-844d-22ac276ab85c": (f"{PROVIDER}/p-fn", '{"a": 1}'),
    "c0d7f463-1565-4ff8-adc7-6e937d8c4f1a": (f"{PROVIDER}/img-fn", '{"a": 1}'),
}
"""The captured jobs that came to an end by themselves: each runs here too."""

HELD = {
    "2d1d0a2c-6eff-43a9-8032-23997a6820a9": "slow-fn",
    "0f05fc53-1ccb-4c95-83d6-736051692a77": "slow-fn",
    "3c2d3b82-840b-4a0c-abe9-18d72fc0891b": "slow-fn",
    "bfc443e3-e18d-4937-827b-04a54e700a2a": "noresult-fn",
}
"""Those that were stopped, or seen only while they waited: the database has them in the status that is wanted."""


class World:
    """A gateway with what the captures speak of.

    Attributes:
        ids: of the jobs here by the captures' ids.
    """

    def __init__(self, still: StillGateway, ids: dict[str, str]) -> None:
        self.still = still
        self.ids = dict(ids)
        self._ids_of_runs = ids

    @property
    def host(self) -> str:
        return self.still.host

    @property
    def gateway(self) -> Gateway:
        return self.still.gateway

    def put_job(self, captured_id: str, status: str) -> None:
        """A job of the captured one's function in a status, to answer to the captured id from now on."""
        name = HELD.get(captured_id) or RUNS[captured_id][0]
        provider, _, title = name.rpartition("/")
        self.ids[captured_id] = self.still.put_job(title, provider, status).id

    def tidy(self) -> None:
        """Stop the jobs that were put here, and let the captured ids be those of the real runs again."""
        self.ids = dict(self._ids_of_runs)
        self.still.stop_all()


@contextmanager
def captured_world(folder: Path) -> Iterator[World]:
    """The captured functions, uploaded as they were, and their jobs, run to their ends."""
    ids = anyio.run(_run_all, folder)
    with still_gateway(folder, providers=frozenset({PROVIDER})) as still:
        yield World(still, ids)


async def _run_all(folder: Path) -> dict[str, str]:
    with GatewayServer(folder, token=TOKEN, providers=frozenset({PROVIDER})) as gateway:
        await anyio.to_thread.run_sync(upload_all, gateway.host)
        ids = {captured: run(gateway.host, *given) for captured, given in RUNS.items()}
        with anyio.fail_after(60):
            for job_id in ids.values():
                while _status(gateway.host, job_id) not in ("SUCCEEDED", "FAILED"):
                    await anyio.sleep(0.02)
    return ids


def upload_all(host: str) -> None:
    schema = '{"type": "object", "required": ["shots"], "properties": {"shots": {"type": "integer", "minimum": 1}}, '
    more = {
        "schema-fn": {"arguments_schema": schema + '"additionalProperties": false}'},
        "env-fn": {"env_vars": '{"MY_VAR": "v", "MY_TOKEN": "secret"}'},
        "ghost-entry": {"entrypoint": "ghost.py"},
    }
    for title, source in SOURCES.items():
        upload(host, title, tar_of(source), **more.get(title, {}))
    for title, source in PROVIDER_SOURCES.items():
        upload(host, title, tar_of(source), provider=PROVIDER)
    upload(host, "nottar", b"this is no tar archive at all\n")
    content, content_type = encoded({"form": {"title": "no-artifact", "entrypoint": "main.py"}})
    assert _post(host, "upload", content or b"", content_type or "")["title"] == "no-artifact"


def upload(host: str, title: str, artifact: bytes, **fields: str) -> None:
    form = {"title": title, "entrypoint": "main.py", "dependencies": "[]", **fields}
    content, content_type = multipart(form, {"artifact": ("artifact.tar", artifact)})
    assert _post(host, "upload", content, content_type)["title"] == title


def run(host: str, name: str, arguments: str) -> str:
    provider, _, title = name.rpartition("/")
    body: dict[str, Any] = {"title": title, "provider": provider or None, "arguments": arguments, "config": {}}
    return str(_post(host, "run", json.dumps(body).encode(), "application/json")["id"])


def _post(host: str, what: str, content: bytes, content_type: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content_type}
    answer = send(host, "POST", f"/api/v1/programs/{what}/", headers=headers, content=content)
    assert answer.status == 200, answer
    assert isinstance(answer.body, dict)
    return answer.body


def _status(host: str, job_id: str) -> str:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return str(send(host, "GET", f"/api/v1/jobs/{job_id}/", headers=headers).body["status"])
