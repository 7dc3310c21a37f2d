//! The metrics of several servers of a process at one `/metrics`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

/// Registries that one `/metrics` shows together. A label that differs from one to the next keeps their series apart. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Registries(Arc<Mutex<Vec<Arc<Registry>>>>);

impl Registries {
    /// Shows this one too, from now on.
    pub fn add(&self, registry: Arc<Registry>) {
        self.0.lock().push(registry);
    }

    /// Shows it no more: its server has ended.
    pub fn remove(&self, registry: &Arc<Registry>) {
        self.0.lock().retain(|other| !Arc::ptr_eq(other, registry));
    }

    /// `first` and all of these, as OpenMetrics.
    pub(crate) fn encode_with(&self, first: &Registry) -> Result<String, fmt::Error> {
        let others = self.0.lock().clone();
        let texts = std::iter::once(first).chain(others.iter().map(Arc::as_ref)).map(|registry| {
            let mut text = String::new();
            encode(&mut text, registry).map(|()| text)
        });
        let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
        match &texts[..] {
            [text] => Ok(text.clone()),
            texts => Ok(merge(texts)),
        }
    }
}

/// A metric's family: what describes it, and its samples.
struct Family<'t> {
    /// The text that brought it first, which describes it.
    of: usize,
    described: Vec<&'t str>,
    samples: Vec<&'t str>,
}

/// SPEC: OpenMetrics 1.0, "MetricFamily": a name may be described once, and the samples of a family are not interleaved with others.
fn merge(texts: &[String]) -> String {
    let mut families: Vec<Family<'_>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (of, text) in texts.iter().enumerate() {
        let mut current = None;
        for line in text.lines() {
            let Some(comment) = line.strip_prefix("# ") else {
                if let Some(place) = current {
                    let family: &mut Family<'_> = &mut families[place];
                    family.samples.push(line);
                }
                continue;
            };
            // The mark of the end has no name.
            let Some(name) = comment.split(' ').nth(1) else { continue };
            let place = *places.entry(name).or_insert_with(|| {
                families.push(Family { of, described: Vec::new(), samples: Vec::new() });
                families.len() - 1
            });
            if families[place].of == of {
                families[place].described.push(line);
            }
            current = Some(place);
        }
    }
    let lines = families.iter().flat_map(|family| family.described.iter().chain(&family.samples));
    lines.chain(&["# EOF"]).flat_map(|line| [*line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use vouchlog_runtime::metrics::{Gauge, register};

    use super::*;

    fn labelled(log: &'static str) -> Registry {
        Registry::with_labels([("log".into(), log.into())].into_iter())
    }

    #[test]
    fn a_family_of_several_registries_is_described_once() {
        let (mut own, mut a, mut b) = (Registry::default(), labelled("a"), labelled("b"));
        let counts = [&mut own, &mut a, &mut b].map(|registry| {
            let count: Counter = register(registry, "requests", "Requests");
            count
        });
        counts[1].inc();
        counts[2].inc_by(2);
        let size: Gauge = register(&mut b, "size", "Size");
        size.set(7);
        let registries = Registries::default();
        let (a, b) = (Arc::new(a), Arc::new(b));
        registries.add(Arc::clone(&a));
        registries.add(Arc::clone(&b));
        let expected = "\
# HELP requests Requests.
# TYPE requests counter
requests_total 0
requests_total{log=\"a\"} 1
requests_total{log=\"b\"} 2
# HELP size Size.
# TYPE size gauge
size{log=\"b\"} 7
# EOF
";
        assert_eq!(registries.encode_with(&own).unwrap(), expected);
        registries.remove(&a);
        registries.remove(&b);
        let alone = registries.encode_with(&own).unwrap();
        assert_eq!(alone, "# HELP requests Requests.\n# TYPE requests counter\nrequests_total 0\n# EOF\n");
    }
}
