"""Quota and backends of IBM Quantum, over the few requests of its REST API that qiskit-ibm-runtime makes.

The library itself is not used: it costs seconds of imports, hangs without read time-outs, and
reports an outage as "no backends".
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import anyio
from pydantic import AliasChoices, Field

from ..accounts.account import CLOUD_URL, Account
from ..concurrency import gather
from ..errors import AccountError, BadRequest, GatewayError, NotFound, PlatformUnavailable, Unauthorized
from ..http.transport import HeadersSource, RetryPolicy, Timeouts, Transport
from ..models import Backend, BackendMedians, Instance, RuntimeJobState, Usage, Wire, crn_region, parsed, parsed_list
from .ibm_instances import InstanceDirectory
from .platform import Listing

API_VERSION = "2026-04-15"
"""The ``IBM-API-Version`` that qiskit-ibm-runtime 0.50 asks for."""

_RENEW_SECONDS = 300.0
"""How long before its end a token is renewed, so that no request carries one that ends on the way."""

_REGION = re.compile(r"[a-z]{2}-[a-z]{2,5}")
"""The names of IBM Cloud's regions, such as us-east, eu-de and jp-tok; one is a single label of a host name."""

_CHECK_THE_KEY = (
    "Ask the person to check the API key, which IBM Cloud does not accept; `qiskit-functions-mcp login` saves another."
)

_API_KEY_GRANT = "urn:ibm:params:oauth:grant-type:apikey"


T = TypeVar("T")


class _Token(Wire):
    access_token: str = Field(pattern=r"^[!-~]+$")
    expires_in: float = 0.0


class _Quota(Wire):
    consumed: float | None = Field(default=None, validation_alias="usage_consumed_seconds")
    limit: float | None = Field(default=None, validation_alias="usage_limit_seconds")
    allocation: float | None = Field(default=None, validation_alias="usage_allocation_seconds")


class _Status(Wire):
    name: str | None = None
    reason: str | None = None


class _Processor(Wire):
    family: str | None = None
    revision: str | float | None = None


class _Device(Wire):
    name: str
    qubits: int | None = None
    is_simulator: bool | None = None
    status: _Status | None = None
    queue_length: int | None = None
    processor_type: _Processor | None = None


class _Configuration(Wire):
    basis_gates: list[str] | None = None
    coupling_map: list[tuple[int, int]] | None = None
    max_shots: int | None = None


class _State(Wire):
    status: str | None = None
    reason: str | None = None


class _RuntimeJob(Wire):
    state: _State | None = None


class _JobUsage(Wire):
    """As ``RuntimeJobV2.usage`` of qiskit-ibm-runtime reads it; the second name is the older one."""

    status: str | None = None
    seconds: float | None = Field(
        default=None, validation_alias=AliasChoices("qpu_charge_time_seconds", "quantum_seconds")
    )


class _Metrics(Wire):
    usage: _JobUsage | None = None


