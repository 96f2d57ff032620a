"""The environment variables of a job's processes."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from qiskit_functions_core.environment import basic_variables, installer_variables

from ..storage.data_folder import DataFolder
from ..storage.database import JobRow

if TYPE_CHECKING:
    from .environments import Environment


def marks(data_folder: DataFolder, job: JobRow) -> dict[str, str]:
    """Return the variables that identify a process of the job, also one that has left the process tree.

    The path tells the jobs of a data folder from those of its copies, which have the same ids.
    """
    return {"ENV_JOB_ID_GATEWAY": job.id, "DATA_PATH": str(data_folder.function_data(job.provider, job.title).path)}


def for_function(data_folder: DataFolder, job: JobRow, port: int, environment: Environment | None) -> dict[str, str]:
    """Return the variables of a function on this machine.

    Args:
        port: the loopback port at which its requests are answered.
    """
    data = data_folder.function_data(job.provider, job.title)
    variables = basic_variables()
    if environment:
        variables["VIRTUAL_ENV"] = str(environment.path)
        variables["PATH"] = f"{environment.programs}{os.pathsep}{variables.get('PATH', os.defpath)}"
    return {
        **variables,
        **of_job(job, f"http://127.0.0.1:{port}"),
        **marks(data_folder, job),
        "ARGUMENTS_PATH": str(data.arguments(job.id)),
        "RESULTS_PATH": str(data.result(job.id)),
    }


def of_job(job: JobRow, host: str) -> dict[str, str]:
    """Return what ``qiskit_serverless`` 0.37 expects inside a function, but for the paths.

    Args:
        host: the URL at which the function's requests are answered.
    """
    return {
        **json.loads(job.env_vars),
        "PYTHONUNBUFFERED": "1",
        "ENV_JOB_ID_GATEWAY": job.id,
        "ENV_JOB_GATEWAY_HOST": host,
        "ENV_JOB_GATEWAY_TOKEN": job.token,
        "ENV_JOB_GATEWAY_INSTANCE": job.instance,
        "ENV_JOB_ARGUMENTS": "{}",  # where old clients looked for them; empty on the real gateway too
        "ENV_GATEWAY_PROVIDER_VERSION": "v1",
        "ENV_ACCESS_TRIAL": "False",
        "ENV_JOB_FUNCTION_SIZE": "",
        "ENV_JOB_COMPUTE_PROFILE": "",
        "QISKIT_IBM_CHANNEL": "local",
        "QISKIT_IBM_TOKEN": "local",
        "QISKIT_IBM_URL": "https://cloud.ibm.com",
        "QISKIT_IBM_INSTANCE": job.instance,
    }


def for_supervisor() -> dict[str, str]:
    """Return what a supervisor and the installers that it starts need, and no account of this process."""
    python = {name: value for name, value in os.environ.items() if name.startswith("PYTHON")}
    return {**basic_variables(), **installer_variables(), **python}


def for_installer(data_folder: DataFolder, job: JobRow) -> dict[str, str]:
    """Return what uv and pip need, and nothing more: to build a package is to run its code."""
    return {**basic_variables(), **installer_variables(), **marks(data_folder, job)}
