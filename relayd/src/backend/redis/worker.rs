//! The loop of each thread that talks to Redis: dial, serve until the connection fails, say why, wait, dial
//! again. The thread ends when the reactor's ends of its channels are gone.

use std::convert::Infallible;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::error::Fault;
use crate::backend::BackendError;

/// The reactor is gone.
pub(super) struct Stopped;

/// The work of one thread.
pub(super) trait Worker {
    /// A connection that is ready for this work.
    type Ready;

    /// Dials once. Blocks for a few seconds at most.
    fn dial(&self) -> Result<Self::Ready, Fault>;

    /// Works until the connection's first fault, and returns it.
    fn serve(&mut self, ready: Self::Ready) -> Result<Fault, Stopped>;

    /// There is no connection. `is_news`: the reason is not the one of the last try.
    fn on_fault(&self, fault: &Fault, is_news: bool) -> Result<(), Stopped>;

    /// Waits before the next try. Meanwhile, work that needs a connection is refused.
    fn wait(&self, span: Duration) -> Result<(), Stopped>;
}

/// Starts the thread.
pub(super) fn spawn(
    name: &str,
    worker: impl Worker + Send + 'static,
) -> Result<JoinHandle<()>, BackendError> {
    let thread = thread::Builder::new().name(name.to_owned());
    thread.spawn(|| run(worker)).map_err(BackendError::Thread)
}

fn run(mut worker: impl Worker) {
    let Err(Stopped) = run_until_stopped(&mut worker);
}

fn run_until_stopped<W: Worker>(worker: &mut W) -> Result<Infallible, Stopped> {
    let mut backoff = Backoff::default();
    let mut known: Option<Fault> = None;
    loop {
        let fault = match worker.dial() {
            Ok(ready) => {
                known = None;
                let since = Instant::now();
                let fault = worker.serve(ready)?;
                backoff.on_served(since.elapsed());
                fault
            }
            Err(fault) => fault,
        };
        let is_news = known.as_ref().is_none_or(|known| known.why() != fault.why());
        worker.on_fault(&fault, is_news)?;
        known = Some(fault);
        worker.wait(backoff.next_wait(Instant::now()))?;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::VecDeque;

    use super::*;

    /// Dials as scripted, and records its calls.
    struct Scripted {
        /// `Ok`: a connection that fails for this reason.
        dials: RefCell<VecDeque<Result<&'static str, &'static str>>>,
        told: RefCell<Vec<(String, bool)>>,
        waits: RefCell<Vec<Duration>>,
    }

    impl Worker for &mut Scripted {
        type Ready = &'static str;

        fn dial(&self) -> Result<Self::Ready, Fault> {
            self.dials.borrow_mut().pop_front().expect("a try that the script knows").map_err(Fault::new)
        }

        fn serve(&mut self, ready: Self::Ready) -> Result<Fault, Stopped> {
            Ok(Fault::new(ready))
        }

        fn on_fault(&self, fault: &Fault, is_news: bool) -> Result<(), Stopped> {
            self.told.borrow_mut().push((fault.why().to_owned(), is_news));
            Ok(())
        }

        fn wait(&self, span: Duration) -> Result<(), Stopped> {
            self.waits.borrow_mut().push(span);
            if self.dials.borrow().is_empty() { Err(Stopped) } else { Ok(()) }
        }
    }

    #[test]
    fn each_outage_tells_a_reason_once_and_waits_longer_each_time() {
        let dials = [Err("refused"), Err("refused"), Err("silent"), Ok("silent"), Err("silent")];
        let mut worker = Scripted {
            dials: RefCell::new(dials.into()),
            told: RefCell::default(),
            waits: RefCell::default(),
        };
        run(&mut worker);
        let told = worker.told.into_inner();
        let told: Vec<_> = told.iter().map(|(why, is_news)| (why.as_str(), *is_news)).collect();
        let expected =
            [("refused", true), ("refused", false), ("silent", true), ("silent", true), ("silent", false)];
        assert_eq!(told, expected);
        let waits = worker.waits.into_inner();
        assert_eq!(waits.len(), dials.len());
        assert!(waits[4] > waits[0], "a connection that failed at once ends no outage: {waits:?}");
    }
}
