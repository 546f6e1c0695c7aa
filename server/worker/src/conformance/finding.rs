//! The result of the examination of one rule.

/// Result of the examination of a rule.
pub(super) enum Finding {
    /// The plugin follows it; with a remark, which may be empty.
    Holds(String),
    /// The plugin breaks it; one sentence per problem.
    Broken(Vec<String>),
    /// It does not concern this plugin.
    NotApplicable(&'static str),
    /// An earlier rule is broken.
    NotReached(&'static str),
}

impl Finding {
    /// [`Finding::Broken`] if there are problems.
    pub(super) fn of(problems: Vec<String>, remark: impl Into<String>) -> Self {
        if problems.is_empty() { Self::Holds(remark.into()) } else { Self::Broken(problems) }
    }
}
