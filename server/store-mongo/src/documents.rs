//! The stored documents as types. Each has a version `v`. A change of the shape raises it; older
//! versions stay readable.

mod accounts;
mod analyses;
mod audit;
mod credentials;
mod folders;
mod policies;

pub(super) use accounts::{AttemptsDocument, CompanyDocument, UserDocument};
pub(super) use analyses::{
    AnalysisDocument, ArtifactDocument, ClaimDocument, ReasonDocument, RunDocument, RunState,
};
pub(super) use audit::{AuditDocument, AuditHeadDocument};
pub(super) use credentials::{ApiKeyDocument, ResetDocument, SessionDocument, TokenDocument};
pub(super) use folders::{
    FolderDocument, GroupDocument, KeyDocument, MediumDocument, Membership, medium_bytes,
    metadata_pair, metadata_pairs,
};
pub(super) use policies::PolicyDocument;

#[cfg(test)]
mod tests;
