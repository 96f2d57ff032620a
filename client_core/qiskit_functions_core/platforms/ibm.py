"""Quota and backends of IBM Quantum, over the few requests of its REST API that qiskit-ibm-runtime makes.

The library itself is not used for them: it costs seconds of imports, hangs without read time-outs, and
reports an outage as "no backends".
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import anyio
from pydantic import Field

from ..accounts.account import CLOUD_URL, Account
from ..concurrency import gather
from ..errors import BadRequest, NotFound, PlatformUnavailable, Unauthorized
from ..http.transport import HeadersSource, RetryPolicy, Timeouts, Transport
from ..models import Backend, Instance, Usage, Wire, crn_region, parsed, parsed_list
from .ibm_instances import InstanceDirectory
from .platform import Listing

API_VERSION = "2026-04-15"
"""The ``IBM-API-Version`` that qiskit-ibm-runtime 0.50 asks for."""

_RENEW_SECONDS = 300.0
"""A token is renewed so long before it ends, so that no request carries one that ends on the way."""

_MEND_THE_KEY = "Ask the person to check the API key, which IBM Cloud does not accept."

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


class IAMToken:
    """The short-lived token that stands for an API key; one for all requests, renewed before it ends.

    The API key goes to IAM and nowhere else.
    """

    def __init__(self, iam: Transport, api_key: str) -> None:
        self._iam = iam
        self._api_key = api_key
        self._lock = anyio.Lock()
        self._token = ""
        self._renew_at = self._renew_at_wall_time = 0.0

    async def current(self) -> str:
        """One that does not end while a request is on its way.

        Raises:
            Unauthorized: IAM refuses the API key.
            GatewayUnreachable, GatewayTimeout, GatewayError: IAM gives no token.
        """
        async with self._lock:
            # One clock stands still while a machine sleeps, the other may be set back.
            if time.monotonic() >= self._renew_at or time.time() >= self._renew_at_wall_time:
                await self._renew()
        return self._token

    async def accepted(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What ``ask`` gives; asked again with a new token when the one at hand is refused, as one that was revoked."""
        at_hand = self._token
        try:
            return await ask()
        except Unauthorized:
            if not at_hand:
                raise  # the first one was new
            if self._token == at_hand:  # nobody else has met the same refusal before
                self._renew_at = 0.0
            return await ask()

    async def _renew(self) -> None:
        form = {"grant_type": _API_KEY_GRANT, "apikey": self._api_key, "response_type": "cloud_iam"}
        try:
            answer = await self._iam.send_form("identity/token", form)
        except BadRequest as error:  # what IAM says of a key that it does not know
            raise Unauthorized(
                error.message, status=error.status, request_id=error.request_id, next_step=_MEND_THE_KEY
            ) from error
        token = parsed(_Token, answer.json())
        lasts = max(token.expires_in - _RENEW_SECONDS, 0.0)
        self._token = token.access_token
        self._renew_at, self._renew_at_wall_time = time.monotonic() + lasts, time.time() + lasts


class IBMPlatform:
    """One instance of IBM Quantum.

    Only a complete listing of backends is cached; a look-up of one is always asked for anew and
    refreshes its own entry in that listing, nothing else.
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
        """For an account with an instance.

        An account that names no ``url`` of IBM Cloud has that of ``QISKIT_IBM_URL``; ``IAM_URL`` is honoured as
        the library does.
        """
        url = account.url or os.environ.get("QISKIT_IBM_URL") or CLOUD_URL
        api_key, instance = account.token.get_secret_value(), account.instance or ""

        def transport(base: str, server: str, headers: HeadersSource) -> Transport:
            return Transport(base, headers, secrets=[api_key], server=server, timeouts=timeouts, retries=retries)

        async def no_headers() -> Mapping[str, str]:
            return {}

        iam = transport(f"{_iam_url(url)}/", "IBM Cloud IAM", no_headers)
        token = IAMToken(iam, api_key)

        async def headers() -> Mapping[str, str]:
            authorization = f"Bearer {await token.current()}"
            return {"Authorization": authorization, "Service-CRN": instance, "IBM-API-Version": API_VERSION}

        def directory() -> InstanceDirectory:
            return InstanceDirectory.of(url, token.current, secrets=[api_key], timeouts=timeouts, retries=retries)

        api = transport(f"{runtime_url(url, instance)}/api/v1/", "IBM Quantum", headers)
        return cls(api, iam, token, directory)

    async def aclose(self) -> None:
        for open_one in (self._api, self._iam, self._directory):
            if open_one:
                await open_one.aclose()

    async def usage(self) -> Usage:
        answer = await self._get("instances/usage")
        remaining = _remaining(parsed(_Quota, answer))
        return parsed(Usage, {**answer, "usage_remaining_seconds": remaining})

    async def backends(self, *, refresh: bool = False) -> Listing:
        if refresh:  # each for itself: who waits for another's answer may wait too long
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
        return await self._configured(found)

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

    async def _get(self, path: str) -> dict[str, Any]:
        answer = (await self._token.accepted(partial(self._api.get, path))).json()
        if not isinstance(answer, dict):
            raise PlatformUnavailable("IBM Quantum answered with something that is not an object")
        return answer

    async def instances(self, *, name: str = "", region: str = "", plan: str = "") -> list[Instance]:
        """Needs no instance of the account, only its token; without it one can find out the CRN to use."""
        self._directory = self._directory or self._open_directory()
        return [
            instance
            for instance in await self._directory.instances()
            if name in ("", instance.name) and region in ("", instance.region) and plan.lower() in ("", instance.plan)
        ]

    async def cancel_runtime_job(self, job_id: str) -> bool:
        return await self._end("POST", f"jobs/{quote(job_id, safe='')}/cancel")

    async def close_session(self, session_id: str) -> bool:
        return await self._end("DELETE", f"sessions/{quote(session_id, safe='')}/close")

    async def _end(self, method: str, path: str) -> bool:
        """What has ended is not there any more, or answers that its state forbids it."""
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
            # An answer that lists nothing is no proof that there is nothing.
            raise PlatformUnavailable("IBM Quantum answered without a list of backends")
        return {device.name: _backend(device) for device in parsed_list(_Device, devices)}


def runtime_url(url: str, instance: str) -> str:
    """Where an instance's REST API is: its region is in the CRN, and us-east needs no prefix."""
    parts = urlsplit(url)
    region = crn_region(instance)
    prefix = "" if region in ("", "us-east") else f"{region}."
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{prefix}quantum.{parts.hostname}{port}"


def _iam_url(url: str) -> str:
    parts = urlsplit(url)
    return os.environ.get("IAM_URL") or f"{parts.scheme}://iam.{parts.netloc}"


def _remaining(quota: _Quota) -> float | None:
    """Limit, else allocation, minus consumed; none without either (``QiskitRuntimeService.usage``)."""
    if not quota.limit and not quota.allocation:
        return None
    granted = quota.allocation if quota.limit is None else quota.limit
    return max((granted or 0.0) - (quota.consumed or 0.0), 0.0)


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
