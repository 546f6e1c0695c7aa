//! The free tables `analyzers.NAME.params` and `analyzers.NAME.settings`: the analyzers check what
//! is in them.

use super::source::{Entry, Section, Source};
use serde_json::Map;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Policies and settings, by the name of the analyzer.
pub type AnalyzersConfig = BTreeMap<String, AnalyzerConfig>;

/// Policy and settings of one analyzer.
#[derive(Debug, Clone, Default)]
pub struct AnalyzerConfig {
    /// The company's policy for the analysis type of this name: a JSON object.
    pub params: Map<String, serde_json::Value>,
    /// Passed to the plugin when it starts: a JSON object.
    pub settings: Map<String, serde_json::Value>,
}

const EXPLANATION: &str = "
# -- analyzers ------------------------------------------------------------------------------------
# One section per analyzer, such as [analyzers.liveness].
#   params    the company's policy for the analysis type of this name: it replaces the defaults of
#             the analyzer. If the analyzer says which direction is stricter, a request may only be
#             stricter than this.
#   settings  passed to the analyzer whose file has this name (libvultus_liveness.so: liveness)
#             when it starts.
# The environment takes the same as inline tables:
# VULTUS_ANALYZERS_LIVENESS_PARAMS='{ acceptBelow = 0.4 }'
#
# [analyzers.liveness]
# params = { acceptBelow = 0.4, declineFrom = 0.6 }
#
# [analyzers.face_template]
# settings = { model = \"fr_feature\" }
";

impl Section for AnalyzersConfig {
    fn read(at: &str, table: Table, source: &mut Source) -> Self {
        source.entries.push(Entry::Text(EXPLANATION));
        let mut analyzers = Self::new();
        for (name, fields) in table {
            let Value::Table(fields) = fields else {
                source.problem(format!("{at}{name}"), "must be a table");
                continue;
            };
            for (field, value) in fields {
                let place = format!("{at}{name}.{field}");
                let done = set(&mut analyzers, &name, &field, value);
                done.unwrap_or_else(|message| source.problem(place, message));
            }
        }
        for (rest, variable, text) in source.take_variables("ANALYZERS_") {
            let Some((name, field)) = rest.rsplit_once('_') else {
                source.problem(variable, "unknown variable");
                continue;
            };
            let done = inline_value(&text).and_then(|value| {
                set(&mut analyzers, &name.to_lowercase(), &field.to_lowercase(), value)
            });
            done.unwrap_or_else(|message| source.problem(variable, message));
        }
        analyzers
    }
}

fn set(
    analyzers: &mut AnalyzersConfig,
    name: &str,
    field: &str,
    value: Value,
) -> Result<(), &'static str> {
    let analyzer = match field {
        "params" | "settings" => analyzers.entry(name.to_owned()).or_default(),
        _ => return Err("unknown key"),
    };
    let Ok(serde_json::Value::Object(object)) = serde_json::to_value(value) else {
        return Err("must be a table");
    };
    match field {
        "params" => analyzer.params = object,
        _ => analyzer.settings = object,
    }
    Ok(())
}

fn inline_value(text: &str) -> Result<Value, &'static str> {
    let parsed = format!("value = {text}").parse::<Table>().ok();
    parsed
        .and_then(|mut table| table.remove("value"))
        .ok_or("must be an inline table, such as { acceptBelow = 0.4 }")
}

/// The lines that `vultus config print` shows.
pub(super) fn lines(analyzers: &AnalyzersConfig) -> String {
    let mut lines = String::new();
    for (name, analyzer) in analyzers {
        for (field, object) in [("params", &analyzer.params), ("settings", &analyzer.settings)] {
            if object.is_empty() {
                continue;
            }
            if let Ok(value) = Value::try_from(object) {
                lines.push_str(&format!("analyzers.{name:?}.{field} = {value}\n"));
            }
        }
    }
    lines
}
