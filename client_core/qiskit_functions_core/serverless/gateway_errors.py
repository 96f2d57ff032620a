"""What an error of the gateway's means for its caller: what may have happened, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from ..errors import GatewayError, GatewayFault, GatewayTimeout, GatewayUnreachable, NotFound


@contextmanager
def not_found_advice(next_step: str) -> Iterator[None]:
    """Say what to do next if the gateway finds no such thing; a proxy's 404 keeps its own next step."""
    try:
        yield
    except NotFound as error:
        if not error.from_gateway:
            raise
        raise NotFound(error.message, status=error.status, request_id=error.request_id, next_step=next_step) from error


@contextmanager
def may_have_happened(what: str, next_step: str) -> Iterator[None]:
    """Say of a request whose answer was lost what it may have done, and how to find out.

    Args:
        what: such as "the file may be there".
    """
    try:
        yield
    except GatewayTimeout as error:
        raise GatewayTimeout(f"{error.message}; {what}", next_step=next_step) from error
    except GatewayFault as error:
        raise GatewayFault(
            f"{error.message}; {what}",
            status=error.status,
            request_id=error.request_id,
            retry_after=error.retry_after,
            from_gateway=error.from_gateway,
            next_step=next_step,
        ) from error


def may_pass(error: Exception) -> bool:
    """Return whether asking again later may help: the gateway may be starting again, or a proxy answers for it."""
    if isinstance(error, GatewayError):
        is_busy = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status == HTTPStatus.TOO_MANY_REQUESTS
        return is_busy or (isinstance(error, GatewayFault) and not error.from_gateway)
    return isinstance(error, GatewayTimeout | GatewayUnreachable)
