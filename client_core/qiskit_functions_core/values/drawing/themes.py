"""The colors of pictures."""

from __future__ import annotations

from dataclasses import dataclass

from ..result_query import Theme


@dataclass(frozen=True)
class Colors:
    """IBM's data colors, against the background that chats have.

    Attributes:
        series: of lines; the first is the main color.
        circuit: the style of Qiskit's circuit drawer.
    """

    background: str
    text: str
    faint: str
    series: tuple[str, ...]
    circuit: str

    @property
    def main(self) -> str:
        return self.series[0]


COLORS: dict[Theme, Colors] = {
    "light": Colors(
        background="#ffffff",
        text="#161616",
        faint="#c6c6c6",
        series=("#0f62fe", "#b28600", "#9f1853", "#198038", "#6929c4", "#005d5d"),
        circuit="iqp",
    ),
    "dark": Colors(
        background="#161616",
        text="#f4f4f4",
        faint="#525252",
        series=("#78a9ff", "#f1c21b", "#ff7eb6", "#42be65", "#be95ff", "#3ddbd9"),
        circuit="iqp-dark",
    ),
}
