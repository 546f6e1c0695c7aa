//! `map` of a multipart request: which file belongs to which variable.

use std::collections::{HashMap, HashSet};

use async_graphql::{Value, Variables};
use vultus_core::{Error, Result};

use crate::problem::argument_path;

/// The variable of one file.
#[derive(Debug)]
pub(super) struct Place {
    /// Path from the variables down.
    steps: Vec<String>,
    /// The same path for errors: `input.media[0].file`.
    pub(super) argument: String,
}

impl Place {
    fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix("variables.")?;
        let steps: Vec<String> = rest.split('.').map(str::to_owned).collect();
        (!steps.iter().any(String::is_empty)).then(|| Self { steps, argument: argument_path(rest) })
    }

    pub(super) fn variable<'v>(&self, variables: &'v mut Variables) -> Option<&'v mut Value> {
        let (first, rest) = self.steps.split_first()?;
        let start = variables.get_mut(first.as_str())?;
        rest.iter().try_fold(start, |value, step| match value {
            Value::List(items) => items.get_mut(step.parse::<usize>().ok()?),
            Value::Object(fields) => fields.get_mut(step.as_str()),
            Value::Null
            | Value::Boolean(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Enum(_)
            | Value::Binary(_) => None,
        })
    }
}

/// `map`: name and variable of each place, sorted by variable, so that equal requests number their
/// files in the same way. One file may have several places.
#[derive(Debug)]
pub(super) struct FileMap(pub(super) Vec<(String, Place)>);

impl FileMap {
    pub(super) fn parse(text: &[u8], max_files: usize) -> Result<Self> {
        let raw: HashMap<String, Vec<String>> = serde_json::from_slice(text)
            .map_err(|_| bad_multipart("`map` is not an object of lists of paths"))?;
        if raw.values().map(Vec::len).sum::<usize>() > max_files {
            return Err(Error::LimitExceeded {
                argument: None,
                message: format!("the request has more than {max_files} files"),
                reason: Some("TOO_MANY_FILES".to_owned()),
            });
        }
        let mut places = Vec::with_capacity(raw.len());
        let mut taken = HashSet::new();
        for (name, paths) in raw {
            if paths.is_empty() {
                return Err(bad_multipart("`map` names no place for a file"));
            }
            for path in &paths {
                let place = Place::parse(path).ok_or_else(|| {
                    bad_multipart("`map` has a path that is not `variables.` and a variable")
                })?;
                if !taken.insert(place.steps.clone()) {
                    return Err(bad_multipart("`map` names one place twice").at(&place.argument));
                }
                places.push((name.clone(), place));
            }
        }
        places.sort_by(|(_, a), (_, b)| a.steps.cmp(&b.steps));
        Ok(Self(places))
    }

    /// The places of a file.
    pub(super) fn of(&self, name: &str) -> Vec<&Place> {
        self.0.iter().filter(|(other, _)| other == name).map(|(_, place)| place).collect()
    }

    pub(super) fn check_variables(&self, variables: &mut Variables) -> Result<()> {
        for (_, place) in &self.0 {
            if place.variable(variables).is_none_or(|value| *value != Value::Null) {
                return Err(bad_multipart("the variable of a file must be present and null")
                    .at(&place.argument));
            }
        }
        Ok(())
    }
}

/// The refusal of a malformed multipart request.
pub(super) fn bad_multipart(message: &str) -> Error {
    Error::InvalidInput {
        argument: None,
        message: message.to_owned(),
        reason: Some("BAD_MULTIPART".to_owned()),
    }
}
