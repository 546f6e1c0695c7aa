use super::*;
use jsonwebtoken::EncodingKey;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::json;

const NOW: i64 = 1_900_000_000;
const SEED: [u8; 32] = [7; 32];
const EXPECTED: Expected<'_> = Expected {
    issuer: "https://login.example",
    audience: "https://vultus.example",
    leeway: Duration::seconds(30),
};

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(NOW).unwrap()
}

fn keys() -> JwkSet {
    let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "sig", "x": x});
    serde_json::from_value(json!({"keys": [key]})).unwrap()
}

fn header() -> Value {
    json!({"alg": "EdDSA", "typ": "at+jwt", "kid": "a"})
}

fn claims() -> Value {
    json!({
        "iss": EXPECTED.issuer,
        "aud": ["other", EXPECTED.audience],
        "sub": "u-1",
        "exp": NOW + 60,
        "nbf": NOW - 60,
    })
}

fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn signed(header: &Value, claims: &Value) -> String {
    jwt_crypto::install();
    let message = message(header, claims);
    let key = EncodingKey::from_ed_der(&SEED);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

fn verified(token: &str) -> Result<Claims, Refusal> {
    verify(token, &keys(), &EXPECTED, now())
}

fn with_claim(name: &str, value: Value) -> Result<Claims, Refusal> {
    let mut claims = claims();
    claims[name] = value;
    verified(&signed(&header(), &claims))
}

fn with_header(name: &str, value: Value) -> Result<Claims, Refusal> {
    let mut header = header();
    header[name] = value;
    verified(&signed(&header, &claims()))
}

#[test]
fn token_for_this_server_is_accepted() {
    let claims = verified(&signed(&header(), &claims())).unwrap();
    assert_eq!(claims["sub"], "u-1");
    assert!(with_claim("aud", json!(EXPECTED.audience)).is_ok());
    assert!(with_header("typ", json!("JWT")).is_ok());
    assert!(with_header("kid", Value::Null).is_ok(), "the only key needs no kid");
}

#[test]
fn each_wrong_claim_has_its_refusal() {
    for (name, value, expected) in [
        ("iss", json!("https://evil.example"), Refusal::Issuer),
        ("aud", json!("other"), Refusal::Audience),
        ("aud", json!([]), Refusal::Audience),
        ("exp", json!(NOW - 30), Refusal::Expired),
        ("exp", json!("soon"), Refusal::Malformed),
        ("nbf", json!(NOW + 31), Refusal::NotYetValid),
        ("nbf", json!("soon"), Refusal::Malformed),
    ] {
        assert_eq!(with_claim(name, value.clone()), Err(expected), "{name}: {value}");
    }
    for name in ["iss", "aud", "exp", "sub"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        assert!(verified(&signed(&header(), &claims)).is_err(), "without {name}");
    }
}

#[test]
fn clocks_may_differ_by_the_leeway() {
    assert!(with_claim("exp", json!(NOW - 29)).is_ok());
    assert!(with_claim("nbf", json!(NOW + 30)).is_ok());
}

#[test]
fn each_wrong_header_has_its_refusal() {
    for (name, value, expected) in [
        ("alg", json!("none"), Refusal::Algorithm),
        ("alg", json!("None"), Refusal::Algorithm),
        ("alg", json!("HS256"), Refusal::Algorithm),
        ("alg", json!("RS256"), Refusal::Signature),
        ("kid", json!("b"), Refusal::UnknownKey),
        ("typ", json!("logout+jwt"), Refusal::Malformed),
        ("crit", json!(["exp"]), Refusal::Malformed),
    ] {
        assert_eq!(with_header(name, value.clone()), Err(expected), "{name}: {value}");
    }
}

#[test]
fn public_key_as_an_hmac_secret_is_refused() {
    let mut header = header();
    header["alg"] = json!("HS256");
    let message = message(&header, &claims());
    let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
    let secret = EncodingKey::from_secret(pair.public_key().as_ref());
    jwt_crypto::install();
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
    assert_eq!(verified(&format!("{message}.{signature}")), Err(Refusal::Algorithm));
}

#[test]
fn unsigned_changed_and_huge_tokens_are_refused() {
    let good = signed(&header(), &claims());
    let (message, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(verified(&format!("{message}.")), Err(Refusal::Signature));
    assert_eq!(verified(message), Err(Refusal::Malformed));
    let mut other = claims();
    other["sub"] = json!("u-2");
    let forged = format!("{}.{signature}", super::tests::message(&header(), &other));
    assert_eq!(verified(&forged), Err(Refusal::Signature));
    assert_eq!(verified(&"x".repeat(64 << 10)), Err(Refusal::Malformed));
    assert_eq!(claimed_issuer(&good).as_deref(), Some(EXPECTED.issuer));
    assert_eq!(claimed_issuer("a.b.c"), None);
}
