//! Goal: published lists of logs are read, and malformed ones refused with the line that is wrong. Method: the lists of
//! witness-network.org, the computed one, and a table.

use vouchlog_note::{
    CheckpointError, KeyError, ListedLog, LogList, LogListError, LogListLineError, Origin, SignatureType,
};

use crate::vectors::{bytes, signing_key};

fn vkey(name: &str, signature_type: SignatureType) -> String {
    signing_key(name, signature_type, 1).verifying_key().to_string()
}

#[test]
fn published_lists_are_read() {
    let list = |name: &str| {
        LogList::parse(&bytes(&format!("transparency-dev__witness-network/lists/{name}"))).unwrap()
    };
    let testing = list("testing/log-list.1");
    assert_eq!((testing.logs().len(), testing.unsupported()), (9, 0));
    let named = |name: &str| testing.logs().iter().find(|log| log.origin().as_str() == name).unwrap();
    let log = named("vindex.gopherwatch.org");
    assert_eq!((log.requests_per_day(), log.contact()), (288, "admin@gopherwatch.org"));
    assert_eq!(log.key().id().to_string(), "af4f4f3a");
    let contact = "infra-dev (at) sigstore.dev";
    assert_eq!(named("log2025-alpha3.rekor.sigstage.dev").contact(), contact);
    assert_eq!(list("staging/log-list-10qps-4klogs.1").logs().len(), 1);
    assert_eq!(list("staging/log-list-100qps-40klogs.1").logs().len(), 11);

    let computed = LogList::parse(&bytes("computed/e2e/log-list.txt")).unwrap();
    let [log] = computed.logs() else { panic!("{computed:?}") };
    let vkey = "log.example.com/ai-digests+09b1dfd0+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
    assert_eq!((log.key().to_string().as_str(), log.origin().as_str()), (vkey, "log.example.com/ai-digests"));
    assert_eq!((log.requests_per_day(), log.contact()), (8640, "ops (at) example.com"));
}

#[test]
fn blanks_and_comments_are_skipped_and_origins_may_differ_from_names() {
    let (first, second) =
        (vkey("a.example", SignatureType::Ed25519), vkey("b.example", SignatureType::MlDsa44));
    let text = format!(
        "\n # comment\n\tlogs/v0 \n\nvkey {first}\norigin go.sum database tree\n# between\n qpd 2147483647\t\n\
         contact  Ops,\té \nvkey {second}\norigin b.example\nqpd 1\ncontact #2\n#"
    );
    let list = LogList::parse((text + "\n").as_bytes()).unwrap();
    let read = |log: &ListedLog| {
        (log.key().to_string(), log.origin().to_string(), log.requests_per_day(), log.contact().to_owned())
    };
    let expected = [
        (first, "go.sum database tree".to_owned(), 2_147_483_647, " Ops,\té".to_owned()),
        (second, "b.example".to_owned(), 1, "#2".to_owned()),
    ];
    assert_eq!(list.logs().iter().map(read).collect::<Vec<_>>(), expected);
    assert_eq!(LogList::parse(b"logs/v0\n").unwrap().logs(), []);
}

#[test]
fn logs_with_keys_of_unknown_types_are_left_out() {
    let known = vkey("a.example", SignatureType::Ed25519);
    let unknown = "b.example+00000000+AgAA";
    let too_long = format!("c.example+00000000+{}", "A".repeat(4000));
    let text = format!(
        "logs/v0\nvkey {unknown}\nqpd 1\ncontact x\nvkey {known}\nqpd 1\ncontact x\n\
         vkey {too_long}\norigin c\nqpd 1\ncontact x\n"
    );
    let list = LogList::parse(text.as_bytes()).unwrap();
    assert_eq!((list.logs().len(), list.unsupported()), (1, 2));
    assert_eq!(list.logs()[0].origin().as_str(), "a.example");
}

