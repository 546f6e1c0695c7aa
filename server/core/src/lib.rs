//! Domain types and rules. Pure: no async, no input or output, no framework or driver type. The
//! only contacts with the machine are [`clock`], which reads the time, and [`fair`], which measures
//! how long permits have been scarce.

pub mod account;
pub mod analysis;
pub mod clock;
pub mod company_policy;
pub mod credentials;
pub mod decision;
pub mod error;
pub mod fair;
pub mod folder;
pub mod ids;
pub mod json;
pub mod key_scopes;
pub mod logins;
pub mod may_start;
pub mod media;
pub mod part;
pub mod rules;
pub mod slots;
pub mod summary;
pub mod text;
pub mod turns;

pub use account::{Account, Principal, Role, User};
pub use analysis::{
    Analysis, AnalysisFailure, AnalysisState, Artifact, Provenance, Reason, Resolution,
};
pub use clock::Clock;
pub use company_policy::{CompanyPolicy, PolicyRules};
pub use decision::{
    Choice, Claim, Comment, Decision, DecisionRefusal, DecisionRule, DecisionTerms, Decisions,
    FourEyes, NewDecision, Released, UndoDecision, Undone,
};
pub use error::{Error, Result};
pub use folder::{AnalysisGroup, Folder, FolderState};
pub use ids::*;
pub use json::{JsonFault, JsonLimits, JsonText};
pub use key_scopes::{KeyScope, KeyScopes};
pub use may_start::MayStart;
pub use media::{MediaKind, Medium, Tag};
pub use part::Part;
