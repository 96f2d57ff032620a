"""``FunctionsClient``: the object through which all of the core is used."""

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
from .environment import starts_in_advance
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
    check_simulation,
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
"""How long pre-flight waits for an answer: enough for a slow platform, and bearable for a person who waits."""


@dataclass(frozen=True)
class RunConfig:
    """How a run is distributed; None leaves it to the gateway.

    Attributes:
        workers: at most 5, which is the gateway's limit.
        min_workers: at most 2.
        max_workers: at most 10.
        auto_scaling: whether the gateway chooses between these two.
    """

    workers: int | None = None
    min_workers: int | None = None
    max_workers: int | None = None
    auto_scaling: bool = False


class FunctionsClient:
    """Qiskit Functions of one account: ``async with FunctionsClient(resolve_account()) as client:``

    Entering it opens the connection pool, and without an account starts this machine's gateway, if it does not run yet,
    and the worker process for Qiskit values (with ``QISKIT_FUNCTIONS_WARM_JOBS=0`` only when it is needed); nothing is
    sent before the first call. That gateway is a separate process, which other clients use too and which ends when it
    is idle; a later call starts it again.

    Attributes:
        functions: the functions that the account can run.
        jobs: its jobs.
        files: the files of its functions.
        platform: its quota and backends.
        gateway: what its gateway does differently from others.

    Args:
        home: the data folder of this machine's gateway; by default the user's own.
        local_usage_limit: the quota in seconds with which this client starts this machine's gateway; None keeps what
            its data folder has.
        allowed_folders: the folders that ``$file`` in arguments may read.
        thresholds: when quota is low or exhausted; by default as the environment says.
        timeouts: time limits of requests.
        retries: how requests are retried.
        question_seconds: how long pre-flight waits for each answer, in seconds.
        worker_limits: what the worker process may use to encode or read one value.

    Raises:
        AccountError: a threshold in the environment is not a number of seconds.
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
        """Open the client.

        Raises:
            EmbeddedGatewayError: this machine's gateway cannot start.
            AccountError: the token or the instance has characters that no HTTP header can hold.
        """
        try:
            if self.account.is_embedded:
                await self.start_worker()  # it loads what it needs while the gateway starts
                await self._open_local()
            else:
                self._open_remote()
        except BaseException:
            await self._worker.aclose()
            raise
        self._stack.push_async_callback(self._transport.aclose)
        self._stack.push_async_callback(self._worker.aclose)
        self.functions = Functions(self._transport, self.gateway)
        self.jobs = Jobs(self._transport, self.platform, self._worker, self.gateway)
        self.files = Files(self._transport, self.gateway)
        self._submissions = Submissions(self._transport, self.jobs)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def start_worker(self) -> None:
        """Start the worker process for Qiskit values in advance, unless ``QISKIT_FUNCTIONS_WARM_JOBS`` is 0.

        It loads what it needs while the first call is answered. A script that only submits a run needs none.
        """
        if starts_in_advance():
            await self._worker.start()

    async def _open_local(self) -> None:
        # Imported here because accounts on other gateways need neither.
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

    def _open_remote(self) -> None:
        self.gateway = ELSEWHERE
        self._transport = gateway_transport(self.account, timeouts=self._timeouts, retries=self._retries)
        if self.account.channel.is_ibm:
            from .platforms.ibm import IBMPlatform  # which other accounts do not need

            self.platform = platform = IBMPlatform.of(self.account, timeouts=self._timeouts, retries=self._retries)
            self._stack.push_async_callback(platform.aclose)
        else:
            self.platform = NoPlatform(PlatformAbsent("a self-hosted gateway has neither quota nor backends"))

    @property
    def instance(self) -> str:
        """The instance's name in messages: its CRN without the account in it, or the gateway's address."""
        return redact(self.account.instance or self.account.host or "this machine")

    @property
    def notice(self) -> str:
        """What a person should know about this machine's gateway, such as settings that are ignored; usually empty."""
        return self._local_gateway.notice if self._local_gateway else ""

    async def verify(self) -> None:
        """Check that the gateway accepts the credentials, which opening the client does not do.

        Only a list of functions proves it: a proxy may answer with a login page.

        Raises:
            Unauthorized: it does not accept them.
            GatewayUnreachable, GatewayTimeout, GatewayError: there was no such answer.
        """
        await self.functions.list(kind="own")

    async def quota(self) -> tuple[Check, Usage | None]:
        """Return pre-flight's verdict on the account's quota, and the quota itself; None where it is not known."""
        usage = await self._ask(self.platform.usage)
        return self._check_usage(usage), usage.value if isinstance(usage, Known) else None

    async def check(
        self,
        function: str,
        arguments: Mapping[str, Any],
        *,
        suppress_low_usage_warning: bool = False,
        allowed_folders: Sequence[Path] | None = None,
    ) -> Verdict:
        """Return what ``run`` would decide; nothing is submitted. Arguments and errors are those of ``run``.

        Raises:
            NotFound: there is no such function.
            LiteralError: a literal in the arguments cannot be read.
        """
        _, _, verdict = await self._prepare(function, arguments, suppress_low_usage_warning, allowed_folders)
        return verdict

    async def run(
        self,
        function: str,
        arguments: Mapping[str, Any],
        *,
        config: RunConfig | None = None,
        function_size: str = "",
        suppress_low_usage_warning: bool = False,
        allowed_folders: Sequence[Path] | None = None,
    ) -> Submission:
        """Check the run, then start a job and return it; there is no other way to start one.

        Args:
            function: ``title`` or ``provider/title``.
            arguments: values, literals (``{"$circuit": …}``) and encoded values; see ``values``.
            config: how the run is distributed.
            function_size: the name of one of the function's sizes, such as "m".
            suppress_low_usage_warning: leave out the warning about low quota, as the official client can.
            allowed_folders: the folders that ``$file`` may read in this run; by default the client's.

        Raises:
            InputError, NotFound: the function or its arguments are wrong; nothing was submitted.
            PreflightRefused: a rule refuses the run; nothing was submitted.
            SubmissionUnknown: the answer was lost, and the job could not be identified.
            GatewayUnreachable, GatewayError: nothing was submitted.
        """
        found, encoded, verdict = await self._prepare(function, arguments, suppress_low_usage_warning, allowed_folders)
        verdict.raise_for_refusal()
        provider, title = split_name(function)
        chosen = {key: value for key, value in asdict(config).items() if value is not None} if config else {}
        body: dict[str, Any] = {"title": title, "arguments": encoded, "config": chosen}
        body |= {"provider": provider} if provider else {}
        body |= {"function_size": function_size} if function_size else {}
        return await self._submissions.submit(function, found, body, verdict.warnings)

    async def _prepare(
        self,
        name: str,
        arguments: Mapping[str, Any],
        suppress_low_usage_warning: bool,
        allowed_folders: Sequence[Path] | None,
    ) -> tuple[Function, str, Verdict]:
        """Return the function, the encoded arguments, and the verdict on running it with them."""
        folders = self._allowed_folders if allowed_folders is None else allowed_folders
        prepared = await self._worker.encode_arguments(arguments, allowed_folders=folders)
        encoded = prepared.text
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
        checked = await run_in_thread(partial(check_arguments, function.arguments_schema, encoded))
        checks = [checked, quota, backend]
        if self.gateway.runs_code_here:
            checks += await run_in_thread(
                lambda: check_simulation(prepared.active_qubits, arguments.get("backend_name"))
            )
            from .platforms.local_packages import PROBLEM, local_packages_command  # only needed here

            if command := local_packages_command():
                next_step = f"Ask the person to run: {command}"
                missing = Check("installation", "refused", "local_packages_missing", f"{PROBLEM}.", next_step, True)
                checks.insert(0, missing)
        return function, encoded, Verdict(checks=checks)

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
