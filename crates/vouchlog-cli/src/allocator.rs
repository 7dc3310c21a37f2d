//! The allocator, and how servers set it.

use vouchlog_runtime::program::begin_anew;

/// Records are many small values that are made by one thread and dropped by another: glibc's allocator spends a quarter of a busy
/// collector's time on them, and keeps several times the memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// After how many milliseconds the allocator gives back to the system what was freed. Its own default is a second: under a flood of
/// large buffers it then holds those of a whole second.
const PURGE_DELAY: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "20");

/// Sets the allocator for a server: without huge pages, and returning freed memory to the system soon. The allocator reads its settings
/// before `main`, so the process starts once more with the setting in its environment. A value that is set already stays; where a process
/// cannot start once more, it runs with the default.
pub(crate) fn spare_memory() {
    ask_for_small_pages();
    let (name, value) = PURGE_DELAY;
    if std::env::var_os(name).is_none() {
        // It returns only if it failed, and nothing can be reported yet: tracing starts later.
        let _ = begin_anew(name, value);
    }
}

/// Switches transparent huge pages off for this process, and for what it becomes. The allocator asks for them, and one byte in use then
/// holds 2 MiB: buffers that come and go under load took twice the memory. If the allocator's own variable is set, it decides.
#[cfg(target_os = "linux")]
fn ask_for_small_pages() {
    if std::env::var_os("MIMALLOC_ALLOW_THP").is_none() {
        // An old kernel may not know it; then they stay.
        let _ = rustix::thread::disable_transparent_huge_pages(true);
    }
}

#[cfg(not(target_os = "linux"))]
fn ask_for_small_pages() {}
