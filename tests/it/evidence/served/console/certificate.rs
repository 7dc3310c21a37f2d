//! People sign in to the console with the client certificate of their browser: who is signed in without a form, and for how long.

use reqwest::{Certificate, Client, ClientBuilder, Identity, StatusCode};
use serde_json::json;

use super::{Browser, PRINCIPALS, Page, Served, story};
use crate::tls::files::Authority;
use crate::tls::have;

/// Where a page leads to by itself.
fn onward(page: &Page) -> String {
    let to = page.text.split("content=\"0;url=").nth(1).unwrap_or_else(|| panic!("{}", page.text));
    to.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_signs_its_principal_in_without_a_form() {
    if !have("openssl", "version") {
        return;
    }
    let files = tempfile::tempdir().unwrap();
    let authority = Authority::new(&files.path().join("tls"));
    authority.issue("server", "DNS:localhost,IP:127.0.0.1");
    for name in ["reader", "inspector", "stranger"] {
        authority.issue(name, &format!("URI:spiffe://corp.example/{name}"));
    }
    let principal =
        |name: &str| json!({ "name": name, "certificates": [format!("spiffe://corp.example/{name}")] });
    let access = files.path().join("access.json");
    let principals = ["reader", "inspector", "stranger"].map(principal);
    let file = json!({ "principals": principals });
    std::fs::write(&access, file.to_string()).unwrap();
    let [chain, key, ca] = ["server.pem", "server.key", "ca.pem"].map(|file| authority.at(file));
    let tls = ["--tls-cert", &chain, "--tls-key", &key, "--tls-client-ca", &ca];
    let more = [&["--access", access.to_str().unwrap()], &tls[..]].concat();
    let served = Served::start_with(&PRINCIPALS, &more, story);
    let client = || -> ClientBuilder {
        let ca = Certificate::from_pem(&std::fs::read(&ca).unwrap()).unwrap();
        Client::builder().tls_certs_only([ca])
    };
    let of = |name: &str| {
        let pem = [format!("{name}.pem"), format!("{name}.key")]
            .map(|file| std::fs::read(authority.at(&file)).unwrap());
        Browser::with(&served, client().identity(Identity::from_pem(&pem.concat()).unwrap()))
    };

    // The page that was asked for, without a form in between.
    let mut reader = of("reader");
    let first = reader.get("/console/holds").await;
    assert_eq!((first.status, first.path.as_str()), (StatusCode::OK, "/console/sign-in"));
    assert!(first.text.contains("As reader") && !first.text.contains("<form"), "{}", first.text);
    let to = onward(&first);
    let page = reader.get(&to).await;
    assert_eq!((page.status, page.path.as_str()), (StatusCode::OK, "/console/holds"), "{}", page.text);
    assert!(page.text.contains("default: read-metadata"), "{}", page.text);
    assert!(reader.cookies.keys().any(|name| name == "__Host-vouchlog"), "{:?}", reader.cookies);

    // The cookie alone is worth nothing, nor is it with the certificate of another principal.
    let copy = reader.cookies.clone();
    let mut thief = Browser::with(&served, client());
    thief.cookies = copy.clone();
    let page = thief.get("/console/holds").await;
    assert!(page.path == "/console/sign-in" && page.text.contains("name=\"token\""), "{}", page.text);
    let again = reader.get("/console/holds").await;
    assert!(again.text.contains("As reader"), "that ended the visit: {}", again.text);
    let mut inspector = of("inspector");
    inspector.cookies = reader.cookies.clone();
    let page = inspector.get("/console/holds").await;
    assert!(page.text.contains("As inspector"), "{}", page.text);

    // A browser that keeps no cookie is not sent round and round.
    let mut forgetful = of("reader");
    let to = onward(&forgetful.get("/console/holds").await);
    forgetful.cookies.clear();
    let page = forgetful.get(&to).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST, "{}", page.text);
    assert!(
        page.text.contains("did not send the cookie") && !page.text.contains("http-equiv"),
        "{}",
        page.text
    );
    // Nor does a page of another site begin a visit with an image.
    let image = forgetful
        .client
        .get(format!("{}/console/sign-in", served.daemon.url))
        .header("sec-fetch-dest", "image");
    let image = forgetful.sent(image).await.text().await.unwrap();
    assert!(
        image.contains("name=\"token\"") && !forgetful.cookies.contains_key("__Host-vouchlog"),
        "{image}"
    );

    // Signed out is signed out, until one signs in again; and one may do so as another principal.
    let first = reader.get("/console/sessions").await;
    let page = reader.get(&onward(&first)).await;
    let left = reader.post("/console/sign-out", &page, &[]).await;
    assert!(
        left.text.contains("Signed out of the console") && !left.text.contains("http-equiv"),
        "{}",
        left.text
    );
    let form = reader.get("/console/sign-in?other=1").await;
    let signed = reader.post("/console/sign-in", &form, &[("token", &served.tokens["inspector"])]).await;
    assert!(signed.path == "/console/sessions" && signed.text.contains("read-content"), "{}", signed.text);
    reader.post("/console/sign-out", &signed, &[]).await;
    assert!(reader.get("/console/sessions").await.text.contains("As reader"));

    // A certificate of the authority that is no principal's of the vault gets the form, and so does one that was revoked there.
    let page = of("stranger").get("/console/sessions").await;
    assert!(page.text.contains("name=\"token\""), "{}", page.text);
    let mut reader = of("reader");
    let first = reader.get("/console/sessions").await;
    let page = reader.get(&onward(&first)).await;
    assert_eq!(page.path, "/console/sessions", "{}", page.text);
    let revoke = client().build().unwrap().post(format!("{}/v1/vault/revoke-principal", served.daemon.url));
    let revoke =
        revoke.bearer_auth(&served.tokens["root"]).json(&json!({ "name": "reader" })).send().await.unwrap();
    assert_eq!(revoke.status(), StatusCode::OK);
    let page = reader.get("/console/sessions").await;
    assert!(page.path == "/console/sign-in" && page.text.contains("name=\"token\""), "{}", page.text);
    assert_eq!(served.daemon.terminate(), 0);
}
