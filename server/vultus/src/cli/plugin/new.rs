//! `vultus plugin new`: a project that builds, passes its own test and runs, to be changed into
//! what its author wants.

use crate::cli::{CommandError, Done, report};
use clap::{Args, ValueEnum};
use include_dir::{Dir, include_dir};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Folder of the interface in a project in Rust.
const API_FOLDER: &str = "vultus-plugin-api";

#[derive(Debug, Args)]
pub(crate) struct NewArguments {
    /// Name of the analyzer: lower-case letters, digits and hyphens, such as `smile-check`
    name: String,
    /// Language of the project
    #[arg(long, value_enum, default_value = "rust")]
    lang: Language,
    /// Folder that the project's folder is made in
    #[arg(long, default_value = ".", value_name = "DIR")]
    path: PathBuf,
    /// For Rust: use the crate `vultus-plugin-api` in this folder, instead of a copy of it in the
    /// project
    #[arg(long, value_name = "DIR")]
    api: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Rust,
    C,
}

/// A file of a project: where, and its text before names are filled in.
type Template = (&'static str, &'static str);

const RUST: &[Template] = &[
    ("Cargo.toml", include_str!("templates/rust/Cargo.toml.in")),
    ("src/lib.rs", include_str!("templates/rust/lib.rs.in")),
    ("README.md", include_str!("templates/rust/README.md.in")),
    (".gitignore", "/target\n"),
];

/// The crate that a project in Rust is written against, as it was when this program was built:
/// nothing else is needed to build one.
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
        return Err(CommandError::new(format!("{} is there already", folder.display())));
    }
    let api = api_dependency(arguments)?;
    let templates = match arguments.lang {
        Language::Rust => RUST,
        Language::C => C,
    };
    for (file, text) in templates {
        // The header is given as it is.
        let text = if file.ends_with(".h") { (*text).to_owned() } else { filled(text, name, &api) };
        write(&folder.join(file), &text)?;
    }
    if arguments.lang == Language::Rust && arguments.api.is_none() {
        write_api(&folder.join(API_FOLDER))?;
    }
    report::line(format_args!("{} is ready; its README.md says how to go on", folder.display()));
    Ok(ExitCode::SUCCESS)
}

/// A name that is good for a crate, a file and, with `_` for `-`, an analysis type.
fn checked_name(name: &str) -> Result<&str, CommandError> {
    let begins_well = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    let is_plain =
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if begins_well && is_plain && !name.ends_with('-') && name.len() <= 40 {
        return Ok(name);
    }
    Err(CommandError::new(format!(
        "`{name}` is no name for an analyzer: at most 40 lower-case letters, digits and hyphens, beginning with a letter"
    )))
}

/// The value of the dependency in `Cargo.toml`.
fn api_dependency(arguments: &NewArguments) -> Result<String, CommandError> {
    let Some(path) = &arguments.api else {
        return Ok(format!("path = \"{API_FOLDER}\""));
    };
    if arguments.lang == Language::C {
        return Err(CommandError::new(
            "--api is for projects in Rust; one in C gets the header as a file",
        ));
    }
    let named =
        |error: std::io::Error| CommandError::because(&format!("--api {}", path.display()), &error);
    let path = fs::canonicalize(path).map_err(named)?;
    if !path.join("Cargo.toml").is_file() {
        return Err(CommandError::new(format!(
            "--api {}: there is no Cargo.toml in it",
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
    fn names_that_are_no_crate_or_lead_out_of_the_folder_are_refused() {
        for name in ["", "-a", "a-", "9a", "A", "../up", "a b", "a_b", "ä"] {
            assert!(checked_name(name).is_err(), "{name}");
        }
        assert!(checked_name("smile-check2").is_ok());
    }

    #[test]
    fn every_field_of_every_template_is_filled_in() {
        for (file, text) in RUST.iter().chain(C).filter(|(file, _)| !file.ends_with(".h")) {
            let text = filled(text, "smile-check", "path = \"vultus-plugin-api\"");
            assert!(!text.contains("{{"), "{file}");
        }
        assert!(
            filled("{{snake}} {{type}} {{title}}", "smile-check", "")
                .starts_with("smile_check SmileCheck Smile Check")
        );
    }

    /// Of the manifest of the copy: what cannot be inherited from a workspace stands in it, and is
    /// the same.
    #[test]
    fn the_copied_interface_is_described_as_the_crate_itself() {
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
