//! Parameters of an analysis: defaults of the analyzer, overridden by the company's policy, then by
//! the request, and validated against the analyzer's JSON Schema. Pure.
//!
//! Extensions in the schema of a property express rules that JSON Schema cannot:
//!
//! - `"x-stricter": "lower" | "higher"`: the direction in which a threshold becomes stricter. A
//!   request may change the policy's value only in this direction.
//! - `"x-at-most": "other"`: the value must not exceed the value of the property `other`.
//! - `"x-filled-by-node"`: the node sets the value. Requests and policies must not set it.
//!   `"today"` is the day (UTC) of the request, as `YYYY-MM-DD`: a client must not choose the day
//!   that expiry is checked against, and a stored day keeps the verdict the same in a repeated run.
//!   `"challenge"` is the list of gestures of the challenge that the request answers, or null.
//!   `"challenge_missing"` says that the operator requires a challenge and the request has none.
//! - `"x-challenge": "consumed"`: the value is the text of a challenge, which the request uses up.

use serde_json::{Map, Value};
use time::Date;
use vultus_core::{Error, JsonText, Result};

/// Merged and validated parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MergedParams {
    /// All parameters: a JSON object.
    pub(crate) values: Value,
    /// The source of each: (name, `default` | `company` | `request` | `server`).
    pub(crate) sources: Vec<(String, String)>,
}

/// The values that the node fills in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filling<'a> {
    /// The day of the request.
    pub(crate) today: Date,
    /// The gestures of the challenge that this analysis answers.
    pub(crate) challenge: Option<&'a [String]>,
    /// Whether the operator requires a challenge, and no analysis of the request answers one.
    pub(crate) challenge_missing: bool,
}

/// The rules for the parameters of one analysis type.
pub(crate) struct ParamRules {
    validator: jsonschema::Validator,
    properties: Map<String, Value>,
    policy: Map<String, Value>,
}

impl ParamRules {
    /// Takes the analyzer's schema and the company's policy. The error tells the operator what is
    /// invalid.
    pub(crate) fn new(schema: &Value, policy: Map<String, Value>) -> Result<Self, String> {
        let validator = jsonschema::validator_for(schema)
            .map_err(|error| format!("the schema of its parameters: {error}"))?;
        let properties =
            schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let unknown = properties.iter().find(|(_, property)| {
            filled_by_node(property).is_some_and(|what| !FILLED.contains(&what))
        });
        if let Some((name, _)) = unknown {
            return Err(format!(
                "the schema of its parameters: `{name}` has an unknown `x-filled-by-node`"
            ));
        }
        let rules = Self { validator, properties, policy };
        rules
            .check_not_filled(&rules.policy, "params")
            .map_err(|error| format!("the company's policy: {error}"))?;
        let nothing = JsonText::empty_object();
        rules
            .merge(&nothing, "params")
            .map_err(|error| format!("the company's policy: {error}"))?;
        Ok(rules)
    }

