//! Login names: e-mail addresses in one normal form.

/// Longest login name, in bytes.
const MAX_EMAIL_BYTES: usize = 254;

/// The normal form of a login name: lower case, `name@host`; `None` when it is none.
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
    fn login_names_are_lower_case_and_of_the_form_name_at_host() {
        assert_eq!(normal_email(" Admin@LocalHost ").as_deref(), Some("admin@localhost"));
        for wrong in ["", "admin", "@host", "a@", "a@b@c", "a b@c", "a@b\0"] {
            assert_eq!(normal_email(wrong), None, "{wrong:?}");
        }
    }
}
