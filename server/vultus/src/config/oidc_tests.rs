//! Tests of the tables of identity providers.

use super::Config;
use super::tests::{effective_with, environment};
use secrecy::ExposeSecret;
use vultus_core::Role;
use vultus_oidc::{RoleRule, UserRule};

const BASE: &str = "[[oidc.issuers]]\nname = \"acme\"\nissuer = \"https://login.acme.example\"\n";

fn problem(rest: &str) -> String {
    let text = format!("{BASE}{rest}");
    let problems = Config::from_sources(&text, &environment(&[])).unwrap_err();
    assert_eq!((problems.len(), problems[0].place.as_str()), (1, "oidc.issuers[0]"), "{rest}");
    problems[0].message.clone()
}

#[test]
fn provider_is_read_with_its_secret_from_the_environment() {
    let text = format!("{BASE}client_id = \"vultus\"\nrole = \"admin\"\n");
    let variables = environment(&[("VULTUS_OIDC_ACME_CLIENT_SECRET", "s3same")]);
    let config = Config::from_sources(&text, &variables).unwrap();
    let issuer = &config.oidc.issuers[0];
    let client = issuer.client.as_ref().unwrap();
    assert_eq!(client.secret.as_ref().unwrap().expose_secret(), "s3same");
    assert_eq!(client.scopes, ["openid", "profile", "email"]);
    let UserRule::Created(created) = &issuer.users else { panic!("{issuer:?}") };
    assert!(matches!(created.role, RoleRule::Fixed(Role::Admin)));
    let printed = effective_with(&text, &variables);
    assert!(!printed.contains("s3same") && !format!("{config:?}").contains("s3same"));
    assert_eq!(effective_with(&printed, &environment(&[])), printed, "it can be read again");
}

#[test]
fn incomplete_and_contradictory_tables_are_refused() {
    let client = "client_id = \"vultus\"\n";
    let company = "company = \"00000000-0000-7000-8000-000000000001\"\n";
    for (rest, message) in [
        ("role = \"admin\"\n".to_owned(), "needs an audience, a client_id"),
        (format!("{client}audience = \"vultus\"\nrole = \"admin\""), "must differ"),
        (client.to_owned(), "needs either role"),
        (format!("{client}role = \"admin\"\nroles = []\nrole_claim = \"x\""), "needs either role"),
        (format!("{client}role = \"ADMIN_X\""), "is not a role"),
        (format!("{client}role = \"client\""), "roles of a company need"),
        (format!("{client}role = \"client\"\n{company}company_claim = \"t\""), "at most company"),
        (format!("{client}users = \"existing\"\nrole = \"admin\""), "have their own role"),
        (format!("{client}client_secret = \"s3same\""), "is a secret"),
        (format!("{client}role = \"admin\"\nleeway_seconds = 301"), "from 0 to 300"),
        (format!("{client}role = \"admin\"\ncolour = 1"), "unknown field"),
    ] {
        let found = problem(&rest);
        assert!(found.contains(message) && !found.contains("s3same"), "{rest}: {found}");
    }
}

#[test]
fn issuer_needs_tls_and_names_are_taken_once() {
    let rest = "client_id = \"vultus\"\nrole = \"admin\"\n";
    for issuer in ["http://login.example", "login.example", "https://login.example/?a=1"] {
        let text = format!("[[oidc.issuers]]\nname = \"a\"\nissuer = \"{issuer}\"\n{rest}");
        assert!(Config::from_sources(&text, &environment(&[])).is_err(), "{issuer}");
    }
    let twice = format!("{BASE}{rest}{BASE}{rest}");
    let problems = Config::from_sources(&twice, &environment(&[])).unwrap_err();
    assert_eq!(problems[0].place, "oidc.issuers[1]");
}
