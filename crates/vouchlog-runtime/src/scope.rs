//! The span of what a process runs several of, such as one of its logs: threads and tasks that it starts stay in the span, so that each
//! event and each span of theirs shows its fields.

use tracing::Span;

/// The name of such a span. It ends with what it is the span of, so it is not exported; its fields are on each span below it.
pub const NAME: &str = "log";

/// The same work in the span of its caller, on whichever thread it runs. For threads that are started once; a span of a request that
/// was kept open by such a thread would never end.
pub fn in_span<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let span = Span::current();
    move || span.in_scope(work)
}
