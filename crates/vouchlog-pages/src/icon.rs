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
}

impl Icon {
    const ALL: [Self; 10] = [
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
        }
    }
}

/// Draws an icon. The page has its symbol, because [`Page`](crate::Page) looks for it.
pub fn icon(icon: Icon) -> Markup {
    let link = format!("#{}", icon.id());
    html! { svg.ic viewBox="0 0 16 16" aria-hidden="true" { use href=(link) {} } }
}

/// The symbols that a body uses.
pub(crate) fn sprite(body: &str) -> Markup {
    let used = Icon::ALL.into_iter().filter(|icon| body.contains(&format!("href=\"#{}\"", icon.id())));
    html! {
        svg.sprite aria-hidden="true" {
            @for icon in used {
                symbol id=(icon.id()) viewBox="0 0 16 16" { (PreEscaped(icon.shape())) }
            }
        }
    }
}
