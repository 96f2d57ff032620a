"""Prompts for four frequent requests, each with the steps to take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from .replies.guide import write_a_function_guide
from .session import Session
from .settings import Toolset


def add_prompts(server: MCPServer[Session], toolsets: Sequence[Toolset]) -> None:
    """Register the prompts whose tools the server was started with."""
    if {"functions", "jobs"} <= set(toolsets):
        server.prompt(title="Run a function", description="Find, check, run and read a Qiskit Function.")(
            run_a_function
        )
        server.prompt(title="Write a function", description="Write, test and upload a Qiskit Function.")(
            write_a_function
        )
    if "jobs" in toolsets:
        server.prompt(title="Why did it fail?", description="Find out why a job failed, and what to change.")(
            why_did_it_fail
        )
    if "platform" in toolsets:
        server.prompt(title="Choose a backend", description="Choose a backend for a circuit or a function.")(
            choose_a_backend
        )


def run_a_function(
    goal: Annotated[str, Field(description="What to find out, in your own words")],
    function: Annotated[str, Field(description="title or provider/title; without it, the assistant chooses one")] = "",
) -> str:
    """Return the request to run a function; without ``function``, the assistant chooses one."""
    which = f"Use the function {function}." if function else "Find a suitable function with list_functions."
    return (
        f"Run a Qiskit Function for me: {goal}\n\n{which} Read it with get_function, and tell me which arguments you "
        "choose and why. Check them with check_run; if it warns or refuses, tell me before you go on. Run it once with "
        "run_function and wait_seconds=45; if it has not ended by then, wait with wait_for_job. Tell me the result in "
        "the words of my goal, with its uncertainty."
    )


def write_a_function(
    goal: Annotated[str, Field(description="What the function should do, and with which arguments")],
) -> str:
    """Return the request to write a function, with the guide to it."""
    return (
        f"Write a Qiskit Function for me: {goal}\n\nShow me its source before you upload it. Test it on this machine "
        "as the guide says, and tell me what you ran and what came out. Upload it with my account only when I ask for "
        f"that.\n\n{write_a_function_guide()}"
    )


def why_did_it_fail(job_id: Annotated[str, Field(description="The id of the job that failed")]) -> str:
    """Return the request to explain a failed job."""
    return (
        f"Find out why the job {job_id} failed. Look at get_job and, if that is not enough, at get_job_logs. Tell me "
        "the cause in one sentence, whether it is in the arguments, in the function's code or elsewhere, and what to "
        "change. Do not run anything again until I agree."
    )


def choose_a_backend(
    purpose: Annotated[str, Field(description="The circuit or function to run, and what matters for it")],
) -> str:
    """Return the request to recommend a backend."""
    return (
        f"Choose a backend for this: {purpose}\n\nFind out how many qubits it needs. List backends with list_backends, "
        "compare qubits, queue and basis gates of those that are operational, and look at get_usage. Recommend one, "
        "say why, and name the runner-up."
    )
