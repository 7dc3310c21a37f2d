//! Goal: the descriptions that a log gives of itself are true: what its OpenAPI document allows is accepted, anything else is refused,
//! and its metrics are in the formats that they claim. Method: the real program; each parameter and body with each of many values,
//! once by the schema and once by the server.

use std::io::Write;
use std::process::{Command, Stdio};

use regex::Regex;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::process::Server;

const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// Values that a parameter may be given: numbers and their bounds, names, hashes, paths of tiles, and what looks like them.
fn candidates() -> Vec<String> {
    let numbers = ["0", "1", "2", "9223372036854775807", "184467440737095516150", "-1", "1x", "0x1"];
    let names = ["sequenced", "witnessed", "Sequenced", "opaque", "null", "true"];
    let tiles = [
        "0/000",
        "63/999",
        "0/000.p/1",
        "0/000.p/255",
        "5/x001/000",
        "0/x999/x999/x999/x999/x999/999",
        "64/000",
        "00/000",
        "0/00",
        "0/1000",
        "0/x000/001",
        "0/001/000",
        "0/x001",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "000",
        "x001/000",
        "000.p/7",
        "x000/001",
        "000.p/0",
        "00",
    ];
    let hashes =
        [HASH.to_owned(), HASH.to_uppercase(), HASH[1..].to_owned(), format!("{HASH}0"), "0".repeat(64)];
    let fixed = [""].into_iter().chain(numbers).chain(names).chain(tiles);
    fixed.map(str::to_owned).chain(hashes).collect()
}

/// The OpenAPI document of a log.
struct Document(Value);

impl Document {
    /// Whether a schema allows a value, by the keywords that the document uses.
    fn allows(&self, schema: &Value, value: &Value) -> bool {
        if let Some(name) = schema["$ref"].as_str() {
            return self.allows(&self.0["components"]["schemas"][name.rsplit('/').next().unwrap()], value);
        }
        let one_of = schema["oneOf"].as_array();
        let number = |name: &str| schema[name].as_i64();
        let text = value.as_str();
        let integer = value.as_number().and_then(|number| number.to_string().parse::<i128>().ok());
        let is_of_type = |name: &str| match name {
            "string" => text.is_some(),
            "integer" => integer.is_some(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "null" => value.is_null(),
            other => panic!("no values of type {other} are tried"),
        };
        let within = |size: i128, least: &str, most: &str| {
            number(least).is_none_or(|least| size >= least.into())
                && number(most).is_none_or(|most| size <= most.into())
        };
        let width = match schema["format"].as_str() {
            Some("int32") => i128::from(i32::MAX),
            _ => i128::from(i64::MAX),
        };
        one_of.is_none_or(|schemas| schemas.iter().filter(|schema| self.allows(schema, value)).count() == 1)
            && schema["type"].as_str().is_none_or(is_of_type)
            && schema["enum"].as_array().is_none_or(|values| values.contains(value))
            && text.is_none_or(|text| {
                let length = i128::try_from(text.chars().count()).unwrap();
                within(length, "minLength", "maxLength")
                    && schema["pattern"]
                        .as_str()
                        .is_none_or(|pattern| Regex::new(pattern).unwrap().is_match(text))
            })
            && integer.is_none_or(|integer| within(integer, "minimum", "maximum") && integer <= width)
            && value.as_array().is_none_or(|items| {
                within(i128::try_from(items.len()).unwrap(), "minItems", "maxItems")
                    && items.iter().all(|item| self.allows(&schema["items"], item))
            })
            && value.as_object().is_none_or(|members| self.allows_members(schema, members))
    }

    fn allows_members(&self, schema: &Value, members: &Map<String, Value>) -> bool {
        let required = schema["required"].as_array().into_iter().flatten();
        required.into_iter().all(|name| members.contains_key(name.as_str().unwrap()))
            && members.iter().all(|(name, value)| match &schema["properties"][name] {
                Value::Null => schema["additionalProperties"] != false,
                schema => self.allows(schema, value),
            })
    }

    fn operation(&self, path: &str, method: &str) -> &Value {
        &self.0["paths"][path][method]
    }
}

/// A text as a schema's type has it.
fn typed(schema: &Value, text: &str) -> Value {
    match text.parse().ok().and_then(serde_json::Number::from_i128) {
        Some(number) if schema["type"] == "integer" => Value::Number(number),
        _ => text.into(),
    }
}

/// What a server did with a request.
async fn accepts(client: &Client, method: &str, url: &str, query: &[(String, String)]) -> bool {
    let method: Method = method.to_uppercase().parse().unwrap();
    let request = client.request(method.clone(), reqwest::Url::parse_with_params(url, query).unwrap());
    let request = if method == Method::POST { request.body("something salted") } else { request };
    let status = request.send().await.unwrap().status();
    // It has no witnesses (409), and some bodies have a type of their own (415).
    let known = [200, 400, 404, 409, 415].contains(&status.as_u16());
    assert!(known, "{method} {url} {query:?}: {status}");
    status != StatusCode::BAD_REQUEST
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_openapi_document_allows_what_the_log_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), 0, &[]);
    let client = Client::builder().no_proxy().build().unwrap();
    let document = client.get(format!("{}/openapi.json", server.url)).send().await.unwrap();
    let document = Document(document.json().await.unwrap());
    let mut tried = 0;
    for (path, item) in document.0["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let others =
                    operation["parameters"].as_array().unwrap().iter().filter(|other| *other != parameter);
                tried += match (parameter["in"].as_str().unwrap(), &parameter["schema"]["oneOf"]) {
                    ("path", _) => try_path(&document, &client, &server.url, path, parameter).await,
                    (_, Value::Null) => {
                        let base = base(others);
                        let url = format!("{}{path}", server.url);
                        try_query(&document, &client, (method, &url), &base, parameter).await
                    }
                    _ => try_names(&document, &client, &format!("{}{path}", server.url), parameter).await,
                };
            }
        }
    }
    assert!(tried > 300, "{tried}");
    try_statements(&document, &client, &server.url).await;
    try_texts(&document, &client, &server.url).await;
    assert_eq!(server.terminate(), 0);
}

