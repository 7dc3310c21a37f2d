//! One visual language for every HTML page: the style sheet, the frame of a page, and the parts that pages are made of.
//!
//! In scope: how things look. A page is one file: its style is inside, there is no script, and its policy lets a browser load nothing.
//! Out of scope: what a page is about. A status is a word, a shape and a colour, never a colour alone; what is not shown is stated as
//! plainly as what is.
//!
//! ```
//! use maud::html;
//! use vouchlog_pages::{Page, Tone, status};
//!
//! let main = html! { h1 { "Audit of log.example.com" } p { (status(Tone::Good, "The log is sound")) } };
//! let page = Page { title: "Audit of log.example.com", kind: "audit", width: vouchlog_pages::Width::Paper, main }.to_html();
//! assert!(page.contains("id=\"i-ok\"") && !page.contains("<script"));
//! ```

mod icon;
mod page;
mod parts;

pub use icon::{Icon, icon, sprite};
pub use page::{Page, STYLE, Width};
pub use parts::{
    Bar, CheckedItem, Tone, bar, coverage, digest, grouped, limits, moment, pager, status, thousands,
};
