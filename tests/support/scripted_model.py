"""A model for hosts that does what a script says, over HTTP on loopback.

It speaks Anthropic's Messages, OpenAI's Responses and Gemini's generateContent as far as hosts need them, and keeps
what a host has shown to it: the tools and the instructions. Each tool's answer goes to the script.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Call:
    """A call of a tool by its own name, without the prefix that the host gives it."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What the model sees of a tool's answer.

    Attributes:
        pictures: their media types.
        is_error: None if the host's protocol has no place for it.
    """

    text: str
    pictures: list[str]
    is_error: bool | None

    @property
    def json(self) -> dict[str, Any]:
        """The first JSON object in the text, which hosts may wrap."""
        decoder = json.JSONDecoder()
        for start, character in enumerate(self.text):
            if character == "{":
                try:
                    return dict(decoder.raw_decode(self.text, start)[0])
                except json.JSONDecodeError:
                    continue
        raise AssertionError(f"there is no JSON object in {self.text!r}")


Script = Generator[Call, Seen, str]
"""Yields calls, is sent what was seen of each, and returns the last words."""


@dataclass(frozen=True)
class _Turn:
    """A request of a host.

    Attributes:
        tools: what the host offers: the name as the model must call it, and its declaration.
        seen: the answers of tools so far.
    """

    tools: dict[str, dict[str, Any]]
    instructions: str
    seen: list[Seen]


class ScriptedModel:
    """The model.

    Attributes:
        tools: the tools of the server, by their own names: description and schema as the model gets them.
        instructions: the text before the conversation.
        requests: how many the host has made, with the tools or without.
        failure: what the script raised.
    """

    def __init__(self, script: Script, server_name: str) -> None:
        self._script = script
        self._server_name = server_name
        self._said: list[Call | str] = []
        self._lock = threading.Lock()
        self.tools: dict[str, dict[str, Any]] = {}
        self.instructions = ""
        self.requests = 0
        self.failure: Exception | None = None
        self.finished = threading.Event()
        self.url = ""

    def answer(self, turn: _Turn) -> tuple[str, Call | str]:
        """Return the id and the content of the next message; a call has the name that the host gave to the tool."""
        self.requests += 1
        names = {
            name.rpartition(self._server_name)[2].lstrip("_."): name for name in turn.tools if self._server_name in name
        }
        if not names:  # a title for the conversation, or a question about its topic
            return "aside", "Fine."
        with self._lock:
            self.tools = {own: turn.tools[name] for own, name in names.items()}
            self.instructions = turn.instructions
            step = len(turn.seen)
            # A request that is repeated gets the same answer.
            if step == len(self._said):
                self._said.append(self._next(turn))
            said = self._said[min(step, len(self._said) - 1)]
            if isinstance(said, Call):
                said = Call(names[said.tool], said.arguments)
            return f"call_{step}", said

    def _next(self, turn: _Turn) -> Call | str:
        try:
            return self._script.send(turn.seen[-1]) if turn.seen else next(self._script)
        except StopIteration as end:
            self.finished.set()
            return str(end.value)
        except Exception as failure:  # shown by the test, whose assertion it may be
            self.failure = failure
            self.finished.set()
            return f"The script failed: {failure!r}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        for ending, dialect in _DIALECTS.items():
            if path.endswith(ending):
                body = json.loads(raw)
                content, is_stream = dialect(self.server.model, body, path)
                self._send(200, content, "text/event-stream" if is_stream else "application/json")
                return
        self.do_GET()

    def do_GET(self) -> None:
        """Refuse what else a host wants, from here or, since this is its proxy too, from elsewhere."""
        self._send(404, b"{}", "application/json")

    do_HEAD = do_CONNECT = do_PUT = do_GET  # noqa: N815 - http.server's names

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - as in the base class
        """Print nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing of hosts that end in the middle of a request; what the script raises is kept elsewhere."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def __init__(self, model: ScriptedModel) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model = model


@contextmanager
def scripted_model(script: Script, server_name: str) -> Iterator[ScriptedModel]:
    """Serve a model that follows the script with the tools of one MCP server."""
    model = ScriptedModel(script, server_name)
    with _Server(model) as server:
        model.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield model
        finally:
            server.shutdown()
            thread.join()


