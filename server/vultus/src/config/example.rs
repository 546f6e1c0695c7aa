//! `config.example.toml`, written from the declarations of the keys.

use super::keys::Config;
use super::source::{Entry, Key, Source};
use std::collections::BTreeMap;
use std::fmt::Write;

const HEADER: &str = "\
# Configuration of Vultus: every key with its default. Keys that are commented out have none.
# `vultus serve --config FILE` reads a file like this one. The environment wins over the file: the
# variable of a key is VULTUS_ and its path, such as VULTUS_LISTEN or VULTUS_TOKENS_ACCESS_SECONDS.
# Unknown keys are refused. `vultus config example` prints this file.
";

/// The example file.
pub fn example() -> String {
    let (_, source): (Config, Source) = Source::read("", &BTreeMap::new());
    let mut text = HEADER.to_owned();
    let mut is_top_level = true;
    for entry in &source.entries {
        match entry {
            Entry::Heading(path) => {
                is_top_level = false;
                push(&mut text, format_args!("\n[{path}]\n"));
            }
            Entry::Text(free) => text.push_str(free),
            Entry::Key(key) => {
                if is_top_level {
                    text.push('\n');
                }
                push_key(&mut text, key);
            }
        }
    }
    text
}

fn push_key(text: &mut String, key: &Key) {
    let Key { name, variable, default, meaning, is_secret } = key;
    for line in meaning {
        push(text, format_args!("# {line}\n"));
    }
    match default {
        Some(default) => push(text, format_args!("{name} = {default}\n")),
        None if *is_secret => {
            push(
                text,
                format_args!("# Set the variable {variable}: a file never contains it.\n\n"),
            );
        }
        None => push(text, format_args!("# {name} = \"\"\n")),
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    let _infallible = text.write_fmt(line);
}
