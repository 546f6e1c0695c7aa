//! The use cases, with their access rules. No transport and no database types.
//!
//! [`Services`] is a facade: it holds one part per group of use cases and delegates to it. Each
//! part is a file and owns what it needs.
//!
//! Every method that takes a caller asks [`vultus_auth::policy`]. What the caller may not see is
//! NOT_FOUND, as if it did not exist; if an id was an argument of the request, the edge adds the
//! argument's name (`Error::at`).
//!
//! ```text
//! accounts   login refresh logout authenticate viewer user users
//! websockets open_websocket
//! additions  create_folder add_media request_analyses
//! folders    contents folder folders_by_ids folder_by_external_id list_folders update_folder
//!            delete_folder medium delete_medium
//! analyses   analysis cancel_analysis
//! challenges create_challenge
//! decisions  decide_analysis undo_decision
//! cases      list_cases claim_case claim_next_case release_case decision_figures
//! case_watch watch_cases
//! events     watch_folder watch_analysis wait_final
//! check      check overall_resolution; Checker judges without a store
//! uploads    begin_upload begin_instant_upload → UploadSink → UploadedFile
//! downloads  signed_path open_download
//! info       analyzers server_info sandbox total_costs accept_plugins public_url ready
//! ```

mod accounts;
mod acting_company;
mod additions;
mod analyses;
mod answers;
pub mod audit;
mod audit_chains;
mod case_watch;
mod cases;
mod catalog;
mod challenges;
mod check;
mod check_memory;
mod checker;
mod client_info;
mod companies;
mod company_policies;
mod credential_cases;
mod credential_directory;
mod credential_types;
mod decisions;
mod detached;
mod directory;
mod directory_cases;
mod downloads;
mod erasing_companies;
mod errors;
mod events;
mod examinations;
mod folders;
mod hub;
mod idempotency;
mod info;
mod intake;
mod keyed_locks;
mod media_files;
mod options;
mod params;
mod plan;
mod queue_room;
mod request;
mod services;
mod session_watch;
mod sessions;
mod shared_reads;
mod signing_watch;
mod storage_room;
pub mod types;
mod uploads;
mod use_cases;
mod users;
mod websockets;

pub use accounts::LoginAnswer;
pub use answers::{AnswerSlot, AnswerSlots, NextAnswer};
pub use cases::{FullCase, WantedCases};
pub use challenges::{CreatedChallenge, NewChallenge};
pub use check::overall_resolution;
pub use checker::Checker;
pub use companies::CompanyState;
pub use company_policies::{FourEyesRule, NewPolicy};
pub use credential_directory::CredentialDirectory;
pub use decisions::{DecisionDesk, DecisionOptions, DecisionRequest};
pub use directory::{DEFAULT_COMPANY, Directory};
pub use downloads::{DownloadLink, MAX_LINK_LIFETIME};
pub use erasing_companies::CompanyEraser;
pub use options::{CheckerOptions, Options, RequestLimits};
pub use services::{Parts, Services};
pub use session_watch::{Standing, WatchedSession};
pub use types::*;
pub use users::UserState;
pub use vultus_core::decision::figures::OperatorFigures;
pub use vultus_oidc::{BegunLogin, LoginSecret};
pub use vultus_pools::{AnalysisStatistics, TotalCosts};
pub use websockets::OpenWebsocket;
