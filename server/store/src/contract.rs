//! The contract suite, which every backend passes. Each rule is an async function over a new, empty
//! store, and uses only [`crate::Store`].
//!
//! The test file of a backend has the line `vultus_store::contract_tests!(make);`, where `make` is
//! an async function that returns an `Arc<dyn Store>` and a guard that lives as long as its data.
//! The list in that macro is the only list of rules. A rule that is missing in it is dead code, and
//! dead code in this module does not compile.
#![deny(dead_code)]

mod accounts;
mod api_keys;
mod audit;
mod blobs;
mod cases;
mod challenges;
mod changes;
mod decisions;
mod directory;
mod erasing;
mod fixtures;
mod folders;
mod listing;
mod policies;
mod queue;
mod reading;
mod results;
mod sessions;
mod storage;
mod turns;
mod whole;

pub use fixtures::{
    LEASE, World, at, claim_request, crash, group, key, medium, new_id, provenance, user_of,
    verdict,
};

/// Makes one test of each rule, over stores that `$make` creates.
#[macro_export]
macro_rules! contract_tests {
    (@listed) => {
        $crate::contract_tests! { @with [listed] }
    };
    ($make:ident) => {
        $crate::contract_tests! { @with [$make tests] }
    };
    (@with $mode:tt) => {
        $crate::contract_tests! { @modules $mode
            accounts {
                taken_email_is_a_duplicate_that_names_its_user,
                logins_are_counted_by_name_and_origin,
                no_concurrent_failure_is_lost,
                company_key_is_replaced_only_if_the_old_one_matches,
            }
            sessions {
                sessions_are_read_with_their_users,
                live_sessions_of_a_user_are_listed,
                sessions_of_a_user_are_revoked_together,
                session_has_an_absolute_end,
                reused_refresh_token_revokes_its_session,
                lost_answer_of_a_refresh_is_repeated,
                concurrent_refreshes_get_one_successor,
                expired_or_revoked_session_rotates_no_token,
                changed_password_ends_other_sessions,
                password_is_reset_once,
            }
            api_keys {
                keys_are_found_and_listed,
                rotated_key_ends_after_the_overlap,
                key_is_revoked_once_and_notes_its_uses,
            }
            directory {
                companies_and_users_are_found_within_the_scope,
                who_cannot_act_has_no_session,
                user_is_changed_within_the_scope,
                last_administrator_stays,
                deleted_user_leaves_its_folders,
                company_is_erased_after_its_folders,
            }
            folders {
                repeated_key_replays_the_same_request_only,
                concurrent_identical_requests_create_one_folder,
                external_id_is_unique_within_its_company,
                what_is_outside_the_scope_does_not_exist,
                analyses_of_a_missing_medium_are_rejected_whole,
                every_change_raises_the_revision_of_the_folder,
                analyses_planned_over_other_media_are_stale,
                folder_key_comes_with_the_run_until_erasure,
                folder_ids_are_listed_in_order,
            }
            erasing {
                deleting_a_medium_cancels_its_unfinished_analyses,
                deleting_a_medium_erases_what_came_from_it,
                concurrent_additions_keep_the_limit_on_media,
                concurrent_additions_keep_the_limit_on_analyses,
            }
            listing {
                pages_neither_repeat_nor_miss_folders,
                filters_select_exactly_what_matches,
                orders_follow_creation_and_change,
            }
            queue {
                each_run_is_claimed_once_by_its_pool_oldest_first,
                expired_lease_is_taken_over_and_its_token_is_stale,
                later_turn_waits_for_earlier_ones,
                earlier_turn_goes_first_even_after_a_later_claim,
                heartbeat_extends_the_lease,
                released_run_waits_until_its_retry_time,
                run_with_nothing_left_leaves_the_queue,
                erasing_a_running_folder_makes_its_writes_stale,
                runs_of_unserved_pools_fail,
            }
            turns {
                companies_take_turns_however_much_each_queued,
                excepted_company_keeps_its_runs,
                unfinished_runs_are_counted_per_company,
            }
            results {
                result_is_applied_once,
                failure_keeps_its_reason_and_provenance,
                progress_never_goes_back,
                progress_that_is_not_higher_changes_nothing,
                second_death_while_active_fails_the_analysis,
                cancelled_analysis_stays_cancelled,
                concurrent_writes_to_one_run_count_once_each,
                concurrent_writes_to_many_runs_get_separate_answers,
            }
            decisions {
                decision_is_kept_beside_the_verdict,
                refused_decision_changes_nothing,
                concurrent_decisions_settle_once,
                undone_decision_leaves_the_verdict_of_the_machine,
                deleting_a_medium_erases_comments,
            }
            policies {
                policy_keeps_all_its_versions,
                concurrent_changes_of_a_policy_make_one_version,
                decisions_follow_the_policy_of_their_beginning,
            }
            cases {
                cases_that_wait_are_listed_oldest_first,
                case_filters_select_exactly_what_matches,
                a_hundred_people_claim_no_case_twice,
                claim_is_renewed_released_and_taken_over,
                changes_of_cases_are_announced,
                decisions_of_a_period_are_found,
                imported_cases_wait,
            }
            reading {
                folder_is_read_as_it_was_written,
                what_is_not_selected_is_left_out,
                json_over_the_limit_of_a_read_is_refused,
                rows_over_the_limit_of_a_read_are_refused,
            }
            blobs {
                tombstone_rejects_references_until_it_is_revived,
                killed_deletion_of_a_blob_is_taken_over,
                referenced_blobs_get_no_tombstone,
                only_its_own_deletion_ends_a_tombstone,
                unreferenced_keys_are_found_by_a_read,
            }
            audit {
                entry_is_written_with_its_change_only,
                chain_of_an_object_is_that_of_its_company,
                concurrent_writers_of_a_company_get_one_chain,
                tampering_with_a_chain_is_found,
                audit_filters_select_exactly_what_matches,
                deleted_chain_leaves_the_others,
                imported_chains_verify,
            }
            storage {
                stored_bytes_follow_additions_changes_and_deletions,
                stored_bytes_of_imported_folders_are_counted,
            }
            challenges {
                challenge_is_used_once,
            }
            whole {
                imported_records_are_exported_unchanged,
                turns_of_imported_runs_are_kept,
                export_is_a_snapshot_of_one_moment,
                failed_import_changes_nothing,
                unpolled_callers_hold_no_connection,
            }
            changes {
                changes_come_in_order_and_never_before_the_state,
                only_final_analyses_may_settle_a_folder,
                closed_store_ends_its_streams,
            }
        }
    };
    (@modules $mode:tt $($module:ident { $($rule:ident),+ $(,)? })+) => {
        $($crate::contract_tests! { @module $mode $module $($rule)+ })+
    };
    (@module [listed] $module:ident $($rule:ident)+) => {
        #[doc = concat!("Rules of the module `", stringify!($module), "`.")]
        pub mod $module {
            $(
                #[doc = concat!("Runs the rule `", stringify!($rule), "`.")]
                pub async fn $rule(store: std::sync::Arc<dyn $crate::Store>) {
                    $crate::contract::$module::$rule(store).await;
                }
            )+
        }
    };
    (@module [$make:ident tests] $module:ident $($rule:ident)+) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    let (store, _data) = super::$make().await;
                    $crate::contract::rules::$module::$rule(store).await;
                }
            )+
        }
    };
}

/// The rules of the list.
pub mod rules {
    crate::contract_tests!(@listed);
}
