"""The rules of DESIGN's "Pre-flight, exactly", one by one."""

from __future__ import annotations

import json

import pytest

from qiskit_functions_core.errors import AccountError, ArgumentsInvalid, PreflightRefused
from qiskit_functions_core.models import Backend, Usage
from qiskit_functions_core.preflight import (
    MAX_ARGUMENTS_BYTES,
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

THRESHOLDS = Thresholds(zero_epsilon=1.0, low=600.0)
CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/1:2::"


def usage(remaining: float | None = None, *, limit_reached: bool = False, suppress: bool = False) -> tuple[str, str]:
    fact = Known(Usage(remaining=remaining, limit_reached=limit_reached))
    check = check_usage(fact, THRESHOLDS, instance=CRN, suppress_low_usage_warning=suppress)
    return check.outcome, check.code


def test_usage_that_could_not_be_fetched_is_a_warning() -> None:
    check = check_usage(Unknown("no answer within 10 s"), THRESHOLDS, instance=CRN)
    assert (check.outcome, check.code) == ("warning", "usage_unknown")
    assert "could not retrieve usage" in check.message


def test_without_a_remaining_value_usage_is_unlimited() -> None:
    assert usage(None) == ("ok", "ok")


def test_a_reached_limit_without_a_remaining_value_means_nothing_is_left() -> None:
    assert usage(None, limit_reached=True) == ("refused", "quota_exhausted")
    check = check_usage(Known(Usage(remaining=None, limit_reached=True)), THRESHOLDS, instance=CRN)
    assert f"{CRN} has 0 s of quota left" in check.message


@pytest.mark.parametrize("remaining", [0.0, 0.4, 1.0])
def test_at_or_below_epsilon_the_run_is_refused(remaining: float) -> None:
    assert usage(remaining) == ("refused", "quota_exhausted")


def test_the_refusal_names_the_instance_the_seconds_the_consequence_and_the_page() -> None:
    check = check_usage(Known(Usage(remaining=0.4)), THRESHOLDS, instance=CRN)
    for part in (CRN, "0.4 s", "would never start", "https://quantum.cloud.ibm.com/instances"):
        assert part in check.message


@pytest.mark.parametrize("remaining", [1.1, 600.0])
def test_up_to_the_low_threshold_there_is_a_warning(remaining: float) -> None:
    assert usage(remaining) == ("warning", "quota_low")


def test_the_low_warning_can_be_suppressed_but_not_the_refusal() -> None:
    assert usage(600.0, suppress=True) == ("ok", "ok")
    assert check_usage(Known(Usage(remaining=600.0)), THRESHOLDS, instance=CRN).code == "quota_low"
    assert usage(1.0, suppress=True) == ("refused", "quota_exhausted")


def test_above_the_low_threshold_there_is_no_warning() -> None:
    assert usage(600.1) == ("ok", "ok")


def test_a_backend_that_the_instance_has_passes() -> None:
    check = check_named_backend("ibm_fez", Known(Backend(name="ibm_fez", num_qubits=156)), instance=CRN)
    assert (check.outcome, check.code) == ("ok", "ok")


def test_a_backend_that_the_instance_lacks_is_refused() -> None:
    check = check_named_backend("ibm_nowhere", Known(None), instance=CRN)
    assert (check.outcome, check.code) == ("refused", "backend_not_accessible")
    assert "ibm_nowhere" in check.message


def test_a_misspelled_backend_comes_with_a_suggestion() -> None:
    check = check_named_backend("ibm_fes", Known(None), instance=CRN, others=["ibm_kingston", "ibm_fez"])
    assert check.next_step == "Did you mean 'ibm_fez'? Choose a name from list_backends."


def test_a_backend_that_is_not_operational_is_a_warning() -> None:
    backend = Backend(name="ibm_fez", num_qubits=156, operational=False, status_message="maintenance")
    check = check_named_backend("ibm_fez", Known(backend), instance=CRN)
    assert (check.outcome, check.code) == ("warning", "backend_not_operational")
    assert "maintenance" in check.message


def test_a_backend_name_that_is_not_a_string_is_refused() -> None:
    assert check_named_backend(["ibm_fez"], Known(None), instance=CRN).outcome == "refused"


def test_an_instance_without_any_backend_is_refused() -> None:
    assert check_any_backend(Known(0), instance=CRN).code == "no_backends"
    assert check_any_backend(Known(1), instance=CRN).code == "ok"


def test_a_failed_lookup_is_refused_with_its_own_code_and_never_as_no_access() -> None:
    for check in (
        check_any_backend(Unknown("no answer within 10 s"), instance=CRN),
        check_named_backend("ibm_fez", Unknown("no answer within 10 s"), instance=CRN),
    ):
        assert (check.outcome, check.code) == ("refused", "backends_unknown")
        assert "no access" not in check.message


def test_the_refusal_of_a_failed_lookup_says_that_trying_again_may_help() -> None:
    verdict = Verdict(checks=[check_any_backend(Unknown("no answer within 10 s"), instance=CRN)])
    with pytest.raises(PreflightRefused, match="Nothing was submitted") as refused:
        verdict.raise_for_refusal()
    assert refused.value.reason == "backends_unknown"
    assert "Try again" in refused.value.next_step
    assert refused.value.submitted == "no"


def test_without_a_platform_preflight_warns_that_it_cannot_know_and_goes_on() -> None:
    unknown = Inapplicable("a self-hosted gateway has neither quota nor backends")
    verdict = Verdict(
        checks=[
            check_usage(unknown, THRESHOLDS, instance="https://gateway.test"),
            check_any_backend(unknown, instance="https://gateway.test"),
        ]
    )
    assert verdict.allowed
    assert [check.code for check in verdict.checks] == ["not_checked", "not_checked"]
    assert len(verdict.warnings) == 2


def test_the_first_refusal_decides() -> None:
    verdict = Verdict(
        checks=[
            check_usage(Known(Usage(remaining=0)), THRESHOLDS, instance=CRN),
            check_any_backend(Known(0), instance=CRN),
        ]
    )
    with pytest.raises(PreflightRefused) as refused:
        verdict.raise_for_refusal()
    assert refused.value.reason == "quota_exhausted"
    assert verdict.allowed is False


def test_the_warnings_are_the_messages_of_the_checks_that_warn() -> None:
    ok, warning, refused = (check_usage(Known(Usage(remaining=s)), THRESHOLDS, instance=CRN) for s in (700, 7, 0))
    assert Verdict([ok, warning, refused]).warnings == [warning.message]
    assert Verdict([ok, warning]).allowed is True


def test_a_quota_a_missing_backend_and_arguments_say_who_can_correct_them() -> None:
    for check, is_a_persons in (
        (check_usage(Known(Usage(remaining=0)), THRESHOLDS, instance=CRN), True),
        (check_any_backend(Known(0), instance=CRN), True),
        (check_named_backend("ibm_fes", Known(None), instance=CRN), False),
        (check_any_backend(Unknown("no answer within 10 s"), instance=CRN), False),
        (check_arguments(SCHEMA, "{}"), False),
    ):
        assert check.person is is_a_persons


SCHEMA = {"type": "object", "required": ["shots"], "properties": {"shots": {"type": "integer", "minimum": 1}}}


def test_arguments_that_match_the_schema_pass() -> None:
    assert check_arguments(SCHEMA, '{"shots": 10}').outcome == "ok"


def test_a_function_without_a_schema_takes_any_arguments() -> None:
    assert check_arguments(None, '{"anything": [1, 2]}').outcome == "ok"


def test_arguments_that_break_the_schema_are_refused_with_their_path() -> None:
    check = check_arguments(SCHEMA, '{"shots": "ten"}')
    assert check.code == "arguments_invalid"
    assert "/shots" in check.message
    with pytest.raises(ArgumentsInvalid, match="Nothing was submitted"):
        Verdict(checks=[check]).raise_for_refusal()


def test_the_refusal_quotes_the_schemas_description_of_the_argument() -> None:
    schema = {"properties": {"circuit": {"type": "object", "description": 'Write {"$circuit": "<OpenQASM 3>"}.'}}}
    check = check_arguments(schema, '{"circuit": "OPENQASM 3.0;"}')
    assert '{"$circuit": "<OpenQASM 3>"}' in check.message


def test_a_schema_without_a_plainer_word_is_quoted_as_it_speaks() -> None:
    check = check_arguments({"properties": {"shots": {"multipleOf": 2}}}, '{"shots": 3}')
    assert "at /shots: " in check.message
    assert "requires 2" in check.message


@pytest.mark.parametrize(("too_many", "code"), [(0, "ok"), (1, "arguments_invalid")])
@pytest.mark.parametrize(("character", "takes"), [("a", 1), ("\u00e9", 2), ("\U0001f600", 4)])
def test_arguments_larger_than_the_gateway_takes_are_refused(
    character: str, takes: int, too_many: int, code: str
) -> None:
    # Django takes a body of 2.5 MB, of which 10 kB are for what is around the arguments.
    around = len('"{"x": ""}"') + len("\\" * 4)
    count, rest = divmod(2_490_000 - around, takes)
    check = check_arguments(None, f'{{"x": "{character * count}{"a" * (rest + too_many)}"}}')
    assert check.code == code
    assert ("the gateway takes 2490000" in check.message) == bool(too_many)


def test_thresholds_come_from_the_official_variables() -> None:
    env = {"USAGE_LOW_THRESHOLD_SECONDS": "30", "USAGE_ZERO_EPSILON_SECONDS": "2.5"}
    assert Thresholds.from_environment(env) == Thresholds(zero_epsilon=2.5, low=30.0)
    assert Thresholds.from_environment({}) == Thresholds(zero_epsilon=1.0, low=600.0)
    assert Thresholds.from_environment({"USAGE_ZERO_EPSILON_SECONDS": "0"}).zero_epsilon == 0


@pytest.mark.parametrize("character", ['"', "\\"])
def test_the_size_of_arguments_is_their_size_inside_the_request(character: str) -> None:
    encoded = json.dumps({"x": character * 700_000})
    assert len(encoded) < MAX_ARGUMENTS_BYTES, "a text by itself would fit"
    check = check_arguments(None, encoded)
    assert (check.outcome, check.code) == ("refused", "arguments_invalid")
    assert "upload_file" in check.next_step


def test_a_function_with_a_schema_has_a_smaller_limit() -> None:
    encoded = json.dumps({"x": "a" * 1_100_000})
    assert check_arguments(None, encoded).outcome == "ok"
    check = check_arguments({"type": "object"}, encoded)
    assert (check.outcome, check.code) == ("refused", "arguments_invalid")
    assert "1048576" in check.message


def test_the_limit_of_a_function_with_a_schema_is_a_mebibyte() -> None:
    longest = json.dumps({"x": "a" * (1024**2 - len('{"x": ""}'))})
    assert check_arguments({"type": "object"}, longest).code == "ok"
    assert check_arguments({"type": "object"}, f"{longest} ").code == "arguments_invalid"


@pytest.mark.parametrize("value", ["ten", "nan", "inf", "-1", ""])
@pytest.mark.parametrize("variable", ["USAGE_ZERO_EPSILON_SECONDS", "USAGE_LOW_THRESHOLD_SECONDS"])
def test_a_threshold_that_is_not_a_number_of_seconds_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(AccountError, match=variable):
        Thresholds.from_environment({variable: value})


def test_what_only_a_person_can_correct_is_marked_so() -> None:
    unknown = Unknown("Provided API key could not be found", "Ask the person to check the API key.")
    with pytest.raises(PreflightRefused) as refused:
        Verdict(checks=[check_any_backend(unknown, instance=CRN)]).raise_for_refusal()
    assert (refused.value.reason, refused.value.person) == ("backends_unknown", True)
    assert refused.value.next_step == "Ask the person to check the API key."


GIB = 2**30


@pytest.mark.parametrize(
    ("qubits", "backend", "warns"),
    [
        (60, "fake_sherbrooke", True),
        (31, "fake_sherbrooke", True),
        (30, "fake_sherbrooke", False),
        (29, "fake_sherbrooke", False),
        (60, None, True),
        (60, "", True),
        (60, "aer_simulator", False),
        (60, "ibm_torino", False),
        (0, "fake_manila", False),
        (60, 3, False),
    ],
)
def test_a_simulation_that_does_not_fit_into_memory_is_a_warning_with_figures(
    qubits: int, backend: object, warns: bool
) -> None:
    checks = check_simulation(qubits, backend, memory=24 * GIB)
    assert [check.code for check in checks] == ["too_large_to_simulate"] * warns
    if qubits == 60 and warns:
        assert "60 qubits" in checks[0].message
        assert "16 EiB" in checks[0].message
        assert "24 GiB, enough for 30 qubits" in checks[0].message


def test_what_every_machine_can_simulate_is_never_warned_about() -> None:
    assert check_simulation(23, "fake_sherbrooke", memory=2**20) == []
    assert check_simulation(24, "fake_sherbrooke", memory=2**20) != []


@pytest.mark.parametrize(
    ("qubits", "figures"), [(32, "takes 64 GiB of memory"), (70, "takes 16,384 EiB of memory (2^70 amplitudes")]
)
def test_the_memory_of_a_simulation_is_given_in_the_largest_unit(qubits: int, figures: str) -> None:
    (check,) = check_simulation(qubits, None, memory=GIB)
    assert figures in check.message
    assert "This machine has 1 GiB, enough for 26 qubits" in check.message


def test_the_memory_is_by_default_this_machines() -> None:
    assert [check.code for check in check_simulation(60, None)] == ["too_large_to_simulate"]
