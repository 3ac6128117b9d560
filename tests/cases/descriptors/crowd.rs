//! Many clients that connect at once, more than the server has room for: which are in, which wait, which were
//! refused.

use std::time::Duration;

use relay_tests::harness::guard::read_until;
use relay_tests::harness::http::{Http, Response, request};

/// The most that may wait for a place at once, as docs/operations.md says.
const WAITING_MAX: usize = 8;

/// More than may wait.
pub const MANY: usize = 30;

/// After this many equal answers of the server in a row, each from a later turn of its loop, everything is
/// decided.
const STEADY: usize = 20;

/// The clients, by what the server decided.
pub struct Crowd {
    pub inside: Vec<Http>,
    pub waiting: Vec<Http>,
    pub refused: Vec<Response>,
    before: Counts,
    count: usize,
}

impl Crowd {
    /// Connects this many clients with `connect`, and waits until the server has decided about each.
    ///
    /// `asker` is a connection that the server has already: a new one would take a place.
    pub fn come(asker: &mut Http, count: usize, connect: impl FnMut(usize) -> Http) -> Self {
        let before = Counts::ask(asker);
        let waiting = (0..count).map(connect).collect();
        let mut crowd = Self { inside: Vec::new(), waiting, refused: Vec::new(), before, count };
        crowd.sort(asker);
        crowd
    }

    /// Sorts the clients that wait once more. Call it after anything else that needed a place.
    pub fn sort(&mut self, asker: &mut Http) {
        let undecided = self.wait_decided(asker);
        read_until("an answer to each client that does not wait", || {
            for mut http in std::mem::take(&mut self.waiting) {
                if http.wire().pending().is_empty() && !http.wire().fill_for(LOOK).unwrap() {
                    self.waiting.push(http);
                    continue;
                }
                let response = http.response();
                match response.status {
                    101 => self.inside.push(http),
                    _ => self.refused.push(response),
                }
            }
            (self.waiting.len() <= undecided).then_some(())
        });
    }

    /// Waits until every client was accepted and no answer comes any more. Returns how many clients wait.
    fn wait_decided(&self, asker: &mut Http) -> usize {
        let mut last = (Counts::default(), 0);
        read_until("the server to decide about all clients", || {
            let counts = Counts::ask(asker);
            last = if counts == last.0 { (counts, last.1 + 1) } else { (counts, 0) };
            let undecided = self.count - counts.answers_since(&self.before);
            let is_accepted = counts.accepted - self.before.accepted >= self.count;
            (is_accepted && undecided <= WAITING_MAX && last.1 >= STEADY).then_some(undecided)
        })
    }
}

/// How long one look at a connection waits. Nothing follows from silence: the server says how many wait.
const LOOK: Duration = Duration::from_millis(1);

/// Samples of `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    accepted: usize,
    pub upgraded: usize,
    refused: usize,
}

impl Counts {
    /// Asks for them over an open connection.
    pub fn ask(asker: &mut Http) -> Self {
        asker.send(request("GET", "/metrics", &[], ""));
        let page = asker.response().expect(200);
        let of = |sample| page.sample(sample) as usize;
        Self {
            accepted: of("relay_accepts_total"),
            upgraded: of(r#"relay_http_answers_total{status="1xx"}"#),
            refused: of(r#"relay_refused_total{why="connections_max"}"#),
        }
    }

    fn answers_since(&self, before: &Self) -> usize {
        self.upgraded - before.upgraded + self.refused - before.refused
    }
}
