//! A web page's requests to a server on the visitor's machine: other sites, and names that were made to lead here.

use super::http1::{Expect, raw};
use crate::attack::{Attack, Target};

const CLASS: &str = "rebinding";

pub(super) fn attacks() -> Vec<Attack> {
    let from_pages: [(&str, &str); 7] = [
        ("another site by Origin", "Host: localhost\r\nOrigin: http://evil.example\r\n"),
        ("another site by Sec-Fetch-Site", "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"),
        ("a page of no origin", "Host: localhost\r\nOrigin: null\r\n"),
        ("a name that was made to lead here", "Host: evil.example\r\nOrigin: http://evil.example\r\n"),
        ("the same, called the same origin", "Host: evil.example\r\nSec-Fetch-Site: same-origin\r\n"),
        (
            "a name that begins like ours",
            "Host: 127.0.0.1.evil.example\r\nOrigin: http://127.0.0.1.evil.example\r\n",
        ),
        ("a name with a port", "Host: evil.example:6962\r\nOrigin: http://evil.example:6962\r\n"),
    ];
    let targets = [
        (Target::Log, "/add"),
        (Target::Witness, "/add-checkpoint"),
        (Target::Collector, "/v1/records"),
        (Target::Vault, "/v1/vault/find-records"),
    ];
    let mut all = Vec::new();
    for (target, path) in targets {
        for (name, lines) in from_pages {
            let bytes =
                format!("POST {path} HTTP/1.1\r\n{lines}Connection: close\r\nContent-Length: 1\r\n\r\nx");
            let name = format!("{name}, to the {}", target.name());
            // 401: collectors and vaults ask for a token first.
            all.push(raw(CLASS, (&name, target), bytes.into_bytes(), Expect::Status(&[401, 403, 421])));
        }
    }
    all
}