def _messages(model: ScriptedModel, body: dict[str, Any], _path: str) -> tuple[bytes, bool]:
    """Anthropic's Messages."""
    contents = [body.get("system", ""), *(message["content"] for message in body["messages"])]
    blocks = [block for content in contents for block in _blocks(content)]
    told = "\n".join(block["text"] for block in blocks if block["type"] == "text")
    seen = []
    for block in blocks:
        if block["type"] == "tool_result":
            parts = _blocks(block.get("content", ""))
            pictures = [part["source"]["media_type"] for part in parts if part["type"] == "image"]
            text = "\n".join(part["text"] for part in parts if part["type"] == "text")
            seen.append(Seen(text, pictures, bool(block.get("is_error"))))
    tools = {tool["name"]: tool for tool in body.get("tools", [])}
    number, said = model.answer(_Turn(tools, told, seen))
    if isinstance(said, Call):
        start: dict[str, Any] = {"type": "tool_use", "id": f"toolu_{number}", "name": said.tool, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(said.arguments)}
        whole, reason = {**start, "input": said.arguments}, "tool_use"
    else:
        start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": said}
        whole, reason = {"type": "text", "text": said}, "end_turn"
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "stop_sequence": None,
        "usage": usage,
    }
    if not body.get("stream"):
        return _json({**message, "content": [whole], "stop_reason": reason}), False
    return _events(
        {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ), True


def _blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _count_tokens(_model: ScriptedModel, _body: dict[str, Any], _path: str) -> tuple[bytes, bool]:
    """Anthropic's and Gemini's."""
    return _json({"input_tokens": 1, "totalTokens": 1}), False


def _responses(model: ScriptedModel, body: dict[str, Any], _path: str) -> tuple[bytes, bool]:
    """OpenAI's Responses, always as a stream."""
    tools: dict[str, dict[str, Any]] = {}
    spaces: dict[str, tuple[str, str]] = {}
    for tool in body.get("tools", []):
        if tool["type"] == "namespace":
            for inner in tool["tools"]:
                name = f"{tool['name']}{inner['name']}"
                tools[name], spaces[name] = inner, (tool["name"], inner["name"])
        elif tool["type"] == "function":
            tools[tool["name"]] = tool
    described = [tool.get("description", "") for tool in body.get("tools", []) if tool["type"] == "namespace"]
    texts, seen = [body.get("instructions", ""), *described], []
    for item in body["input"]:
        if item["type"] == "message":
            texts += [part.get("text", "") for part in item["content"]]
        elif item["type"] == "function_call_output":
            output = item["output"]
            parts = [{"type": "input_text", "text": output}] if isinstance(output, str) else output
            text = "\n".join(part["text"] for part in parts if part["type"] == "input_text")
            images = [part["image_url"] for part in parts if part["type"] == "input_image"]
            seen.append(Seen(text, [image[5:].partition(";")[0] for image in images], None))
    number, said = model.answer(_Turn(tools, "\n".join(texts), seen))
    if isinstance(said, Call):
        space, name = spaces.get(said.tool, (None, said.tool))
        item = {"type": "function_call", "id": f"fc_{number}", "call_id": number, "name": name}
        item |= {"arguments": json.dumps(said.arguments)} | ({"namespace": space} if space else {})
    else:
        content = [{"type": "output_text", "text": said, "annotations": []}]
        item = {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": content}
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    response = {"id": f"resp_{number}", "object": "response", "model": body["model"], "output": []}
    return _events(
        {"type": "response.created", "response": {**response, "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {
            "type": "response.completed",
            "response": {**response, "status": "completed", "output": [item], "usage": usage},
        },
    ), True


def _generate(model: ScriptedModel, body: dict[str, Any], path: str) -> tuple[bytes, bool]:
    """Gemini's generateContent and streamGenerateContent."""
    declared = [tool for group in body.get("tools", []) for tool in group.get("functionDeclarations", [])]
    instructions = "\n".join(part.get("text", "") for part in body.get("systemInstruction", {}).get("parts", []))
    texts, seen = [instructions], []
    for content in body["contents"]:
        answers = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
        texts += [part["text"] for part in content["parts"] if "text" in part]
        pictures = [part["inlineData"]["mimeType"] for part in content["parts"] if "inlineData" in part]
        for answer in answers:
            pictures += [part["inlineData"]["mimeType"] for part in answer.get("parts", []) if "inlineData" in part]
            response = answer["response"]
            text = response.get("output") or response.get("error") or ""
            seen.append(Seen(text, pictures, "error" in response))
    number, said = model.answer(_Turn({tool["name"]: tool for tool in declared}, "\n".join(texts), seen))
    if isinstance(said, Call):
        part: dict[str, Any] = {"functionCall": {"id": number, "name": said.tool, "args": said.arguments}}
    else:
        part = {"text": said}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    answer = {"candidates": [candidate], "usageMetadata": usage, "responseId": number}
    if path.endswith(":streamGenerateContent"):
        return _events(answer), True
    return _json(answer), False


_Dialect = Callable[[ScriptedModel, dict[str, Any], str], tuple[bytes, bool]]

_DIALECTS: dict[str, _Dialect] = {
    "/v1/messages": _messages,
    "/v1/messages/count_tokens": _count_tokens,
    "/responses": _responses,
    ":countTokens": _count_tokens,
    ":generateContent": _generate,
    ":streamGenerateContent": _generate,
}
"""By the end of the path."""


def _json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode()


def _events(*events: dict[str, Any]) -> bytes:
    lines = []
    for event in events:
        head = f"event: {event['type']}\n" if "type" in event else ""
        lines.append(f"{head}data: {json.dumps(event)}\n\n")
    return "".join(lines).encode()