class IAMToken:
    """The short-lived token that IAM gives for an API key; shared by all requests, and renewed before it ends.

    The API key is sent to IAM and nowhere else.
    """

    def __init__(self, iam: Transport, api_key: str) -> None:
        self._iam = iam
        self._api_key = api_key
        self._lock = anyio.Lock()
        self._token = ""
        self._renew_at = self._renew_at_wall_time = 0.0

    async def current(self) -> str:
        """Return a token that does not end while a request is on its way.

        Raises:
            Unauthorized: IAM does not accept the API key.
            GatewayUnreachable, GatewayTimeout, GatewayError: IAM gives no token.
        """
        async with self._lock:
            # The monotonic clock stands still while a machine sleeps; the other one may be set back.
            if time.monotonic() >= self._renew_at or time.time() >= self._renew_at_wall_time:
                await self._renew()
        return self._token

    async def accepted(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Call ``ask``, and once more with a new token if the current one is refused, such as one that was revoked."""
        refused = self._token
        try:
            return await ask()
        except Unauthorized:
            if not refused:
                raise  # this call fetched the first token, so it was new
            if self._token == refused:  # no other call has renewed it meanwhile
                self._renew_at = 0.0
            return await ask()

    async def _renew(self) -> None:
        form = {"grant_type": _API_KEY_GRANT, "apikey": self._api_key, "response_type": "cloud_iam"}
        try:
            answer = await self._iam.send_form("identity/token", form)
        except BadRequest as error:  # IAM's answer to a key that it does not know
            raise Unauthorized(
                error.message, status=error.status, request_id=error.request_id, next_step=_CHECK_THE_KEY
            ) from error
        token = parsed(_Token, answer.json())
        lasts = max(token.expires_in - _RENEW_SECONDS, 0.0)
        self._token = token.access_token
        self._renew_at, self._renew_at_wall_time = time.monotonic() + lasts, time.time() + lasts


class IBMPlatform:
    """One instance of IBM Quantum.

    Only a complete listing of backends is cached. The look-up of one backend is never answered from the cache, and
    refreshes its own entry there and nothing else.
    """

    def __init__(
        self, api: Transport, iam: Transport, token: IAMToken, directory: Callable[[], InstanceDirectory]
    ) -> None:
        self._api = api
        self._iam = iam
        self._token = token
        self._open_directory = directory
        self._directory: InstanceDirectory | None = None
        self._lock = anyio.Lock()
        self._cached: dict[str, Backend] | None = None
        self._fetched = 0.0

    @classmethod
    def of(
        cls, account: Account, *, timeouts: Timeouts | None = None, retries: RetryPolicy | None = None
    ) -> IBMPlatform:
        """Return the platform of an account that has an instance.

        IBM Cloud's address is the account's ``url``, else ``QISKIT_IBM_URL``; IAM's is ``IAM_URL`` if that is set, as
        for the library.
        """
        url = account.url or os.environ.get("QISKIT_IBM_URL") or CLOUD_URL
        api_key, instance = account.token.get_secret_value(), account.instance or ""

        def transport(base: str, server: str, headers: HeadersSource) -> Transport:
            return Transport(base, headers, secrets=[api_key], server=server, timeouts=timeouts, retries=retries)

        async def no_headers() -> Mapping[str, str]:
            return {}

        iam = transport(f"{iam_url(url)}/", "IBM Cloud IAM", no_headers)
        token = IAMToken(iam, api_key)

        async def headers() -> Mapping[str, str]:
            authorization = f"Bearer {await token.current()}"
            return {"Authorization": authorization, "Service-CRN": instance, "IBM-API-Version": API_VERSION}

        def directory() -> InstanceDirectory:
            return InstanceDirectory.of(url, token.current, secrets=[api_key], timeouts=timeouts, retries=retries)

        api = transport(f"{runtime_url(url, instance)}/api/v1/", "IBM Quantum", headers)
        return cls(api, iam, token, directory)

    async def aclose(self) -> None:
        """Close all connections."""
        for part in (self._api, self._iam, self._directory):
            if part:
                await part.aclose()

    async def usage(self) -> Usage:
        answer = await self._get("instances/usage")
        quota = parsed(_Quota, answer)
        remaining: float | None = None
        # Limit, else allocation, minus consumed; no limit without either (`QiskitRuntimeService.usage`).
        if quota.limit or quota.allocation:
            granted = quota.allocation if quota.limit is None else quota.limit
            remaining = max((granted or 0.0) - (quota.consumed or 0.0), 0.0)
        return parsed(Usage, {**answer, "usage_remaining_seconds": remaining})

    async def backends(self, *, refresh: bool = False) -> Listing:
        if refresh:  # without the lock: waiting for another caller's answer may take too long
            return self._keep(await self._fetch())
        async with self._lock:
            if self._cached is None:
                return self._keep(await self._fetch())
            return Listing(tuple(self._cached.values()), time.monotonic() - self._fetched)

    def _keep(self, backends: dict[str, Backend]) -> Listing:
        self._cached, self._fetched = backends, time.monotonic()
        return Listing(tuple(backends.values()), 0.0)

    async def backend(self, name: str) -> Backend | None:
        found = (await self._fetch()).get(name)
        if self._cached is not None and name in self._cached:
            if found:
                self._cached[name] = found
            else:
                del self._cached[name]
        return found

    async def details(self, name: str) -> Backend | None:
        found = await self.backend(name)
        if found is None:
            return None
        configured = await self._configured(found)
        return configured.model_copy(update={"medians": await self._properties(name)})

    async def _properties(self, name: str) -> BackendMedians | None:
        """Return a backend's medians; None if it has none, as simulators do, or they cannot be read."""
        from .calibration import medians  # few scripts ask for them

        try:
            return medians(await self._get(f"backends/{quote(name, safe='')}/properties"))
        except GatewayError:
            return None

    async def configured(self, backends: Sequence[Backend]) -> list[Backend]:
        return await gather(partial(self._configured, backend) for backend in backends)

    async def _configured(self, backend: Backend) -> Backend:
        conf = parsed(_Configuration, await self._get(f"backends/{quote(backend.name, safe='')}/configuration"))
        return backend.model_copy(
            update={
                "basis_gates": conf.basis_gates or [],
                "coupling_map": conf.coupling_map or [],
                "max_shots": conf.max_shots,
            }
        )

    async def _get(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        answer = (await self._token.accepted(partial(self._api.get, path, params))).json()
        if not isinstance(answer, dict):
            raise PlatformUnavailable("IBM Quantum answered with something that is not an object")
        return answer

    async def instances(self, *, name: str = "", region: str = "", plan: str = "") -> list[Instance]:
        """Return the instances that the account's token can use; the account needs no instance for that."""
        self._directory = self._directory or self._open_directory()
        return [
            instance
            for instance in await self._directory.instances()
            if name in ("", instance.name) and region in ("", instance.region) and plan.lower() in ("", instance.plan)
        ]

    async def runtime_job(self, job_id: str) -> RuntimeJobState | None:
        path = f"jobs/{quote(job_id, safe='')}"
        # Its parameters are circuits, which can be large.
        described, measured = await gather(
            [partial(self._get, path, {"exclude_params": "true"}), partial(self._get, f"{path}/metrics")]
        )
        state, usage = parsed(_RuntimeJob, described).state or _State(), parsed(_Metrics, measured).usage or _JobUsage()
        return RuntimeJobState(
            status=state.status,
            reason=state.reason,
            quantum_seconds=None if usage.status == "pending" else usage.seconds,
        )

    async def cancel_runtime_job(self, job_id: str) -> bool:
        return await self._end("POST", f"jobs/{quote(job_id, safe='')}/cancel")

    async def close_session(self, session_id: str) -> bool:
        return await self._end("DELETE", f"sessions/{quote(session_id, safe='')}/close")

    async def _end(self, method: str, path: str) -> bool:
        """Return False for what has ended: it is gone (404), or in a state that does not allow this (409)."""
        try:
            await self._token.accepted(partial(self._api.send, method, path, None))
        except NotFound:
            return False
        except BadRequest as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            return False
        return True

    async def _fetch(self) -> dict[str, Backend]:
        devices = (await self._get("backends")).get("devices")
        if not isinstance(devices, list):
            # Without a list, it is not known that there are none.
            raise PlatformUnavailable("IBM Quantum answered without a list of backends")
        return {device.name: _backend(device) for device in parsed_list(_Device, devices)}


def iam_url(url: str) -> str:
    """Return the address of IAM for the IBM Cloud at ``url``: ``IAM_URL`` if that is set, as for the library."""
    cloud = urlsplit(url)
    return os.environ.get("IAM_URL") or f"{cloud.scheme}://iam.{cloud.netloc}"


def runtime_url(url: str, instance: str) -> str:
    """Return the address of an instance's REST API: the region in its CRN is a prefix, except for us-east.

    Raises:
        AccountError: that is not the name of a region, and would lead elsewhere.
    """
    parts = urlsplit(url)
    region = crn_region(instance)
    if region and not _REGION.fullmatch(region):
        raise AccountError(
            "the instance's CRN does not name a region of IBM Cloud, such as us-east",
            next_step="Copy the CRN from https://quantum.cloud.ibm.com/instances.",
        )
    prefix = "" if region in ("", "us-east") else f"{region}."
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{prefix}quantum.{parts.hostname}{port}"


def _backend(device: _Device) -> Backend:
    status, processor = device.status or _Status(), device.processor_type or _Processor()
    return Backend(
        name=device.name,
        num_qubits=device.qubits or 0,
        simulator=bool(device.is_simulator),
        operational=status.name == "online",
        status_message=status.reason or status.name or "",
        queue_length=device.queue_length,
        processor=" ".join(str(part) for part in (processor.family, processor.revision) if part),
    )
