//! What the claims of a token say about a user.

use crate::Issuer;
use crate::options::{ClaimMap, CompanyRule, RoleRule, UserRule};
use serde_json::Value;
use sha2::{Digest, Sha256};
use vultus_auth::foreign_tokens::Claims;
use vultus_auth::login_name::{PROVIDER_SUFFIX, normal_email};
use vultus_core::{CompanyId, Error, Result, Role};

/// Longest subject, in bytes (OpenID Connect allows 255 characters).
const MAX_SUBJECT_BYTES: usize = 255;
/// Maximum length of a display name, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// Bytes of the hash in a login name.
const HASH_BYTES: usize = 16;

/// What a verified token says about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Login name of the user that is made for it. It is derived from issuer and subject, so that
    /// an identity has one user, and its domain is kept from other users.
    pub login_name: String,
    /// The e-mail, if the provider has verified it.
    pub email: Option<String>,
    /// Display name.
    pub name: String,
    /// What the user is, according to the claims.
    pub standing: Standing,
}

/// What a user is, according to the claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// That of the existing user, of this company if one is given.
    Existing(Option<CompanyId>),
    /// That of a user of its own.
    Created {
        /// Role.
        role: Role,
        /// Whether the provider decides about the role, and not only when the user is created.
        is_claimed: bool,
        /// Company.
        company: Option<CompanyId>,
    },
}

impl Issuer {
    /// The identity in verified claims.
    pub(crate) fn identity(&self, claims: &Claims) -> Result<Identity> {
        let options = self.options();
        let subject =
            text(claims, "sub").filter(|sub| (1..=MAX_SUBJECT_BYTES).contains(&sub.len()));
        let subject =
            subject.ok_or(Error::from(vultus_auth::foreign_tokens::Refusal::Malformed))?;
        let is_verified = claims.get("email_verified") == Some(&Value::Bool(true));
        let email = text(claims, "email").filter(|_| is_verified).and_then(normal_email);
        let standing = match &options.users {
            UserRule::Existing(company) => Standing::Existing(*company),
            UserRule::Created(created) => {
                let (role, is_claimed) = match &created.role {
                    RoleRule::Fixed(role) => (*role, false),
                    RoleRule::Claim(map) => (mapped(map, claims).ok_or_else(no_role)?, true),
                };
                let company = match &created.company {
                    _ if !role.is_of_company() => None,
                    None => return Err(no_company()),
                    Some(CompanyRule::Fixed(company)) => Some(*company),
                    Some(CompanyRule::Claim(map)) => {
                        Some(mapped(map, claims).ok_or_else(no_company)?)
                    }
                };
                Standing::Created { role, is_claimed, company }
            }
        };
        let login_name = login_name(&options.name, &options.issuer, subject);
        let name = ["name", "preferred_username", "email"].iter().find_map(|n| text(claims, n));
        Ok(Identity { name: display_name(name, &login_name), login_name, email, standing })
    }
}

fn no_role() -> Error {
    Error::Forbidden("the identity provider gives this account no role here".to_owned())
}

fn no_company() -> Error {
    Error::Forbidden("the identity provider gives this account no company here".to_owned())
}

fn text<'c>(claims: &'c Claims, name: &str) -> Option<&'c str> {
    claims.get(name).and_then(Value::as_str)
}

/// Plain text of bounded length.
fn display_name(name: Option<&str>, otherwise: &str) -> String {
    let plain: String = name.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    match plain.trim() {
        "" => otherwise.to_owned(),
        name => name[..name.floor_char_boundary(MAX_NAME_BYTES)].to_owned(),
    }
}

fn login_name(name: &str, issuer: &str, subject: &str) -> String {
    let mut hash = Sha256::new();
    hash.update((issuer.len() as u64).to_be_bytes());
    hash.update(issuer);
    hash.update(subject);
    let mut hex = String::with_capacity(2 * HASH_BYTES);
    for byte in &hash.finalize()[..HASH_BYTES] {
        hex.push_str(&format!("{byte:02x}"));
    }
    format!("{hex}@{name}{PROVIDER_SUFFIX}")
}

