//! Panics of other people's code, caught without a word on the standard error.
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });

/// Runs what may panic. Its text, which would tell the user nothing, is not printed; that of panics on other threads is.
/// # Errors
/// What it panicked with.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> std::thread::Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = take_hook();
        set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                others(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(before);
    done
}

/// Whether panics of this thread are not printed now.
#[cfg(test)]
pub(crate) fn is_quiet() -> bool {
    QUIET.get()
}
