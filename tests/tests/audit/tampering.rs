//! A database that was changed, cut or put in another order is found out.

use crate::{entries, vultus};
use rusqlite::Connection;
use serde_json::json;
use vultus_tests::{Node, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn tampered_database_is_found_out() {
    let mut node = Node::start().await;
    let client = node.client().await;
    for _ in 0..6 {
        client.create(&[], json!({})).await;
    }
    wait_until("all entries", async || {
        (entries(&client, "FOLDER_CREATED").await.len() == 6).then_some(())
    })
    .await;
    let config = node.config_file();
    let heads = vultus(&config, &["head"]);
    let heads = String::from_utf8(heads.stdout).expect("text");
    let head = heads.lines().find(|head| !head.contains("installation")).expect("a signed head");
    node.stop();
    let database = node.data().join("vultus.db");
    let sound = std::fs::read(&database).expect("the database is there");
    // Each change on a database that is sound otherwise; the expected text, without and with head.
    let of_company = "chain <> 'installation'";
    let cases = [
        ("UPDATE audit_entries SET actor = 'unknown' WHERE number = 3 AND", true, "entry 3 was"),
        ("UPDATE audit_entries SET action = 'CHECKED' WHERE number = 7 AND", true, "entry 7 was"),
        ("DELETE FROM audit_entries WHERE number = 3 AND", true, "entry 3 is missing"),
        (
            "UPDATE audit_entries SET number = 11 - number + 1000 WHERE number IN (5, 6) AND",
            true,
            "entry 5 is missing",
        ),
        ("DELETE FROM audit_entries WHERE number > 4 AND", true, "was entry 7"),
        ("DELETE FROM audit_heads WHERE", false, ""),
    ];
    let changed = |statements: &[&str]| {
        std::fs::write(&database, &sound).expect("the database is restored");
        let connection = Connection::open(&database).expect("the database opens");
        for statement in statements {
            let sql = format!("{statement} {of_company}");
            assert!(connection.execute(&sql, ()).expect("it is changed") > 0, "{sql}");
        }
    };
    let verify = |arguments: &[&str]| {
        let output = vultus(&config, arguments);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for (statement, is_found, text) in cases {
        changed(&[statement]);
        for arguments in [vec!["verify"], vec!["verify", "--head", head]] {
            let (sound, said) = verify(&arguments);
            assert_eq!((sound, said.contains(text)), (!is_found, true), "{statement}: {said}");
        }
    }
    // Without the signed head in the store, only one that was kept elsewhere tells of a cut.
    changed(&["DELETE FROM audit_heads WHERE", "DELETE FROM audit_entries WHERE number > 4 AND"]);
    assert!(verify(&["verify"]).0);
    let (sound, said) = verify(&["verify", "--head", head]);
    assert!(!sound && said.contains("the chain ends with entry 4"), "{said}");
    // The places of two entries are exchanged with their hashes.
    changed(&[
        "UPDATE audit_entries SET number = number + 1000 WHERE number IN (3, 4) AND",
        "UPDATE audit_entries SET number = 1007 - number WHERE number > 1000 AND",
    ]);
    let (sound, said) = verify(&["verify"]);
    assert!(!sound && said.contains("entry 3 was"), "{said}");
    let forged = head.replacen(".7.", ".6.", 1);
    assert!(!verify(&["verify", "--head", &forged]).0, "a changed head is not accepted");
}
