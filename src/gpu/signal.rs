//! A value that a wgpu callback delivers to a future.
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

struct Shared<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// The waiting side.
pub struct Signal<T>(Arc<Mutex<Shared<T>>>);

/// The callback's side.
pub struct Sender<T>(Arc<Mutex<Shared<T>>>);

/// A connected pair.
pub fn signal<T>() -> (Sender<T>, Signal<T>) {
    let shared = Arc::new(Mutex::new(Shared { value: None, waker: None }));
    (Sender(shared.clone()), Signal(shared))
}

impl<T> Sender<T> {
    /// Delivers the value and wakes the future.
    pub fn send(self, value: T) {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.value = Some(value);
        if let Some(w) = shared.waker.take() {
            w.wake();
        }
    }
}

impl<T> Future for Signal<T> {
    type Output = T;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match shared.value.take() {
            Some(v) => Poll::Ready(v),
            None => {
                shared.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
