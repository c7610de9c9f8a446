"""The checks describe the published protocol, not Serai: agno's own server passes them but for what is listed here."""

from __future__ import annotations

import pytest

from tests.compat.clients.checklist import Target
from tests.compat.clients.roster import CLIENTS
from tests.compat.published_clients import outcomes

AGNO_3 = next(client for client in CLIENTS if client.name == "agno_3")

DEFECTS_OF_THE_REFERENCE = {
    "an_id_may_have_slashes",
    "a_changed_content_was_changed_at_a_time_in_utc",
    "a_failed_step_is_skipped_when_a_person_says_so",
    "a_failed_step_is_tried_again_when_a_person_says_so",
    "a_failing_agent_ends_a_plain_workflow_in_error_status",
    "a_failing_step_ends_a_plain_run_in_error_status",
    "a_message_of_two_mebibytes_is_answered",
    "a_page_past_the_end_of_memories_is_empty_and_has_the_total",
    "a_paused_run_is_cancelled_and_cannot_go_on",
    "a_paused_team_is_cancelled_and_cannot_go_on",
    "a_paused_workflow_is_cancelled_and_cannot_go_on",
    "a_plain_run_is_cancelled_in_a_tool",
    "a_plain_run_is_cancelled_in_the_model_call",
    "a_plain_team_is_cancelled_in_its_leaders_answer",
    "a_plain_team_is_cancelled_in_its_members_answer",
    "a_plain_workflow_is_cancelled_in_a_function",
    "a_plain_workflow_is_cancelled_in_an_agents_answer",
    "a_result_of_three_mebibytes_is_taken",
    "a_run_that_waits_for_its_turn_is_cancelled",
    "a_session_without_a_component_is_read_without_its_type",
    "a_silent_stream_outlives_the_timeout_of_the_client",
    "a_silent_step_outlives_the_timeout_of_the_client",
    "a_streamed_workflow_is_cancelled_in_a_function",
    "a_team_is_continued_by_its_run_id_alone",
    "a_workflow_is_continued_by_its_run_id_alone",
    "a_workflow_pauses_with_the_workflow_in_its_step",
    "an_answer_to_an_unknown_step_is_400",
    "an_image_of_three_mebibytes_reaches_the_model",
    "an_unknown_way_is_400_and_changes_nothing",
    "an_unknown_search_type_is_422",
    "an_update_of_an_unknown_memory_is_404_and_makes_none",
    "another_text_of_the_same_name_is_another_content",
    "another_user_cannot_update_a_memory",
    "characters_with_a_meaning_in_sql_are_searched_as_they_are",
    "contents_are_sorted_as_asked",
    "fields_of_three_mebibytes_arrive",
    "names_are_found_in_any_script_and_by_the_first_message",
    "memories_are_found_by_all_of_several_topics",
    "memories_are_found_in_any_script",
    "nothing_follows_the_cancelled_event",
    "nothing_follows_the_cancelled_event_of_a_team",
    "nothing_follows_the_cancelled_event_of_a_workflow",
    "odd_characters_arrive_in_a_stream",
    "odd_characters_of_a_team_arrive_in_a_stream",
    "odd_characters_of_a_workflow_arrive_in_a_stream",
    "odd_characters_of_results_from_outside_arrive_in_a_stream",
    "page_zero_is_refused",
    "page_zero_of_contents_is_422",
    "page_zero_of_memories_is_422",
    "runs_of_one_session_of_a_team_take_turns",
    "runs_of_one_session_take_turns",
    "the_answer_has_what_the_stored_eval_has",
    "the_documented_answer_of_an_id_and_a_result_is_enough",
    "the_version_that_is_asked_for_is_heeded",
    "the_items_of_a_list_have_state_metrics_and_summary",
    "the_size_of_a_content_is_read_by_its_id",
    "durations_are_whole_milliseconds_or_seconds_with_two_places",
    "the_error_of_a_failed_run_says_why",
    "page_zero_of_traces_is_422",
    "a_time_that_is_none_is_400",
    "a_filter_of_no_conditions_is_400",
    "a_filter_by_an_unknown_key_is_400",
}
DECIDED_OTHERWISE = {
    # It takes what is not answered for refused, and starts another run from one that has ended.
    "a_run_that_has_ended_is_not_continued",
    "a_team_run_that_has_ended_is_not_continued",
    "an_answer_to_no_pending_call_is_400_and_changes_nothing",
    "an_unanswered_agent_in_a_step_is_400",
    "an_unanswered_requirement_of_a_team_is_400_and_changes_nothing",
    "two_calls_are_answered_one_after_the_other",
    # It counts a leader's giving work to its members as a tool call that nobody expected.
    "a_team_passes_with_its_members_calls_alone",
    # It lists the runs of members beside those of their teams, too.
    "runs_of_members_stand_in_the_run_of_their_team",
    # It takes topics that are left out for none.
    "an_update_without_topics_keeps_them",
    # Without the name of a model it asks one of OpenAI's; we ask that of the first component.
    "condensing_is_previewed_and_then_done",
    # It does not let what works in a branch pause.
    "a_workflow_pauses_with_one_of_its_branches",
}


@pytest.mark.parametrize("script", AGNO_3.scripts)
def test_reference_server_passes_the_checks_of_its_own_client(script: str, reference_target: Target) -> None:
    found = outcomes(AGNO_3, script, reference_target)
    failed = {name: outcome.detail for name, outcome in found.items() if not outcome.ok}
    assert set(failed) <= DEFECTS_OF_THE_REFERENCE | DECIDED_OTHERWISE, "\n".join(failed.values())