/// A query with the required parameters.
fn base<'a>(others: impl Iterator<Item = &'a Value>) -> Vec<(String, String)> {
    let required = others.filter(|other| other["required"] == true);
    let pairs = required.flat_map(|other| match other["name"].as_str().unwrap() {
        "entry" => vec![("index".to_owned(), "0".to_owned())],
        name => vec![(name.to_owned(), "1".to_owned())],
    });
    pairs.collect()
}

async fn try_query(
    document: &Document,
    client: &Client,
    (method, url): (&str, &str),
    base: &[(String, String)],
    parameter: &Value,
) -> usize {
    let (name, schema) = (parameter["name"].as_str().unwrap(), &parameter["schema"]);
    assert_eq!(
        accepts(client, method, url, base).await,
        parameter["required"] != true,
        "{url} without {name}"
    );
    let candidates = candidates();
    for candidate in &candidates {
        let query = [base, &[(name.to_owned(), candidate.clone())]].concat();
        let allowed = document.allows(schema, &typed(schema, candidate));
        assert_eq!(accepts(client, method, url, &query).await, allowed, "{method} {url} {query:?}");
    }
    candidates.len()
}

/// A parameter whose members are parameters.
async fn try_names(document: &Document, client: &Client, url: &str, parameter: &Value) -> usize {
    let mut queries = vec![vec![], vec![("stream", "0".to_owned())], vec![("sequence", "0".to_owned())]];
    queries.push(vec![("index", "0".to_owned()), ("hash", HASH.to_owned())]);
    for candidate in candidates() {
        for name in ["index", "hash", "digest"] {
            queries.push(vec![(name, candidate.clone())]);
        }
        queries.push(vec![("stream", candidate.clone()), ("sequence", "0".to_owned())]);
        queries.push(vec![("stream", "0".to_owned()), ("sequence", candidate)]);
    }
    for query in &queries {
        let is_number = |name: &str| ["index", "stream", "sequence"].contains(&name);
        let members = query.iter().map(|(name, text)| {
            let schema = if is_number(name) { json!({ "type": "integer" }) } else { Value::Null };
            ((*name).to_owned(), typed(&schema, text))
        });
        let allowed = document.allows(&parameter["schema"], &Value::Object(members.collect()));
        let query: Vec<_> = query.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        assert_eq!(accepts(client, "get", url, &query).await, allowed, "{url} {query:?}");
    }
    queries.len()
}

