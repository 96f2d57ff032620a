"""The one object that users of the core hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import anyio.to_thread
from pydantic import SecretStr, ValidationError

from .account import Account
from .errors import (
    GatewayFault,
    GatewayTimeout,
    PlatformAbsent,
    QiskitFunctionsError,
    SubmissionUnknown,
)
from .functions import Functions, split_name
from .ibm_platform import IBMPlatform
from .jobs import Jobs
from .local_platform import LocalPlatform
from .models import Backend, Job, Usage
from .platform import NoPlatform, Platform
from .preflight import (
    Check,
    Fact,
    Inapplicable,
    Known,
    Thresholds,
    Unknown,
    Verdict,
    check_any_backend,
    check_arguments,
    check_named_backend,
    check_usage,
)
from .transport import RetryPolicy, Timeouts, Transport
from .values import encode_arguments

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

QUESTION_SECONDS = 10.0
"""How long pre-flight waits for each of its questions."""


@dataclass(frozen=True)
class RunConfig:
    """How a run is spread; none leaves it to the gateway. The gateway's limits are 5, 2 and 10 workers."""

    workers: int | None = None
    min_workers: int | None = None
    max_workers: int | None = None
    auto_scaling: bool = False


@dataclass(frozen=True)
class Submission:
    """A job that was started.

    Attributes:
        warnings: what pre-flight had to say, and how the job was found if its answer was lost.
    """

    job: Job
    warnings: list[str] = field(default_factory=list)


