//! The requests that many tests make: a folder with media, analyses of it, and waiting for the
//! verdict.

use crate::client::{Client, Upload};
use crate::process::wait_until;
use serde_json::{Value, json};

/// What a test reads of a folder.
const FOLDER_FIELDS: &str = "id revision state resolution stale
  media(first: 50) { nodes { id kind tags contentType byteSize sha256 width height } }
  analyses(first: 50) { nodes {
    id type state resolution attempts progress reasons { code message frame media { id } } failure { code message } params
    media { id } artifacts { name contentType byteSize sha256 url }
    provenance { analyzer analyzerVersion weights { file sha256 } }
    ... on LivenessAnalysis { score result perMedia { score framesJudged frames { frame score } } bestShot { name url } }
    ... on FaceMatchAnalysis { similarity result perMedia { framesUsed } fmr pairs { similarity cosine } }
    ... on DocumentAnalysis { documentType result
      fields { name value status mrz visual barcode medium media { id } corners { x y } }
      mrz { format lines valid corrected surname givenNames documentNumber dateOfBirth dateOfExpiry media { id } corners { x y } checkDigits { documentNumber composite } }
      barcodes { format text elements { id value } } portrait { corners { x y } artifact { name url } }
      quality { side rotation cutOff grey widthPx corners { x y } } lines { text confidence } }
    ... on CustomAnalysis { result }
  } }";

/// A medium to be put into a folder.
#[derive(Debug, Clone)]
pub struct Item {
    key: String,
    tags: Vec<String>,
    bytes: Vec<u8>,
}

/// A medium under a key, with tags.
pub fn item(key: &str, tags: &[&str], bytes: Vec<u8>) -> Item {
    Item { key: key.to_owned(), tags: tags.iter().map(ToString::to_string).collect(), bytes }
}

/// A selfie video without a gesture.
pub fn selfie_video(bytes: Vec<u8>) -> Item {
    item("video", &["video_selfie", "video_selfie_blank"], bytes)
}

/// A selfie photo.
pub fn selfie_photo(bytes: Vec<u8>) -> Item {
    item("selfie", &["photo_selfie"], bytes)
}

/// The front of an identity document.
pub fn id_photo(bytes: Vec<u8>) -> Item {
    item("id", &["photo_id", "photo_id_front"], bytes)
}

/// Variables and files of media for `input`.
pub fn media_input(items: &[Item], mut input: Value) -> (Value, Vec<Upload>) {
    let media: Vec<Value> = items
        .iter()
        .map(|item| json!({"key": item.key, "file": null, "tags": item.tags}))
        .collect();
    input["media"] = json!(media);
    let files = items
        .iter()
        .enumerate()
        .map(|(at, item)| Upload::medium(at, &format!("file{at}"), item.bytes.clone()))
        .collect();
    (json!({"input": input}), files)
}

impl Client {
    /// Makes a folder with media and analyses (by type) and waits up to 30 s in the same call.
    /// Gives the folder.
    pub async fn folder_with(&self, items: &[Item], analyses: &[&str]) -> Value {
        let asked: Vec<Value> = analyses.iter().map(|kind| json!({"type": kind})).collect();
        let folder = self.create(items, json!({"analyses": asked, "waitMs": 30_000})).await;
        let id = folder["id"].as_str().expect("a folder has an id").to_owned();
        self.final_folder(&id).await
    }

    /// Makes a folder and gives it as it is at once.
    pub async fn create(&self, items: &[Item], input: Value) -> Value {
        let (variables, files) = media_input(items, input);
        let query = format!(
            "mutation($input: CreateFolderInput!) {{ createFolder(input: $input) {{ folder {{ {FOLDER_FIELDS} }} }} }}"
        );
        self.upload_data(&query, variables, files).await["createFolder"]["folder"].clone()
    }

    /// The error of a folder that must be refused.
    pub async fn refused(&self, items: &[Item], input: Value) -> Value {
        let (variables, files) = media_input(items, input);
        self.upload_error(
            "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { id } } }",
            variables,
            files,
        )
        .await
    }

    /// A folder as it is now.
    pub async fn folder(&self, id: &str) -> Value {
        let query = format!("query($id: ID!) {{ folder(id: $id) {{ {FOLDER_FIELDS} }} }}");
        self.data(&query, json!({"id": id})).await["folder"].clone()
    }

    /// A folder once all of its analyses are final.
    pub async fn final_folder(&self, id: &str) -> Value {
        wait_until("the folder's analyses to be final", || async {
            let folder = self.folder(id).await;
            (folder["state"] != "PROCESSING").then_some(folder)
        })
        .await
    }
}

/// The analysis of a type in a folder; panics when there is none.
pub fn analysis<'f>(folder: &'f Value, kind: &str) -> &'f Value {
    let nodes = folder["analyses"]["nodes"].as_array().expect("a folder has analyses");
    nodes
        .iter()
        .rev()
        .find(|analysis| analysis["type"] == kind)
        .unwrap_or_else(|| panic!("no {kind} in {folder:#}"))
}

/// The codes of an analysis' reasons.
pub fn reason_codes(analysis: &Value) -> Vec<&str> {
    analysis["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|reason| reason["code"].as_str())
        .collect()
}
