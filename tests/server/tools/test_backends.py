"""What list_backends answers on this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from qiskit_functions_mcp.app import build_server
from qiskit_functions_mcp.settings import Settings
from support.gateways import served
from support.over_stdio import structured


@pytest.fixture
async def client(mode: str, tmp_path: Path) -> AsyncIterator[Client]:
    with served(tmp_path):
        async with Client(build_server(Settings(channel="local", home=tmp_path)), mode=mode) as opened:
            yield opened


async def listed(client: Client, **arguments: Any) -> dict[str, Any]:
    return structured(await client.call_tool("list_backends", arguments))


async def test_a_list_is_short_of_different_sizes_and_says_that_they_are_simulated(client: Client) -> None:
    answer = await listed(client)
    sizes = [backend["num_qubits"] for backend in answer["backends"]]
    assert len(sizes) == len(set(sizes)) == 10
    assert sizes == sorted(sizes)
    for backend in answer["backends"]:
        assert backend["simulated"] == "simulated on this machine"
        assert "queue_length" not in backend


async def test_one_in_full_has_its_errors_and_its_coupling_map_on_request(client: Client) -> None:
    (fez,) = (await listed(client, name="fake_fez"))["backends"]
    assert 0.001 < fez["medians"]["two_qubit_error"] < 0.01
    assert 50 < fez["medians"]["t1_us"] < 500
    assert fez["couplings"] == 352
    assert "coupling_map" not in fez
    (fez,) = (await listed(client, name="fake_fez", coupling_map=True))["backends"]
    assert len(fez["coupling_map"]) == 352


@pytest.mark.parametrize(
    ("filters", "why"),
    [
        ({"simulator": "false"}, "simulated on this machine"),
        ({"min_num_qubits": 500}, "has 156 qubits"),
        ({"operational": "false"}, "None matches operational"),
        ({"least_busy": True, "min_num_qubits": 500}, "has 156 qubits"),
    ],
)
async def test_a_filter_that_leaves_nothing_says_why(client: Client, filters: dict[str, Any], why: str) -> None:
    answer = await listed(client, **filters)
    assert answer["backends"] == []
    assert why in answer["note"]