class FunctionsClient:
    """Qiskit Functions of one account: ``async with FunctionsClient(Account.resolve()) as client:``

    Entering it opens the connection pool, and with no account starts the embedded gateway of this
    machine; nothing is sent before the first call.

    Attributes:
        functions, jobs, platform: what the account can run, has run, and can run on.

    Args:
        home: the embedded gateway's data folder; the user's own by default.
        local_usage_limit: seconds of quota on the embedded gateway; none is unlimited.
        allowed_folders: where ``$file`` in arguments may read.
    """

    functions: Functions
    jobs: Jobs
    platform: Platform

    def __init__(
        self,
        account: Account,
        *,
        home: Path | None = None,
        local_usage_limit: float | None = None,
        allowed_folders: Sequence[Path] = (),
        thresholds: Thresholds | None = None,
        timeouts: Timeouts | None = None,
        retries: RetryPolicy | None = None,
    ) -> None:
        self.account = account
        self._home = home
        self._local_usage_limit = local_usage_limit
        self._allowed_folders = tuple(allowed_folders)
        self._thresholds = thresholds or Thresholds.from_environment()
        self._timeouts = timeouts
        self._retries = retries
        self._stack = AsyncExitStack()
        self._submitted: set[str] = set()

    async def __aenter__(self) -> Self:
        """Raises EmbeddedGatewayError when the gateway of this machine cannot start."""
        account = await self._embedded_account() if self.account.is_embedded else self.account
        self._transport = Transport.to_gateway(account, timeouts=self._timeouts, retries=self._retries)
        self._stack.push_async_callback(self._transport.aclose)
        self.functions = Functions(self._transport, overwrites_providers=not self.account.is_embedded)
        self.jobs = Jobs(self._transport)
        self.platform = self._platform()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _embedded_account(self) -> Account:
        from .embedded.home import data_folder
        from .embedded.server import EmbeddedGateway

        gateway = EmbeddedGateway(self._home or data_folder(), usage_limit_seconds=self._local_usage_limit)
        await self._stack.enter_async_context(gateway)
        return self.account.model_copy(update={"host": gateway.host, "token": SecretStr(gateway.token)})

    def _platform(self) -> Platform:
        if self.account.is_embedded:
            return LocalPlatform(self._transport)
        if self.account.channel.is_ibm:
            platform = IBMPlatform.of(self.account, timeouts=self._timeouts, retries=self._retries)
            self._stack.push_async_callback(platform.aclose)
            return platform
        return NoPlatform(PlatformAbsent("a self-hosted gateway knows neither quota nor backends"))

    @property
    def instance(self) -> str:
        """What messages call the instance: its CRN, or where the gateway is."""
        if self.account.is_embedded:
            return "this machine"
        return self.account.instance or str(self.account.host)

    async def quota(self) -> tuple[Check, Usage | None]:
        """What pre-flight makes of the account's quota, and the quota itself where it is known."""
        usage = await _ask(self.platform.usage)
        check = check_usage(usage, self._thresholds, instance=self.instance)
        return check, usage.value if isinstance(usage, Known) else None

    async def check(
        self, function: str, arguments: Mapping[str, Any], *, suppress_low_usage_warning: bool = False
    ) -> Verdict:
        """What ``run`` would decide; nothing is submitted.

        Raises:
            NotFound: there is no such function.
            LiteralError: a literal in the arguments cannot be read.
        """
        _, verdict = await self._prepare(function, arguments, suppress_low_usage_warning)
        return verdict

    async def run(
        self,
        function: str,
        arguments: Mapping[str, Any],
        *,
        config: RunConfig | None = None,
        function_size: str = "",
        suppress_low_usage_warning: bool = False,
    ) -> Submission:
        """Check, then start a job: the only way to start one.

        Args:
            function: ``title`` or ``provider/title``.
            arguments: values, literals (``{"$circuit": …}``) and encoded values, as ``values`` knows them.
            function_size: a label of the function's size catalogue, such as "m".

        Raises:
            InputError, NotFound: the function or its arguments are wrong; nothing was submitted.
            PreflightRefused: a rule refuses; nothing was submitted.
            SubmissionUnknown: the answer was lost and the job could not be identified.
            GatewayError: the gateway refuses; nothing was submitted.
        """
        encoded, verdict = await self._prepare(function, arguments, suppress_low_usage_warning)
        verdict.raise_for_refusal()
        provider, title = split_name(function)
        body: dict[str, Any] = {"title": title, "arguments": encoded, "config": _without_none(config)}
        body |= {"provider": provider} if provider else {}
        body |= {"function_size": function_size} if function_size else {}
        return await self._submit(function, body, verdict.warnings)

    async def _prepare(
        self, name: str, arguments: Mapping[str, Any], suppress_low_usage_warning: bool
    ) -> tuple[str, Verdict]:
        """The encoded arguments, and the verdict on running the function with them."""
        encoded = await anyio.to_thread.run_sync(
            partial(encode_arguments, dict(arguments), allowed_folders=self._allowed_folders)
        )
        function, usage, backend = await _together(
            lambda: self.functions.get(name),
            lambda: _ask(self.platform.usage),
            lambda: self._check_backend(arguments.get("backend_name")),
        )
        quota = check_usage(
            usage,
            self._thresholds,
            instance=self.instance,
            suppress_low_usage_warning=suppress_low_usage_warning,
        )
        return encoded, Verdict(checks=[check_arguments(function.arguments_schema, encoded), quota, backend])

    async def _check_backend(self, name: object) -> Check:
        if name is None:
            listing = await _ask(self.platform.backends)
            count = Known(len(listing.value.backends)) if isinstance(listing, Known) else listing
            return check_any_backend(count, instance=self.instance)
        found: Fact[Backend | None] = Known(None)
        if isinstance(name, str):
            found = await _ask(partial(self.platform.backend, name))
        return check_named_backend(name, found, instance=self.instance)

    async def _submit(self, function: str, body: dict[str, Any], warnings: list[str]) -> Submission:
        # Before the request, by the gateway's own clock, which its answers tell to the second.
        since = self._transport.gateway_now() - timedelta(seconds=2)
        try:
            answer = await self._transport.send("POST", "programs/run/", body)
            job = Job.model_validate(answer.json())
        except (GatewayTimeout, GatewayFault, ValidationError) as error:
            job = await self._find_lost_job(function, since, error)
            warnings = [
                *warnings,
                f"The gateway's answer was lost; {job.id} is the only new job of {function} and was adopted.",
            ]
        self._submitted.add(job.id)
        return Submission(job, warnings)

    async def _find_lost_job(self, function: str, since: datetime, cause: Exception) -> Job:
        """The one job of the function that appeared since; its request may have arrived late."""
        candidates: list[Job] = []
        for pause in _LOST_JOB_PAUSES:
            await anyio.sleep(pause)
            try:
                page = await self.jobs.page(function=function, created_after=since)
            except QiskitFunctionsError:
                continue  # the gateway that lost the answer may need a moment
            candidates = [j for j in page.jobs if j.created >= since and j.id not in self._submitted]
            if len(candidates) == 1:
                return candidates[0]
        raise SubmissionUnknown(
            f"the gateway gave no usable answer to the run of {function}; a job may or may not have started",
            candidates=[job.id for job in candidates],
            next_step="Do not resubmit before you have checked list_jobs for a new job of this function.",
        ) from cause


_LOST_JOB_PAUSES = (0.0, 1.0, 3.0)
"""Seconds before each look; a request that timed out is often still at work."""


async def _ask(question: Callable[[], Awaitable[T]]) -> Fact[T]:
    try:
        with anyio.fail_after(QUESTION_SECONDS):
            return Known(await question())
    except PlatformAbsent as error:
        return Inapplicable(error.message)
    except QiskitFunctionsError as error:
        return Unknown(error.message)
    except TimeoutError:
        return Unknown(f"no answer within {QUESTION_SECONDS:g} s")


async def _together(
    first: Callable[[], Awaitable[A]], second: Callable[[], Awaitable[B]], third: Callable[[], Awaitable[C]]
) -> tuple[A, B, C]:
    """All three at the same time; the first error as itself instead of in a group."""
    answers: dict[int, Any] = {}

    async def keep(key: int, question: Callable[[], Awaitable[Any]]) -> None:
        answers[key] = await question()

    try:
        async with anyio.create_task_group() as group:
            for key, question in enumerate((first, second, third)):
                group.start_soon(keep, key, question)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return answers[0], answers[1], answers[2]


def _without_none(config: RunConfig | None) -> dict[str, Any]:
    given = asdict(config) if config else {}
    return {key: value for key, value in given.items() if value is not None}