    /// The parameters that apply to this request. `argument` is the path of the request's
    /// parameters, for errors.
    pub(crate) fn merge(&self, request: &JsonText, argument: &str) -> Result<MergedParams> {
        let request: Map<String, Value> = serde_json::from_str(request.as_str())
            .map_err(|_| invalid(argument, "must be an object", "WRONG_TYPE"))?;
        self.check_not_filled(&request, argument)?;
        let mut values = Map::new();
        let mut sources = Vec::new();
        let defaults = self
            .properties
            .iter()
            .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())));
        lay_over(&mut values, &mut sources, defaults, "default");
        lay_over(&mut values, &mut sources, self.policy.clone(), "company");
        for (name, wanted) in &request {
            self.check_stricter(name, wanted, values.get(name), argument)?;
        }
        lay_over(&mut values, &mut sources, request, "request");
        let values = Value::Object(values);
        if let Some(error) = self.validator.iter_errors(&values).next() {
            let place = format!("{argument}{}", error.instance_path().as_str().replace('/', "."));
            return Err(invalid(&place, &error.to_string(), "BAD_PARAMETER"));
        }
        self.check_order(&values, argument)?;
        Ok(MergedParams { values, sources })
    }

    /// Sets the parameters that the node fills in.
    pub(crate) fn fill(&self, params: &mut MergedParams, filling: &Filling<'_>) {
        let Filling { today, challenge, challenge_missing } = filling;
        for (name, property) in &self.properties {
            let value = match filled_by_node(property) {
                Some(TODAY) => {
                    let (year, month, day) = (today.year(), u8::from(today.month()), today.day());
                    Value::String(format!("{year:04}-{month:02}-{day:02}"))
                }
                Some(CHALLENGE) => challenge.map_or(Value::Null, Value::from),
                Some(CHALLENGE_MISSING) => Value::Bool(*challenge_missing),
                _ => continue,
            };
            params.values[name] = value;
            params.sources.push((name.clone(), "server".to_owned()));
        }
    }

    /// Name and text of the challenge among `params`, if the analysis takes one and it is there.
    pub(crate) fn challenge<'p>(&self, params: &'p MergedParams) -> Option<(&str, &'p str)> {
        let takes = |property: &Value| property.get("x-challenge").is_some();
        let (name, _) = self.properties.iter().find(|(_, property)| takes(property))?;
        Some((name.as_str(), params.values.get(name)?.as_str()?))
    }

    fn check_not_filled(&self, given: &Map<String, Value>, argument: &str) -> Result<()> {
        let is_filled =
            |name: &&String| self.properties.get(*name).and_then(filled_by_node).is_some();
        match given.keys().find(is_filled) {
            Some(name) => Err(invalid(
                &format!("{argument}.{name}"),
                "must not be set: the server fills it in",
                "BAD_PARAMETER",
            )),
            None => Ok(()),
        }
    }

    fn check_stricter(
        &self,
        name: &str,
        wanted: &Value,
        policy: Option<&Value>,
        argument: &str,
    ) -> Result<()> {
        let direction = self
            .properties
            .get(name)
            .and_then(|property| property.get("x-stricter"))
            .and_then(Value::as_str);
        let (Some(direction), Some(wanted), Some(policy)) =
            (direction, wanted.as_f64(), policy.and_then(Value::as_f64))
        else {
            return Ok(());
        };
        let looser = match direction {
            "lower" => wanted > policy,
            _ => wanted < policy,
        };
        if looser {
            let message = format!("must not be less strict than the policy's value {policy}");
            return Err(invalid(
                &format!("{argument}.{name}"),
                &message,
                "LESS_STRICT_THAN_POLICY",
            ));
        }
        Ok(())
    }

    fn check_order(&self, values: &Value, argument: &str) -> Result<()> {
        for (name, property) in &self.properties {
            let Some(other) = property.get("x-at-most").and_then(Value::as_str) else { continue };
            let number = |name: &str| values.get(name).and_then(Value::as_f64);
            if let (Some(this), Some(most)) = (number(name), number(other))
                && this > most
            {
                return Err(invalid(
                    &format!("{argument}.{name}"),
                    &format!("must be at most {other}, which is {most}"),
                    "BAD_PARAMETER",
                ));
            }
        }
        Ok(())
    }
}

/// Values of `x-filled-by-node`.
const TODAY: &str = "today";
const CHALLENGE: &str = "challenge";
const CHALLENGE_MISSING: &str = "challenge_missing";
const FILLED: [&str; 3] = [TODAY, CHALLENGE, CHALLENGE_MISSING];

fn filled_by_node(property: &Value) -> Option<&str> {
    property.get("x-filled-by-node").and_then(Value::as_str)
}

fn lay_over(
    values: &mut Map<String, Value>,
    sources: &mut Vec<(String, String)>,
    upper: impl IntoIterator<Item = (String, Value)>,
    source: &str,
) {
    for (name, value) in upper {
        sources.retain(|(known, _)| *known != name);
        sources.push((name.clone(), source.to_owned()));
        values.insert(name, value);
    }
}

