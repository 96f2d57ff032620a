"""Draw ``docs/picture.svg``: what the server answers to an assistant, in a real run on this machine.

    uv run docs/picture.py            run it and write the picture
    uv run docs/picture.py --check    run it and fail if the picture shows something else

No text in it is made up, but for the request. The run has a seed, so that its figures are the same each time; on
another processor they may differ a little.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from qiskit_functions_mcp.commands.demo import ANSATZ, BACKEND, HYDROGEN

PICTURE = Path(__file__).with_suffix(".svg")

REQUEST = "Run a VQE for the hydrogen molecule on a 5-qubit backend and tell me the energy."

FUNCTION = "examples/vqe"

ARGUMENTS = {
    "ansatz": {"$circuit": ANSATZ},
    "observable": {"$observable": HYDROGEN},
    "backend_name": BACKEND,
    "max_iterations": 25,
    "seed": 7,
}

SHOWN = ("energy", "standard_error", "exact_energy", "iterations", "backend")
"""Of the result, beside the history, which is drawn."""

Line = list[tuple[str, str]]
"""Parts of a line of text, each with its style."""

MOST_DIFFERENCE = 0.05
"""Hartree. Sums in another order make the optimiser take another way; the noise of the backend costs this much too."""

WIDTH, LINE, MARGIN, PADDING = 880, 21, 24, 16
"""Pixels: of the picture, a line, around blocks, and inside them."""

CHART_WIDTH, CHART_HEIGHT, CHART_LEFT = 500, 90, 340

STYLE = """
.panel { fill: #ffffff; stroke: #d0d7de } .person { fill: #ddf4ff } .reply { fill: #f6f8fa } .call { fill: none }
text { font: 13.5px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace }
text { fill: #1f2328; white-space: pre }
.who { font-size: 11.5px; text-anchor: end }
.said { font-family: system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif; font-size: 15px }
.tool { fill: #6639ba; font-weight: 600 } .dim { fill: #59636e } .ok { fill: #1a7f37 } .value { fill: #0550ae }
.axis { stroke: #d0d7de } .exact { stroke: #1a7f37; stroke-dasharray: 5 4 }
.energy { stroke: #6639ba; fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
.panel { fill: #0d1117; stroke: #3d444d } .person { fill: #12304f } .reply { fill: #151b23 }
text { fill: #f0f6fc } .tool { fill: #d2a8ff } .dim { fill: #9198a1 } .ok { fill: #3fb950 } .value { fill: #79c0ff }
.axis { stroke: #3d444d } .exact { stroke: #3fb950 } .energy { stroke: #d2a8ff }
}
"""


async def run() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the server answers to ``check_run`` and, when its job has ended, to ``run_function``."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, tempfile.TemporaryFile("w+") as log:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "qiskit_functions_mcp", "--channel", "local", "--home", home],
            env={"QISKIT_FUNCTIONS_GATEWAY_IDLE_SECONDS": "2"},
        )
        async with Client(stdio_client(server, errlog=log)) as client:

            async def call(tool: str, **arguments: Any) -> dict[str, Any]:
                answer = await client.call_tool(tool, arguments)
                if answer.is_error or not isinstance(answer.structured_content, dict):
                    sys.exit(f"{tool} answered: {answer.content}")
                return answer.structured_content

            checked = await call("check_run", function=FUNCTION, arguments=ARGUMENTS)
            ran = await call("run_function", function=FUNCTION, arguments=ARGUMENTS, wait_seconds=45)
            while "next_step" in ran and ran["status"] in ("QUEUED", "INITIALIZING", "RUNNING"):
                ran = await call("wait_for_job", job_id=ran["job_id"])
            return checked, ran


def drawn(checked: dict[str, Any], ran: dict[str, Any]) -> str:
    """Return the picture, as SVG."""
    result = next(part["value"] for part in ran["result"]["parts"] if not part["pointer"])
    checks = [
        [("ok", f"{check['outcome']:<5}"), ("", f"{check['name']:<11}"), ("dim", check["message"])]
        for check in checked["checks"]
    ]
    allowed = [("", f"{'allowed':<16}"), ("value", json.dumps(checked["allowed"]))]
    values = [
        [("", f"{name:<16}"), ("value", f"{value:.4f}" if isinstance(value, float) else json.dumps(value))]
        for name, value in ((name, result[name]) for name in SHOWN)
    ]
    blocks: list[tuple[str, str, list[Line]]] = [
        ("person", "you", [[("said", REQUEST)]]),
        ("call", "the assistant calls", [[("tool", "check_run")], *call()]),
        ("reply", "the server answers", [*checks, allowed]),
        ("call", "the assistant calls", [[("tool", "run_function"), ("dim", '  the same, and "wait_seconds": 45')]]),
        ("reply", "the server answers", [[("", f"{'status':<16}"), ("ok", ran["status"])], *values]),
    ]
    body: list[str] = []
    top = MARGIN
    for kind, who, lines in blocks:
        height = LINE * len(lines) + 14
        body.append(
            f'<rect class="{kind}" x="{MARGIN}" y="{top}" width="{WIDTH - 2 * MARGIN}" height="{height}" rx="8"/>'
            f'<text class="who dim" x="{WIDTH - MARGIN - PADDING}" y="{top + 22}">{who}</text>'
        )
        for number, line in enumerate(lines):
            spans = "".join(f'<tspan class="{style}">{escape(text)}</tspan>' for style, text in line)
            body.append(f'<text x="{MARGIN + PADDING}" y="{top + 22 + LINE * number}">{spans}</text>')
        top += height + (4 if kind == "call" else 12)
    body.extend(chart(result["history"], result["exact_energy"], top - 12 - 14 - CHART_HEIGHT))
    return (
        # For the renderers that do not know "white-space" in pictures.
        '<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" '
        f'viewBox="0 0 {WIDTH} {top + 12}" width="{WIDTH}" height="{top + 12}" '
        f'role="img"><title>{escape(REQUEST)}</title><style>{STYLE}</style>'
        f'<rect class="panel" x="1" y="1" width="{WIDTH - 2}" height="{top + 10}" rx="12"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def call() -> Iterator[Line]:
    """Yield the arguments of the calls as JSON, long ones cut."""
    circuit = " ".join(ANSATZ.split())[:58]
    terms = json.dumps({name: round(value, 4) for name, value in list(HYDROGEN.items())[:3]})[:-1]
    rest = {name: value for name, value in ARGUMENTS.items() if name not in ("ansatz", "observable")}
    yield [("dim", f'  {{"function": "{FUNCTION}", "arguments": {{')]
    yield [("dim", f'    "ansatz": {json.dumps({"$circuit": circuit})[:-2]}…"}},')]
    yield [("dim", f'    "observable": {{"$observable": {terms}, …}}}},')]
    yield [("dim", f"    {json.dumps(rest)[1:-1]}}}}}")]


def chart(history: list[float], exact: float, top: int) -> Iterator[str]:
    """Yield a line of the energy in each iteration, above the exact one."""
    highest, right = max(history), CHART_LEFT + CHART_WIDTH

    def y(energy: float) -> float:
        return top + CHART_HEIGHT * (highest - energy) / (highest - exact)

    step = CHART_WIDTH / (len(history) - 1)
    points = " ".join(f"{CHART_LEFT + step * number:.1f},{y(energy):.1f}" for number, energy in enumerate(history))
    title = f"energy in each of {len(history)} iterations, hartree"
    yield f'<text class="dim" x="{CHART_LEFT}" y="{top - 14}">{title}</text>'
    yield f'<line class="exact" x1="{CHART_LEFT}" x2="{right}" y1="{y(exact):.1f}" y2="{y(exact):.1f}"/>'
    yield f'<text class="ok" x="{CHART_LEFT}" y="{y(exact) - 6:.1f}">exact: {exact:.4f}</text>'
    yield f'<polyline class="energy" points="{points}"/>'


def differences(old: str, new: str) -> Iterator[str]:
    """Yield in what two pictures differ: texts, and figures by more than machines do."""
    texts = [re.findall(r"<(?:text|tspan)[^>]*>([^<]+)<", picture) for picture in (old, new)]
    number = re.compile(r"-?\d+\.\d+")
    for before, after in zip(*texts, strict=False):
        figures = zip(number.findall(before), number.findall(after), strict=False)
        if number.sub("#", before) != number.sub("#", after) or any(
            abs(float(one) - float(other)) > MOST_DIFFERENCE for one, other in figures
        ):
            yield f"{before!r} was, {after!r} is"
    frames = [re.sub(r"-?\d+(\.\d+)?", "#", re.sub(r">[^<]+<", "><", picture)) for picture in (old, new)]
    if len(texts[0]) != len(texts[1]) or frames[0] != frames[1]:
        yield "it is drawn otherwise"


def main() -> None:
    new = drawn(*anyio.run(run))
    if "--check" not in sys.argv:
        PICTURE.write_text(new, encoding="utf-8")
    elif found := list(differences(PICTURE.read_text(encoding="utf-8"), new)):
        sys.exit("\n".join(["docs/picture.svg is stale; draw it with: uv run docs/picture.py", *found]))


if __name__ == "__main__":
    main()
