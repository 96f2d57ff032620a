"""In what the gateway of this machine differs from all others, as facts."""

from __future__ import annotations

from dataclasses import dataclass

USAGE_LIMIT = "QISKIT_FUNCTIONS_LOCAL_USAGE_LIMIT_SECONDS"
"""The setting of the quota of this machine's gateway."""

INSTANCES_URL = "https://quantum.cloud.ibm.com/instances"
"""Where IBM Quantum shows an account's instances, and their quota is set."""


@dataclass(frozen=True)
class GatewayTraits:
    """What a gateway does differently.

    Attributes:
        runs_code_here: functions run on this machine, with the user's rights.
        overwrites_providers: an upload without a provider may replace a provider's function of the same title.
        drops_characters: names of files lose characters that the gateway does not like.
        quota_is_set_at: where a person changes the quota.
    """

    runs_code_here: bool
    overwrites_providers: bool
    drops_characters: bool
    quota_is_set_at: str


ELSEWHERE = GatewayTraits(
    runs_code_here=False, overwrites_providers=True, drops_characters=True, quota_is_set_at=INSTANCES_URL
)
"""A gateway at an address, as Qiskit Serverless makes them."""

THIS_MACHINE = GatewayTraits(
    runs_code_here=True,
    overwrites_providers=False,
    drops_characters=False,
    quota_is_set_at=f"the environment variable {USAGE_LIMIT}, where the host configures this server",
)
"""The gateway that this project starts."""
