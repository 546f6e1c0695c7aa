//! Answers that a page shows, compared with the real ones.
//!
//! Words in angle brackets stand for values that differ each time, a line `…` stands for any
//! lines, and numbers may differ by [`TOLERANCE`], as they do between processors.

use serde_json::Value;

/// Largest difference between a score that is shown and the real one.
const TOLERANCE: f64 = 0.002;

/// The answer that a page shows below a block.
#[derive(Debug)]
pub(crate) enum Answer {
    Json(Value),
    Text(String),
}

impl Answer {
    /// Compares with the real answer; the error names the first difference.
    pub(crate) fn compare(&self, real: &str) -> Result<(), String> {
        match self {
            Self::Text(shown) => {
                let (shown, real): (Vec<&str>, Vec<&str>) =
                    (shown.trim().lines().collect(), real.trim().lines().collect());
                if same_lines(&shown, &real) { Ok(()) } else { Err("the text differs".to_owned()) }
            }
            Self::Json(shown) => {
                let real = serde_json::from_str(real)
                    .map_err(|error| format!("the answer is not JSON: {error}"))?;
                same_json(shown, &real, "$")
            }
        }
    }
}

fn same_lines(shown: &[&str], real: &[&str]) -> bool {
    match (shown.split_first(), real.split_first()) {
        (None, None) => true,
        (Some((&"…", rest)), _) => {
            (0..=real.len()).any(|skipped| same_lines(rest, &real[skipped..]))
        }
        (Some((first, rest)), Some((real_first, real_rest))) => {
            same_words(first, real_first) && same_lines(rest, real_rest)
        }
        _ => false,
    }
}

fn same_words(shown: &str, real: &str) -> bool {
    let (shown, real): (Vec<&str>, Vec<&str>) =
        (shown.split_whitespace().collect(), real.split_whitespace().collect());
    shown.len() == real.len() && shown.iter().zip(&real).all(|(shown, real)| same_word(shown, real))
}

/// `<name>` may stand in the middle of a word.
fn same_word(shown: &str, real: &str) -> bool {
    if let Some((before, rest)) = shown.split_once('<')
        && let Some((_, after)) = rest.split_once('>')
    {
        return real.len() > before.len() + after.len()
            && real.starts_with(before)
            && real.ends_with(after);
    }
    match (shown.parse(), real.parse()) {
        (Ok(shown), Ok(real)) => same_number(shown, real),
        _ => shown == real,
    }
}

fn same_number(shown: f64, real: f64) -> bool {
    (shown - real).abs() <= TOLERANCE
}

fn same_json(shown: &Value, real: &Value, path: &str) -> Result<(), String> {
    let same = match (shown, real) {
        (Value::Object(shown), Value::Object(real)) => {
            for (key, value) in shown {
                same_json(value, real.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}"))?;
            }
            shown.len() == real.len() && shown.keys().all(|key| real.contains_key(key))
        }
        (Value::Array(shown), Value::Array(real)) => {
            for (at, (shown, real)) in shown.iter().zip(real).enumerate() {
                same_json(shown, real, &format!("{path}[{at}]"))?;
            }
            shown.len() == real.len()
        }
        (Value::Number(shown), Value::Number(real)) if shown.is_f64() || real.is_f64() => {
            shown.as_f64().zip(real.as_f64()).is_some_and(|(shown, real)| same_number(shown, real))
        }
        (Value::String(shown), Value::String(real)) => same_word(shown, real),
        _ => shown == real,
    };
    if same { Ok(()) } else { Err(format!("{path}: shown {shown}, real {real}")) }
}

#[test]
fn json_that_differs_from_the_shown_is_noticed() {
    let shown = Answer::Json(serde_json::json!({"id": "<id>", "score": 0.069, "reasons": []}));
    assert_eq!(shown.compare(r#"{"id": "01a2", "score": 0.0693, "reasons": []}"#), Ok(()));
    for wrong in [
        r#"{"id": "01a2", "score": 0.079, "reasons": []}"#,
        r#"{"id": "", "score": 0.069, "reasons": []}"#,
        r#"{"id": "01a2", "score": 0.069, "reasons": [1]}"#,
        r#"{"id": "01a2", "score": 0.069, "reasons": [], "more": 1}"#,
        r#"{"id": "01a2", "score": 0.069}"#,
        "verdict",
    ] {
        assert!(shown.compare(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn text_that_differs_from_the_shown_is_noticed() {
    let shown = Answer::Text("…\nverdict: SUCCESS at <address>/\n".to_owned());
    assert_eq!(shown.compare("one\ntwo\nverdict:  SUCCESS at http://h/\n"), Ok(()));
    for wrong in [
        "verdict: DECLINED at http://h/",
        "verdict: SUCCESS at http://h/\nmore",
        "verdict: SUCCESS at http://h",
    ] {
        assert!(shown.compare(wrong).is_err(), "{wrong}");
    }
}
