"""Sums of Pauli terms as text: as people write them, and as Qiskit, OpenFermion, PennyLane and Cirq print them.

A term is a coefficient and either a label whose last letter is qubit 0 (`0.5*XI`, `-ZZ`), or Paulis with their qubits
(`0.5 [X0 Z1]`, `0.5 * Z(0) @ Z(1)`, `Z_0 Z_1`, `Z₀Z₁`), or a sum of such terms in parentheses. Numbers may also follow
it (`ZZ*0.5`, `(XX + YY)/2`). A number alone is a multiple of the identity.
"""

from __future__ import annotations

import cmath
import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import NoReturn

# What is copied from papers and chats has typographic signs.
_PLAIN = str.maketrans("−–·⋅×∗⊗₀₁₂₃₄₅₆₇₈₉", "--****@0123456789")
# No two alternatives start alike, so this takes linear time.
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<letters>[A-Za-z]+)|(?P<sign>.)"
)
_REPR = re.compile(
    r"SparsePauliOp\(\s*\[(?P<labels>[^\]]*)\]\s*(?:,\s*(?:coeffs\s*=\s*)?\[(?P<coeffs>[^\]]*)\]\s*)?,?\s*\)"
)
_LIST = re.compile(r"(?:SparsePauliOp\.from_list\(\s*)?\[(?P<pairs>\s*\(.*),?\s*\]\s*\)?", re.DOTALL)
_PAIR = re.compile(r"\s*\(\s*['\"](?P<label>\w*)['\"]\s*,(?P<coeff>[^()]*|\s*\([^()]*\)\s*)\)\s*(?:,|$)")
_SPARSE_OBSERVABLE = re.compile(
    r"<SparseObservable with \d+ terms? on (?P<qubits>\d+) qubits?: (?P<sum>.*)>", re.DOTALL
)
_LABEL = re.compile(r"[IXYZ]+|[ixyz]+")
_LONG_NAMES = {"PauliX": "X", "PauliY": "Y", "PauliZ": "Z", "Identity": "I"}
_LONGEST_SHOWN = 40


class NotAPauliSum(Exception):
    """The text is not a sum of Pauli terms, or has more than one meaning."""


@dataclass(frozen=True)
class PauliTerm:
    """A term of a sum: either a label, or Paulis and the qubits that they act on.

    Attributes:
        paulis: letters of `IXYZ`; empty for a multiple of the identity.
        qubits: a qubit for each letter; None for a label.
    """

    paulis: str
    qubits: list[int] | None
    coefficient: complex


def read_sum(text: str) -> tuple[list[PauliTerm], int | None]:
    """Return the terms of a sum, and the number of qubits if the text says so; it takes linear time.

    Raises:
        NotAPauliSum: with the reason and the place.
    """
    text = text.strip()
    if found := _REPR.fullmatch(text):
        labels = [label.strip(" \n'\"") for label in found["labels"].split(",")]
        coefficients = found["coeffs"].split(",") if found["coeffs"] else ["1"] * len(labels)
        if "..." in labels or len(labels) != len(coefficients):
            raise NotAPauliSum("the SparsePauliOp has other numbers of labels and coefficients, or was printed in part")
        rows = zip(labels, coefficients, strict=True)
        return [PauliTerm(read_label(label), None, read_coefficient(number)) for label, number in rows], None
    if found := _LIST.fullmatch(text):
        return _pairs(found["pairs"]), None
    if found := _SPARSE_OBSERVABLE.fullmatch(text):
        # Longer numbers of qubits are refused anyway; Python refuses to read 4,300 digits.
        return _Parser(found["sum"]).terms(), int(found["qubits"][:9])
    return _Parser(text).terms(), None


def _pairs(text: str) -> list[PauliTerm]:
    """Return the terms of a printed list of pairs, as `SparsePauliOp.to_list` gives it."""
    terms, end = [], 0
    while end < len(text):
        if not (pair := _PAIR.match(text, end)):
            raise NotAPauliSum(f"('label', number) is expected at {_shown(text[end:].strip())}")
        terms.append(PauliTerm(read_label(pair["label"]), None, read_coefficient(pair["coeff"])))
        end = pair.end()
    return terms


def read_label(text: str) -> str:
    """Return a label in capitals.

    Raises:
        NotAPauliSum: it is not a label.
    """
    if not _LABEL.fullmatch(text):
        reason = "; it mixes capitals and small letters" if re.fullmatch(r"[IXYZixyz]+", text) else ""
        raise NotAPauliSum(f"{_shown(text)} is not a Pauli label of the letters I, X, Y and Z{reason}")
    return text.upper()


def read_coefficient(text: str) -> complex:
    """Return the number of a text such as `0.5+0j`, `1e-3` or `(1-2j)`.

    Raises:
        NotAPauliSum: it is not a number.
    """
    with suppress(ValueError):
        # NumPy pads numbers with spaces.
        number = complex("".join(text.translate(_PLAIN).split()).replace("i", "j"))
        if cmath.isfinite(number):
            return number
    raise NotAPauliSum(f"{_shown(text)} is not a number")


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int
    is_attached: bool


