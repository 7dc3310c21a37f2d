//! Sample bodies: what becomes of them, in any order, and that nothing is lost.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::dialect;

fn folders() -> Vec<String> {
    let entries = std::fs::read_dir(testdata().join("otlp")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 16, "{names:?}");
    names
}

#[test]
fn samples_become_the_records_in_the_golden_files() {
    for folder in folders() {
        let out = assembled(items(&folder));
        assert_eq!((out.failed.as_slice(), out.conflicts.as_slice()), (&[][..], &[][..]), "{folder}");
        golden(&folder, &shown(&out));
    }
}

/// Ids of the spans that are in a record as a part of the interaction.
fn told(out: &Out) -> Vec<String> {
    let parts = |record: Value| record["otel"]["parts"].as_array().cloned().unwrap_or_default();
    let spans = out.records.iter().flat_map(|record| {
        let ids: BTreeSet<String> =
            parts(json(record)).iter().filter_map(|part| part["span"].as_str().map(str::to_owned)).collect();
        ids
    });
    spans.collect()
}

#[test]
fn every_inference_span_ends_in_exactly_one_record() {
    for folder in folders() {
        let all = items(&folder);
        let mut spans: Vec<String> = all
            .iter()
            .filter_map(|item| match item {
                Item::Span(span) if dialect::read(item).role == Role::Inference => Some(span.span.clone()),
                _ => None,
            })
            .collect();
        spans.sort();
        let told = told(&assembled(all));
        let mut count: BTreeMap<&str, usize> = BTreeMap::new();
        told.iter().for_each(|span| *count.entry(span).or_default() += 1);
        for span in &spans {
            assert_eq!(count.get(span.as_str()), Some(&1), "{folder}: {span}");
        }
        // And every record has an account of something.
        assert!(
            !told.is_empty() && !spans.is_empty() || folder.contains("unsampled") || folder.contains("mcp"),
            "{folder}"
        );
    }
}

#[test]
fn each_record_has_its_own_name_and_tells_nothing_by_it() {
    for folder in folders() {
        let out = assembled(items(&folder));
        let ids: BTreeSet<_> = out.records.iter().map(|record| record.id.clone().unwrap()).collect();
        assert_eq!(ids.len(), out.records.len(), "{folder}");
        for record in &out.records {
            let id = record.id.as_ref().unwrap().as_str();
            let trace = json(record)["correlation"]["trace"].as_str().unwrap_or("none").to_owned();
            assert!(!id.contains(&trace[..4.min(trace.len())]) || id != trace, "{folder}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_order_and_any_doubling_gives_the_same_records(
        folder in prop::sample::select(vec!["session-synthetic", "litellm-proxy-v1", "openai-v2.1-legacy-content", "mcp-python-sdk"]),
        seed in prop::collection::vec(any::<prop::sample::Index>(), 400),
        doubled in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let all = items(folder);
        let expected = shown(&assembled(all.clone()));
        let mut mixed = all;
        for index in doubled {
            let copy = index.get(&mixed).clone();
            mixed.push(copy);
        }
        for place in (1..mixed.len()).rev() {
            let other = seed[place % seed.len()].index(place + 1);
            mixed.swap(place, other);
        }
        prop_assert_eq!(shown(&assembled(mixed)), expected);
    }

    #[test]
    fn the_way_items_are_cut_into_bodies_does_not_matter(cuts in prop::collection::vec(1_usize..9, 1..40)) {
        let all = items("session-synthetic");
        let expected = shown(&assembled(all.clone()));
        let mut assembler = Assembler::new(Config::default(), naming());
        let (mut rest, mut out) = (all.as_slice(), Out::default());
        for cut in cuts.iter().cycle() {
            let (now, then) = rest.split_at((*cut).min(rest.len()));
            out.records.extend(assembler.feed(now.to_vec(), &Delivery::at(at(0))).records);
            rest = then;
            if rest.is_empty() {
                break;
            }
        }
        let tick = assembler.tick(at(61));
        out.records.extend(tick.records);
        out.unknown = tick.unknown;
        prop_assert_eq!(shown(&out), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn damaged_bodies_become_records_too_and_each_part_only_once(
        folder in prop::sample::select(vec!["session-synthetic-json/001.traces.json", "openai-v2-json/001.traces.json", "by-hand/002.logs.json"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"0a9f\"\\{}[]:, xZ".to_vec())), 0..6),
    ) {
        let mut body = std::fs::read(testdata().join("otlp").join(folder)).unwrap();
        for (index, byte) in damage {
            let place = index.index(body.len());
            body[place] = byte;
        }
        let signal = if folder.contains("logs") { crate::intake::Signal::Logs } else { crate::intake::Signal::Traces };
        let Ok(decoded) = crate::intake::decode(signal, crate::intake::Encoding::Json, &body) else { return Ok(()) };
        let mut assembler = Assembler::new(Config::default(), naming());
        assembler.feed(decoded.items.clone(), &Delivery::at(at(0)));
        let out = assembler.tick(at(3_600));
        prop_assert_eq!(&out.failed, &Vec::<String>::new());
        prop_assert_eq!(assembler.waiting(), (0, 0));
        prop_assert_eq!(assembler.feed(decoded.items.clone(), &Delivery::at(at(3_600))).records, vec![]);
        prop_assert_eq!(assembler.waiting(), (0, 0));
        let mut reversed = decoded.items;
        reversed.reverse();
        let mut other = Assembler::new(Config::default(), naming());
        other.feed(reversed, &Delivery::at(at(0)));
        prop_assert_eq!(other.tick(at(3_600)).records, out.records);
    }
}
