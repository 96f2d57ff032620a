"""Encoded results become Python and Qiskit values.

The formats are those of ``RuntimeEncoder`` (qiskit-ibm-runtime) and ``QiskitObjectsEncoder`` (qiskit-serverless). A
type is rebuilt only if a module in ``families`` reads it; no module or class is ever looked up by a name
from the data. Payloads are bounded while they are unpacked, and what is refused or broken becomes an ``Opaque`` in
its place, so that the rest stays readable.
"""

from __future__ import annotations

import json
from typing import Any

from .families.containers import NotWholeJSON, Opaque
from .families.registry import REGISTRY
from .families.unpacking import Unpacker
from .limits import Limits

REFUSED = {"QiskitRuntimeService": "a service carries credentials and a URL: it is never opened from data"}
# The second is where results have been since qiskit-ibm-runtime 0.48; encoded values still name the first.
_NOISE_LEARNER = (
    "qiskit_ibm_runtime.utils.noise_learner_result",
    "qiskit_ibm_runtime.results.noise_learner",
)
_MAX_NAME = 100
# Python's parser raises RecursionError at 1,000 levels, later releases at up to 10,000.
_DEEPEST_PARSED = 10_000
# JSON may break off inside one of its words, of which "false" is the longest.
_LONGEST_WORD = 5
# Keys and items looked at to say how large the refused values of a text are.
_MAX_SIZED = 500_000


def decode(text: str, *, limits: Limits = Limits()) -> Any:  # noqa: B008 - frozen
    """Return the value of an encoded result; text that is not JSON comes back as it is, and nothing is raised.

    Only types that are on a list are rebuilt; everything else, and what is broken, comes back as an ``Opaque``. No
    code is run or looked up by a name from the text, and nothing is unpickled.

    This runs in the caller's process and thread. ``limits`` bounds what the text may hold, but a hostile value within
    them can still take much time and memory (a circuit of a few bytes may claim millions of qubits), or end the
    process. For a summary, a picture or a file of a result that is not trusted, have a worker read it instead.
    Qiskit 2.6's native library fails in new threads after the thread that first imported Qiskit has ended: import
    Qiskit in the main thread before other threads call this.
    """
    return Decoder(limits).text(text)


class Decoder:
    """Decodes one text, or values of one text, within one set of bounds.

    Attributes:
        refusals: everything that became opaque so far.
    """

    def __init__(self, limits: Limits) -> None:
        self.refusals: list[Opaque] = []
        self._limits = limits
        self._unpacker = Unpacker(limits)
        self._sizing_left = _MAX_SIZED

    def text(self, text: str) -> Any:
        if len(text) > self._limits.max_text:
            return self._refuse("text", len(text), f"longer than {self._limits.max_text:,} characters")
        # Between two commas there are at most as many brackets as can be nested. Long payloads have few commas: finding
        # these takes no time, while counting looks at each character, and takes as long as half the parsing.
        few, at = min(self._limits.max_containers // _DEEPEST_PARSED, self._limits.max_items), -1
        for _ in range(few):
            at = text.find(",", at + 1)
            if at < 0:
                break
        else:
            if (
                text.count(",") > self._limits.max_items
                or text.count("{") + text.count("[") > self._limits.max_containers
            ):
                return self._refuse("JSON", len(text), "more objects, lists or items than are read")
        self._unpacker.spend(len(text))
        try:
            tree = _load(text)
        except json.JSONDecodeError as error:
            return _not_json(text, error)
        except RecursionError:
            return self._refuse("JSON", len(text), "nested too deeply")
        return self.value(tree)

    def value(self, tree: Any, depth: int = 0) -> Any:
        """Decode parsed JSON, tagged values innermost first."""
        if not isinstance(tree, dict | list):
            return tree
        if depth > self._limits.max_depth:
            return self._refuse("JSON", self._size(tree), f"nested deeper than {self._limits.max_depth}")
        if isinstance(tree, list):
            return [self.value(item, depth + 1) if isinstance(item, dict | list) else item for item in tree]
        if "__type__" in tree:
            return self._tagged(tree, depth)
        return {key: self.value(item, depth + 1) for key, item in tree.items()}

    def _tagged(self, tree: dict[str, Any], depth: int) -> Any:
        name = _type_name(tree)
        support = REGISTRY.named(name)
        if support is None:
            return self._refuse(name, self._size(tree), REFUSED.get(name, "not a type that is rebuilt here"))
        if "__value__" not in tree:
            return self._refuse(name, self._size(tree), "it has no __value__")
        value = self.value(tree["__value__"], depth + 1)
        try:
            return support.read(value, self._unpacker)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # broken data raises anything; a Rust panic is not an Exception
            lines = str(error).strip().strip("'\"").splitlines()
            reason = (lines[0] if lines else type(error).__name__)[:300]
            return self._refuse(name, self._size(tree), reason, value if isinstance(value, dict | list) else None)

    def _size(self, tree: Any) -> int:
        """Return about the characters of its JSON; of many refused values inside each other, only the first's."""
        if isinstance(tree, str):
            return len(tree) + 2
        if not isinstance(tree, dict | list):
            return len(str(tree))
        self._sizing_left -= len(tree)
        if self._sizing_left < 0:
            return 0
        keys = sum(len(key) + 4 for key in tree) if isinstance(tree, dict) else 0
        return keys + sum(map(self._size, tree.values() if isinstance(tree, dict) else tree)) + max(2 * len(tree), 2)

    def _refuse(
        self, type_name: str, size: int, reason: str, parts: dict[str, Any] | list[Any] | None = None
    ) -> Opaque:
        refusal = Opaque(type_name, size, reason, parts)
        self.refusals.append(refusal)
        return refusal


def _type_name(tree: dict[str, Any]) -> str:
    """Return the name of an encoded value's type: for ``settings`` and ``_json`` that of its class, if it may be."""
    kind = str(tree["__type__"])[:_MAX_NAME]
    if kind not in ("settings", "_json"):
        return kind
    module, class_name = (str(tree.get(key, ""))[:_MAX_NAME] for key in ("__module__", "__class__"))
    if kind == "settings" and module.startswith("qiskit.quantum_info."):
        return f"quantum_info.{class_name}"
    if kind == "_json" and module in _NOISE_LEARNER:
        return f"noise_learner.{class_name}"
    return f"{module}.{class_name}"


def _not_json(text: str, error: json.JSONDecodeError) -> str:
    """Return the text; one that begins as an object, list or text of JSON and breaks off says so."""
    breaks_off = error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip()) - _LONGEST_WORD
    if text.lstrip()[:1] in tuple('{["') and breaks_off:
        return NotWholeJSON(
            text,
            f"This begins as JSON and breaks off after {len(text):,} characters, so a part is lost: a full disk, or a "
            "function that was stopped while it saved. Run the function again if the rest is needed.",
        )
    return text


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        # Python refuses integers of more than 4,300 digits; the hook is slow, so it is not there from the start.
        def integer(digits: str) -> int | Opaque:
            try:
                return int(digits)
            except ValueError:
                return Opaque("integer", len(digits), "more digits than Python reads")

        return json.loads(text, parse_int=integer)
