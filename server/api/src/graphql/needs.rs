//! Which parts of folders a document needs, by the names of its fields.
//!
//! A field that is not in the table needs everything, so that a new field works before it is listed
//! here. Metadata, parameters and results are read separately, for the selected objects only
//! ([`super::loader`]).

use vultus_service::Selection;

/// Parts of a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Its media.
    pub media: bool,
    /// Its analyses and their artifacts.
    pub analyses: bool,
}

const NOTHING: Needs = Needs { media: false, analyses: false };
const MEDIA: Needs = Needs { media: true, analyses: false };
const ANALYSES: Needs = Needs { media: false, analyses: true };
const EVERYTHING: Needs = Needs { media: true, analyses: true };

impl Needs {
    /// Adds the parts that a field of this name needs.
    pub(super) fn add(&mut self, field: &str) {
        let Self { media, analyses } = of_field(field);
        self.media |= media;
        self.analyses |= analyses;
    }

    /// The selection of the reads of folders.
    pub fn selection(self) -> Selection {
        Selection { media: self.media, analyses: self.analyses, ..Selection::ENTITIES }
    }
}

fn of_field(name: &str) -> Needs {
    match name {
        // Folders, pages and single values.
        "__typename" | "id" | "cursor" | "edges" | "endCursor" | "folder"
        | "folderByExternalId" | "folders" | "hasNextPage" | "hasPreviousPage" | "node"
        | "nodes" | "pageInfo" | "startCursor" => NOTHING,
        "createdAt" | "deletedId" | "externalId" | "metadata" | "owner" | "replayed"
        | "revision" | "updatedAt" => NOTHING,
        "action" | "actor" | "after" | "at" | "auditLog" | "before" | "hash" | "number"
        | "object" | "origin" => NOTHING,
        "createFolder" | "deleteFolder" | "updateFolder" => NOTHING,
        "companies" | "company" | "deletingAt" | "disabledAt" | "email" | "isService"
        | "mayStart" | "name" | "role" | "suspendedAt" | "user" | "users" | "viewer" => NOTHING,
        // Fields of media: the field that leads to them needs the media.
        "byteSize" | "contentType" | "duration" | "frameCount" | "frameRate" | "height"
        | "kind" | "originalName" | "sha256" | "tags" | "thumbnailUrl" | "url" | "width" => NOTHING,
        "caseQueue" | "claim" | "claimed" | "isYours" | "oldest" | "since" | "until"
        | "waiting" | "waitsSince" => NOTHING,
        "changeCompanyPolicy"
        | "changedAt"
        | "changedBy"
        | "companyId"
        | "companyPolicy"
        | "fourEyes"
        | "mode"
        | "policy"
        | "version" => NOTHING,
        // Fields of single analyses: the field that leads to them needs the analyses.
        "attempts"
        | "choice"
        | "code"
        | "comment"
        | "decidedAt"
        | "decision"
        | "decisions"
        | "decisionPolicyVersion"
        | "failure"
        | "finishedAt"
        | "message"
        | "params"
        | "progress"
        | "provenance"
        | "reasonCode"
        | "result"
        | "score"
        | "similarity"
        | "startedAt"
        | "type" => NOTHING,
        "addMedia" | "media" => MEDIA,
        "analyses"
        | "analysis"
        | "bestShot"
        | "group"
        | "groups"
        | "lastGroupResolution"
        | "resolution"
        | "stale"
        | "state"
        | "systemResolution"
        | "worstLivenessScore" => ANALYSES,
        _ => EVERYTHING,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_schema;
    use async_graphql::parser::types::{BaseType, Type, TypeKind, TypeSystemDefinition};

    fn base(of: &Type) -> &str {
        match &of.base {
            BaseType::Named(name) => name.as_str(),
            BaseType::List(inner) => base(inner),
        }
    }

    /// All fields of objects with their types.
    fn fields() -> Vec<(String, String)> {
        let schema = parse_schema(crate::graphql::sdl()).unwrap();
        let mut fields = Vec::new();
        for definition in schema.definitions {
            let TypeSystemDefinition::Type(definition) = definition else { continue };
            let TypeKind::Object(object) = definition.node.kind else { continue };
            for field in object.fields {
                let of = base(&field.node.ty.node).to_owned();
                fields.push((field.node.name.node.to_string(), of));
            }
        }
        fields
    }

    #[test]
    fn fields_that_lead_to_media_and_analyses_need_them() {
        let fields = fields();
        assert!(fields.len() > 100);
        let pages = ["node", "nodes", "edges"];
        for (name, of) in fields.iter().filter(|(name, _)| !pages.contains(&name.as_str())) {
            let needs = of_field(name);
            let is = |types: &[&str]| types.contains(&of.as_str());
            if is(&["Media", "Image", "Video", "ShotSet", "MediaConnection", "MediaCount"]) {
                assert!(needs.media, "{name}: {of}");
            }
            if of.ends_with("Analysis")
                || is(&["AnalysisConnection", "AnalysisGroup", "AnalysisCount", "Artifact"])
            {
                assert!(needs.analyses, "{name}: {of}");
            }
            if is(&["FolderSummary", "Reason", "FacePair", "Face"]) {
                assert_eq!(needs, EVERYTHING, "{name}: {of}");
            }
        }
    }

    #[test]
    fn unknown_fields_need_everything() {
        let mut needs = Needs::default();
        needs.add("id");
        assert_eq!(needs, NOTHING);
        needs.add("somethingNew");
        assert_eq!(needs, EVERYTHING);
    }
}
