//! How strong a new password must be.

use super::passwords::{MAX_PASSWORD_BYTES, MIN_PASSWORD_CHARS};
use secrecy::{ExposeSecret, SecretString};
use vultus_core::{Error, Result};
use zxcvbn::{Score, zxcvbn};

/// The least estimate of `zxcvbn`: more than 10^8 guesses.
const LEAST: Score = Score::Three;
/// Characters that are estimated: the time grows faster than the length.
const ESTIMATED_CHARS: usize = 40;

/// Refuses a new password that is short, long, or easy to guess; also by someone who knows `of`,
/// such as the user's name. The error names `argument`.
pub(crate) fn check_new(password: &SecretString, of: &[&str], argument: &str) -> Result<()> {
    let text = password.expose_secret();
    let refused = |message: String, reason: &str| {
        Err(Error::InvalidInput {
            argument: Some(argument.to_owned()),
            message,
            reason: Some(reason.to_owned()),
        })
    };
    if text.chars().count() < MIN_PASSWORD_CHARS {
        let message = format!("must have at least {MIN_PASSWORD_CHARS} characters");
        return refused(message, "PASSWORD_TOO_SHORT");
    }
    if text.len() > MAX_PASSWORD_BYTES {
        return refused(format!("is longer than {MAX_PASSWORD_BYTES} bytes"), "PASSWORD_TOO_LONG");
    }
    let lower = text.to_lowercase();
    if of.iter().any(|known| known.to_lowercase().contains(&lower)) {
        return refused("is a part of your name or e-mail".to_owned(), "PASSWORD_TOO_WEAK");
    }
    let mut known = vec!["vultus"];
    for text in of {
        known.push(text);
        known.extend(text.split(|c: char| !c.is_alphanumeric()).filter(|part| part.len() > 2));
    }
    let end = text.char_indices().nth(ESTIMATED_CHARS).map_or(text.len(), |(at, _)| at);
    let estimate = zxcvbn(&text[..end], &known);
    if estimate.score() >= LEAST {
        return Ok(());
    }
    let mut message = "is too easy to guess".to_owned();
    if let Some(warning) = estimate.feedback().and_then(|feedback| feedback.warning()) {
        message = format!("{message}: {warning}");
    }
    refused(message, "PASSWORD_TOO_WEAK")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(password: &str) -> Option<String> {
        let checked = check_new(&password.into(), &["grace@example.org", "Grace Hopper"], "p");
        match checked {
            Ok(()) => None,
            Err(Error::InvalidInput { argument: Some(argument), reason, message }) => {
                assert_eq!(argument, "p");
                assert!(!message.contains(password), "the error does not repeat the password");
                reason
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn guessable_passwords_are_refused() {
        for weak in
            ["password1234", "qwertyuiop12", "aaaaaaaaaaaa", "gracehopper1", "grace@example"]
        {
            assert_eq!(reason(weak).as_deref(), Some("PASSWORD_TOO_WEAK"), "{weak}");
        }
        assert_eq!(reason("x9$Kq").as_deref(), Some("PASSWORD_TOO_SHORT"));
        assert_eq!(reason(&"x9$Kq".repeat(300)).as_deref(), Some("PASSWORD_TOO_LONG"));
    }

    #[test]
    fn only_the_beginning_of_a_long_password_is_estimated() {
        let hard = "x9$Kq2vT7mWz".repeat(4);
        assert_eq!(reason(&format!("{hard}{}", "a".repeat(900))), None);
        let weak = format!("{}{hard}", "a".repeat(ESTIMATED_CHARS));
        assert_eq!(reason(&weak).as_deref(), Some("PASSWORD_TOO_WEAK"));
    }

    #[test]
    fn phrases_and_generated_passwords_are_accepted() {
        assert_eq!(reason("correct horse battery staple"), None);
        let generated = super::super::passwords::generate();
        assert_eq!(reason(generated.expose_secret()), None);
    }
}
