//! A rate that cannot be told without its number of trials.

use serde_json::{Value, json};
use std::fmt;

/// Normal quantile of a two-sided interval of 95 %.
const Z: f64 = 1.959_964;

/// Cases among trials, with Wilson's interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rate {
    pub(super) cases: usize,
    pub(super) of: usize,
}

impl Rate {
    /// The share; `None` without trials.
    pub(super) fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.cases as f64 / self.of as f64)
    }

    /// Bounds of the interval; `None` without trials.
    pub(super) fn interval(self) -> Option<(f64, f64)> {
        let share = self.share()?;
        let n = self.of as f64;
        let centre = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Some((((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0)))
    }

    /// With its trials and interval.
    pub(super) fn json(self) -> Value {
        json!({
            "cases": self.cases,
            "of": self.of,
            "rate": self.share(),
            "interval_95": self.interval().map(|(low, high)| [low, high]),
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.share(), self.interval()) {
            (Some(share), Some((low, high))) => write!(
                f,
                "{} of {} = {:.1} % ({:.1}–{:.1})",
                self.cases,
                self.of,
                share * 100.0,
                low * 100.0,
                high * 100.0
            ),
            _ => f.write_str("0 of 0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_that_of_wilson() {
        // The figures of the design: 9 of 22.
        let (low, high) = Rate { cases: 9, of: 22 }.interval().unwrap();
        assert!((low - 0.2326).abs() < 5e-4 && (high - 0.6127).abs() < 5e-4, "{low} {high}");
        let (low, high) = Rate { cases: 0, of: 50 }.interval().unwrap();
        assert!(low.abs() < 1e-12 && (high - 0.0714).abs() < 5e-4, "{low} {high}");
    }

    #[test]
    fn nothing_tried_has_no_rate() {
        let none = Rate::default();
        assert_eq!(
            (none.share(), none.interval(), none.to_string()),
            (None, None, "0 of 0".into())
        );
        assert_eq!(Rate { cases: 1, of: 4 }.to_string(), "1 of 4 = 25.0 % (4.6–69.9)");
    }
}
