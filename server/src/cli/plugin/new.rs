//! `vultus plugin new`: a project that builds, passes its own test and runs, to be changed into what its author wants.

use crate::cli::{CommandError, Done, report};
use clap::{Args, ValueEnum};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The version of the published crate that a project in Rust asks for unless told otherwise.
const API_VERSION: &str = "0.1";

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
    /// For Rust: the folder `plugin-api` of a checkout of Vultus, instead of the published crate `vultus-plugin-api`
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

const C: &[Template] = &[
    ("analyzer.c", include_str!("templates/c/analyzer.c.in")),
    ("test.c", include_str!("templates/c/test.c.in")),
    ("Makefile", include_str!("templates/c/Makefile.in")),
    ("README.md", include_str!("templates/c/README.md.in")),
    ("vultus_plugin.h", include_str!("../../../../plugin-api/include/vultus_plugin.h")),
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
    report::line(format_args!("{} is ready; its README.md says how to go on", folder.display()));
    Ok(ExitCode::SUCCESS)
}

/// A name that is good for a crate, a file and, with `_` for `-`, an analysis type.
fn checked_name(name: &str) -> Result<&str, CommandError> {
    let begins_well = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
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
        return Ok(format!("version = \"{API_VERSION}\""));
    };
    if arguments.lang == Language::C {
        return Err(CommandError::new("--api is for projects in Rust; one in C gets the header as a file"));
    }
    let named = |error: std::io::Error| CommandError::because(&format!("--api {}", path.display()), &error);
    let path = fs::canonicalize(path).map_err(named)?;
    if !path.join("Cargo.toml").is_file() {
        return Err(CommandError::new(format!("--api {}: there is no Cargo.toml in it", path.display())));
    }
    Ok(format!("path = {:?}", path.display().to_string()))
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
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(path, text));
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
            let text = filled(text, "smile-check", "version = \"0.1\"");
            assert!(!text.contains("{{"), "{file}");
        }
        assert!(filled("{{snake}} {{type}} {{title}}", "smile-check", "").starts_with("smile_check SmileCheck Smile Check"));
    }
}
