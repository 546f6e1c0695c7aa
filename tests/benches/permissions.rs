//! Measures what the check of permissions costs a request: each action of each role, by session and
//! by API key, with the type of an analysis.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;
use uuid::Uuid;
use vultus_auth::policy::{self, ACTIONS, Action};
use vultus_core::{
    Account, ApiKeyId, CompanyId, KeyScopes, MayStart, Principal, Role, SessionId, UserId,
};
use vultus_tests::measure::{Figure, exit_code, median, print_figures};

/// Checks that are timed together: a single one is shorter than a reading of the clock.
const BATCH: u32 = 1_000;
/// Batches of one action of one caller, of which the median counts.
const BATCHES: usize = 9;
/// Maximum time of a check, in nanoseconds.
const BAR: f64 = 20_000.0;

fn principals() -> Vec<Principal> {
    let types = ["document", "face_match", "liveness", "quality"].map(str::to_owned);
    let account = |role: Role| Account {
        user_id: UserId(Uuid::now_v7()),
        company_id: role.is_of_company().then(|| CompanyId(Uuid::now_v7())),
        role,
        may_start: MayStart::only(types.to_vec()),
    };
    let user =
        |role| Principal::User { account: account(role), session_id: SessionId(Uuid::now_v7()) };
    let machine = |role| Principal::ServiceAccount {
        account: account(role),
        key_id: ApiKeyId(Uuid::now_v7()),
        scopes: KeyScopes::ALL,
    };
    Role::ALL.into_iter().flat_map(|role| [user(role), machine(role)]).collect()
}

fn check(principal: &Principal, action: Action) -> bool {
    let folders = policy::authorize(principal, action).is_ok();
    let kind = policy::authorize_type(principal, "quality", "input.analyses[0]").is_ok();
    folders && kind
}

fn main() -> ExitCode {
    let mut slowest: f64 = 0.0;
    for principal in &principals() {
        for action in ACTIONS {
            let mut times = Vec::with_capacity(BATCHES);
            for _ in 0..BATCHES {
                let begun = Instant::now();
                for _ in 0..BATCH {
                    black_box(check(black_box(principal), black_box(action)));
                }
                times.push(begun.elapsed().as_nanos() as f64 / f64::from(BATCH));
            }
            slowest = slowest.max(median(&mut times));
        }
    }
    let figure = Figure::against(
        "check of a permission, slowest action",
        format!("{slowest:.0} ns"),
        "at most 20 µs",
        slowest <= BAR,
    );
    exit_code(print_figures("Permissions", &[figure]))
}
