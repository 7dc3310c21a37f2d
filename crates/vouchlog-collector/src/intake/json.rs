//! OTLP/JSON. Each span and log record is found before it is read, so that a broken one costs only itself.

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use serde_json::Value;
use vouchlog_record::json::{JsonError, Raw};

use super::mapping;
use super::otlp::{self, Origin, Unread};
use super::{Decoded, IntakeError, Item, ItemError, Signal};

/// The names of the lists, from the outside in.
struct Names {
    resources: [&'static str; 2],
    scopes: [&'static str; 2],
    items: [&'static str; 2],
}

const TRACES: Names = Names {
    resources: ["resourceSpans", "resource_spans"],
    scopes: ["scopeSpans", "scope_spans"],
    items: ["spans", "spans"],
};
const LOGS: Names = Names {
    resources: ["resourceLogs", "resource_logs"],
    scopes: ["scopeLogs", "scope_logs"],
    items: ["logRecords", "log_records"],
};
const SCHEMA_URL: [&str; 2] = ["schemaUrl", "schema_url"];

/// The members of an object, none of them read.
type Members<'a> = Vec<(String, Raw<'a>)>;

pub(super) fn decode(signal: Signal, body: &[u8]) -> Result<Decoded, IntakeError> {
    let body = Raw::find(body).map_err(|error| IntakeError::Json(error.to_string()))?;
    let names = if signal == Signal::Traces { &TRACES } else { &LOGS };
    let mut decoder = Decoder { signal, names, decoded: Decoded::default(), broken: None };
    if let Some(members) = decoder.members(body, "a request") {
        decoder.each(&members, names.resources, Decoder::group);
    }
    match decoder.broken {
        Some(why) if decoder.decoded.items.is_empty() => Err(IntakeError::Json(why)),
        _ => Ok(decoder.decoded),
    }
}

struct Decoder {
    signal: Signal,
    names: &'static Names,
    decoded: Decoded,
    /// The first thing that is wrong around the items.
    broken: Option<String>,
}

impl Decoder {
    /// What cannot be told apart counts as one item.
    fn breaks(&mut self, why: String) {
        self.decoded.refuse(ItemError::Field(why.clone()));
        self.broken.get_or_insert(why);
    }

    fn members<'a>(&mut self, raw: Raw<'a>, what: &str) -> Option<Members<'a>> {
        let members = raw.members().map(Iterator::collect::<Result<Members<'a>, JsonError>>);
        match members {
            Some(Ok(members)) => return Some(members),
            Some(Err(error)) => self.breaks(error.to_string()),
            None => self.breaks(format!("{what} is an object")),
        }
        None
    }

    /// Does something with each element of the lists of these names. A list that is left out, or null, is empty.
    fn each<'a>(
        &mut self,
        members: &Members<'a>,
        names: [&str; 2],
        mut work: impl FnMut(&mut Self, Raw<'a>),
    ) {
        for (name, list) in
            members.iter().filter(|(name, list)| names.contains(&name.as_str()) && !list.is_null())
        {
            let Some(elements) = list.elements() else {
                self.breaks(format!("`{name}` is not a list"));
                continue;
            };
            for element in elements {
                match element {
                    Ok(element) => work(self, element),
                    Err(error) => self.breaks(error.to_string()),
                }
            }
        }
    }

    fn group(&mut self, group: Raw<'_>) {
        let Some(members) = self.members(group, "a resource") else { return };
        let mut resource = Unread::default();
        for part in named(&members, ["resource", "resource"]) {
            attributes(part, &mut resource);
        }
        let url = text(&members, SCHEMA_URL);
        let names = self.names;
        self.each(&members, names.scopes, |decoder, scope| decoder.scope(scope, &resource, &url));
    }

    fn scope(&mut self, scope: Raw<'_>, resource: &Unread, url: &str) {
        let Some(members) = self.members(scope, "a scope") else { return };
        let (mut about, mut unread) = (InstrumentationScope::default(), Unread::default());
        for part in named(&members, ["scope", "scope"]) {
            let inner: Members<'_> = part.members().into_iter().flatten().map_while(Result::ok).collect();
            about.name = text(&inner, ["name", "name"]);
            about.version = text(&inner, ["version", "version"]);
            attributes(part, &mut unread);
        }
        about.attributes = unread.attributes;
        let own = text(&members, SCHEMA_URL);
        let url = if own.is_empty() { url } else { &own };
        let origin = Origin::new(resource, &about, unread.count, url);
        let names = self.names;
        self.each(&members, names.items, |decoder, item| {
            let item = decoder.item(item, &origin);
            decoder.decoded.add(item);
        });
    }

    fn item(&self, item: Raw<'_>, origin: &Origin) -> Result<Item, ItemError> {
        match self.signal {
            Signal::Traces => otlp::span(mapping::span(item)?, origin).map(Item::Span),
            Signal::Logs => otlp::event(mapping::log(item)?, origin).map(Item::Event),
        }
    }
}

fn named<'a>(members: &Members<'a>, names: [&str; 2]) -> impl Iterator<Item = Raw<'a>> {
    members.iter().filter(move |(name, _)| names.contains(&name.as_str())).map(|(_, raw)| *raw)
}

/// Attributes of a resource or a scope one by one: one that cannot be read is counted, and costs neither the others nor the items.
fn attributes(part: Raw<'_>, unread: &mut Unread) {
    if part.is_null() {
        return;
    }
    let Some(members) = part.members() else {
        unread.count += 1;
        return;
    };
    for member in members {
        let Ok((name, list)) = member else {
            unread.count += 1;
            continue;
        };
        if name != "attributes" || list.is_null() {
            continue;
        }
        let Some(pairs) = list.elements() else {
            unread.count += 1;
            continue;
        };
        for pair in pairs {
            match pair.map_err(|error| ItemError::Field(error.to_string())).and_then(mapping::pair) {
                Ok(pair) => unread.attributes.push(pair),
                Err(_) => unread.count += 1,
            }
        }
    }
}

/// The last text of these names; one that cannot be read is empty.
fn text(members: &Members<'_>, names: [&str; 2]) -> String {
    let last = named(members, names).last().and_then(|raw| mapping::read(raw).ok());
    last.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}
