"""Which environment variables another program gets from this process; accounts and tokens are not among them."""

from __future__ import annotations

import os

WARM_JOBS = "QISKIT_FUNCTIONS_WARM_JOBS"

_NAMES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "VIRTUAL_ENV"}
    | {
        "SYSTEMROOT",
        "SYSTEMDRIVE",
        "USERPROFILE",
        "APPDATA",
        "LOCALAPPDATA",
        "PATHEXT",
        "COMSPEC",
        "NUMBER_OF_PROCESSORS",
    }
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "OMP_NUM_THREADS", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
)

_FOR_INSTALLERS = ("UV_", "PIP_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "XDG_CACHE_HOME")
"""How the names of variables begin, in upper case, that say where packages come from."""


def basic_variables() -> dict[str, str]:
    """Return the variables of this process that any program needs."""
    return {name: value for name, value in os.environ.items() if name in _NAMES or name.startswith("LC_")}


def installer_variables() -> dict[str, str]:
    """Return the variables of this process that tell uv and pip where packages come from; a URL may hold a password."""
    return {name: value for name, value in os.environ.items() if name.upper().startswith(_FOR_INSTALLERS)}


def starts_in_advance() -> bool:
    """Return whether processes are started before they are needed, which keeps memory in use."""
    return os.environ.get(WARM_JOBS) != "0"
