//! The allocator, and how servers set it.

use vouchlog_runtime::program::begin_anew;

/// Records are many small values that are made by one thread and dropped by another: glibc's allocator spends a quarter of a busy
/// collector's time on them, and keeps several times the memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// After how many milliseconds the allocator gives back to the system what was freed. Its own default is a second: under a flood of
/// large buffers it then holds those of a whole second.
const PURGE_DELAY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "20");

/// Makes the allocator return freed memory to the system soon. The allocator reads its settings before `main`, so the process starts
/// once more with the setting in its environment. A value that is set already stays; where a process cannot start once more, it runs with the default.
pub(crate) fn give_back_soon() {
    let (name, value) = PURGE_DELAY;
    if std::env::var_os(name).is_none() {
        // It returns only if it failed, and nothing can be reported yet: tracing starts later.
        let _ = begin_anew(name, value);
    }
}
