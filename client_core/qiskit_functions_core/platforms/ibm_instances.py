"""The instances that an API key can use: IBM Cloud's search, and its catalog for the names of the plans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from ..concurrency import gather
from ..errors import GatewayError, PlatformUnavailable
from ..http.transport import HeadersSource, RetryPolicy, Timeouts, Transport
from ..models import Instance, parsed

_SEARCH = {
    "query": "service_name:quantum-computing",
    "fields": ["crn", "service_plan_unique_id", "name", "doc", "tags"],
}
"""The query of ``Account.list_instances`` in qiskit-ibm-runtime 0.50, in pages of 100 as there."""

_MAX_PAGES = 100


class InstanceDirectory:
    """The instances of one API key."""

    def __init__(self, search: Transport, catalog: Transport) -> None:
        self._search = search
        self._catalog = catalog

    @classmethod
    def of(
        cls,
        url: str,
        token: Callable[[], Awaitable[str]],
        *,
        secrets: list[str],
        timeouts: Timeouts | None = None,
        retries: RetryPolicy | None = None,
    ) -> InstanceDirectory:
        """Return the directory of the IBM Cloud at ``url``.

        Args:
            token: gives the token of ``IAMToken``.
        """
        parts = urlsplit(url)

        async def headers() -> dict[str, str]:
            return {"Authorization": f"Bearer {await token()}"}

        def transport(base: str, server: str, source: HeadersSource) -> Transport:
            return Transport(base, source, secrets=secrets, server=server, timeouts=timeouts, retries=retries)

        return cls(
            transport(f"{parts.scheme}://api.global-search-tagging.{parts.netloc}/v3/", "IBM Cloud's search", headers),
            transport(f"{parts.scheme}://globalcatalog.{parts.netloc}/api/v1/", "IBM Cloud's catalog", headers),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._search.aclose()
        await self._catalog.aclose()

    async def instances(self) -> list[Instance]:
        """Return the instances that have backends, as the library lists them.

        Raises:
            PlatformUnavailable: the search answered without a list.
            GatewayError, GatewayUnreachable, GatewayTimeout: it did not answer.
        """
        items = await self._items()
        plans = sorted({str(item.get("service_plan_unique_id")) for item in items})
        names = dict(zip(plans, await gather(partial(self._plan_name, plan) for plan in plans), strict=True))
        return [parsed(Instance, {**item, "plan": names[str(item.get("service_plan_unique_id"))]}) for item in items]

    async def _items(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        for _ in range(_MAX_PAGES):
            answer = (await self._search.send("POST", "resources/search?limit=100", {**_SEARCH, **cursor})).json()
            if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
                raise PlatformUnavailable("IBM Cloud's search answered without a list of instances")
            for item in answer["items"]:
                document = item.get("doc") if isinstance(item, dict) else None
                # Extensions are the backends that are allocated to the instance.
                if isinstance(document, dict) and document.get("extensions"):
                    items.append(item)
            if not answer.get("search_cursor"):
                break
            cursor = {"search_cursor": answer["search_cursor"]}
        return items

    async def _plan_name(self, plan: str) -> str:
        try:
            entry = (await self._catalog.get(quote(plan, safe=""))).json()
            return str(entry["overview_ui"]["en"]["display_name"]).lower()
        except (GatewayError, KeyError, TypeError):
            return "unknown"  # the catalog does not show archived plans
