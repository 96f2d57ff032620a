"""Who may call what: every route of the embedded gateway, by every kind of token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from starlette.routing import Route

from qiskit_functions_gateway.api.app import calls_home_app
from qiskit_functions_gateway.storage.database import Database, JobRow
from support.raw_http import send
from support.serving import serving
from support.still_gateway import TOKEN, StillGateway, still_gateway

OPEN = {"/version", "/liveness", "/readiness"}

CALLS_HOME = {("PATCH", "sub_status"), ("POST", "event"), ("POST", "runtime_jobs"), ("POST", "result")}

DATA = {("GET", "data"), ("GET", "data/x.txt"), ("PUT", "data/x.txt")}
"""DATA_PATH of a job that runs on another machine."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StillGateway]:
    with still_gateway(tmp_path_factory.mktemp("access")) as still:
        still.put_function("mine")
        yield still


@pytest.fixture(scope="module")
def job(gateway: StillGateway) -> JobRow:
    return gateway.put_job("mine", "", "RUNNING")


@pytest.fixture(scope="module")
def other_job(gateway: StillGateway) -> JobRow:
    return gateway.put_job("mine", "", "RUNNING")


def routes(gateway: StillGateway, job: JobRow) -> list[tuple[str, str]]:
    """Every method and path under ``/api/v1/``."""
    found = []
    for route in gateway.app.routes:
        assert isinstance(route, Route)
        if route.path not in OPEN:
            path = route.path.removeprefix("/api/v1/").replace("{job_id:lower_uuid}", job.id).replace("{title}", "mine")
            path = path.replace("{program_id:lower_uuid}", job.program_id).replace("{name:path}", "x.txt")
            found += [(method, path) for method in (route.methods or set()) - {"HEAD", "OPTIONS"}]
    return found


def test_the_list_of_routes_is_the_apis(gateway: StillGateway, job: JobRow) -> None:
    assert len(routes(gateway, job)) == len(set(routes(gateway, job))) == 34


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer é"]
)
def test_a_wrong_token_opens_no_route(gateway: StillGateway, job: JobRow, authorization: str) -> None:
    for method, path in routes(gateway, job):
        answer = gateway.send(
            method, path, token=None, headers={"Authorization": authorization.encode().decode("latin-1")}
        )
        assert (answer.status, answer.body) == (401, {"detail": "Authorization token is not valid."}), path
        assert answer.headers["www-authenticate"] == "Bearer"


def test_no_token_opens_no_route(gateway: StillGateway, job: JobRow) -> None:
    for method, path in routes(gateway, job):
        answer = gateway.send(method, path, token=None)
        assert (answer.status, answer.body) == (401, {"detail": "Authorization token was not provided."}), path


def test_a_jobs_token_opens_what_functions_call_and_nothing_else(gateway: StillGateway, job: JobRow) -> None:
    opened = {
        (method, path.removeprefix(f"jobs/{job.id}/"))
        for method, path in routes(gateway, job)
        if gateway.send(method, path, token=job.token).status != 401
    }
    assert opened == CALLS_HOME | DATA


def test_a_jobs_token_opens_nothing_of_another_job(gateway: StillGateway, job: JobRow, other_job: JobRow) -> None:
    for method, path in routes(gateway, other_job):
        assert gateway.send(method, path, token=job.token).status == 401, path


def test_a_supervisor_answers_the_jobs_own_token_alone(gateway: StillGateway, job: JobRow, other_job: JobRow) -> None:
    home = gateway.gateway.data_folder
    with closing(Database(home.database_file)) as database, serving(calls_home_app(home, database)) as host:
        for method, path in CALLS_HOME:
            url = f"/api/v1/jobs/{job.id}/{path}/"
            for token, expected in ((TOKEN, 401), (other_job.token, 401), (job.token, 400)):
                assert send(host, method, url, headers={"Authorization": f"Bearer {token}"}).status == expected, path
        for path in ("", "result/", "logs/", "events/"):
            answer = send(
                host, "GET", f"/api/v1/jobs/{job.id}/{path}", headers={"Authorization": f"Bearer {job.token}"}
            )
            assert answer.status in (404, 405), path


def test_the_token_is_the_last_word_whatever_the_scheme(gateway: StillGateway) -> None:
    for authorization in (TOKEN, f"Bearer {TOKEN}", f"Apikey for me {TOKEN}"):
        assert gateway.send("GET", "programs/", token=None, headers={"Authorization": authorization}).status == 200


@pytest.mark.parametrize("path", sorted(OPEN))
def test_the_version_and_the_probes_need_no_token(gateway: StillGateway, path: str) -> None:
    for ending in ("", "/"):
        assert send(gateway.host, "GET", path + ending).status == 200


def test_what_is_nowhere_is_not_found_before_anybody_is_asked_for_a_token(gateway: StillGateway) -> None:
    for path in ("nope/", "programs//", "programs/../jobs/", "jobs/not-an-id/", "programs/get_by_title/a/b/", ""):
        answer = gateway.send("GET", path, token=None)
        assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8"), path


def test_a_wrong_method_names_the_right_ones(gateway: StillGateway, job: JobRow) -> None:
    answer = gateway.send("PUT", f"jobs/{job.id}/result/")
    assert answer.status == 405
    assert answer.headers["allow"].replace(" ", "").split(",").count("POST") == 1
    assert gateway.send("OPTIONS", "files/delete/", token=None).headers["allow"] == "DELETE, OPTIONS"
