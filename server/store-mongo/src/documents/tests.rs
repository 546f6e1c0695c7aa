use super::*;
use mongodb::bson::{
    Binary, Bson, Document, Uuid, deserialize_from_document, doc, serialize_to_document,
    spec::BinarySubtype,
};
use vultus_core::{Analysis, Folder, JsonText, MediaKind, Medium, Part};

fn member() -> Document {
    doc! {
        "folder_id": Uuid::from_bytes([1; 16]),
        "company_id": Uuid::from_bytes([2; 16]),
        "owner_id": Uuid::from_bytes([3; 16]),
        "place": 7_i64,
    }
}

fn folder() -> Document {
    doc! {
        "_id": Uuid::from_bytes([1; 16]), "v": 1, "company_id": Uuid::from_bytes([2; 16]),
        "owner_id": Uuid::from_bytes([3; 16]),
        "metadata": r#"{"$gt":"","a.b":[18446744073709551615]}"#, "metadata_pairs": [],
        "wrapped_key": Binary { subtype: BinarySubtype::Generic, bytes: vec![9] },
        "created_at": 5_i64, "updated_at": 6_i64,
        "media_changed_at": null, "revision": 2_i64, "open_analyses": 0_i64, "analysis_types": [],
        "asked_at": null,
        "members": 0_i64,
    }
}

#[test]
fn document_of_a_newer_version_is_rejected() {
    let mut newer = folder();
    newer.insert("v", 2);
    let error = deserialize_from_document::<FolderDocument>(newer).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn documents_of_the_first_release_stay_readable() {
    let read: Folder = deserialize_from_document::<FolderDocument>(folder()).unwrap().into();
    assert_eq!((read.external_id, read.revision), (None, 2));
    let metadata = read.metadata.read().unwrap().as_str();
    assert_eq!(metadata, r#"{"$gt":"","a.b":[18446744073709551615]}"#, "JSON survives exactly");
    let medium = doc! {
        "_id": Uuid::from_bytes([4; 16]), "v": 1, "member": member(), "kind": "SHOT_SET",
        "tags": ["x_a"], "metadata": "{}",
        "original_name": null, "content_type": "application/zip", "byte_size": 5_000_000_000_i64,
        "sha256": "ab",
        "width": 1_i64, "height": 2_i64, "orientation_applied": 1, "duration_us": null,
        "frame_count": 3_i64,
        "frame_rate": null, "blob_key": "k", "thumbnail_key": null, "created_at": 8_i64,
    };
    let read: Medium = deserialize_from_document::<MediumDocument>(medium).unwrap().into();
    assert_eq!(
        (read.kind, read.byte_size, read.frame_count),
        (MediaKind::ShotSet, 5_000_000_000, Some(3))
    );
    let analysis = doc! {
        "_id": Uuid::from_bytes([5; 16]), "v": 1, "member": member(),
        "group_id": Uuid::from_bytes([6; 16]),
        "run_id": Uuid::from_bytes([7; 16]), "kind": "liveness", "state": "FINISHED",
        "resolution": "DECLINED",
        "reasons": [{ "code": "SPOOF", "message": "m", "media_id": null, "frame": 3_i64 }],
        "progress": 1.0,
        "media": [{ "media_id": Uuid::from_bytes([4; 16]), "slot": "faces", "named": true }],
        "params": "{}",
        "result": r#"{"score":0.25}"#, "failure": null,
        "provenance": { "analyzer": "a", "analyzer_version": null, "analyzer_sha256": null,
            "weights": [["f", "s"]], "parameter_sources": [] },
        "artifacts": [{ "id": Uuid::from_bytes([8; 16]), "name": "best_shot",
            "content_type": "image/jpeg",
            "byte_size": 9_i64, "sha256": "cd", "blob_key": "b" }],
        "attempts": 1_i64, "deaths": 0_i64, "timeout_ms": 60_000_i64, "created_at": 1_i64,
        "started_at": 2_i64,
        "finished_at": 3_i64, "revision": 4_i64,
    };
    let (read, artifacts): (Analysis, _) =
        deserialize_from_document::<AnalysisDocument>(analysis).unwrap().into_parts();
    let result = Part::Read(Some(JsonText::stored(r#"{"score":0.25}"#)));
    assert_eq!((read.reasons[0].frame, read.result), (Some(3), result));
    assert_eq!((artifacts[0].analysis_id, artifacts[0].byte_size), (read.id, 9));
}

#[test]
fn metadata_is_text_and_never_an_operator() {
    let read: Folder = deserialize_from_document::<FolderDocument>(folder()).unwrap().into();
    let written = serialize_to_document(&FolderDocument::new(&read)).unwrap();
    assert!(matches!(written.get("metadata"), Some(Bson::String(_))));
    assert!(!written.contains_key("external_id"), "an absent id is in no index");
    assert_ne!(metadata_pair("ab", "c"), metadata_pair("a", "bc"));
}
