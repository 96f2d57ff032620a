"""The gateway's functions ("programs"): list, read and upload them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from ..errors import BadRequest, GatewayFault, InputError, NotFound, QiskitFunctionsError
from ..http.forms import FormFile, bytes_in_parts
from ..models import ArgumentsSchema, Function, parsed, parsed_list
from ..suggestions import did_you_mean
from .gateway_errors import may_have_happened
from .gateway_traits import GatewayTraits

if TYPE_CHECKING:
    from ..http.transport import Transport
    from .artifact import Artifact

Kind = Literal["all", "own", "catalog"]
FunctionType = Literal["GENERIC", "APPLICATION", "CIRCUIT"]
Runner = Literal["ray", "fleets"]

_FILTERS: dict[Kind, dict[str, str]] = {
    "all": {},
    "own": {"filter": "serverless"},
    "catalog": {"filter": "catalog"},
}
_LONGEST_NAME = 512
"""Characters: gateways take 255 for the title, and as many for the provider."""

_TITLE = re.compile(r"[A-Za-z0-9_-]+")


def filters_of(kind: Kind) -> dict[str, str]:
    """Return the gateway's query for a kind, in listings of functions and of their jobs."""
    return _FILTERS[kind]


def split_name(name: str) -> tuple[str | None, str]:
    """Return the provider, which is None for ``title`` alone, and the title of ``provider/title``.

    Raises:
        InputError: it is not such a name. The gateway would silently drop other characters.
    """
    if len(name) > _LONGEST_NAME:
        raise InputError(f"a function's name has at most {_LONGEST_NAME} characters")
    provider, slash, title = name.rpartition("/")
    if not _TITLE.fullmatch(title) or (slash and not _TITLE.fullmatch(provider)):
        altered = re.sub(r"[^A-Za-z0-9_/-]", "", name).strip("/")
        is_better = altered not in ("", name) and altered.count("/") <= 1
        raise InputError(
            f"{name!r} is not a function's name: it is title or provider/title, with letters, digits, - and _",
            next_step=f"Use a name such as {altered!r}." if is_better else "Choose a name from list_functions.",
        )
    return provider or None, title


