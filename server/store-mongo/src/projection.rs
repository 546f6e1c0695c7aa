//! Projections: JSON of clients and analyzers is sent by the server only when it is selected.

use mongodb::bson::{Document, doc};
use vultus_store::JsonSelection;

/// Fields of folders that are left out.
pub(super) fn folders(selected: JsonSelection) -> Document {
    let mut left_out = doc! { "metadata_pairs": 0 };
    if !selected.metadata {
        left_out.insert("metadata", 0);
    }
    left_out
}

/// Fields of media that are left out.
pub(super) fn media(selected: JsonSelection) -> Document {
    if selected.metadata {
        doc! {}
    } else {
        doc! { "metadata": 0 }
    }
}

/// Fields of analyses that are left out.
pub(super) fn analyses(selected: JsonSelection) -> Document {
    let mut left_out = doc! {};
    if !selected.params {
        left_out.insert("params", 0);
    }
    if !selected.results {
        left_out.insert("result", 0);
    }
    left_out
}
