//! The suite that every backend passes: each rule is an async function over a fresh, empty store.
//!
//! A backend's test file has one line, `vultus_store::contract_tests!(make);`, where `make` is an
//! async function that returns an `Arc<dyn Store>` and something that lives as long as its data.
//! Rules look only through [`crate::Store`].

pub mod accounts;
pub mod blobs;
pub mod changes;
mod fixtures;
pub mod folders;
pub mod listing;
pub mod queue;
pub mod results;
pub mod whole;

pub use fixtures::{
    LEASE, World, at, crash, group, key, medium, new_id, provenance, user_of, verdict,
};

/// Makes one test of each rule, over stores that `$make` makes.
#[macro_export]
macro_rules! contract_tests {
    ($make:ident) => {
        $crate::contract_tests! { @modules $make;
            accounts {
                a_taken_email_is_a_duplicate_that_names_its_user,
                failed_logins_are_counted_and_cleared_by_a_session,
                a_refresh_token_rotates_once_and_its_reuse_revokes_the_session,
                an_expired_or_revoked_session_rotates_nothing,
                a_company_is_made_once_and_its_key_is_replaced_only_in_place_of_the_old_one,
            }
            folders {
                a_folder_comes_back_as_it_was_given,
                a_repeated_key_replays_and_another_request_under_it_is_refused,
                a_hundred_identical_requests_make_one_folder,
                an_external_id_is_unique_within_its_company,
                foreign_things_do_not_exist,
                analyses_of_a_missing_medium_are_refused_whole,
                every_change_raises_the_revision_and_time_never_goes_back,
                deleting_a_medium_cancels_what_takes_it_and_returns_only_its_own_blobs,
                analyses_planned_over_other_media_than_the_folder_has_are_stale,
                a_folders_key_comes_with_its_run_and_goes_with_the_folder,
                ids_of_folders_come_in_order_each_once,
            }
            listing {
                pages_neither_repeat_nor_miss_while_folders_are_added,
                filters_are_met_exactly,
                orders_follow_creation_and_change,
            }
            queue {
                each_run_is_claimed_once_oldest_first_and_by_its_pool_only,
                an_expired_lease_is_taken_over_without_blame_and_the_old_token_is_stale,
                a_later_turn_lets_others_pass_until_it_begins,
                an_earlier_turn_goes_first_also_right_after_a_later_one,
                a_heartbeat_keeps_the_lease,
                a_run_given_back_waits_until_its_time,
                a_run_with_nothing_left_leaves_the_queue,
                erasing_a_running_folder_makes_its_writes_stale_and_returns_its_blobs,
                what_waits_for_a_pool_that_nobody_serves_fails,
            }
            results {
                a_result_is_applied_once,
                a_failure_keeps_its_reason,
                progress_never_goes_back,
                two_deaths_while_active_fail_an_analysis_and_the_rest_is_retried_one_by_one,
                a_cancelled_analysis_stays_cancelled,
                writes_side_by_side_count_once_each,
                writes_to_many_runs_at_once_are_each_answered_for_their_own_run,
            }
            blobs {
                a_tombstone_refuses_a_reference_until_the_swept_key_is_revived,
                a_blob_is_deleted_by_one_at_a_time_and_a_killed_deletion_is_taken_over,
                referenced_blobs_get_no_tombstone,
            }
            whole {
                records_come_back_as_they_went_in_and_their_runs_wait,
                an_export_is_of_one_moment,
                an_import_over_what_is_there_changes_nothing,
            }
            changes {
                changes_come_in_order_and_never_ahead_of_the_state,
                a_closed_store_ends_its_streams,
            }
        }
    };
    (@modules $make:ident; $($module:ident { $($rule:ident),+ $(,)? })+) => {
        $(mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    let (store, _data) = super::$make().await;
                    $crate::contract::$module::$rule(store).await;
                }
            )+
        })+
    };
}