class Functions:
    """The functions that the account can run.

    Args:
        traits: whether the gateway lets an upload without a provider overwrite a provider's
            function of that title, as Qiskit Serverless's does and the embedded one does not.
    """

    def __init__(self, transport: Transport, traits: GatewayTraits) -> None:
        self._transport = transport
        self._traits = traits

    async def list(self, *, kind: Kind = "all", provider: str = "") -> list[Function]:
        """Return all functions of a kind, sorted by name; the gateway itself neither sorts nor pages.

        Args:
            kind: all, the account's own, or those of providers (the catalog).
            provider: only this provider's; filtered here, since older gateways ignore it.
        """
        if provider:
            split_name(f"{provider}/any")
        params = {**_FILTERS[kind], **({"provider": provider} if provider else {})}
        answer = await self._transport.get("programs/", params)
        functions = parsed_list(Function, answer.json())
        if provider:
            functions = [function for function in functions if function.provider == provider]
        return sorted(functions, key=lambda function: function.name)

    async def get(self, name: str) -> Function:
        """Return one function by ``title`` or ``provider/title``.

        Raises:
            NotFound: there is no such function, or not for this account.
        """
        provider, title = split_name(name)
        params = {"provider": provider} if provider else {}
        suggestion = ""
        try:
            answer = await self._transport.get(f"programs/get_by_title/{title}/", params)
        except NotFound as error:
            if not error.from_gateway:
                raise
            with suppress(QiskitFunctionsError):  # the suggestion is a courtesy
                suggestion = did_you_mean(name, [function.name for function in await self.list()])
            raise NotFound(
                f"there is no function {name!r} for this account",
                status=error.status,
                request_id=error.request_id,
                next_step=f"{suggestion}Choose a name from list_functions; a provider's function is provider/title.",
            ) from error
        return parsed(Function, answer.json())

    async def dependencies_versions(self) -> Sequence[str]:
        """Return the packages that a function may depend on, as ``name==version``."""
        answer = await self._transport.get("dependencies-versions/")
        versions = answer.json()
        if not isinstance(versions, list):
            raise GatewayFault("the gateway answered without a list of packages", status=answer.status)
        return [str(version) for version in versions]

    async def upload(
        self,
        name: str,
        artifact: Artifact | None,
        *,
        image: str = "",
        description: str = "",
        dependencies: Sequence[str] | None = None,
        env_vars: Mapping[str, str] | None = None,
        arguments_schema: ArgumentsSchema | None = None,
        version: str = "",
        type: FunctionType | None = None,  # noqa: A002 - the gateway's name for it
        runner: Runner | None = None,
        sizes: Mapping[str, str] | None = None,
        default_size: str = "",
    ) -> Function:
        """Create or update a function, and return it; what is left out keeps its stored value.

        Args:
            name: ``title`` or ``provider/title``.
            artifact: the code; None for an image, or to change only the rest.
            image: a container image, in place of an artifact; only a provider's function can have one.
            dependencies: some of ``dependencies_versions``, such as ``["mergedeep==1.3.4"]``.
            env_vars: environment variables of its jobs.
            arguments_schema: a JSON Schema; ``{}`` removes the stored one.
            version: as x.y.z.
            type: the gateway ignores it in an update.
            runner: what runs its jobs.
            sizes: the compute profile of each size, such as ``{"m": "cx3d-4x16"}``; replaces all that are stored.
            default_size: the size of a run that names none.

        Raises:
            InputError: the input is wrong; nothing was sent.
            BadRequest: the gateway refuses it.
        """
        provider, title = split_name(name)
        if image and artifact:
            raise InputError("a function is an image or an artifact, not both", next_step="Leave one of them out.")
        if image and not provider:
            raise InputError(
                "only a provider's function can be an image", next_step="Name it provider/title, with your provider."
            )
        if self._traits.overwrites_providers and not provider:
            await self._refuse_to_overwrite_a_provider(title)
        fields = {
            "title": title,
            "provider": provider,
            "entrypoint": artifact.entrypoint if artifact else None,
            "image": image or None,
            "description": description or None,
            "version": version or None,
            "type": type,
            "runner": runner,
            "default_size": default_size or None,
            "dependencies": None if dependencies is None else json.dumps(list(dependencies)),
            "env_vars": None if env_vars is None else json.dumps(dict(env_vars)),
            "arguments_schema": None if arguments_schema is None else json.dumps(arguments_schema),
            "sizes": None if sizes is None else json.dumps(dict(sizes)),
        }
        sent = {field: value for field, value in fields.items() if value is not None}
        content = artifact.content if artifact else b""
        archive = FormFile("artifact", "artifact.tar", len(content), bytes_in_parts(content), "application/x-tar")
        with may_have_happened(
            f"{name} may have been uploaded", f"Look with get_function at {name}, or upload it again."
        ):
            answer = await self._transport.send_form("programs/upload/", sent, archive if artifact else None)
        if parsed(Function, answer.json()).title != title:
            raise GatewayFault(
                "the gateway answered the upload with another function",
                status=answer.status,
                next_step="Check with get_function whether it has arrived.",
            )
        # The answer to an upload lacks the id and the provider.
        return await self.get(name)

    async def _refuse_to_overwrite_a_provider(self, title: str) -> None:
        same_title = [function for function in await self.list() if function.title == title]
        if same_title and all(function.provider for function in same_title):
            name = same_title[0].name
            raise InputError(
                f"{title!r} is also the provider function {name!r}, which this upload might overwrite",
                next_step=f"Choose another title, or upload to {name!r} if that is what you mean.",
            )

    async def validate_arguments(self, name: str, arguments: str) -> BadRequest | None:
        """Return the gateway's objection to these arguments; None if it has none.

        Args:
            arguments: a JSON text, as ``values`` encodes them.
        """
        provider, title = split_name(name)
        body: dict[str, Any] = {"title": title, "arguments": arguments}
        if provider:
            body["provider"] = provider
        try:
            answer = await self._transport.send("POST", "programs/validate_arguments/", body)
        except BadRequest as error:
            return error
        if answer.json() != {"valid": True}:
            raise GatewayFault("the gateway does not say whether the arguments are valid", status=answer.status)
        return None
