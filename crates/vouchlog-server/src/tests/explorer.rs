//! Goal: a log serves the explorer to browsers and plain text to everyone else, and what it reports there is its own word.
//! Method: the real server before a small log; requests as a browser and as curl send them.

use axum::Router;
use reqwest::StatusCode;
use vouchlog_api::LogReader;

use super::fake::Fake;
use super::{Running, Served, client};
use crate::{Offered, Server, ServerConfig, explorer_files, explorer_router};

/// What Chromium sends for a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

async fn asked(running: &Running, path: &str, accept: &str) -> reqwest::Response {
    client().get(running.url(path)).header("accept", accept).send().await.unwrap()
}

#[tokio::test]
async fn browsers_get_the_front_page_and_others_text() {
    let served = Served::start().await;
    served.log.fill(40).await;
    let page = asked(&served, "/", BROWSER).await;
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["content-security-policy"], "frame-ancestors 'none'");
    assert!(page.headers().get_all("vary").iter().any(|vary| vary == "accept"));
    let html = page.text().await.unwrap();
    // What can be read without JavaScript, and that none of it was checked.
    assert!(
        html.contains("<dd>43</dd>")
            && html.contains("JavaScript is off")
            && html.contains("No. Whether the log signed this")
    );
    for plain in ["*/*", "text/plain"] {
        let text = asked(&served, "/", plain).await;
        assert_eq!(text.headers()["content-type"], "text/plain; charset=utf-8");
        assert!(text.text().await.unwrap().starts_with("This is a Vouchlog transparency log."));
    }
    served.stop().await;
}

#[tokio::test]
async fn every_file_is_served_with_its_type_and_validator() {
    let served = Served::start().await;
    for file in explorer_files().filter(|file| file.path != "index.html") {
        let path = format!("/{}", file.path);
        let response = asked(&served, &path, "*/*").await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let is_right = match file.path.rsplit_once('.').unwrap().1 {
            "js" => kind.starts_with("text/javascript"),
            "css" => kind.starts_with("text/css"),
            _ => kind.starts_with("text/html"),
        };
        assert!(is_right, "{path}: {kind}");
        let etag = response.headers()["etag"].clone();
        assert_eq!(response.bytes().await.unwrap(), file.bytes, "{path}");
        let again = client().get(served.url(&path)).header("if-none-match", etag).send().await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
    for missing in ["/explorer/", "/explorer/nothing.js", "/explorer/../checkpoint.js", "/explorer/log.vkey"]
    {
        assert_eq!(asked(&served, missing, "*/*").await.status(), StatusCode::NOT_FOUND, "{missing}");
    }
    served.stop().await;
}

#[tokio::test]
async fn a_key_is_offered_where_the_server_was_given_one() {
    let offered = Offered { log_vkey: Some("log+00+key".into()), policy: Some("quorum none\n".into()) };
    let running = Running::start(Server::new(Fake::new(), ServerConfig::default()).offer(offered)).await;
    let vkey = asked(&running, "/explorer/log.vkey", "*/*").await;
    assert_eq!(vkey.text().await.unwrap(), "log+00+key");
    assert_eq!(asked(&running, "/explorer/policy.txt", "*/*").await.text().await.unwrap(), "quorum none\n");
    running.stop().await;
}

#[tokio::test]
async fn the_pages_of_another_log_come_with_what_they_read_and_nothing_to_write() {
    let log = Fake::new();
    log.fill(300).await;
    let (note, tile) = (log.checkpoint().await.unwrap(), "/tile/0/000");
    let pages = explorer_router(log, Offered::default());
    let running = Running::start(Server::routes(pages, Router::new(), ServerConfig::default())).await;
    assert_eq!(asked(&running, "/checkpoint", "*/*").await.text().await.unwrap(), note);
    assert_eq!(asked(&running, tile, "*/*").await.bytes().await.unwrap().len(), 256 * 32);
    assert!(asked(&running, "/", "*/*").await.text().await.unwrap().contains("<main"));
    assert_eq!(asked(&running, "/explorer/style.css", "*/*").await.status(), StatusCode::OK);
    assert_eq!(asked(&running, "/tile/0/999", "*/*").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(asked(&running, "/tile/nothing", "*/*").await.status(), StatusCode::BAD_REQUEST);
    for path in ["/checkpoint", tile, "/add", "/"] {
        let refused = client().post(running.url(path)).body("x").send().await.unwrap().status();
        assert!(
            refused == StatusCode::METHOD_NOT_ALLOWED || refused == StatusCode::NOT_FOUND,
            "{path}: {refused}"
        );
    }
    running.stop().await;
}
