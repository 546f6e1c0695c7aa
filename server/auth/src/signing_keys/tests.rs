//! Tests of the rotation.

use super::*;

const LIFETIME: Duration = Duration::minutes(15);

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(1_900_000_000 + seconds)
}

fn states(keys: &SigningKeys, now: OffsetDateTime) -> Vec<KeyState> {
    keys.list(LIFETIME, now).into_iter().map(|key| key.state).collect()
}

#[test]
fn replaced_key_verifies_until_its_tokens_expire() {
    use KeyState::{Next, Retired, Signs, Verifies};
    let folder = tempfile::tempdir().unwrap();
    let secrets = Keys::open(folder.path()).unwrap();
    let keys = SigningKeys::open(&secrets, folder.path()).unwrap();
    let elsewhere = SigningKeys::open(&secrets, folder.path()).unwrap();
    let first = keys.signer(at(0)).id().to_owned();
    let second = keys.rotate(at(60), Overlap::UntilExpiry, at(0)).unwrap();
    assert!(elsewhere.reload().unwrap() && !elsewhere.reload().unwrap());
    for node in [&keys, &elsewhere] {
        assert_eq!(node.signer(at(59)).id(), first);
        assert_eq!(node.signer(at(60)).id(), second);
        assert_eq!(states(node, at(59)), [Signs, Next]);
        assert_eq!(states(node, at(60 + 899)), [Verifies, Signs]);
        assert_eq!(states(node, at(60 + 900)), [Retired, Signs]);
        assert!(node.verifier(&first, LIFETIME, at(60 + 899)).is_some());
        assert!(node.verifier(&first, LIFETIME, at(60 + 900)).is_none());
        assert_eq!(node.public_keys(LIFETIME, at(0)).len(), 2);
        assert_eq!(node.public_keys(LIFETIME, at(960)).len(), 1);
    }
}

#[test]
fn key_replaced_at_once_verifies_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Keys::open(folder.path()).unwrap();
    let keys = SigningKeys::open(&secrets, folder.path()).unwrap();
    let first = keys.signer(at(0)).id().to_owned();
    let second = keys.rotate(at(0), Overlap::None, at(0)).unwrap();
    assert!(keys.verifier(&first, LIFETIME, at(0)).is_none());
    assert_eq!(keys.signer(at(0)).id(), second);
}

#[test]
fn keys_replaced_long_ago_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = Keys::open(folder.path()).unwrap();
    let keys = SigningKeys::open(&secrets, folder.path()).unwrap();
    let day = 86_400;
    for rotation in 0..4 {
        keys.rotate(at(rotation * day), Overlap::UntilExpiry, at(rotation * day)).unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 4);
    keys.rotate(at(9 * day), Overlap::UntilExpiry, at(9 * day)).unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join(FOLDER)).unwrap().count(), 2);
}

#[test]
fn file_with_a_wrong_name_or_mode_is_rejected() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let secrets = Keys::open(folder.path()).unwrap();
    let keys = SigningKeys::open(&secrets, folder.path()).unwrap();
    std::fs::create_dir(folder.path().join(FOLDER)).unwrap();
    let path = folder.path().join(FOLDER).join("next.key");
    std::fs::write(&path, [0; 32]).unwrap();
    assert!(matches!(keys.reload(), Err(KeyError::WrongName { .. })));
    let right = folder.path().join(FOLDER).join("1893456000.key");
    std::fs::rename(&path, &right).unwrap();
    std::fs::set_permissions(&right, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(keys.reload(), Err(KeyError::TooOpen { .. })));
}

#[test]
fn thumbprint_is_that_of_rfc_8037() {
    // Appendix A.3.
    let public = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    assert_eq!(thumbprint(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}