class _Parser:
    """Reads a sum from left to right, one token at a time."""

    def __init__(self, text: str) -> None:
        self._tokens: list[_Token] = []
        is_attached = False
        for match in _TOKEN.finditer(text.translate(_PLAIN)):
            kind = match.lastgroup or ""
            if kind != "space":
                self._tokens.append(_Token(kind, match.group(), match.start() + 1, is_attached))
            is_attached = kind != "space"
        self._tokens.append(_Token("end", "", len(text) + 1, False))
        self._at = 0

    def terms(self, end: str = "") -> list[PauliTerm]:
        """Take a sum, up to the end of the text or to a parenthesis."""
        terms = self._term(self._sign(), is_inner=bool(end))
        while self._next.text != end or (self._next.kind != "end" and not end):
            if self._next.text not in ("+", "-"):
                self._fail(f"{end} is missing" if end else "a + or - is expected")
            terms += self._term(self._sign(), is_inner=bool(end))
        return terms

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *texts: str) -> bool:
        """Take the next token if it is one of these."""
        if self._next.text not in texts:
            return False
        self._at += 1
        return True

    def _fail(self, reason: str, place: int | None = None) -> NoReturn:
        raise NotAPauliSum(f"{reason} at character {place or self._next.place}")

    def _sign(self) -> float:
        sign = 1.0
        while self._next.text in ("+", "-"):
            sign = -sign if self._next.text == "-" else sign
            self._at += 1
        return sign

    def _term(self, sign: float, *, is_inner: bool) -> list[PauliTerm]:
        start = self._at
        coefficient = sign * self._coefficient()
        has_coefficient = self._at > start
        is_product = has_coefficient and self._take("*")
        before = self._at
        if not is_inner and self._take("("):
            terms = self.terms(")")
            self._take(")")
        else:
            closing = "]" if self._take("[") else ""
            paulis, qubits = self._paulis()
            if closing and not self._take(closing):
                self._fail(f"{closing} is missing")
            terms = [PauliTerm(paulis, qubits, 1.0)]
        if self._at == before and (is_product or not has_coefficient):
            self._fail("a Pauli term is missing")
        while self._next.text in ("*", "/"):
            is_division = self._take("/") or not self._take("*")
            factor = self._sign() * self._number()
            if is_division and not factor:
                self._fail("a number other than 0 is missing", self._tokens[self._at - 1].place)
            coefficient = coefficient / factor if is_division else coefficient * factor
        return [PauliTerm(term.paulis, term.qubits, coefficient * term.coefficient) for term in terms]

    def _coefficient(self) -> complex:
        if self._next.text == "(":
            inside = takewhile(lambda token: token.text != ")", self._tokens[self._at + 1 :])
            if not all(token.kind == "number" or token.text in ("+", "-", "/", "i", "j") for token in inside):
                return 1.0  # parentheses around Paulis
            self._at += 1
            number = self._sign() * self._number()
            while self._next.text in ("+", "-"):
                number += self._sign() * self._number()
            if not self._take(")"):
                self._fail(") is missing")
            return number
        return self._number() if self._next.kind == "number" else 1.0

    def _number(self) -> complex:
        if self._next.kind != "number":
            self._fail("a number is missing")
        number: complex = float(self._next.text)
        self._at += 1
        if self._take("/"):
            if self._next.kind != "number" or not float(self._next.text):
                self._fail("a number other than 0 is missing")
            number /= float(self._next.text)
            self._at += 1
        if not cmath.isfinite(number):
            self._fail("a number is too large")
        unit, after = self._next, self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        if unit.is_attached and unit.text == "i" and after.text not in ("*", ")"):
            self._fail("'i' may be the imaginary unit or the identity; write 'j' or '*I'")
        if unit.is_attached and unit.text in ("j", "i"):
            self._at += 1
            number *= 1j
        return number

    def _paulis(self) -> tuple[str, list[int] | None]:
        """Take a label, or Paulis with their qubits; nothing is a multiple of the identity."""
        paulis: list[str] = []
        qubits: list[int] = []
        while self._next.kind == "letters":
            name = self._next
            self._at += 1
            letters = _LONG_NAMES.get(name.text, name.text)
            if not _LABEL.fullmatch(letters):
                try:
                    read_label(letters)
                except NotAPauliSum as error:
                    self._fail(f"{error},", name.place)
            qubit = self._qubit()
            if qubit is None:
                follows = self._next.text in ("*", "@") and self._tokens[self._at + 1].kind != "number"
                if paulis or self._next.kind == "letters" or follows:
                    self._fail(
                        f"{_shown(name.text)} has no qubit, so the order of the qubits is not clear,", name.place
                    )
                return letters.upper(), None
            if len(letters) > 1:
                self._fail(f"{_shown(name.text)} is several Paulis with one qubit,", name.place)
            if qubit >= 0:
                paulis.append(letters.upper())
                qubits.append(qubit)
            if self._next.text == "*" and self._tokens[self._at + 1].kind != "letters":
                break  # a number, if it is right
            if self._take("*", "@") and self._next.kind != "letters":
                self._fail("a Pauli is missing")
        return "".join(paulis), qubits

    def _qubit(self) -> int | None:
        """Take the qubit of a Pauli: `0`, `_0`, `_{0}`, `(0)` or `(q(0))`; -1 for `()`, None if there is none."""
        if self._next.kind == "number" and self._next.is_attached:
            return self._index()
        if self._take("_"):
            braces = self._take("{")
            index = self._index()
            if braces and not self._take("}"):
                self._fail("} is missing")
            return index
        if not self._next.is_attached or not self._take("("):
            return None
        if self._take(")"):
            return -1
        nested = self._take("q") and self._take("(")
        index = self._index()
        if not self._take(")") or (nested and not self._take(")")):
            self._fail(") is missing")
        return index

    def _index(self) -> int:
        # Longer numbers are no qubits, and Python refuses to read 4,300 digits.
        if not self._next.text.isdecimal() or len(self._next.text) > 9:
            self._fail("the number of a qubit is expected")
        self._at += 1
        return int(self._tokens[self._at - 1].text)
