"""The one object that users of the core hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import anyio

from .accounts.account import Account
from .concurrency import gather, run_in_thread
from .errors import PlatformAbsent, QiskitFunctionsError
from .http.redaction import redact
from .http.transport import RetryPolicy, Timeouts, Transport
from .models import Backend, Function, Usage
from .platforms.platform import NoPlatform, Platform
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
from .serverless.files import Files
from .serverless.functions import Functions, split_name
from .serverless.gateway import gateway_transport
from .serverless.gateway_traits import ELSEWHERE, THIS_MACHINE, GatewayTraits
from .serverless.jobs import Jobs
from .serverless.submission import Submission, Submissions
from .values.worker.child import WorkerLimits
from .values.worker.worker import Worker

if TYPE_CHECKING:
    from .serverless.local_gateway import LocalGateway

T = TypeVar("T")

QUESTION_SECONDS = 10.0
"""Long enough for a platform that is slow, and short enough for a person who waits (the design's default)."""


@dataclass(frozen=True)
class RunConfig:
    """How a run is spread; none leaves it to the gateway. The gateway's limits are 5, 2 and 10 workers."""

    workers: int | None = None
    min_workers: int | None = None
    max_workers: int | None = None
    auto_scaling: bool = False


class FunctionsClient:
    """Qiskit Functions of one account: ``async with FunctionsClient(resolve_account()) as client:``

    Entering it opens the connection pool, and with no account starts the gateway of this machine if it does not run;
    nothing is sent before the first call. That gateway is a process of its own, which others use too and which ends
    when it is idle; a call that comes later starts it again.

    Attributes:
        functions, jobs, files, platform: what the account can run, has run, has there, and can run on.
        gateway: what its gateway does differently.

    Args:
        home: the data folder of this machine's gateway; the user's own by default.
        local_usage_limit: seconds of quota that this machine's gateway gets if it is started here; None keeps what its
            data folder has.
        allowed_folders: where ``$file`` in arguments may read.
        question_seconds: how long pre-flight waits for each of its questions.
        worker_limits: what the worker process may take for one value, to encode or to read it.
    """

    functions: Functions
    jobs: Jobs
    files: Files
    platform: Platform
    gateway: GatewayTraits

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
        question_seconds: float = QUESTION_SECONDS,
        worker_limits: WorkerLimits | None = None,
    ) -> None:
        self.account = account
        self._question_seconds = question_seconds
        self._home = home
        self._local_usage_limit = local_usage_limit
        self._allowed_folders = tuple(allowed_folders)
        self._thresholds = thresholds or Thresholds.from_environment()
        self._timeouts = timeouts
        self._retries = retries
        self._worker = Worker(worker_limits)
        self._local_gateway: LocalGateway | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Raises EmbeddedGatewayError when the gateway of this machine cannot start."""
        if self.account.is_embedded:
            await self._open_local()
        else:
            self.gateway = ELSEWHERE
            self._transport = gateway_transport(self.account, timeouts=self._timeouts, retries=self._retries)
            self.platform = self._platform()
        self._stack.push_async_callback(self._transport.aclose)
        self._stack.push_async_callback(self._worker.aclose)
        self.functions = Functions(self._transport, self.gateway)
        self.jobs = Jobs(self._transport, self.platform, self._worker)
        self.files = Files(self._transport, self.gateway)
        self._submissions = Submissions(self._transport, self.jobs)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _open_local(self) -> None:
        # Without an account only: the local platform reads what other accounts have no use for.
        from .platforms.local import LocalPlatform
        from .serverless.local_gateway import LocalGateway, default_data_folder

        self.gateway = THIS_MACHINE
        folder = self._home or default_data_folder()
        self._local_gateway = LocalGateway(folder, usage_limit_seconds=self._local_usage_limit)
        await self._local_gateway.headers()
        self._transport = Transport(
            self._local_gateway.base, self._local_gateway.headers, timeouts=self._timeouts, retries=self._retries
        )
        self.platform = LocalPlatform(self._transport)

    def _platform(self) -> Platform:
        if self.account.channel.is_ibm:
            from .platforms.ibm import IBMPlatform

            platform = IBMPlatform.of(self.account, timeouts=self._timeouts, retries=self._retries)
            self._stack.push_async_callback(platform.aclose)
            return platform
        return NoPlatform(PlatformAbsent("a self-hosted gateway knows neither quota nor backends"))

    @property
    def instance(self) -> str:
        """What messages call the instance: its CRN without the account in it, or where the gateway is."""
        return redact(self.account.instance or self.account.host or "this machine")

    @property
    def notice(self) -> str:
        """What a person should know of this machine's gateway, such as settings that do not hold; else empty."""
        return self._local_gateway.notice if self._local_gateway else ""

    async def verify(self) -> None:
        """Ask the gateway whether it takes the credentials; nothing else does so without need.

        Only a list of functions is a yes: a proxy's login page is no gateway's.

        Raises:
            Unauthorized: it does not.
            GatewayUnreachable, GatewayTimeout, GatewayError: it did not tell.
        """
        await self.functions.list(kind="own")

    async def quota(self) -> tuple[Check, Usage | None]:
        """What pre-flight makes of the account's quota, and the quota itself where it is known."""
        usage = await self._ask(self.platform.usage)
        return self._check_usage(usage), usage.value if isinstance(usage, Known) else None

    async def check(
        self, function: str, arguments: Mapping[str, Any], *, suppress_low_usage_warning: bool = False
    ) -> Verdict:
        """What ``run`` would decide; nothing is submitted.

        Raises:
            NotFound: there is no such function.
            LiteralError: a literal in the arguments cannot be read.
        """
        _, _, verdict = await self._prepare(function, arguments, suppress_low_usage_warning)
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
        found, encoded, verdict = await self._prepare(function, arguments, suppress_low_usage_warning)
        verdict.raise_for_refusal()
        provider, title = split_name(function)
        body: dict[str, Any] = {"title": title, "arguments": encoded, "config": _without_none(config)}
        body |= {"provider": provider} if provider else {}
        body |= {"function_size": function_size} if function_size else {}
        return await self._submissions.submit(function, found, body, verdict.warnings)

    async def _prepare(
        self, name: str, arguments: Mapping[str, Any], suppress_low_usage_warning: bool
    ) -> tuple[Function, str, Verdict]:
        """The function, the encoded arguments, and the verdict on running it with them."""
        encoded = await self._worker.encode_arguments(arguments, allowed_folders=self._allowed_folders)
        questions: list[Callable[[], Awaitable[Any]]] = [
            lambda: self.functions.get(name),
            lambda: self._ask(self.platform.usage),
            lambda: self._check_backend(arguments.get("backend_name")),
        ]
        answers = await gather(questions)
        function: Function = answers[0]
        usage: Fact[Usage] = answers[1]
        backend: Check = answers[2]
        quota = self._check_usage(usage, suppress_low_usage_warning)
        fit = await run_in_thread(partial(check_arguments, function.arguments_schema, encoded))
        return function, encoded, Verdict(checks=[fit, quota, backend])

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> Fact[T]:
        try:
            with anyio.fail_after(self._question_seconds):
                return Known(await question())
        except PlatformAbsent as error:
            return Inapplicable(error.message)
        except QiskitFunctionsError as error:
            return Unknown(error.message, error.next_step if error.person else "")
        except TimeoutError:
            return Unknown(f"no answer within {self._question_seconds:g} s")

    def _check_usage(self, usage: Fact[Usage], suppress_low_usage_warning: bool = False) -> Check:
        return check_usage(
            usage,
            self._thresholds,
            instance=self.instance,
            limit_is_set_at=self.gateway.quota_is_set_at,
            suppress_low_usage_warning=suppress_low_usage_warning,
        )

    async def _check_backend(self, name: object) -> Check:
        if name in (None, ""):  # as the official client reads it
            listing = await self._ask(lambda: self.platform.backends(refresh=True))
            count = Known(len(listing.value.backends)) if isinstance(listing, Known) else listing
            return check_any_backend(count, instance=self.instance)
        found: Fact[Backend | None] = Known(None)
        others: list[str] = []
        if isinstance(name, str):
            found = await self._ask(partial(self.platform.backend, name))
        if found == Known(None):
            listing = await self._ask(self.platform.backends)
            others = [backend.name for backend in listing.value.backends] if isinstance(listing, Known) else []
        return check_named_backend(name, found, instance=self.instance, others=others)


def _without_none(config: RunConfig | None) -> dict[str, Any]:
    given = asdict(config) if config else {}
    return {key: value for key, value in given.items() if value is not None}
