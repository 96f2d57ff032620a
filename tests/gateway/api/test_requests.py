"""What callers get wrong, of functions and jobs: the right status, a text that helps, and no harm done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.raw_http import Answer, multipart, tar_of
from support.still_gateway import StillGateway, still_gateway

JSON = {"Content-Type": "application/json"}
SCHEMA = '{"type": "object", "required": ["shots"], "properties": {"shots": {"type": "integer"}}}'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StillGateway]:
    with still_gateway(tmp_path_factory.mktemp("requests")) as still:
        still.put_function("mine")
        still.put_function("theirs", "examples")
        yield still


@pytest.fixture(autouse=True)
def no_active_jobs_afterwards(gateway: StillGateway) -> Iterator[None]:
    yield
    gateway.stop_all()


def post(gateway: StillGateway, path: str, body: Any) -> Answer:
    return gateway.send("POST", path, headers=JSON, content=json.dumps(body).encode())


def upload(gateway: StillGateway, **fields: Any) -> Answer:
    return post(gateway, "programs/upload/", {"title": "uploaded", "entrypoint": "main.py", **fields})


def run(gateway: StillGateway, **fields: Any) -> Answer:
    return post(gateway, "programs/run/", {"title": "mine", "arguments": "{}", "config": {}, **fields})


@pytest.mark.parametrize(
    "method_and_path", ["POST programs/run/", "POST programs/upload/", "POST programs/validate_arguments/"]
)
@pytest.mark.parametrize(
    ("content", "status", "says"),
    [
        (b"{nope", 400, "not valid JSON"),
        (b"\xff\xfe", 400, "not valid JSON"),
        (b"[1, 2]", 400, "got list"),
        (b"null", 400, "got NoneType"),
        (b'"text"', 400, "got str"),
        (b'{"title": NaN}', 400, "not valid JSON"),
        (b'{"title": 1e999}', 400, "not valid JSON"),
        (b"[" * 100_000, 400, "not valid JSON"),
        (b'{"title": "a\\u0000b"}', 400, "Null characters"),
        (b'{"title": "\\ud800"}', 400, "Surrogate"),
        (b'{"title": "' + b"x" * 300 + b'"}', 400, "no more than 255"),
        (b'{"title": ["mine"]}', 400, "Not a valid string."),
        (b'{"title": true}', 400, "Not a valid string."),
        (b'{"title": null}', 400, "may not be null"),
        (b'{"title": "   "}', 400, "may not be blank"),
        (b"{}", 400, "This field is required."),
        (b"", 400, "This field is required."),
        (b'{"title": "' + b"x" * 3_000_000 + b'"}', 413, "2621440"),
    ],
    ids=str,
)
def test_a_body_that_is_wrong_is_refused_with_the_reason(
    gateway: StillGateway, method_and_path: str, content: bytes, status: int, says: str
) -> None:
    method, path = method_and_path.split()
    answer = gateway.send(method, path, headers=JSON, content=content)
    assert (answer.status, says in answer.body["message"]) == (status, True), answer


def test_a_body_far_over_the_limit_is_not_read_to_its_end(gateway: StillGateway) -> None:
    try:
        answer = gateway.send("POST", "programs/run/", headers=JSON, content=b"x" * 80_000_000)
    except (BrokenPipeError, ConnectionResetError):
        return  # closed while it was still sending, as it should be
    assert answer.status == 413


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"title": "!!!"}, "'title'"),
        ({"title": "a/b/c"}, "only contain one slash"),
        ({"title": "a/b", "provider": "examples"}, "in title and in provider"),
        ({"entrypoint": "../x.py"}, "entrypoint"),
        ({"entrypoint": "x.sh"}, "entrypoint"),
        ({"entrypoint": "a;b.py"}, "entrypoint"),
        ({"env_vars": "{nope"}, "'env_vars'"),
        ({"env_vars": "[]"}, "'env_vars'"),
        ({"env_vars": '{"A": 1}'}, "'env_vars'"),
        ({"env_vars": '{"A=B": "1"}'}, "'env_vars'"),
        ({"env_vars": '{"A": "\\u0000"}'}, "'env_vars'"),
        ({"env_vars": '{"A": "\\ud800"}'}, "'env_vars'"),
        ({"dependencies": "{nope"}, "'dependencies'"),
        ({"dependencies": '["numpy>=1.0"]'}, "one fixed version"),
        ({"dependencies": '["--index-url=http://x"]'}, ""),
        ({"dependencies": '["numpy @ file:///etc"]'}, ""),
        ({"dependencies": "[1]"}, ""),
        ({"type": "NOPE"}, '"NOPE" is not a valid choice.'),
        ({"runner": "fleets"}, '"fleets"'),
        ({"version": "one"}, "Invalid version"),
        ({"image": "registry/image:1"}, "'image'"),
        ({"arguments_schema": "{nope"}, "arguments_schema"),
        ({"arguments_schema": '{"type": 5}'}, "arguments_schema"),
    ],
    ids=str,
)
def test_an_upload_that_is_wrong_is_refused_and_says_what(
    gateway: StillGateway, fields: dict[str, str], says: str
) -> None:
    answer = upload(gateway, **fields)
    assert (answer.status, says in answer.body["message"]) == (400, True), answer
    assert gateway.send("GET", "programs/get_by_title/uploaded/").status == 404


def test_an_update_keeps_what_it_does_not_name(gateway: StillGateway) -> None:
    content, content_type = multipart(
        {"title": "kept", "entrypoint": "./main.py", "env_vars": '{"MY_TOKEN": "s", "A": "b"}', "type": "CIRCUIT"},
        {"artifact": ("artifact.tar", tar_of("pass"))},
    )
    first = gateway.send("POST", "programs/upload/", headers={"Content-Type": content_type}, content=content).body
    assert (first["entrypoint"], first["type"]) == ("main.py", "CIRCUIT")
    assert json.loads(first["env_vars"]) == {"MY_TOKEN": "***", "A": "b"}
    given = {"title": "kept", "description": "d", "type": "GENERIC", "version": None, "arguments_schema": SCHEMA}
    second = post(gateway, "programs/upload/", given).body
    assert second == {**first, "description": "d", "arguments_schema": SCHEMA}
    third = post(gateway, "programs/upload/", {"title": "kept", "arguments_schema": "{}"}).body
    assert third == {**first, "description": "d"}


def test_an_artifact_over_the_limit_is_refused_and_nothing_is_kept(gateway: StillGateway) -> None:
    form = {"title": "uploaded", "entrypoint": "main.py"}
    content, content_type = multipart(form, {"artifact": ("artifact.tar", bytes(64 * 1024 * 1024 + 1))})
    answer = gateway.send("POST", "programs/upload/", headers={"Content-Type": content_type}, content=content)
    assert (answer.status, "larger than" in answer.body["message"]) == (413, True)
    home = gateway.gateway.data_folder
    assert list((home.path / "uploads").iterdir()) == []
    assert gateway.send("GET", "programs/get_by_title/uploaded/").status == 404


def test_the_same_code_twice_is_kept_once(gateway: StillGateway) -> None:
    content, content_type = multipart(
        {"title": "once", "entrypoint": "main.py"}, {"artifact": ("a.tar", tar_of("print('once')"))}
    )
    headers = {"Content-Type": content_type}
    names = {
        gateway.send("POST", "programs/upload/", headers=headers, content=content).body["artifact"] for _ in range(3)
    }
    assert len(names) == 1
    assert (gateway.gateway.data_folder.artifacts / names.pop()).is_file()


def test_a_function_of_ones_own_does_not_touch_a_providers_of_the_same_title(gateway: StillGateway) -> None:
    before = gateway.send("GET", "programs/get_by_title/theirs/", params={"provider": "examples"}).body
    upload(gateway, title="theirs", description="mine")
    assert gateway.send("GET", "programs/get_by_title/theirs/", params={"provider": "examples"}).body == before
    assert gateway.send("GET", "programs/get_by_title/theirs/").body["description"] == "mine"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"config": [1]}, "got list"),
        ({"config": {"workers": "many"}}, "valid integer"),
        ({"config": {"workers": True}}, "valid integer"),
        ({"config": {"workers": 1.5}}, "valid integer"),
        ({"config": {"min_workers": 3}}, "less than or equal to 2"),
        ({"config": {"max_workers": 11}}, "less than or equal to 10"),
        ({"config": {"auto_scaling": "perhaps"}}, "valid boolean"),
        ({"provider": {"a": 1}}, "Not a valid string."),
        ({"compute_profile": "x"}, "compute profile"),
    ],
    ids=str,
)
def test_a_run_that_is_wrong_is_refused_and_starts_nothing(
    gateway: StillGateway, fields: dict[str, Any], says: str
) -> None:
    count = gateway.send("GET", "jobs/", params={"limit": 1}).body["count"]
    answer = run(gateway, **fields)
    assert (answer.status, says in answer.body["message"]) == (400, True), answer
    assert gateway.send("GET", "jobs/", params={"limit": 1}).body["count"] == count


def test_a_config_may_say_numbers_as_texts(gateway: StillGateway) -> None:
    assert run(gateway, config={"workers": "2", "auto_scaling": "true", "min_workers": None}).status == 200


def test_the_51st_active_job_is_refused_and_leaves_nothing(gateway: StillGateway) -> None:
    for _ in range(50):
        gateway.put_job("mine", "", "QUEUED")
    folders = sorted((gateway.gateway.data_folder.path / "jobs").glob("*"))
    answer = run(gateway)
    assert (answer.status, answer.body) == (429, {"message": "Active job limit reached. The maximum allowed is 50."})
    assert sorted((gateway.gateway.data_folder.path / "jobs").glob("*")) == folders


def test_arguments_and_results_are_kept_to_the_letter(gateway: StillGateway) -> None:
    arguments = '{ "text": "\\ud83d\\ude00 é 结果",  "n": 1.0}'
    job_id = run(gateway, arguments=arguments).body["id"]
    assert gateway.gateway.data_folder.job(job_id).arguments.read_text(encoding="utf-8") == arguments
    result = 'not json é  \u2028 ""'
    assert post(gateway, f"jobs/{job_id}/result/", {"result": result}).body["result"] == result
    assert gateway.send("GET", f"jobs/{job_id}/result/").body == {"result": result}
    assert gateway.send("GET", f"jobs/{job_id}/", params={"with_result": "yes"}).body["result"] == result


def test_an_event_may_carry_any_json_and_is_given_back(gateway: StillGateway) -> None:
    job = gateway.put_job("mine", "", "RUNNING")
    args = {"odd": "\ud800", "deep": [[{}]], "n": 1e300}
    event = {"type": "error", "code": 7, "message": "m", "exception": "E", "args": args}
    assert post(gateway, f"jobs/{job.id}/event/", event).status == 200
    (given,) = gateway.send("GET", f"jobs/{job.id}/events/", params={"type": "error"}).body
    assert given["data"] == {"args": args, "code": "7", "message": "m", "exception": "E"}


@pytest.mark.parametrize("missing", ["type", "code", "message", "exception"])
def test_an_event_without_a_field_is_refused(gateway: StillGateway, missing: str) -> None:
    job = gateway.put_job("mine", "", "RUNNING")
    event = {"type": "ERROR", "code": "1", "message": "m", "exception": "E"}
    del event[missing]
    assert post(gateway, f"jobs/{job.id}/event/", event).status == 400


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"limit": "x"}, "valid integer"),
        ({"limit": "-1"}, "greater than or equal to 0"),
        ({"offset": "-1"}, "greater than or equal to 0"),
        ({"filter": "x"}, "not a valid choice"),
        ({"created_after": "0001-01-01T00:00:00+23:59"}, "Datetime has wrong format"),
        ({"created_after": "2026-13-01"}, "Datetime has wrong format"),
    ],
    ids=str,
)
def test_a_listing_that_is_asked_for_wrongly_says_how(gateway: StillGateway, params: dict[str, str], says: str) -> None:
    answer = gateway.send("GET", "jobs/", params=params)
    assert (answer.status, says in answer.body["message"]) == (400, True), answer


@pytest.mark.parametrize("number", ["9" * 18, "9" * 30, "1_0", "5.0"])
def test_a_large_or_odd_number_is_a_number(gateway: StillGateway, number: str) -> None:
    assert gateway.send("GET", "jobs/", params={"limit": number, "offset": number}).status == 200


def test_pages_keep_their_filters_and_meet_neither_gaps_nor_repeats(gateway: StillGateway) -> None:
    gateway.put_function("paged")
    wanted = [gateway.put_job("paged", "", "STOPPED").id for _ in range(7)]
    gateway.put_job("paged", "", "FAILED")
    seen: list[str] = []
    query: dict[str, str] = {"function": "paged", "status": "STOPPED", "limit": "3"}
    while True:
        page = gateway.send("GET", "jobs/", params=query).body
        seen += [job["id"] for job in page["results"]]
        if page["next"] is None:
            break
        assert urlsplit(page["next"]).path == "/api/v1/jobs/"
        query = {name: values[0] for name, values in parse_qs(urlsplit(page["next"]).query).items()}
    assert seen == wanted[::-1]
    assert page["previous"] is not None


def test_jobs_created_at_a_moment_are_created_after_it(gateway: StillGateway) -> None:
    gateway.put_function("dated")
    jobs = [gateway.put_job("dated", "", "STOPPED") for _ in range(3)]
    since = {"function": "dated", "created_after": jobs[1].created}
    listed = gateway.send("GET", "jobs/", params=since).body["results"]
    assert [job["id"] for job in listed] == [jobs[2].id, jobs[1].id]


def test_jobs_of_a_providers_function_are_listed_apart_from_ones_own(gateway: StillGateway) -> None:
    for provider in ("", "examples"):
        gateway.put_function("twin", provider)
        gateway.put_job("twin", provider, "STOPPED")
    own = gateway.send("GET", "jobs/", params={"function": "twin"}).body
    theirs = gateway.send("GET", "jobs/provider/", params={"function": "twin", "provider": "examples"}).body
    assert [job["program"]["provider"] for job in own["results"]] == [None]
    assert [job["program"]["provider"] for job in theirs["results"]] == ["examples"]


def test_a_sub_status_may_come_as_a_form_or_as_json(gateway: StillGateway) -> None:
    job = gateway.put_job("mine", "", "RUNNING")
    for content_type, content in (
        ("application/json", b'{"sub_status": "MAPPING"}'),
        ("application/x-www-form-urlencoded", b"sub_status=WAITING_QPU"),
    ):
        answer = gateway.send(
            "PATCH", f"jobs/{job.id}/sub_status/", headers={"Content-Type": content_type}, content=content
        )
        assert answer.status == 200
        assert answer.body["job"]["sub_status"] in content.decode()


def test_a_form_of_more_fields_than_any_request_has_is_refused(gateway: StillGateway) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = gateway.send("POST", "programs/upload/", headers=headers, content=b"a=1&" * 1_001)
    assert (answer.status, "The form is malformed" in answer.body["message"]) == (400, True)


def test_a_job_names_its_runtime_jobs_up_to_a_bound(gateway: StillGateway) -> None:
    job = gateway.put_job("mine", "", "RUNNING")
    with closing(connect(gateway.gateway.data_folder.database_file)) as connection, connection:
        rows = [(f"rt-{number}", job.id) for number in range(9_999)]
        connection.executemany("INSERT INTO runtime_jobs (runtime_job, job_id) VALUES (?, ?)", rows)
    assert "created for" in post(gateway, f"jobs/{job.id}/runtime_jobs/", {"runtime_job": "rt-last"}).body["message"]
    answer = post(gateway, f"jobs/{job.id}/runtime_jobs/", {"runtime_job": "rt-more"}).body
    assert "Failed to create" in answer["message"]
    assert "10000 already" in answer["message"]
    other = gateway.put_job("mine", "", "RUNNING")
    assert "created for" in post(gateway, f"jobs/{other.id}/runtime_jobs/", {"runtime_job": "rt-more"}).body["message"]
    assert post(gateway, f"jobs/{other.id}/runtime_jobs/", {"runtime_job": "x" * 300}).status == 400
    gateway.stop_all()


def test_a_stop_tells_of_runtime_jobs_that_it_leaves_alone(gateway: StillGateway) -> None:
    service = json.dumps({"__type__": "QiskitRuntimeService", "__value__": {"token": "secret"}})
    first, second = (gateway.put_job("mine", "", "RUNNING") for _ in range(2))
    post(gateway, f"jobs/{second.id}/runtime_jobs/", {"runtime_job": "rt-x", "runtime_session": ""})
    said = [post(gateway, f"jobs/{job.id}/stop/", {"service": service}).body["message"] for job in (first, second)]
    assert "No active runtime job ID associated" in said[0]
    assert "[rt-x]" in said[1]
    assert "secret" not in "".join(said)


def test_a_log_of_a_stopped_job_is_kept(gateway: StillGateway) -> None:
    job = gateway.put_job("mine", "", "RUNNING")
    log = gateway.gateway.data_folder.job(job.id).log
    log.parent.mkdir(parents=True)
    log.write_text("[PUBLIC] INFO: one\ntwo\n")
    assert post(gateway, f"jobs/{job.id}/stop/", {"service": "null"}).status == 200
    assert gateway.send("GET", f"jobs/{job.id}/logs/").body == {"logs": "INFO: one\ntwo\n"}


def test_only_what_can_be_shown_is_answered(gateway: StillGateway) -> None:
    for accept, status in (("application/xml", 406), ("text/html,*/*;q=0.1", 200), ("application/json; q=1", 200)):
        assert gateway.send("GET", "programs/", headers={"Accept": accept}).status == status


def test_a_full_or_read_only_disk_is_said_with_the_folders_name(gateway: StillGateway) -> None:
    home = gateway.gateway.data_folder
    jobs = home.path / "jobs"
    moved = jobs.rename(home.path / "jobs-elsewhere")
    jobs.touch()  # a file in the way fails as a full disk does
    try:
        answer = run(gateway)
    finally:
        jobs.unlink()
        moved.rename(jobs)
    assert answer.status == 503
    assert str(home.path) in answer.body["message"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = ("title", "provider", "arguments", "config", "entrypoint", "env_vars", "dependencies", "result", "service")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(
        ["programs/run/", "programs/upload/", "programs/validate_arguments/", "JOB/stop/", "JOB/event/"]
    ),
    body=st.dictionaries(st.sampled_from(NAMES), ANYTHING),
)
def test_no_body_whatever_it_is_makes_the_gateway_fail(gateway: StillGateway, path: str, body: dict[str, Any]) -> None:
    job = gateway.put_job("mine", "", "STOPPED")
    answer = post(gateway, path.replace("JOB", f"jobs/{job.id}"), body)
    assert answer.status < 500, answer


def test_the_data_folder_is_nobody_elses(gateway: StillGateway, tmp_path: Path) -> None:
    with still_gateway(tmp_path / "private"):
        assert (tmp_path / "private").stat().st_mode & 0o077 == 0


def test_the_white_space_around_a_text_is_dropped(gateway: StillGateway) -> None:
    uploaded = upload(gateway, title=" padded ", entrypoint=" main.py\n", version=" 1.2.3", description=" d ").body
    assert [uploaded[name] for name in ("title", "entrypoint", "version", "description")] == [
        "padded",
        "main.py",
        "1.2.3",
        "d",
    ]
    content, content_type = multipart({" title ": " padded ", "entrypoint": " other.py "}, {})
    form = gateway.send("POST", "programs/upload/", headers={"Content-Type": content_type}, content=content)
    assert (form.body["title"], form.body["entrypoint"]) == ("padded", "other.py")
    job_id = run(gateway, title=" padded ", arguments=" {} ").body["id"]
    assert gateway.gateway.data_folder.job(job_id).arguments.read_text() == "{}"
    event = {"type": " error ", "code": "  c1 ", "message": "  padded  \n", "exception": " E "}
    assert post(gateway, f"jobs/{job_id}/event/", event).status == 200
    (given,) = gateway.send("GET", f"jobs/{job_id}/events/", params={"type": " error "}).body
    assert given["data"] == {"args": None, "code": "c1", "message": "padded", "exception": "E"}
    post(gateway, f"jobs/{job_id}/runtime_jobs/", {"runtime_job": " rj1 ", "runtime_session": " s "})
    assert gateway.send("GET", f"jobs/{job_id}/runtime_jobs/").body == {
        "runtime_jobs": [{"runtime_job": "rj1", "runtime_session": "s"}]
    }
    listed = gateway.send("GET", "jobs/", params={"status": " QUEUED ", "function": " padded "}).body
    assert [job["id"] for job in listed["results"]] == [job_id]


@pytest.mark.parametrize("fields", [{"type": " GENERIC "}, {"title": " \t "}])
def test_a_choice_is_not_trimmed_and_a_blank_text_is_blank(gateway: StillGateway, fields: dict[str, str]) -> None:
    assert upload(gateway, **fields).status == 400


@pytest.mark.parametrize(("status", "kept"), [("SUCCEEDED", None), ("FAILED", None), ("STOPPED", "MAPPING")])
def test_a_sub_status_ends_with_the_job_unless_it_was_stopped(
    gateway: StillGateway, status: str, kept: str | None
) -> None:
    job, lifecycle = gateway.put_job("mine", "", "RUNNING"), gateway.lifecycle
    assert (
        gateway.send("PATCH", f"jobs/{job.id}/sub_status/", headers=JSON, content=b'{"sub_status": "MAPPING"}').body[
            "job"
        ]["sub_status"]
        == "MAPPING"
    )
    {"SUCCEEDED": lifecycle.succeed, "FAILED": lifecycle.fail, "STOPPED": lifecycle.stop}[status](job.id)
    shown = gateway.send("GET", f"jobs/{job.id}/").body
    listed = gateway.send("GET", "jobs/", params={"limit": "1"}).body["results"][0]
    assert [(each["status"], each["sub_status"]) for each in (shown, listed)] == [(status, kept)] * 2


@pytest.mark.parametrize("status", ["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED"])
def test_only_a_job_that_waits_has_no_logs_yet(gateway: StillGateway, status: str) -> None:
    waiting, job = gateway.put_job("mine", "", "QUEUED"), gateway.put_job("mine", "", status)
    assert gateway.send("GET", f"jobs/{waiting.id}/logs/").body == {"logs": "No logs yet."}
    assert gateway.send("GET", f"jobs/{job.id}/logs/").body == {"logs": ""}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", "1" + "a" * 60 + "!"),
        ("version", "1" + ".1" * 120 + "!"),
        ("version", "1" + "-1" * 120 + "!"),
        ("version", "1+" + "a.1-" * 60 + "!"),
        ("version", "1" * 300),
        ("entrypoint", "a/" * 200_000 + "b"),
        ("entrypoint", "./" * 120 + "!"),
        ("dependencies", json.dumps(["a" + "-." * 100_000 + "!"])),
        ("dependencies", json.dumps(["a==" + "1,==" * 100_000 + "!"])),
        ("dependencies", json.dumps(["a[" + ", " * 100_000])),
        ("type", "A" * 1_000_000),
        ("runner", "r" * 1_000_000),
        ("provider", "p" * 1_000_000),
        ("title", "a/" * 1_000_000),
    ],
    ids=lambda value: value[:12],
)
def test_no_text_stalls_the_gateway_or_comes_back_at_length(gateway: StillGateway, name: str, value: str) -> None:
    answer = upload(gateway, **{name: value})
    assert answer.status == 400
    assert len(answer.content) < 1000


@pytest.mark.parametrize(
    "version", ["1", "1.2.3", "v1.0", "1.0rc1", "1.0.post2", "1.0.dev3", "1!2.0", "1.0+a.b-1", "1-1"]
)
def test_what_pep_440_calls_a_version_is_accepted(gateway: StillGateway, version: str) -> None:
    assert upload(gateway, version=version).body["version"] == version


@pytest.mark.parametrize("profile", ["a-1x1x" + "1" * 100_000 + "!", "a" * 100_000 + "-", "a-" + "1" * 250 + "!"])
def test_no_compute_profile_stalls_the_gateway(gateway: StillGateway, profile: str) -> None:
    answer = run(gateway, compute_profile=profile)
    assert (answer.status, len(answer.content) < 1000) == (400, True)


@pytest.mark.parametrize(
    "args",
    [
        "[" * 101 + "]" * 101,
        '{"a": ' * 101 + "1" + "}" * 101,
        "[" * 900 + "]" * 900,
        "[" * 100_000,
        "1" * 6000,
        "NaN",
        "-Infinity",
        "1e999",
    ],
    ids=lambda text: text[:5],
)
def test_json_that_could_not_be_given_back_is_refused(gateway: StillGateway, args: str) -> None:
    job = gateway.put_job("mine", "", "RUNNING")
    event = f'{{"type": "ERROR", "code": "1", "message": "m", "exception": "E", "args": {args}}}'
    answer = gateway.send("POST", f"jobs/{job.id}/event/", headers=JSON, content=event.encode())
    assert answer.status == 400, answer
    assert gateway.send("GET", f"jobs/{job.id}/events/", params={"type": "ERROR"}).body == []


@pytest.mark.parametrize("value", ["9" * 6000, '"' + "9" * 6000 + '"', "9" * 4000, '"x"', "[[1]]", "1.5"])
def test_a_number_that_is_none_is_refused_wherever_one_is_expected(gateway: StillGateway, value: str) -> None:
    content = f'{{"title": "mine", "arguments": "{{}}", "config": {{"workers": {value}}}}}'.encode()
    assert gateway.send("POST", "programs/run/", headers=JSON, content=content).status == 400
