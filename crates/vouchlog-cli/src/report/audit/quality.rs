//! What gateways claim of their records in public, as shares: the bits of evidence that each statement carries.

use std::collections::BTreeMap;

use maud::{Markup, html};
use vouchlog_auditor::StreamReport;
use vouchlog_pages::{Bar, Tone, bar, grouped, icon, thousands};
use vouchlog_session::plain;

/// Gateways that are drawn, those with the most interactions first.
const MAX_GATEWAYS: usize = 60;
/// What is drawn of each: the name of the claim, and how it is called here.
const SHOWN: [(&str, &str); 4] = [
    ("attributable", "Attributable"),
    ("credential valid", "Credential valid"),
    ("policy decision", "Policy decision"),
    ("complete", "Complete"),
];

/// The claims of one gateway, over all its streams.
#[derive(Default)]
struct Claims {
    statements: u64,
    interactions: u64,
    claimed: BTreeMap<&'static str, u64>,
}

impl Claims {
    fn of(&self, name: &str) -> u64 {
        self.claimed.get(name).copied().unwrap_or_default()
    }

    /// What a share is of. An audit that resumes the state of an older version has counted no interactions of before.
    fn whole(&self) -> (u64, String) {
        let most = self.claimed.values().copied().max().unwrap_or_default();
        if self.interactions >= most {
            return (self.interactions, grouped(self.interactions, "interaction", "interactions"));
        }
        (self.statements, grouped(self.statements, "statement", "statements"))
    }
}

pub(super) fn section(streams: &[StreamReport]) -> Markup {
    let mut gateways: BTreeMap<&str, Claims> = BTreeMap::new();
    for stream in streams {
        let claims = gateways.entry(&stream.gateway).or_default();
        claims.statements += stream.statements;
        claims.interactions += stream.interactions;
        for (name, count) in &stream.evidence {
            *claims.claimed.entry(name).or_default() += count;
        }
    }
    let mut gateways: Vec<(&str, Claims)> =
        gateways.into_iter().filter(|(_, claims)| claims.whole().0 > 0).collect();
    if gateways.is_empty() {
        return html! {};
    }
    gateways.sort_by_key(|(_, claims)| std::cmp::Reverse(claims.whole().0));
    let invalid: u64 = gateways.iter().map(|(_, claims)| claims.of("credential not valid")).sum();
    html! {
        section aria-labelledby="h-q" {
            div.sec-h {
                h2 #h-q { "Evidence quality by gateway" }
                p { "Share of interactions for which the gateway claims it, since the beginning of the log. Below 50 % in amber." }
            }
            @if invalid > 0 {
                p.note.warn {
                    (icon(Tone::Warning.icon()))
                    span { (grouped(invalid, "interaction claims", "interactions claim")) " a credential that was not valid when it was used." }
                }
            }
            div.panel.pad.gqs { @for (name, claims) in gateways.iter().take(MAX_GATEWAYS) { (gateway(name, claims)) } }
            @if gateways.len() > MAX_GATEWAYS {
                p.s.soft.sec-t { (gateways.len() - MAX_GATEWAYS) " more gateways are not drawn here. The JSON output has them." }
            }
        }
    }
}

fn gateway(name: &str, claims: &Claims) -> Markup {
    let (whole, of) = claims.whole();
    let rest = claims.claimed.iter().filter(|(name, _)| SHOWN.iter().all(|(shown, _)| shown != *name));
    html! {
        div.gq {
            h3 { (plain(name)) " " span.soft.s { (of) } }
            @for (claim, shown) in SHOWN { (bar(Bar { name: shown, part: claims.of(claim), whole })) }
            details.more {
                summary { "All claims" }
                dl.kv.tight.counts {
                    @for (name, count) in rest { dt { (name) } dd { (thousands(*count)) } }
                }
            }
        }
    }
}
