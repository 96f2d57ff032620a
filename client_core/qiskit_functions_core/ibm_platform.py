"""Quota and backends of IBM Quantum, over the few requests of its REST API that qiskit-ibm-runtime makes.

The library itself is not used for them: it costs seconds of imports, hangs without read time-outs, and
reports an outage as "no backends".
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import anyio

from .account import CLOUD_URL, Account
from .errors import BadRequest, GatewayFault, NotFound, PlatformUnavailable, QiskitFunctionsError
from .ibm_instances import InstanceDirectory
from .models import Backend, Instance, Usage, crn_region, parsed
from .platform import Listing
from .transport import HeadersSource, RetryPolicy, Timeouts, Transport

API_VERSION = "2026-04-15"
"""The ``IBM-API-Version`` that qiskit-ibm-runtime 0.50 asks for."""

_RENEW_SECONDS = 300.0
"""A token is renewed so long before it ends, so that no request carries one that ends on the way."""

_API_KEY_GRANT = "urn:ibm:params:oauth:grant-type:apikey"


class IAMToken:
    """The short-lived token that stands for an API key; one for all requests, renewed before it ends.

    The API key goes to IAM and nowhere else.
    """

    def __init__(self, iam: Transport, api_key: str) -> None:
        self._iam = iam
        self._api_key = api_key
        self._lock = anyio.Lock()
        self._token = ""
        self._renew_at = 0.0

    async def current(self) -> str:
        """One that does not end while a request is on its way.

        Raises:
            Unauthorized: IAM refuses the API key.
            GatewayUnreachable, GatewayTimeout, GatewayError: IAM gives no token.
        """
        async with self._lock:
            if time.monotonic() >= self._renew_at:
                await self._renew()
        return self._token

    async def _renew(self) -> None:
        form = {"grant_type": _API_KEY_GRANT, "apikey": self._api_key, "response_type": "cloud_iam"}
        answer = (await self._iam.upload("identity/token", form, {})).json()
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise GatewayFault("IBM Cloud IAM answered without a token", status=200)
        self._token = token
        self._renew_at = time.monotonic() + max(float(answer.get("expires_in", 0)) - _RENEW_SECONDS, 0.0)


class IBMPlatform:
    """One instance of IBM Quantum.

    Only a complete listing of backends is cached; a look-up of one is always asked for anew and
    refreshes its own entry in that listing, nothing else.
    """

    def __init__(self, api: Transport, iam: Transport, directory: Callable[[], InstanceDirectory]) -> None:
        self._api = api
        self._iam = iam
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

        return cls(transport(f"{runtime_url(url, instance)}/api/v1/", "IBM Quantum", headers), iam, directory)

    async def aclose(self) -> None:
        for open_one in (self._api, self._iam, self._directory):
            if open_one:
                await open_one.aclose()

    async def usage(self) -> Usage:
        answer = _object((await self._api.get("instances/usage")).json())
        return parsed(Usage, {**answer, "usage_remaining_seconds": _remaining(answer)})

    async def backends(self, *, refresh: bool = False) -> Listing:
        async with self._lock:
            if self._cached is None or refresh:
                self._cached = await self._fetch()
                self._fetched = time.monotonic()
            return Listing(tuple(self._cached.values()), time.monotonic() - self._fetched)

    async def backend(self, name: str) -> Backend | None:
        found = (await self._fetch()).get(name)
        if found and self._cached is not None and name in self._cached:
            self._cached[name] = found
        return found

    async def details(self, name: str) -> Backend | None:
        found = await self.backend(name)
        if found is None:
            return None
        return await self._configured(found)

    async def configured(self, backends: Sequence[Backend]) -> list[Backend]:
        found: dict[str, Backend] = {}
        failures: list[QiskitFunctionsError] = []

        async def fetch(backend: Backend) -> None:
            try:
                found[backend.name] = await self._configured(backend)
            except QiskitFunctionsError as error:
                failures.append(error)
                group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            for backend in backends:
                group.start_soon(fetch, backend)
        if failures:
            raise failures[0]
        return [found[backend.name] for backend in backends]

    async def _configured(self, backend: Backend) -> Backend:
        conf = _object((await self._api.get(f"backends/{backend.name}/configuration")).json())
        return backend.model_copy(
            update={
                "basis_gates": conf.get("basis_gates", []),
                "coupling_map": [(pair[0], pair[1]) for pair in conf.get("coupling_map") or []],
                "max_shots": conf.get("max_shots"),
            }
        )

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
            await self._api.send(method, path, None)
        except NotFound:
            return False
        except BadRequest as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            return False
        return True

    async def _fetch(self) -> dict[str, Backend]:
        answer = _object((await self._api.get("backends")).json())
        devices = answer.get("devices")
        if not isinstance(devices, list):
            # An answer that lists nothing is no proof that there is nothing.
            raise PlatformUnavailable("IBM Quantum answered without a list of backends")
        backends = [_backend(_object(device)) for device in devices]
        return {backend.name: backend for backend in backends}


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


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise PlatformUnavailable("IBM Quantum answered with something that is not an object")
    return value


def _remaining(usage: Mapping[str, Any]) -> float | None:
    """Limit, else allocation, minus consumed; none without either (``QiskitRuntimeService.usage``)."""
    limit, allocation = usage.get("usage_limit_seconds"), usage.get("usage_allocation_seconds")
    if not limit and not allocation:
        return None
    granted = allocation if limit is None else limit
    return max(float(granted or 0) - float(usage.get("usage_consumed_seconds") or 0), 0.0)


def _backend(device: Mapping[str, Any]) -> Backend:
    status = device.get("status") or {}
    processor = device.get("processor_type") or {}
    return Backend(
        name=device["name"],
        num_qubits=device.get("qubits") or 0,
        simulator=bool(device.get("is_simulator")),
        operational=status.get("name") == "online",
        status_message=status.get("reason") or status.get("name") or "",
        queue_length=device.get("queue_length"),
        processor=" ".join(str(processor[key]) for key in ("family", "revision") if processor.get(key)),
    )