/// What the first value that the claim has stands for. A claim is a text or a list of texts.
fn mapped<T: Copy>(map: &ClaimMap<T>, claims: &Claims) -> Option<T> {
    let found = claims.get(&map.claim).or_else(|| at_path(claims, &map.claim))?;
    let has = |value: &str| match found {
        Value::String(text) => text == value,
        Value::Array(list) => list.iter().any(|item| item.as_str() == Some(value)),
        _ => false,
    };
    map.values.iter().find(|(value, _)| has(value)).map(|(_, meaning)| *meaning)
}

fn at_path<'c>(claims: &'c Claims, path: &str) -> Option<&'c Value> {
    let mut names = path.split('.');
    let first = claims.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{CreatedUsers, IssuerOptions};
    use crate::{Issuers, UserRule};
    use serde_json::json;
    use std::time::Duration;

    fn identity(users: UserRule, claims: Value) -> Result<Identity> {
        let options = IssuerOptions {
            name: "acme".to_owned(),
            issuer: "https://login.acme.example".to_owned(),
            audience: None,
            client: None,
            leeway: Duration::ZERO,
            users,
        };
        let issuers = Issuers::new(vec![options]).unwrap();
        issuers.0[0].identity(claims.as_object().unwrap())
    }

    fn by_claims() -> UserRule {
        let roles = [("admins", Role::ClientAdmin), ("staff", Role::Client)];
        let company = CompanyId(uuid(1));
        UserRule::Created(CreatedUsers {
            role: RoleRule::Claim(ClaimMap {
                claim: "realm_access.roles".to_owned(),
                values: roles.map(|(value, role)| (value.to_owned(), role)).to_vec(),
            }),
            company: Some(CompanyRule::Claim(ClaimMap {
                claim: "tenant".to_owned(),
                values: vec![("t1".to_owned(), company)],
            })),
        })
    }

    fn uuid(number: u8) -> uuid::Uuid {
        uuid::Uuid::from_u128(number.into())
    }

    #[test]
    fn first_mapped_value_of_a_claim_decides() {
        let claims = json!({
            "sub": "u1", "tenant": "t1", "name": "Jane\u{7} Doe",
            "realm_access": {"roles": ["other", "staff", "admins"]},
        });
        let found = identity(by_claims(), claims).unwrap();
        let company = Some(CompanyId(uuid(1)));
        let expected = Standing::Created { role: Role::ClientAdmin, is_claimed: true, company };
        assert_eq!(found.standing, expected);
        assert_eq!((found.name.as_str(), found.email), ("Jane Doe", None));
        assert!(found.login_name.ends_with("@acme.oidc"), "{}", found.login_name);
    }

    #[test]
    fn claims_without_a_mapped_value_give_nothing() {
        for claims in [
            json!({"sub": "u1", "tenant": "t1"}),
            json!({"sub": "u1", "tenant": "t1", "realm_access": {"roles": "none"}}),
            json!({"sub": "u1", "tenant": "t2", "realm_access": {"roles": "staff"}}),
        ] {
            let refused = identity(by_claims(), claims.clone());
            assert!(matches!(refused, Err(Error::Forbidden(_))), "{claims}");
        }
        let nameless = identity(by_claims(), json!({"tenant": "t1"}));
        assert!(matches!(nameless, Err(Error::TokenRefused { .. })));
    }

    #[test]
    fn only_a_verified_email_counts() {
        let email = |verified: Value| {
            let claims = json!({"sub": "u", "email": "A@B.example", "email_verified": verified});
            identity(UserRule::Existing(None), claims).unwrap().email
        };
        assert_eq!(email(json!(true)).as_deref(), Some("a@b.example"));
        assert_eq!(email(json!(false)), None);
        assert_eq!(email(json!("true")), None);
    }

    #[test]
    fn login_names_differ_by_issuer_and_subject() {
        let names = [("i", "s"), ("is", ""), ("i", "t"), ("j", "s")];
        let names = names.map(|(issuer, subject)| login_name("n", issuer, subject));
        for (index, name) in names.iter().enumerate() {
            assert!(!names[..index].contains(name), "{names:?}");
            assert_eq!(normal_email(name).as_ref(), Some(name));
        }
    }
}