#[test]
fn malformed_logs_are_refused_with_their_line() {
    #[track_caller]
    fn check(log: &str, line: usize, source: LogListLineError) {
        let error = LogList::parse(format!("logs/v0\n{log}\n").as_bytes()).unwrap_err();
        assert_eq!(error, LogListError::Line { line, source }, "{log}");
    }
    let keyword = |expected| LogListLineError::Keyword { expected };
    let key = vkey("a.example", SignatureType::Ed25519);
    check(&format!("qpd 1\nvkey {key}\ncontact x"), 2, keyword("vkey"));
    check(&format!("Vkey {key}\nqpd 1\ncontact x"), 2, keyword("vkey"));
    check(&format!("vkey\t{key}\nqpd 1\ncontact x"), 2, keyword("vkey"));
    check(&format!("vkey {key}\ncontact x\nqpd 1"), 3, keyword("qpd"));
    check(&format!("vkey {key}\nqpd 1\norigin a\ncontact x"), 4, keyword("contact"));
    check(&format!("vkey {key}\norigin a\norigin b\nqpd 1\ncontact x"), 4, keyword("qpd"));
    check(&format!("vkey {key}\nqpd 1\ncontact"), 4, keyword("contact"));
    check(&format!("vkey {key}\nqpd 1\nvkey {key}"), 4, keyword("contact"));
    check(
        &format!("vkey {key}\r\nqpd 1\ncontact x"),
        2,
        LogListLineError::ControlCharacter { character: '\r' },
    );

    let escape = LogListLineError::ControlCharacter { character: '\u{1b}' };
    check(&format!("vkey {key}\nqpd 1\ncontact \u{1b}[2J"), 4, escape);

    check("vkey nonsense\nqpd 1\ncontact x", 2, LogListLineError::Vkey(KeyError::NotThreeParts));
    check(
        &format!("vkey  {key}\nqpd 1\ncontact x"),
        2,
        LogListLineError::Vkey(KeyError::NameCharacter { character: ' ' }),
    );
    let signature_type = SignatureType::CosignatureEd25519;
    let cosigner = vkey("a.example", signature_type);
    check(&format!("vkey {cosigner}\nqpd 1\ncontact x"), 2, LogListLineError::KeyType { signature_type });
    let origin = Origin::new("other.example").unwrap();
    let ml_dsa = vkey("a.example", SignatureType::MlDsa44);
    let log = format!("vkey {ml_dsa}\norigin other.example\nqpd 1\ncontact x");
    check(&log, 2, LogListLineError::KeyName { origin });
    let reserved = CheckpointError::ReservedOrigin { origin: "subtree/v1".to_owned() };
    let log = format!("vkey {key}\norigin subtree/v1\nqpd 1\ncontact x");
    check(&log, 3, LogListLineError::Origin(reserved.clone()));
    let reserved_name = vkey("subtree/v1", SignatureType::Ed25519);
    check(&format!("vkey {reserved_name}\nqpd 1\ncontact x"), 2, LogListLineError::Origin(reserved));
    for requests in ["", "0", "-1", "01", "1.5", "2147483648", "18446744073709551617", "many"] {
        let line = format!("vkey {key}\nqpd {requests}x\ncontact x").replace("x\nc", "\nc");
        let source = if requests.is_empty() { keyword("qpd") } else { LogListLineError::RequestsPerDay };
        check(&line, 3, source);
    }
    let renamed = vkey("b.example", SignatureType::Ed25519);
    let log = format!("vkey {key}\nqpd 1\ncontact x\n\nvkey {renamed}\norigin a.example\nqpd 1\ncontact x");
    check(&log, 6, LogListLineError::Duplicate { origin: Origin::new("a.example").unwrap() });
}

#[test]
fn malformed_lists_are_refused() {
    let parse = |list: &[u8]| LogList::parse(list).unwrap_err();
    for list in ["", "\n", "# logs/v0\n", "logs/v1\n", "logs/v0 x\n", "vkey x\nlogs/v0\n"] {
        assert_eq!(parse(list.as_bytes()), LogListError::Header, "{list:?}");
    }
    assert_eq!(parse(b"logs/v0"), LogListError::NoFinalNewline);
    let not_utf8 = LogListError::Line { line: 2, source: LogListLineError::NotUtf8 };
    assert_eq!(parse(b"logs/v0\n# \xff\n"), not_utf8);
    let key = vkey("a.example", SignatureType::Ed25519);
    for log in
        [format!("vkey {key}\n"), format!("vkey {key}\norigin a\n"), format!("vkey {key}\nqpd 1\n# x\n")]
    {
        let list = format!("logs/v0\n\n{log}");
        assert_eq!(parse(list.as_bytes()), LogListError::Unfinished { line: 3 }, "{list}");
    }
    let limit = 16 << 20;
    assert_eq!(parse(&vec![b'\n'; limit + 1]), LogListError::TooLarge { bytes: limit + 1, limit });
}

#[test]
fn a_list_takes_as_many_logs_as_its_limit_says() {
    // Of a type nobody has yet, so that the test makes no keys.
    let list = |logs: usize| {
        let logs: String =
            (0..logs).map(|log| format!("vkey {log}+00000000+8AAA\nqpd 1\ncontact x\n")).collect();
        LogList::parse(format!("logs/v0\n{logs}").as_bytes())
    };
    assert_eq!(list(65_536).unwrap().unsupported(), 65_536);
    let source = LogListLineError::TooMany { limit: 65_536 };
    assert_eq!(list(65_537).unwrap_err(), LogListError::Line { line: 2 + 3 * 65_536, source });
}
