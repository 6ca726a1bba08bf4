//! Waiting for a device that may be lost meanwhile.
use super::Gpu;
use super::signal::Signal;
use crate::Result;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Waits until the device has done what was submitted to it, and delivers its callbacks. wgpu panics where the driver reports a
/// loss to one who waits; that is an error here, and says nothing on the standard error.
pub(super) fn wait(device: &wgpu::Device) -> Result<(), String> {
    quietly(|| device.poll(wgpu::PollType::wait_indefinitely()).map(drop).map_err(|e| e.to_string()))
}

fn quietly(work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    crate::quiet::quietly(work).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(|&s| s.to_owned())).unwrap_or_default())
    })
}

impl Gpu {
    /// What a callback delivers; a device that has reported a fault delivers nothing more.
    pub(super) async fn delivered<T>(&self, signal: Signal<T>) -> Result<T> {
        let mut signal = pin!(signal);
        poll_fn(|cx| match signal.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => self.check().map_or_else(|e| Poll::Ready(Err(e)), |()| Poll::Pending),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::signal::signal;
    use super::super::{Options, Session, drive};
    use super::*;
    use crate::Shape;
    use crate::graph::{Graph, SectionId};
    use std::sync::Arc;

    #[test]
    fn a_panic_while_waiting_is_an_error() {
        assert_eq!(quietly(|| Ok(())), Ok(()));
        assert_eq!(quietly(|| panic!("Error in {}: lost", "Device::poll")), Err("Error in Device::poll: lost".into()));
        assert_eq!(quietly(|| panic!("lost")), Err("lost".into()));
        assert!(!crate::quiet::is_quiet());
    }

    /// A device of its own, as others must not lose theirs.
    fn own() -> Option<Arc<Gpu>> {
        let options = Options { cache: false, ..Options::default() };
        crate::kernels::testing::gpus().first()?;
        pollster::block_on(Gpu::new(None, true, options)).ok().map(Arc::new)
    }

    #[test]
    fn a_lost_device_is_named_and_nothing_waits_for_it() {
        let Some(gpu) = own() else { return };
        let mut g = Graph::new();
        let shape = Shape::new(1, 4, 4, 4);
        let (x, y) = (g.state("x", shape), g.state("y", shape));
        g.section("main");
        let node = g.read(x);
        let node = g.map("double", node, Default::default(), 2.0, 0.0).unwrap();
        g.write(y, node).unwrap();
        let session = drive(&gpu, Session::new(gpu.clone(), &g, 1)).unwrap();
        let run = || drive(&gpu, session.run(&[(SectionId(0), 0)], |_| true));
        run().unwrap();
        gpu.device.destroy();
        for text in [
            run().unwrap_err().to_string(),
            drive(&gpu, session.read(y)).unwrap_err().to_string(),
            drive(&gpu, Session::new(gpu.clone(), &g, 1)).map(drop).unwrap_err().to_string(),
        ] {
            assert!(text.starts_with(&gpu.info.name) && text.contains("was lost"), "{text}");
        }
        // Of a callback that never comes, too.
        let (_sender, never) = signal::<()>();
        assert!(drive(&gpu, gpu.delivered(never)).is_err());
    }
}
