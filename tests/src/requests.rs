//! Requests that many tests send: create a folder with media, request analyses, wait for the
//! verdict.

use crate::client::{Client, Upload};
use crate::process::wait_until;
use serde_json::{Value, json};

/// Fields that tests read of a folder.
const FOLDER_FIELDS: &str = "id revision state resolution stale
  media(first: 50) { nodes { id kind tags contentType byteSize sha256 width height } }
  analyses(first: 50) { nodes {
    id type state resolution attempts progress params
    reasons { code message frame media { id } } failure { code message }
    media { id } artifacts { name contentType byteSize sha256 url }
    provenance { analyzer analyzerVersion weights { file sha256 } }
    ... on LivenessAnalysis {
      score result bestShot { name url }
      perMedia { score framesJudged frames { frame score } }
    }
    ... on FaceMatchAnalysis {
      similarity result fmr pairs { similarity cosine } perMedia { framesUsed }
    }
    ... on DocumentAnalysis {
      documentType result
      fields { name value status mrz visual barcode medium media { id } corners { x y } }
      mrz {
        format lines valid corrected surname givenNames documentNumber dateOfBirth dateOfExpiry
        media { id } corners { x y } checkDigits { documentNumber composite }
      }
      barcodes { format text elements { id value } }
      portrait { corners { x y } artifact { name url } }
      quality { side rotation cutOff grey widthPx corners { x y } }
      lines { text confidence }
    }
    ... on QualityAnalysis {
      overall result
      qualityPerMedia: perMedia { frame faceCount overall measures { sharpness yaw } media { id } }
    }
    ... on GesturesAnalysis {
      challenge result
      gesturesPerMedia: perMedia { wanted complete frameRate seen { gesture fromSeconds flaw } }
    }
    ... on CustomAnalysis { result }
  } }";

/// Creates a folder and reads only its id.
pub const CREATE_FOLDER: &str =
    "mutation($input: CreateFolderInput!) { createFolder(input: $input) { folder { id } } }";
/// Deletes a folder.
pub const DELETE_FOLDER: &str =
    "mutation($input: DeleteFolderInput!) { deleteFolder(input: $input) { deletedId } }";
/// Requests analyses of a folder and reads only ids.
pub const REQUEST_ANALYSES: &str = "mutation($input: RequestAnalysesInput!) {
  requestAnalyses(input: $input) { folder { id } analyses { id } }
}";

/// A medium of a request.
#[derive(Debug, Clone)]
pub struct Item {
    key: String,
    tags: Vec<String>,
    bytes: Vec<u8>,
}

/// A medium with a key and tags.
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

/// Adds media to `input`. Returns the variables and the files of the request.
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
    /// Creates a folder with media and analyses of these types. Returns it once all are final.
    pub async fn folder_with(&self, items: &[Item], analyses: &[&str]) -> Value {
        let analyses: Vec<Value> = analyses.iter().map(|kind| json!({"type": kind})).collect();
        self.judged(items, json!(analyses)).await
    }

    /// Creates a folder with media and analysis requests. Returns it once all analyses are final.
    pub async fn judged(&self, items: &[Item], analyses: Value) -> Value {
        let folder = self.create(items, json!({"analyses": analyses, "waitMs": 30_000})).await;
        self.final_folder(folder["id"].as_str().expect("a folder has an id")).await
    }

    /// Creates a folder and returns the answer without waiting for its analyses.
    pub async fn create(&self, items: &[Item], input: Value) -> Value {
        let (variables, files) = media_input(items, input);
        let query = format!(
            "mutation($input: CreateFolderInput!) {{
              createFolder(input: $input) {{ folder {{ {FOLDER_FIELDS} }} }}
            }}"
        );
        self.upload_data(&query, variables, files).await["createFolder"]["folder"].clone()
    }

    /// Creates a folder that the server must reject, and returns the error.
    pub async fn refused(&self, items: &[Item], input: Value) -> Value {
        let (variables, files) = media_input(items, input);
        self.upload_error(CREATE_FOLDER, variables, files).await
    }

    /// Reads a folder.
    pub async fn folder(&self, id: &str) -> Value {
        let query = format!("query($id: ID!) {{ folder(id: $id) {{ {FOLDER_FIELDS} }} }}");
        self.data(&query, json!({"id": id})).await["folder"].clone()
    }

    /// Waits until all analyses of a folder are final, and returns the folder.
    pub async fn final_folder(&self, id: &str) -> Value {
        wait_until("the folder's analyses to be final", || async {
            let folder = self.folder(id).await;
            (folder["state"] != "PROCESSING").then_some(folder)
        })
        .await
    }
}

/// The newest analysis of a type in a folder. Panics if the folder has none.
pub fn analysis<'f>(folder: &'f Value, kind: &str) -> &'f Value {
    let nodes = folder["analyses"]["nodes"].as_array().expect("a folder has analyses");
    nodes
        .iter()
        .rev()
        .find(|analysis| analysis["type"] == kind)
        .unwrap_or_else(|| panic!("no {kind} in {folder:#}"))
}

/// The reason codes of an analysis.
pub fn reason_codes(analysis: &Value) -> Vec<&str> {
    analysis["reasons"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|reason| reason["code"].as_str())
        .collect()
}
