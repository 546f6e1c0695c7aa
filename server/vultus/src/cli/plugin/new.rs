//! `vultus plugin new`: creates a project that builds, passes its tests and runs. Its author
//! changes it from there.

use crate::cli::outcome::{CommandError, Done};
use crate::cli::report;
use clap::{Args, ValueEnum};
use include_dir::{Dir, include_dir};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Folder of the interface crate in a Rust project.
const API_FOLDER: &str = "vultus-plugin-api";

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// Name of the analyzer: lower-case letters, digits and hyphens, such as `smile-check`
    name: String,
    /// Language of the project
    #[arg(long, value_enum, default_value = "rust")]
    lang: Language,
    /// Folder in which the project's folder is created
    #[arg(long, default_value = ".", value_name = "DIR")]
    path: PathBuf,
    /// For Rust: use the crate `vultus-plugin-api` in this folder instead of a copy in the project
    #[arg(long, value_name = "DIR")]
    api: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Rust,
    C,
}

/// A file of a project: its path, and its text with placeholders for names.
type Template = (&'static str, &'static str);

const RUST: &[Template] = &[
    ("Cargo.toml", include_str!("templates/rust/Cargo.toml.in")),
    ("src/lib.rs", include_str!("templates/rust/lib.rs.in")),
    ("README.md", include_str!("templates/rust/README.md.in")),
    (".gitignore", "/target\n"),
];

/// The interface crate of Rust projects, as of the build of this program: a project needs nothing
/// else.
static API_SOURCES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../plugin-api/src");
const API: &[Template] = &[
    ("Cargo.toml", include_str!("templates/rust/vultus-plugin-api.toml.in")),
    ("README.md", include_str!("../../../../../plugin-api/README.md")),
    ("ABI.md", include_str!("../../../../../plugin-api/ABI.md")),
    ("LICENSE", include_str!("../../../../../plugin-api/LICENSE")),
    ("include/vultus_plugin.h", HEADER),
];

const HEADER: &str = include_str!("../../../../../plugin-api/include/vultus_plugin.h");

const C: &[Template] = &[
    ("analyzer.c", include_str!("templates/c/analyzer.c.in")),
    ("test.c", include_str!("templates/c/test.c.in")),
    ("Makefile", include_str!("templates/c/Makefile.in")),
    ("README.md", include_str!("templates/c/README.md.in")),
    ("vultus_plugin.h", HEADER),
    (".gitignore", "*.so\n/test\n"),
];

/// Runs the command.
pub(super) fn run(arguments: &NewArguments) -> Done {
    let name = checked_name(&arguments.name)?;
    let folder = arguments.path.join(name);
    if folder.exists() {
        return Err(CommandError::new(format!("{} exists already", folder.display())));
    }
    let api = api_dependency(arguments)?;
    let templates = match arguments.lang {
        Language::Rust => RUST,
        Language::C => C,
    };
    for (file, text) in templates {
        // The header is copied unchanged.
        let text = if file.ends_with(".h") { (*text).to_owned() } else { filled(text, name, &api) };
        write(&folder.join(file), &text)?;
    }
    if arguments.lang == Language::Rust && arguments.api.is_none() {
        write_api(&folder.join(API_FOLDER))?;
    }
    report::line(format_args!(
        "{} is ready; see its README.md for the next steps",
        folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// A name that is valid for a crate, a file and, with `_` for `-`, an analysis type.
fn checked_name(name: &str) -> Result<&str, CommandError> {
    let begins_well = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    let is_plain =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if begins_well && is_plain && !name.ends_with('-') && name.len() <= 40 {
        return Ok(name);
    }
    Err(CommandError::new(format!(
        "`{name}` is not a valid name of an analyzer: at most 40 lower-case letters, digits and \
         hyphens, beginning with a letter"
    )))
}

/// The value of the dependency in `Cargo.toml`.
fn api_dependency(arguments: &NewArguments) -> Result<String, CommandError> {
    let Some(path) = &arguments.api else {
        return Ok(format!("path = \"{API_FOLDER}\""));
    };
    if arguments.lang == Language::C {
        return Err(CommandError::new(
            "--api is for Rust projects; a C project contains the header as a file",
        ));
    }
    let named =
        |error: std::io::Error| CommandError::because(&format!("--api {}", path.display()), &error);
    let path = fs::canonicalize(path).map_err(named)?;
    if !path.join("Cargo.toml").is_file() {
        return Err(CommandError::new(format!(
            "--api {}: the folder has no Cargo.toml",
            path.display()
        )));
    }
    Ok(format!("path = {:?}", path.display().to_string()))
}

fn write_api(folder: &Path) -> Result<(), CommandError> {
    for (file, text) in API {
        write(&folder.join(file), text)?;
    }
    let sources = folder.join("src");
    let extracted = fs::create_dir_all(&sources).and_then(|()| API_SOURCES.extract(&sources));
    extracted
        .map_err(|error| CommandError::because(&format!("writing {}", sources.display()), &error))
}

fn filled(template: &str, name: &str, api: &str) -> String {
    let snake = name.replace('-', "_");
    let words: Vec<String> = name.split('-').map(capitalised).collect();
    let fields = [
        ("{{name}}", name),
        ("{{snake}}", &snake),
        ("{{type}}", &words.concat()),
        ("{{title}}", &words.join(" ")),
        ("{{api}}", api),
    ];
    fields.iter().fold(template.to_owned(), |text, (field, value)| text.replace(field, value))
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let written =
        path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
    written.map_err(|error| CommandError::because(&format!("writing {}", path.display()), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_names_are_refused() {
        for name in ["", "-a", "a-", "9a", "A", "../up", "a b", "a_b", "ä"] {
            assert!(checked_name(name).is_err(), "{name}");
        }
        assert!(checked_name("smile-check2").is_ok());
    }

    #[test]
    fn all_placeholders_of_templates_are_replaced() {
        for (file, text) in RUST.iter().chain(C).filter(|(file, _)| !file.ends_with(".h")) {
            let text = filled(text, "smile-check", "path = \"vultus-plugin-api\"");
            assert!(!text.contains("{{"), "{file}");
        }
        assert!(
            filled("{{snake}} {{type}} {{title}}", "smile-check", "")
                .starts_with("smile_check SmileCheck Smile Check")
        );
    }

    /// The copied manifest cannot inherit from the workspace, so it repeats those values.
    #[test]
    fn copied_manifest_equals_that_of_the_crate() {
        let parsed = |text: &str| text.parse::<toml::Table>().unwrap();
        let own = parsed(include_str!("../../../../../plugin-api/Cargo.toml"));
        let workspace = parsed(include_str!("../../../../../Cargo.toml"));
        let copy = parsed(include_str!("templates/rust/vultus-plugin-api.toml.in"));
        for field in ["name", "version"] {
            assert_eq!(copy["package"][field], own["package"][field], "{field}");
        }
        for field in ["edition", "rust-version", "license"] {
            assert_eq!(copy["package"][field], workspace["workspace"]["package"][field], "{field}");
        }
        assert_eq!(copy["features"], own["features"]);
        for (name, of_own) in own["dependencies"].as_table().unwrap() {
            let mut wanted = workspace["workspace"]["dependencies"][name].clone();
            if let (Some(optional), Some(wanted)) = (of_own.get("optional"), wanted.as_table_mut())
            {
                wanted.insert("optional".to_owned(), optional.clone());
            }
            assert_eq!(copy["dependencies"][name], wanted, "{name}");
        }
        assert_eq!(
            copy["dependencies"].as_table().unwrap().len(),
            own["dependencies"].as_table().unwrap().len()
        );
    }
}
