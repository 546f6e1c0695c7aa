//! Who sees what, as a filter; what is outside of the scope does not exist.

use super::values::id;
use mongodb::bson::{Document, doc};
use vultus_store::Scope;

/// Of folders.
pub(super) fn of_folders(scope: Scope) -> Document {
    match scope {
        Scope::Everything => doc! {},
        Scope::Company(company) => doc! { "company_id": id(company) },
        Scope::Owner(company, owner) => doc! { "company_id": id(company), "owner_id": id(owner) },
    }
}

/// Of what is in folders.
pub(super) fn of_members(scope: Scope) -> Document {
    match scope {
        Scope::Everything => doc! {},
        Scope::Company(company) => doc! { "member.company_id": id(company) },
        Scope::Owner(company, owner) => {
            doc! { "member.company_id": id(company), "member.owner_id": id(owner) }
        }
    }
}

/// A filter with more conditions.
pub(super) fn with(mut filter: Document, more: Document) -> Document {
    filter.extend(more);
    filter
}
