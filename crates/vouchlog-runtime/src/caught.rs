//! Calls into libraries that panic where an error would do. The panic becomes an error, and is not also reported as a crash of the
//! program.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static CATCHING: Cell<u32> = const { Cell::new(0) };
}

/// Runs `work`; a panic in it becomes an error with the words of the panic. What `work` used must not be used again.
///
/// # Errors
/// The words of the panic.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    CATCHING.set(CATCHING.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(CATCHING.get() - 1);
    outcome.map_err(|panic| words(&*panic))
}

/// Panics on this thread that [`caught`] turns into errors are no longer written to standard error by the hook of the process. For
/// programs, which own that hook; a library leaves it alone.
pub fn hush_caught_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if CATCHING.get() == 0 {
            before(panic);
        }
    }));
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_words() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("the page is torn")), Err::<(), _>("the page is torn".into()));
        assert_eq!(caught(|| panic!("page {} is torn", 3)), Err::<(), _>("page 3 is torn".into()));
        let inner = caught(|| caught(|| panic!("inside")));
        assert_eq!(inner, Ok(Err::<(), _>("inside".into())));
        assert_eq!(CATCHING.get(), 0);
    }
}
