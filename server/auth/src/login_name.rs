//! Login names: normalized e-mail addresses.

/// Maximum length of a login name, in bytes.
const MAX_EMAIL_BYTES: usize = 254;
/// End of the login names of users that are made for identity providers.
pub const PROVIDER_SUFFIX: &str = ".oidc";

/// Normalizes a login name to lower-case `name@host`; `None` if it is invalid.
pub fn normal_email(text: &str) -> Option<String> {
    let email = text.trim().to_lowercase();
    let (name, host) = email.split_once('@')?;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.contains('@')
            && !part.chars().any(|c| c.is_whitespace() || c.is_control())
    };
    (email.len() <= MAX_EMAIL_BYTES && plain(name) && plain(host)).then_some(email)
}

#[cfg(test)]
mod tests {
    use super::normal_email;

    #[test]
    fn login_name_is_lower_case_name_at_host() {
        assert_eq!(normal_email(" Admin@LocalHost ").as_deref(), Some("admin@localhost"));
        for wrong in ["", "admin", "@host", "a@", "a@b@c", "a b@c", "a@b\0"] {
            assert_eq!(normal_email(wrong), None, "{wrong:?}");
        }
    }
}
