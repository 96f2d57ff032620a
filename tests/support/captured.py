"""The recorded exchanges with a real gateway (Qiskit Serverless 0.35), one JSON file each."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "contract" / "captures"


@dataclass(frozen=True)
class Capture:
    """One exchange."""

    name: str
    method: str
    path: str
    params: dict[str, str]
    request_body: Any
    status: int
    headers: dict[str, str]
    body: Any
    request_headers: dict[str, str] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """What its name begins with; names are unique by it, apart from those of Fleets."""
        return self.name.partition("-")[0]

    @property
    def content(self) -> bytes:
        """The response's body as it was on the wire."""
        if isinstance(self.body, str):
            is_json = "json" in self.headers.get("content-type", "")
            return json.dumps(self.body).encode() if is_json else self.body.encode()
        return b"" if self.body is None else json.dumps(self.body).encode()


def capture(name: str) -> Capture:
    """A capture by its file's name without the ending, or by the number it begins with."""
    matches = sorted(FOLDER.glob(f"{name}.json")) or sorted(FOLDER.glob(f"{name}-*.json"))
    return _read(matches[0])


def captures() -> list[Capture]:
    return [_read(path) for path in sorted(FOLDER.rglob("*.json"))]


def _read(path: Path) -> Capture:
    exchange = json.loads(path.read_text(encoding="utf-8"))
    request, response = exchange["request"], exchange["response"]
    return Capture(
        name=path.relative_to(FOLDER).with_suffix("").as_posix(),
        method=request["method"],
        path=request["path"],
        params=request.get("params") or {},
        request_body=request.get("body"),
        status=response["status"],
        headers={key.lower(): value for key, value in (response.get("headers") or {}).items()},
        body=response.get("body"),
        request_headers=request.get("headers") or {},
    )