async fn try_path(document: &Document, client: &Client, url: &str, path: &str, parameter: &Value) -> usize {
    let (before, _) = path.split_once('{').unwrap();
    let takes_slashes = before.starts_with("/tile/");
    let mut tried = 0;
    for candidate in candidates() {
        // Of other routes, or none. Below `/tile/`, what begins with `entries/` is another route, too.
        if candidate.is_empty() || candidate.contains('/') && !takes_slashes {
            continue;
        }
        let allowed = document.allows(&parameter["schema"], &typed(&parameter["schema"], &candidate));
        assert_eq!(
            accepts(client, "get", &format!("{url}{before}{candidate}"), &[]).await,
            allowed,
            "{path} {candidate}"
        );
        tried += 1;
    }
    tried
}

async fn try_statements(document: &Document, client: &Client, url: &str) {
    let good = json!({ "kind": "opaque", "digest": HASH });
    let with = |name: &str, value: Value| {
        let mut statement = good.clone();
        statement[name] = value;
        statement
    };
    let without = |name: &str| {
        let mut statement = good.clone();
        statement.as_object_mut().unwrap().remove(name);
        statement
    };
    let mut bodies = vec![good.clone(), json!([]), json!({}), json!("x"), json!(null), json!([[]])];
    bodies.extend([without("kind"), without("digest"), with("more", json!(1)), with("evidence", json!(0))]);
    bodies.extend([1, 2, -1, 65_536].map(|evidence| with("evidence", json!(evidence))));
    bodies.extend(["", "interaction", "Opaque"].map(|kind| with("kind", kind.into())));
    bodies.extend(["", &HASH[1..], &HASH.to_uppercase(), "x"].map(|digest| with("digest", digest.into())));
    bodies.extend([1, 1_024, 1_025].map(|count| Value::Array(vec![good.clone(); count])));
    bodies.push(json!([good, without("kind")]));
    let operation = document.operation("/v1/statements", "post");
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    for body in bodies {
        let answer = client.post(format!("{url}/v1/statements")).json(&body).send().await.unwrap();
        let short: String = body.to_string().chars().take(200).collect();
        assert_eq!(answer.status().is_success(), document.allows(schema, &body), "{short}");
    }
}

/// Bodies of text. A note that is not signed is refused for that (403), and not for its form.
async fn try_texts(document: &Document, client: &Client, url: &str) {
    for (path, title) in
        [("/v1/gateways", "enrol"), ("/v1/revocations", "revoke"), ("/v1/quotas", "quota"), ("/add", "")]
    {
        let content = document.operation(path, "post")["requestBody"]["content"].as_object().unwrap();
        let (kind, content) = content.iter().next().unwrap();
        for body in ["", "x", "vouchlog/v1 other\n"].map(str::to_owned) {
            let request = client.post(format!("{url}{path}")).header("content-type", kind).body(body.clone());
            let status = request.send().await.unwrap().status();
            let allowed = document.allows(&content["schema"], &body.clone().into());
            assert_eq!(status.is_success(), allowed, "{path} {body:?}: {status}");
        }
        let signed = format!("vouchlog/v1 {title}\nx\n\n\u{2014} x AAAAAA==\n");
        assert!(document.allows(&content["schema"], &signed.into()), "{path}");
        let longest = content["schema"]["maxLength"].as_u64().unwrap();
        let too_long = "x".repeat(usize::try_from(longest).unwrap() + 1);
        let request = client.post(format!("{url}{path}")).header("content-type", kind).body(too_long);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
    }
}

/// Prometheus's own tool reads and lints what a scraper gets.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_pass_the_check_of_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"), 0, &[]);
    let client = Client::builder().no_proxy().build().unwrap();
    client.post(format!("{}/add", server.url)).body("something salted").send().await.unwrap();
    let metrics = client.get(format!("{}/metrics", server.url)).send().await.unwrap();
    assert_eq!(metrics.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = metrics.text().await.unwrap();
    assert!(
        text.contains("# TYPE vouchlog_http_requests_total counter\n") && !text.contains("# EOF"),
        "{text}"
    );
    let checked = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut checked) = checked else {
        eprintln!("metrics are not checked with promtool here: install the package `prometheus`");
        return;
    };
    checked.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = checked.wait_with_output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert_eq!(server.terminate(), 0);
}
