//! Icons, as symbols that a page carries once each. A screen reader passes over them: the word beside carries the meaning.

use maud::{Markup, PreEscaped, html};

/// An icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// A tick in a circle.
    Ok,
    /// A cross in an octagon.
    Bad,
    /// An exclamation mark in a triangle.
    Warn,
    /// A question mark in a diamond.
    Unknown,
    /// A dash in a circle: not checked, denied, not applicable.
    None,
    /// An i in a circle.
    Info,
    /// A dashed clock: it waits.
    Wait,
    /// A dashed square: erased.
    Gone,
    /// A square with a stroke: withheld.
    Held,
    /// The tree of the brand.
    Brand,
    /// A magnifying glass: to search.
    Search,
    /// A padlock: a legal hold.
    Lock,
    /// A paper plane: to disclose.
    Send,
    /// A sheet: to download.
    File,
    /// Lines of a list: sessions.
    Sessions,
    /// A flag: findings.
    Flag,
    /// Head and shoulders: people, agents and credentials.
    Person,
    /// A briefcase: cases and holds.
    Case,
    /// An arrow into a tray: where records come from.
    Source,
    /// A list on a sheet: legal duties.
    Duty,
}

impl Icon {
    const ALL: [Self; 20] = [
        Self::Ok,
        Self::Bad,
        Self::Warn,
        Self::Unknown,
        Self::None,
        Self::Info,
        Self::Wait,
        Self::Gone,
        Self::Held,
        Self::Brand,
        Self::Search,
        Self::Lock,
        Self::Send,
        Self::File,
        Self::Sessions,
        Self::Flag,
        Self::Person,
        Self::Case,
        Self::Source,
        Self::Duty,
    ];

    /// Its name in the page, as an `id`.
    const fn id(self) -> &'static str {
        match self {
            Self::Ok => "i-ok",
            Self::Bad => "i-bad",
            Self::Warn => "i-warn",
            Self::Unknown => "i-unk",
            Self::None => "i-none",
            Self::Info => "i-info",
            Self::Wait => "i-wait",
            Self::Gone => "i-gone",
            Self::Held => "i-held",
            Self::Brand => "i-brand",
            Self::Search => "i-search",
            Self::Lock => "i-lock",
            Self::Send => "i-send",
            Self::File => "i-file",
            Self::Sessions => "i-sess",
            Self::Flag => "i-flag",
            Self::Person => "i-user",
            Self::Case => "i-case",
            Self::Source => "i-source",
            Self::Duty => "i-duty",
        }
    }

    /// What is drawn, 16 by 16. Classes are those of the style sheet.
    const fn shape(self) -> &'static str {
        match self {
            Self::Ok => r#"<circle cx="8" cy="8" r="7"/><path class="cut" d="M4.8 8.3l2.2 2.2 4.3-4.8"/>"#,
            Self::Bad => {
                r#"<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z"/><path class="cut" d="M5.6 5.6l4.8 4.8m0-4.8l-4.8 4.8"/>"#
            }
            Self::Warn => {
                r#"<path d="M8 1.2c.5 0 .9.3 1.1.7l5.7 10.9c.5.9-.2 2-1.1 2H2.3c-1 0-1.6-1.1-1.1-2L6.9 1.9c.2-.4.6-.7 1.1-.7z"/><path class="cut" d="M8 5.6v4"/><circle class="dot" cx="8" cy="12" r="1"/>"#
            }
            Self::Unknown => {
                r#"<path d="M8 .8L15.2 8 8 15.2.8 8z"/><path class="cut" d="M6.2 6.4c.1-1 .9-1.5 1.8-1.5 1 0 1.8.6 1.8 1.5 0 1.2-1.8 1.3-1.8 2.5"/><circle class="dot" cx="8" cy="11.2" r=".95"/>"#
            }
            Self::None => {
                r#"<circle class="line" cx="8" cy="8" r="6.3"/><path class="line" d="M5.2 8h5.6"/>"#
            }
            Self::Info => {
                r#"<circle class="line" cx="8" cy="8" r="6.6"/><path class="line" d="M8 7.4v3.6"/><circle cx="8" cy="4.9" r=".95"/>"#
            }
            Self::Wait => {
                r#"<circle class="line" cx="8" cy="8" r="6.3" stroke-dasharray="2.4 1.9"/><path class="line" d="M8 4.6V8l2.4 1.6"/>"#
            }
            Self::Gone => {
                r#"<rect class="line" x="2" y="2" width="12" height="12" rx="2" stroke-dasharray="2.2 2"/><path class="line" d="M5.4 8h5.2"/>"#
            }
            Self::Held => {
                r#"<rect class="line" x="2" y="2" width="12" height="12" rx="2"/><path class="line" d="M3 13L13 3"/>"#
            }
            Self::Brand => {
                r#"<path class="line" d="M3 13.2L8 3l5 10.2M5.4 8.4h5.2"/><circle cx="8" cy="3" r="1.6"/><circle cx="3" cy="13.2" r="1.6"/><circle cx="13" cy="13.2" r="1.6"/>"#
            }
            Self::Search => r#"<circle cx="7" cy="7" r="4.6"/><path d="M10.5 10.5L14 14"/>"#,
            Self::Lock => {
                r#"<rect x="3" y="7" width="10" height="7" rx="1.4"/><path d="M5.2 7V5a2.8 2.8 0 015.6 0v2"/>"#
            }
            Self::Send => r#"<path d="M14 2L7.2 8.8M14 2l-4.2 12-2.6-5.2L2 6.2z"/>"#,
            Self::File => r#"<path d="M4 1.8h5.2L13 5.5v8.7H4zM9 1.8v4h4"/>"#,
            Self::Sessions => r#"<path d="M2 4h12M2 8h12M2 12h7"/>"#,
            Self::Flag => r#"<path d="M3.5 14.5V2h8.8l-1.8 3.2 1.8 3.2H3.5"/>"#,
            Self::Person => {
                r#"<circle cx="8" cy="5" r="2.8"/><path d="M2.6 14c.6-2.9 2.7-4.4 5.4-4.4s4.8 1.5 5.4 4.4"/>"#
            }
            Self::Case => {
                r#"<rect x="1.8" y="5" width="12.4" height="8.8" rx="1.4"/><path d="M5.5 5V3.2c0-.6.5-1 1-1h3c.6 0 1 .4 1 1V5"/>"#
            }
            Self::Source => r#"<path d="M8 1.8v7.6M4.8 6.2L8 9.4l3.2-3.2M2 10v4h12v-4"/>"#,
            Self::Duty => r#"<path d="M4 1.8h8v12.4H4zM6.3 5h3.4M6.3 8h3.4M6.3 11h2"/>"#,
        }
    }
}

/// Draws an icon. The page has its symbol, because [`Page`](crate::Page) looks for it.
pub fn icon(icon: Icon) -> Markup {
    let link = format!("#{}", icon.id());
    html! { svg.ic viewBox="0 0 16 16" aria-hidden="true" { use href=(link) {} } }
}

/// The symbols that a body uses. They stand once in a page, before the body.
pub fn sprite(body: &str) -> Markup {
    let used = Icon::ALL.into_iter().filter(|icon| body.contains(&format!("href=\"#{}\"", icon.id())));
    html! {
        svg.sprite aria-hidden="true" {
            @for icon in used {
                symbol id=(icon.id()) viewBox="0 0 16 16" { (PreEscaped(icon.shape())) }
            }
        }
    }
}