fn invalid(argument: &str, message: &str, reason: &str) -> Error {
    Error::InvalidInput {
        argument: Some(argument.to_owned()),
        message: message.to_owned(),
        reason: Some(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(policy: Value) -> Result<ParamRules, String> {
        let schema = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "acceptBelow": {
                    "type": "number", "minimum": 0, "maximum": 1, "default": 0.5,
                    "x-stricter": "lower", "x-at-most": "declineFrom"
                },
                "declineFrom": {
                    "type": "number", "minimum": 0, "maximum": 1, "default": 0.5,
                    "x-stricter": "lower"
                },
                "acceptFrom": {"type": "number", "default": 0.5, "x-stricter": "higher"},
                "bestShot": {"type": "boolean", "default": true},
                "today": {"type": "string", "x-filled-by-node": "today"}
            }
        });
        ParamRules::new(&schema, policy.as_object().unwrap().clone())
    }

    fn rejected(rules: &ParamRules, request: Value) -> String {
        match rules.merge(&request.into(), "input.analyses[0].params") {
            Err(Error::InvalidInput { argument: Some(argument), .. }) => argument,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn request_overrides_policy_and_policy_overrides_default() {
        let rules = rules(json!({"acceptBelow": 0.4, "bestShot": false})).unwrap();
        let merged = rules.merge(&json!({"acceptBelow": 0.3}).into(), "params").unwrap();
        assert_eq!(
            merged.values,
            json!({"acceptBelow": 0.3, "declineFrom": 0.5, "acceptFrom": 0.5, "bestShot": false})
        );
        let source = |name: &str| {
            merged
                .sources
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, source)| source.as_str())
        };
        assert_eq!(source("acceptBelow"), Some("request"));
        assert_eq!(source("bestShot"), Some("company"));
        assert_eq!(source("declineFrom"), Some("default"));
        assert_eq!(merged.sources.len(), 4);
    }

    #[test]
    fn request_less_strict_than_policy_is_rejected() {
        let rules = rules(json!({"acceptBelow": 0.4})).unwrap();
        assert_eq!(
            rejected(&rules, json!({"acceptBelow": 0.45})),
            "input.analyses[0].params.acceptBelow"
        );
        assert_eq!(
            rejected(&rules, json!({"acceptFrom": 0.4})),
            "input.analyses[0].params.acceptFrom"
        );
        assert!(
            rules.merge(&json!({"acceptBelow": 0.4, "acceptFrom": 0.9}).into(), "params").is_ok()
        );
    }

    #[test]
    fn schema_violation_names_the_parameter() {
        let rules = rules(json!({})).unwrap();
        assert_eq!(
            rejected(&rules, json!({"acceptBelow": -0.1})),
            "input.analyses[0].params.acceptBelow"
        );
        assert_eq!(rejected(&rules, json!({"unknown": 1})), "input.analyses[0].params");
        assert_eq!(rejected(&rules, json!([1])), "input.analyses[0].params");
        assert_eq!(
            rejected(&rules, json!({"declineFrom": 0.2})),
            "input.analyses[0].params.acceptBelow"
        );
    }

    #[test]
    fn day_is_filled_in_by_the_node_only() {
        let known = rules(json!({})).unwrap();
        assert_eq!(
            rejected(&known, json!({"today": "1999-01-01"})),
            "input.analyses[0].params.today"
        );
        assert!(rules(json!({"today": "1999-01-01"})).is_err(), "a policy must not set it either");
        let mut merged = known.merge(&JsonText::empty_object(), "params").unwrap();
        assert_eq!(merged.values.get("today"), None);
        let today = Date::from_calendar_date(2026, time::Month::January, 5).unwrap();
        let filling = Filling { today, challenge: None, challenge_missing: false };
        known.fill(&mut merged, &filling);
        assert_eq!(merged.values["today"], "2026-01-05");
        assert!(merged.sources.contains(&("today".to_owned(), "server".to_owned())));
        let unknown =
            json!({"type": "object", "properties": {"a": {"x-filled-by-node": "weather"}}});
        assert!(ParamRules::new(&unknown, Map::new()).is_err());
    }

    #[test]
    fn policy_that_violates_the_schema_is_rejected() {
        assert!(rules(json!({"acceptBelow": 2})).is_err());
        assert!(rules(json!({"acceptBelow": 0.9})).is_err(), "above declineFrom");
    }
}
