//! The stored names of states, verdicts and roles. They do not change when the domain renames a
//! value.

use vultus_core::{AnalysisState, Choice, FourEyes, MediaKind, Resolution, Role};

/// A stored name that no value has.
#[derive(Debug, thiserror::Error)]
#[error("unknown {0} in the store")]
pub struct UnknownName(&'static str);

/// A closed set of values, each with a stored name.
pub trait Named: Copy + 'static {
    /// What the values are, for messages.
    const WHAT: &'static str;
    /// All of them.
    const ALL: &'static [Self];
    /// The stored name of a value.
    fn name(self) -> &'static str;
}

/// The value with a stored name.
pub fn named<T: Named>(name: &str) -> Result<T, UnknownName> {
    T::ALL.iter().copied().find(|item| item.name() == name).ok_or(UnknownName(T::WHAT))
}

impl Named for Role {
    const WHAT: &'static str = "role";
    const ALL: &'static [Self] = &Self::ALL;
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::Operator => "OPERATOR",
            Self::Client => "CLIENT",
            Self::ClientService => "CLIENT_SERVICE",
            Self::ClientOperator => "CLIENT_OPERATOR",
            Self::ClientAdmin => "CLIENT_ADMIN",
        }
    }
}

impl Named for AnalysisState {
    const WHAT: &'static str = "state of an analysis";
    const ALL: &'static [Self] =
        &[Self::Queued, Self::Running, Self::Finished, Self::Failed, Self::Cancelled];
    fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

impl Named for Resolution {
    const WHAT: &'static str = "resolution";
    const ALL: &'static [Self] = &[Self::Success, Self::OperatorRequired, Self::Declined];
    fn name(self) -> &'static str {
        match self {
            Self::Success => "SUCCESS",
            Self::OperatorRequired => "OPERATOR_REQUIRED",
            Self::Declined => "DECLINED",
        }
    }
}

impl Named for Choice {
    const WHAT: &'static str = "decision";
    const ALL: &'static [Self] = &[Self::Accept, Self::Decline];
    fn name(self) -> &'static str {
        match self {
            Self::Accept => "ACCEPT",
            Self::Decline => "DECLINE",
        }
    }
}

impl Named for FourEyes {
    const WHAT: &'static str = "rule of four eyes";
    const ALL: &'static [Self] = &[Self::Off, Self::Blind, Self::Seeing];
    fn name(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Blind => "BLIND",
            Self::Seeing => "SEEING",
        }
    }
}

impl Named for MediaKind {
    const WHAT: &'static str = "kind of a medium";
    const ALL: &'static [Self] = &[Self::Image, Self::Video, Self::ShotSet];
    fn name(self) -> &'static str {
        match self {
            Self::Image => "IMAGE",
            Self::Video => "VIDEO",
            Self::ShotSet => "SHOT_SET",
        }
    }
}
