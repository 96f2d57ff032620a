"""Runs all checks at once, and prints what they found."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial

import anyio

from qiskit_functions_core.concurrency import gather
from qiskit_functions_core.errors import AccountError
from qiskit_functions_core.http.redaction import redact

from ...settings import Settings
from .account import check_account
from .findings import Check, Finding, Level, outcome
from .installation import check_assistants, check_packages
from .machine import check_machine
from .network import check_network

_AREA_SECONDS = 120.0
"""For all of an area, whose questions have shorter deadlines of their own."""


def main(settings: Settings, *, as_json: bool) -> int:
    """Check everything, print the report, and return the exit code: 0 without an error, 1 with one."""
    report = anyio.run(_report, settings)
    is_ok = all(finding.level != "error" for findings in report.values() for finding in findings)
    if as_json:
        areas = {area: [asdict(finding) for finding in findings] for area, findings in report.items()}
        print(json.dumps({"ok": is_ok, "areas": areas}, indent=2))
    else:
        for area, findings in report.items():
            print(area)
            for finding in findings:
                print(f"  {finding.level:7}  {finding.message}")
                if finding.next_step:
                    print(f"           {finding.next_step}")
    return 0 if is_ok else 1


async def _report(settings: Settings) -> dict[str, list[Finding]]:
    try:
        account = settings.resolved_account()
    except AccountError:
        account = None
    worst: Level = "warning" if account and not account.is_embedded else "error"
    checks: dict[str, Check] = {
        "installation": check_packages,
        "assistants": check_assistants,
        "account": partial(check_account, settings),
        "this machine": partial(check_machine, settings, worst),
        "network": partial(check_network, account),
    }
    answers = await gather(partial(outcome, check, area, within=_AREA_SECONDS) for area, check in checks.items())
    secrets = [account.token.get_secret_value()] if account else []
    return {
        area: [
            replace(finding, message=redact(finding.message, secrets), next_step=redact(finding.next_step, secrets))
            for finding in answer
        ]
        for area, answer in zip(checks, answers, strict=True)
    }
