"""Where the behaviour that Qiskit Serverless's integration tests check is checked here.

Upstream's tests (``tests/integration`` of Qiskit/qiskit-serverless) are in no package, so they cannot be installed and
run. Those of the decorators are left out: release 0.37 has removed these.
"""

from __future__ import annotations

from pathlib import Path

import pytest

CLIENT = "gateway/test_official_client.py"
FILES = "test_files_go_in_and_come_out_of_the_functions_data_path"

OURS = {
    "execution/test_files_execution.py::test_file_producer": (CLIENT, FILES),
    "execution/test_files_execution.py::test_file_consumer": (CLIENT, FILES),
    "execution/test_jobs_execution.py::test_simple_function": (
        CLIENT,
        "test_a_result_comes_back_as_the_objects_that_were_saved",
    ),
    "execution/test_jobs_execution.py::test_simple_function, its logs": (
        CLIENT,
        "test_a_users_log_has_the_public_lines_and_the_providers_the_others",
    ),
    "execution/test_jobs_execution.py::test_simple_function, its provider's log": (
        CLIENT,
        "test_what_a_function_tells_of_its_failure_is_the_error_message",
    ),
    "execution/test_jobs_execution.py::test_function_with_import_errors": (
        CLIENT,
        "test_a_function_that_cannot_be_imported_says_so_in_the_error",
    ),
    "execution/test_jobs_execution.py::test_update_sub_status": (CLIENT, "test_a_job_is_cancelled_and_keeps_its_log"),
    "execution/test_jobs_execution.py::test_execute_functions_in_parallel": (
        CLIENT,
        "test_functions_run_side_by_side_and_their_jobs_are_found_by_function_status_time_and_page",
    ),
    "execution/test_jobs_execution.py::test_wrong_function_name": (
        CLIENT,
        "test_what_is_not_there_is_told_with_its_name",
    ),
    "execution/test_jobs_execution.py::test_events": (
        CLIENT,
        "test_an_error_event_of_a_function_that_goes_on_keeps_its_arguments",
    ),
    "execution/test_jobs_execution.py::test_events, its filter": (
        CLIENT,
        "test_a_function_that_cannot_be_imported_says_so_in_the_error",
    ),
    "execution/test_jobs_execution.py::test_serverless_error_raise": (
        CLIENT,
        "test_what_a_function_tells_of_its_failure_is_the_error_message",
    ),
    "execution/test_jobs_execution.py::test_other_error_raise": (
        CLIENT,
        "test_what_an_error_says_comes_without_the_white_space_around_it",
    ),
    "execution/test_jobs_execution.py::test_arguments_validation": (
        CLIENT,
        "test_arguments_are_checked_as_they_are_encoded",
    ),
    "storage/test_files_storage.py::test_list_upload_download_delete": (
        "contract/test_official_client_side_by_side.py",
        "test_a_file_sent_by_either_is_fetched_and_deleted_by_the_other",
    ),
    "storage/test_files_storage.py::test_list_upload_download_delete_with_provider_function": (CLIENT, FILES),
    "storage/test_files_storage.py::test_provider_list_upload_download_delete": (
        CLIENT,
        "test_a_providers_files_are_apart",
    ),
    "storage/test_files_storage.py::test_provider_upload_failed": (
        CLIENT,
        "test_a_picture_is_no_valid_type_for_users_and_for_providers",
    ),
    "storage/test_files_storage.py::test_upload_failed": (
        CLIENT,
        "test_a_picture_is_no_valid_type_for_users_and_for_providers",
    ),
    "storage/test_jobs_storage.py::test_large_logs": (
        "gateway/execution/test_faults_functions.py",
        "test_one_that_prints_200_mb_leaves_a_log_of_50_mb_that_says_so",
    ),
    "storage/test_jobs_storage.py::test_get_filtered_jobs": (
        CLIENT,
        "test_functions_run_side_by_side_and_their_jobs_are_found_by_function_status_time_and_page",
    ),
}
"""By upstream's test: the file below ``tests/`` with ours, and its name."""


@pytest.mark.parametrize("upstream", OURS)
def test_the_test_of_the_same_behaviour_exists(upstream: str) -> None:
    file, name = OURS[upstream]
    assert f"def {name}(" in (Path(__file__).parents[1] / file).read_text()
