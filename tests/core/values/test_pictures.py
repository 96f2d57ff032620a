from __future__ import annotations

import io
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import pyplot, rcParams
from matplotlib.image import imread
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.random import random_circuit
from qiskit.primitives.containers import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult

from qiskit_functions_core.errors import InputError
from qiskit_functions_core.values import Picture
from qiskit_functions_core.values.drawing.figures import panels_figure
from qiskit_functions_core.values.drawing.panels import Panel
from qiskit_functions_core.values.drawing.themes import COLORS
from qiskit_functions_core.values.pictures import draw, drawings

CHANCE = np.random.default_rng(7)
BELL = BitArray.from_counts({"00": 510, "11": 490}, num_bits=2)


def estimated(shape: tuple[int, ...], **more: Any) -> PubResult:
    return PubResult(DataBin(evs=CHANCE.random(shape), stds=CHANCE.random(shape) / 9, shape=shape), more)


def sampled(shape: tuple[int, ...], num_bits: int, shots: int = 50) -> BitArray:
    width = -(-num_bits // 8)
    return BitArray(CHANCE.integers(0, 256, (*shape, shots, width), dtype=np.uint8), num_bits)


def circuit() -> QuantumCircuit:
    made = QuantumCircuit(3, 3, global_phase=0.5)
    made.h(0)
    made.rx(Parameter("θ"), 1)
    made.cx(0, 1)
    with made.if_test((0, True)):
        made.x(2)
    made.measure(range(3), range(3))
    return made


DRAWABLE: dict[str, tuple[Any, str]] = {
    "one outcome": (BitArray.from_counts({"0": 5}, num_bits=1), "Counts at /x: 5 shots."),
    "two outcomes": (BELL, "Counts at /x: 1,000 shots."),
    "many outcomes": (sampled((), 8, 4000), "the 20 most frequent of 256 outcomes"),
    "long bit strings": (sampled((), 127), "the 20 most frequent of 50 outcomes, 40 % of 50 shots"),
    "no shots": (BitArray(np.zeros((0, 1), np.uint8), 3), "Counts at /x: 0 shots."),
    "a sweep of counts": (sampled((30,), 2), "the 4 most frequent of 4 outcomes at 30 parameter points"),
    "a sweep of two axes": (sampled((3, 4), 2), "3 by 4"),
    "a quasi-distribution": ({"0": 0.6, "3": 0.5, "1": -0.1}, "Distribution at /x"),
    "one expectation value": (estimated(()), "Expectation values at /x: 1, with standard errors."),
    "expectation values": (estimated((20,)), "Expectation values at /x: 20"),
    "many expectation values": (estimated((5000,)), "5000, with standard errors; every 3th is drawn"),
    "a grid of expectation values": (estimated((5, 6)), "5 by 6, standard errors up to 0.1"),
    "a few observables": (estimated((20, 3)), "3 observables, 20, with standard errors."),
    "values of several pubs": (PrimitiveResult([estimated(()), estimated(())]), "Expectation values at /x: 2"),
    "errors that are not numbers": (PubResult(DataBin(evs=np.ones(2), stds=np.full(2, np.nan), shape=(2,))), "2"),
    "numbers": (CHANCE.random(100), "Values at /x: 100"),
    "complex numbers": (CHANCE.random((3, 4)) * 1j, "Absolute values at /x: 3 by 4"),
    "three axes": (CHANCE.random((2, 3, 4)), "2 by 3 by 4"),
    "a plain list": ([1.5, 2, 0.5], "Values at /x: 3"),
    "inside other things": ({"text": "a", "deep": [{"energies": [1.0, 2.0]}]}, "Values at /x/deep/0/energies: 2"),
    "a circuit": (circuit(), "Circuit at /x: qubits: 3, operations: 7, global phase: 0.5."),
    "a large circuit": (random_circuit(40, 30, max_operands=2, seed=1), "drawn are the first"),
    "names that look like mathematics": (SamplerPubResult(DataBin(**{r"$\frac$": BELL})), r"/x/data/$\frac$"),
}


@pytest.mark.parametrize(("value", "caption"), DRAWABLE.values(), ids=DRAWABLE)
def test_values_are_drawn_with_a_caption(value: Any, caption: str) -> None:
    picture = draw(value, "/x")
    assert caption in picture.caption
    height, width, _ = imread(io.BytesIO(picture.data), "png").shape
    assert width <= 801
    assert height <= 1600


@pytest.mark.parametrize("value", [BELL, circuit(), estimated((3, 3))], ids=["counts", "a circuit", "a heatmap"])
def test_each_theme_has_its_background_and_text_that_stands_out(value: Any) -> None:
    for theme, background in (("light", (255, 255, 255)), ("dark", (22, 22, 22))):
        pixels = np.round(imread(io.BytesIO(draw(value, theme=theme).data), "png")[..., :3] * 255)  # type: ignore[arg-type]
        assert tuple(pixels[1, 1]) == background
        assert np.abs(pixels.mean(axis=-1) - background[0]).max() > 180


def test_every_register_has_its_panel_and_what_is_left_out_is_told() -> None:
    three = PrimitiveResult([SamplerPubResult(DataBin(a=BELL, b=BELL)), estimated((3,))])
    caption = draw(three).caption
    assert [caption.index(at) for at in ("/pub_results/0/data/a:", "/pub_results/0/data/b:", "/pub_results/1:")]
    assert "more to draw" not in caption
    assert "more to draw" in draw([BELL] * 5).caption
    assert "more to draw" in draw([circuit(), BELL]).caption


def test_an_svg_is_a_whole_document_and_the_same_each_time() -> None:
    picture = draw(BELL, form="svg")
    assert picture.mime_type == "image/svg+xml"
    assert ElementTree.fromstring(picture.data).tag.endswith("svg")


def test_drawing_leaves_no_figure_and_no_setting_of_pyplot_behind() -> None:
    before = dict(rcParams)
    draw(circuit())
    draw(BELL)
    assert pyplot.get_fignums() == []
    assert dict(rcParams) == before


@pytest.mark.parametrize(
    "value", ["text", 3, None, [], {"a": True}, [1.5], [0, 3, 5], np.array([0, 3]), np.array("x"), BitArray]
)
def test_what_cannot_be_drawn_says_what_can(value: Any) -> None:
    with pytest.raises(InputError, match="Nothing can be drawn at /x") as caught:
        draw(value, "/x")
    assert "counts, expectation values" in caught.value.next_step


def test_a_circuit_that_the_drawer_fails_on_is_told_by_its_place() -> None:
    broken = QuantumCircuit(1)
    broken.append(QuantumCircuit(1, name=r"$\frac$").to_gate(), [0])
    with pytest.raises(InputError, match="/x cannot be drawn") as caught:
        draw(broken, "/x")
    assert "summary" in caught.value.next_step


def test_a_picture_has_a_media_type() -> None:
    assert draw([1.5, 2]) == Picture(draw([1.5, 2]).data, "image/png", "Values: 2.")


def panels_of(value: Any) -> list[Any]:
    """What would be drawn of a value, by matplotlib's own account of its axes."""
    axes = []
    for _, panel in drawings(value, "", None):
        assert isinstance(panel, Panel)
        figure = panels_figure([panel], COLORS["light"])
        axes.append(figure.axes[0])
    return axes


THETAS = np.linspace(0, np.pi, 11)


@pytest.mark.parametrize("turned", [False, True], ids=["sets first", "observables first"])
def test_a_sweep_is_a_line_for_each_observable_by_the_parameter_that_changes(turned: bool) -> None:
    values = np.stack([np.cos(THETAS), np.sin(THETAS)], 0 if turned else 1)
    pub = PubResult(DataBin(evs=values, stds=np.full(values.shape, 0.1), shape=values.shape))
    result = {
        "result": PrimitiveResult([pub]),
        "parameter_values": {"θ": THETAS, "fixed": np.ones(11)},
        "observables": ["ZZ", "XX"],
    }
    (ax,) = panels_of(result)
    assert (ax.get_title(loc="left"), ax.get_xlabel()) == ("Expectation values by θ", "θ")
    assert ax.get_ylabel() == "expectation value"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["ZZ", "XX"]
    np.testing.assert_allclose(ax.containers[0].lines[0].get_xdata(), THETAS)
    np.testing.assert_allclose(ax.containers[1].lines[0].get_ydata(), np.sin(THETAS))
    assert ax.containers[0].has_yerr


def test_counts_of_a_sweep_are_lines_by_the_parameter() -> None:
    result = {"result": PrimitiveResult([SamplerPubResult(DataBin(c=sampled((11,), 1), shape=(11,)))]), "theta": THETAS}
    (ax,) = panels_of(result)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("theta", "probability")


def test_without_the_values_a_sweep_is_by_parameter_set() -> None:
    (ax,) = panels_of(estimated((11,)))
    assert ax.get_xlabel() == "parameter set"
    assert len(ax.containers[0].lines[0].get_xdata()) == 11


def test_a_few_observables_are_lines_also_if_they_come_first_and_have_no_names() -> None:
    (ax,) = panels_of(estimated((3, 11)))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [f"observable {index}" for index in range(3)]


def grid(*shape: int) -> dict[str, Any]:
    """The values of two parameters, each of which changes along one axis."""
    first, second = np.meshgrid(*(np.linspace(0, np.pi, length) for length in shape), indexing="ij")
    return {"parameter_values": {"a": first, "b": second}}


@pytest.mark.parametrize(
    "pub", [estimated((11, 5)), SamplerPubResult(DataBin(c=sampled((11, 5), 1), shape=(11, 5)))], ids=["evs", "counts"]
)
def test_a_grid_of_two_parameters_is_a_heatmap_with_their_values_on_the_axes(pub: Any) -> None:
    (ax,) = panels_of({"result": PrimitiveResult([pub]), **grid(11, 5)})
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("a", "b")
    np.testing.assert_allclose(ax.get_ylim(), [np.pi * 1.05, -np.pi * 0.05])
    np.testing.assert_allclose(ax.get_xlim(), [-np.pi / 8, np.pi * 9 / 8])


def test_many_observables_are_a_heatmap_with_their_names() -> None:
    names = [f"{pauli}{qubit}" for pauli in "XYZ" for qubit in range(3)]
    result = {"result": PrimitiveResult([estimated((9, 11))]), "observables": names, "theta": THETAS}
    (ax,) = panels_of(result)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == names
    assert ax.get_xlabel() == "theta"
    np.testing.assert_allclose(ax.get_xlim(), [-np.pi / 20, np.pi * 21 / 20])


@pytest.mark.parametrize("made", [np.asarray, np.ndarray.tolist], ids=["arrays", "lists"])
def test_plain_numbers_are_drawn_along_the_sweep_beside_them(made: Any) -> None:
    (ax,) = panels_of({"thetas": made(THETAS), "energies": made(np.cos(THETAS)), "shots": 100})
    assert (ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()) == ("Energies by theta", "theta", "energies")
    np.testing.assert_allclose(ax.lines[0].get_xdata(), THETAS)


def test_a_history_is_by_iteration_and_counts_in_a_plain_object_are_shots() -> None:
    result = {"energy_history": [0.5, 0.25], "counts": {"01": 30, "10": 70}, "parameters": np.array([0.1, 0.2])}
    history, counts = panels_of(result)
    assert (history.get_xlabel(), history.get_ylabel()) == ("iteration", "energy")
    assert (counts.get_title(loc="left"), counts.get_ylabel()) == ("Counts\n100 shots", "shots")


def test_a_sweep_of_one_observable_has_its_name_in_the_title() -> None:
    result = {"result": PrimitiveResult([estimated((11,))]), "observable": "ZZ", "theta": THETAS}
    (ax,) = panels_of(result)
    assert (ax.get_title(loc="left"), ax.get_legend()) == ("Expectation value of ZZ by theta", None)


def test_observables_are_named_below_their_points() -> None:
    (ax,) = panels_of({"result": PrimitiveResult([estimated((2,))]), "observables": ["ZZ", {"XI": 0.5, "IX": 1.0}]})
    assert ax.get_xlabel() == "observable"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["ZZ", "0.5 XI + IX"]


@pytest.mark.parametrize(
    ("value", "titles"),
    [
        ({"result": PrimitiveResult([SamplerPubResult(DataBin(meas=BELL))])}, ["Counts: meas\n1,000 shots"]),
        (
            PrimitiveResult([SamplerPubResult(DataBin(c=BELL)), SamplerPubResult(DataBin(c=BELL))]),
            ["Counts: c, pub 0\n1,000 shots", "Counts: c, pub 1\n1,000 shots"],
        ),
        ({"energy_history": [0.5, 0.25], "nodes": [0, 3, 5]}, ["Energy history"]),
        ({"θ": [0.5, 0.25]}, ["θ"]),
    ],
)
def test_titles_are_what_a_person_would_write(value: Any, titles: list[str]) -> None:
    assert [ax.get_title(loc="left") for ax in panels_of(value)] == titles
