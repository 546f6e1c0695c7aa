//! `vultus models import`: local files instead of packages, and optional models, which are
//! recognised by their answers.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vultus_models::onnx::{self, DataType};
use vultus_models::{ImportedModel, Manifest, Sha256Sum};
use vultus_tests::{executable, workspace_root};

/// Its own models folder, with links to the files of set-up.
struct Models(tempfile::TempDir);

impl Models {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let installed = workspace_root().join("models");
        for part in ["weights", "runtime"] {
            fs::create_dir(folder.path().join(part)).unwrap();
            for entry in fs::read_dir(installed.join(part)).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_file() {
                    let to = folder.path().join(part).join(entry.file_name());
                    fs::hard_link(entry.path(), &to)
                        .or_else(|_| fs::copy(entry.path(), &to).map(drop))
                        .unwrap();
                }
            }
        }
        fs::copy(installed.join("models.toml"), folder.path().join("models.toml")).unwrap();
        let models = Self(folder);
        for optional in models.manifest().imported {
            let _may_be_absent = fs::remove_file(models.weights().join(optional.file));
        }
        models
    }

    fn manifest(&self) -> Manifest {
        Manifest::read(&self.0.path().join("models.toml")).unwrap()
    }

    fn weights(&self) -> PathBuf {
        self.0.path().join("weights")
    }

    fn vultus(&self, arguments: &[&str]) -> Output {
        Command::new(executable("vultus"))
            .args(arguments)
            .current_dir(self.0.path())
            .env_clear()
            .env("VULTUS_MODELS_DIR", self.0.path())
            .output()
            .unwrap()
    }

    fn import(&self, bytes: &[u8]) -> Output {
        let file = self.0.path().join("file to import");
        fs::write(&file, bytes).unwrap();
        let output = self.vultus(&["models", "import", file.to_str().unwrap()]);
        let left = fs::read_dir(self.weights()).unwrap().flatten();
        let left = left.filter(|entry| entry.file_name().to_string_lossy().contains(".tmp"));
        assert_eq!(left.count(), 0, "the trial leaves nothing");
        output
    }

    fn sums(&self) -> Vec<Option<String>> {
        let verified = self.vultus(&["models", "verify", "--json"]);
        let verified: Value = serde_json::from_slice(&verified.stdout).unwrap();
        assert_eq!(verified["intact"], true);
        let imported = verified["imported"].as_array().unwrap();
        imported.iter().map(|model| model["sha256"].as_str().map(str::to_owned)).collect()
    }

    /// (file, sha256) of the optional weights of liveness as the server reports them.
    fn in_use(&self) -> Vec<(String, String)> {
        let listed = self.vultus(&["plugin", "list", "--json"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        let plugins = listed["plugins"].as_array().unwrap().iter();
        let liveness = plugins.into_iter().find(|it| it["manifest"]["id"] == "org.vultus.liveness");
        let weights: Vec<(String, String)> =
            serde_json::from_value(liveness.expect("it is loaded")["weights"].clone()).unwrap();
        weights.into_iter().filter(|(file, _)| file.starts_with("minifasnet")).collect()
    }
}

fn error_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn file_that_is_no_listed_model_is_refused() {
    let models = Models::new();
    let error = error_of(&models.import(b"not a model"));
    assert!(error.contains("no model of models.toml"), "{error}");
    // A model of another task, changed so that its checksum is none of the list.
    let other = fs::read(models.weights().join("fr_eye.onnx")).unwrap();
    let mut other = onnx::decode(&other).unwrap();
    other.doc_string = Some("another checksum".to_owned());
    let error = error_of(&models.import(&onnx::encode(&other)));
    assert!(error.contains("as minifasnet_v2.onnx: "), "{error}");
    assert_eq!(models.sums(), [None, None]);
    let absent = ["minifasnet_v2.onnx", "minifasnet_v1se.onnx"];
    assert_eq!(models.in_use(), absent.map(|file| (file.to_owned(), String::new())));
}

#[test]
fn file_of_set_up_is_imported_from_disk() {
    let models = Models::new();
    let file = models.weights().join("fr_eye.onnx");
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let output = models.import(&bytes);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

/// Needs the weights of MiniFASNet, which no package contains: runs where they are given.
#[test]
fn any_export_of_the_optional_weights_is_accepted_and_no_other() {
    let given = workspace_root().join("../shared/models");
    let Some(exports) = exports(&given) else {
        println!("skipped: no MiniFASNet weights in {}", given.display());
        return;
    };
    let models = Models::new();
    let mut sums = Vec::new();
    for (bytes, listed) in exports.iter().zip(models.manifest().imported) {
        let error = error_of(&models.import(&changed(bytes)));
        assert!(error.contains("differ from the listed ones"), "{error}");
        // Other bytes, the same function.
        let mut export = onnx::decode(bytes).unwrap();
        export.producer_name = Some("another exporter".to_owned());
        let bytes = onnx::encode(&export);
        let output = models.import(&bytes);
        assert_eq!(output.status.code(), Some(0), "{}", error_text(&output, &listed));
        let sum = Sha256Sum::of_bytes(&bytes).to_string();
        assert_eq!(fs::read(models.weights().join(&listed.file)).unwrap(), bytes);
        sums.push((listed.file, sum));
    }
    assert_eq!(models.in_use(), sums, "the server names the checksums of the imported files");
}

fn error_text(output: &Output, listed: &ImportedModel) -> String {
    format!("{}: {}", listed.file, String::from_utf8_lossy(&output.stderr))
}

/// The given exports, in the order of `models.toml`.
fn exports(folder: &Path) -> Option<[Vec<u8>; 2]> {
    let read = |file: &str| fs::read(folder.join(file)).ok();
    Some([read("minifasnet_v2_2.7_80x80.onnx")?, read("minifasnet_v1se_4.0_80x80.onnx")?])
}

/// The model with one of its weights changed by a tenth.
fn changed(bytes: &[u8]) -> Vec<u8> {
    let mut model = onnx::decode(bytes).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let is_kernel =
        |tensor: &&mut onnx::Tensor| tensor.dims.len() == 4 && tensor.is_of(DataType::Float);
    let kernel = graph.initializer.iter_mut().find(is_kernel).unwrap();
    let mut elements = kernel.floats().unwrap();
    elements.iter_mut().for_each(|element| *element *= 1.1);
    *kernel = onnx::Tensor::of_floats(kernel.name.clone().unwrap(), kernel.dims.clone(), &elements);
    onnx::encode(&model)
}
