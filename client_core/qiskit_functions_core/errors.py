"""Every error that the core raises, each with what a caller needs to go on.

```text
QiskitFunctionsError
├── AccountError              credentials are missing or incomplete
├── InputError                the caller's input is wrong; found before anything was sent
│   ├── LiteralError          a $circuit, $observable, … in the arguments cannot be read
│   ├── ArgumentsInvalid      the arguments break the function's schema, or are too large
│   └── ArtifactError         what was to be uploaded is not a function
├── PreflightRefused          quota or backend rules refuse the run
├── GatewayUnreachable        no connection; the request was not sent
├── GatewayTimeout            no complete answer in time, or it broke off
├── SubmissionUnknown         a run was sent, its answer was lost, and the job could not be found
├── GatewayError              the gateway answered with an error
│   ├── BadRequest            400 and the other 4xx
│   ├── Unauthorized          401
│   ├── Forbidden             403
│   ├── NotFound              404
│   ├── FunctionDisabled      423
│   ├── TooManyRequests       429, also for too many active jobs
│   └── GatewayFault          5xx, and answers that cannot be understood
├── PlatformUnavailable       quota or backends could not be read
│   └── PlatformAbsent        this account has no platform, so there are none to read
├── ResultNotReady            the job has no result (yet, or never)
├── ValueTooCostly            a value takes more CPU, memory or time than one may, or crashes what reads it
├── ValuesBusy                other values took all the time in which this one could have been handled
└── EmbeddedGatewayError      this machine's gateway cannot start, or its data folder cannot be used
```
"""

from __future__ import annotations

from typing import ClassVar, Literal

NOT_A_GATEWAY = "Check that the host is a Qiskit Serverless gateway and that no proxy answers in its place."
"""The next step when an answer is not the gateway's."""

Submitted = Literal["yes", "no", "unknown"]


class QiskitFunctionsError(Exception):
    """The root of the tree.

    Attributes:
        code: a stable name for programs to decide by.
        message: what happened, in one sentence.
        submitted: whether the call that failed started a job.
        next_step: what to do now; empty when nothing helps.
        person: whether only a person can do that (credentials, quota), not a program.
    """

    code: str = "error"
    person: bool = False
    usual_next_step: ClassVar[str] = ""

    def __init__(self, message: str, *, next_step: str = "", submitted: Submitted = "no") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step or self.usual_next_step
        self.submitted = submitted


class AccountError(QiskitFunctionsError):
    """Credentials are missing, incomplete or unreadable."""

    code = "account"
    person = True


class InputError(QiskitFunctionsError):
    """The caller's input is wrong; nothing was sent."""

    code = "invalid_input"
    usual_next_step = "Correct that and call again."


class LiteralError(InputError):
    """A tagged literal cannot be read.

    Attributes:
        pointer: the JSON pointer (RFC 6901) of the literal inside the arguments.
    """

    code = "invalid_literal"

    def __init__(self, pointer: str, message: str, *, next_step: str = "") -> None:
        super().__init__(f"at {pointer or '/'}: {message}", next_step=next_step)
        self.pointer = pointer


class ArgumentsInvalid(InputError):
    """The arguments break the function's schema or the gateway's size limit.

    Attributes:
        path: the place in the arguments, as keys and indices.
    """

    code = "invalid_arguments"

    def __init__(self, message: str, *, path: list[str | int] | None = None, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.path = path or []


class ArtifactError(InputError):
    """What was to be uploaded is not a function."""

    code = "invalid_artifact"


class PreflightRefused(QiskitFunctionsError):
    """A rule refuses the run.

    Attributes:
        reason: the code of the check that refused; see ``preflight``.
    """

    code = "preflight_refused"

    def __init__(self, reason: str, message: str, *, next_step: str = "", person: bool = False) -> None:
        super().__init__(message, next_step=next_step)
        self.reason = reason
        self.person = person


class GatewayUnreachable(QiskitFunctionsError):
    """There was no connection; the request was not sent."""

    code = "gateway_unreachable"


class GatewayTimeout(QiskitFunctionsError):
    """There was no complete answer in time, or it broke off; the request may have been sent."""

    code = "gateway_timeout"


class SubmissionUnknown(QiskitFunctionsError):
    """The run may or may not have started a job.

    Attributes:
        candidates: ids of the account's jobs of that function that were created since just before the call, the
            likely one first. Each may also have been started by another program.
    """

    code = "submission_unknown"

    def __init__(self, message: str, *, candidates: list[str], next_step: str) -> None:
        super().__init__(message, next_step=next_step, submitted="unknown")
        self.candidates = candidates


class GatewayError(QiskitFunctionsError):
    """The gateway answered with an error.

    Attributes:
        status: the HTTP status.
        request_id: the id that the gateway or a proxy gave the request; empty without one.
        retry_after: seconds to wait before another attempt, where the answer names them.
        path: for arguments that break a schema, the place in them, as keys and indices.
        from_gateway: whether the gateway wrote the answer; False for the page of a proxy or another server.
    """

    code = "gateway_error"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        request_id: str = "",
        retry_after: float | None = None,
        path: list[str | int] | None = None,
        from_gateway: bool = True,
        next_step: str = "",
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.status = status
        self.request_id = request_id
        self.retry_after = retry_after
        self.path = path
        self.from_gateway = from_gateway


class BadRequest(GatewayError):
    """400, and the other 4xx: the gateway refuses the request."""

    code = "bad_request"


class Unauthorized(GatewayError):
    """401: the gateway does not accept the token."""

    code = "unauthorized"
    person = True


class Forbidden(GatewayError):
    """403: the account may not do or see this."""

    code = "forbidden"
    person = True


class NotFound(GatewayError):
    """404: there is no such thing, or not for this account."""

    code = "not_found"


class FunctionDisabled(GatewayError):
    """423: the function's provider has disabled it."""

    code = "function_disabled"


class TooManyRequests(GatewayError):
    """429: too many requests, or too many active jobs."""

    code = "too_many_requests"


class GatewayFault(GatewayError):
    """5xx, and answers that cannot be understood."""

    code = "gateway_fault"


class PlatformUnavailable(QiskitFunctionsError):
    """Quota or backends could not be read."""

    code = "platform_unavailable"
    usual_next_step = "Try again later."


class PlatformAbsent(PlatformUnavailable):
    """This account has no platform, so there are no quota and no backends to read."""

    code = "platform_absent"
    usual_next_step = "Go on without them: functions of this account run without quota and backends."


class ResultNotReady(QiskitFunctionsError):
    """The job has no result, yet or ever."""

    code = "result_not_ready"


class ValueTooCostly(QiskitFunctionsError):
    """Reading or encoding a value was stopped, or ended its worker process.

    Attributes:
        reason: the limit that it broke: ``cpu``, ``memory``, ``time`` or ``size``; or ``crash``.
    """

    code = "value_too_costly"

    def __init__(self, message: str, *, reason: str, next_step: str) -> None:
        super().__init__(message, next_step=next_step)
        self.reason = reason


class ValuesBusy(QiskitFunctionsError):
    """Other values took all the time in which this one could have been read or encoded; it was not begun."""

    code = "busy"
    usual_next_step = "Call again in a moment."


class EmbeddedGatewayError(QiskitFunctionsError):
    """This machine's gateway cannot start, or its data folder cannot be used."""

    code = "embedded_gateway"
    person = True
    usual_next_step = "Ask the person to check the data folder, or to set QISKIT_FUNCTIONS_HOME to another one."
