//! The scope of a caller as a filter. What is outside the scope does not exist.

use super::values::id;
use mongodb::bson::{Document, doc};
use vultus_store::Scope;

/// Filter of folders.
pub(super) fn of_folders(scope: Scope) -> Document {
    match scope {
        Scope::Everything => doc! {},
        Scope::Company(company) => doc! { "company_id": id(company) },
        Scope::Owner(company, owner) => doc! { "company_id": id(company), "owner_id": id(owner) },
    }
}

/// Filter of documents that belong to folders.
pub(super) fn of_members(scope: Scope) -> Document {
    match scope {
        Scope::Everything => doc! {},
        Scope::Company(company) => doc! { "member.company_id": id(company) },
        Scope::Owner(company, owner) => {
            doc! { "member.company_id": id(company), "member.owner_id": id(owner) }
        }
    }
}

/// Adds conditions to a filter.
pub(super) fn with(mut filter: Document, more: Document) -> Document {
    filter.extend(more);
    filter
}
