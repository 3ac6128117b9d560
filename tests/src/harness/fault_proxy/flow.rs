//! Decides what of one connection may be read and passed, and when. It has no socket, clock or thread.
//! `connection` asks it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Behaviour;

/// One of the two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToUpstream,
    ToClient,
}

/// How the proxy itself ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Cut,
    Reset,
}

/// The next step of a direction's writer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To wait for a change.
    Wait,
    /// To wait for a change or this time.
    WaitUntil(Instant),
    /// To write this and say how much of it went.
    Pass(Chunk),
    /// To send a FIN. The last step.
    Finish,
    /// To reset the connection. The last step.
    Reset,
}

/// Bytes that were read together, and when.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    bytes: VecDeque<u8>,
    read_at: Instant,
}

/// One connection's state.
#[derive(Debug)]
pub(super) struct Flow {
    behaviour: Behaviour,
    over: Option<Over>,
    lanes: [Lane; 2],
    /// Bytes that writers are writing now.
    under_way: u64,
    /// Bytes that passed, both ways.
    passed: u64,
    /// `passed + under_way <= cut_at`
    cut_at: Option<u64>,
}

/// One direction's.
#[derive(Debug, Default)]
struct Lane {
    chunks: VecDeque<Chunk>,
    /// Bytes read and not passed, those under way included: `held <= HELD_MAX`.
    held: usize,
    /// When its source ended, and whether by a FIN.
    ended: Option<(Instant, bool)>,
    /// When the last chunk on a narrow line will have passed.
    is_free_at: Option<Instant>,
    /// Its writer has taken its last step, or failed.
    is_finished: bool,
    /// Its destination took no more.
    has_failed: bool,
}

impl Chunk {
    pub(super) fn bytes(&self) -> &[u8] {
        // Made from a slice and only shortened at the front, so it has no second part.
        self.bytes.as_slices().0
    }
}

impl Way {
    pub(super) const BOTH: [Self; 2] = [Self::ToUpstream, Self::ToClient];

    fn other(self) -> Self {
        Self::BOTH[1 - self as usize]
    }
}

impl Flow {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        Self { behaviour, over: None, lanes: Default::default(), under_way: 0, passed: 0, cut_at: None }
    }

    pub(super) fn over(&self) -> Option<Over> {
        self.over
    }

    pub(super) fn behave(&mut self, behaviour: Behaviour) {
        self.behaviour = behaviour;
    }

    /// True if this cut it at once.
    pub(super) fn cut_after(&mut self, count: Option<u64>) -> bool {
        self.cut_at = count.map(|count| self.passed + self.under_way + count);
        // If no more may pass, the write under way is the last; it cannot be undone.
        count == Some(0) && self.try_end(Over::Cut)
    }

    /// True if it was not over before. A reset also ends a connection that was cut.
    pub(super) fn try_end(&mut self, over: Over) -> bool {
        let is_news = self.over.is_none() || (over == Over::Reset && self.over == Some(Over::Cut));
        if is_news {
            self.over = Some(over);
        }
        is_news
    }

    /// Nothing is being written, and nothing will be before the next change.
    pub(super) fn is_settled(&self) -> bool {
        let is_held = self.over.is_some() || self.behaviour == Behaviour::Stall;
        !is_held || self.under_way == 0
    }

    /// How much may be read.
    pub(super) fn room(&self, way: Way) -> usize {
        if self.is_stalled(way) { 0 } else { HELD_MAX - self.lane(way).held }
    }

    pub(super) fn handle_bytes(&mut self, way: Way, bytes: &[u8], now: Instant) {
        let lane = &mut self.lanes[way as usize];
        lane.held += bytes.len();
        assert!(lane.held <= HELD_MAX, "{} bytes held", lane.held);
        lane.chunks.push_back(Chunk { bytes: bytes.to_vec().into(), read_at: now });
    }

    /// The source of a direction has ended, by a FIN (`is_well`) or a reset.
    pub(super) fn handle_end(&mut self, way: Way, is_well: bool, now: Instant) {
        self.lanes[way as usize].ended = Some((now, is_well));
    }

    /// What the writer is to do.
    pub(super) fn poll_step(&mut self, way: Way, now: Instant) -> Step {
        let step = self.next_step(way, now);
        if matches!(step, Step::Finish | Step::Reset) {
            self.lanes[way as usize].is_finished = true;
        }
        step
    }

    /// This many bytes of a chunk were written. True if this cut the connection.
    pub(super) fn on_written(&mut self, way: Way, mut chunk: Chunk, count: usize) -> bool {
        let lane = &mut self.lanes[way as usize];
        self.under_way -= chunk.bytes.len() as u64;
        self.passed += count as u64;
        lane.held -= count;
        chunk.bytes.drain(..count);
        if !chunk.bytes.is_empty() {
            lane.chunks.push_front(chunk);
        }
        self.cut_at == Some(self.passed) && self.try_end(Over::Cut)
    }

    /// The destination of a direction takes no more. True if the connection must be reset now. Bytes of the
    /// other direction pass first, as they would without the proxy.
    pub(super) fn on_failed(&mut self, way: Way) -> bool {
        let lane = &mut self.lanes[way as usize];
        (lane.has_failed, lane.is_finished) = (true, true);
        self.lane(way.other()).is_finished
    }

    fn is_stalled(&self, way: Way) -> bool {
        self.behaviour == Behaviour::Stall || (self.behaviour == Behaviour::Deaf && way == Way::ToClient)
    }

    fn next_step(&mut self, way: Way, now: Instant) -> Step {
        match self.over {
            Some(Over::Cut) => return Step::Finish,
            Some(Over::Reset) => return Step::Reset,
            None => {}
        }
        if self.is_stalled(way) {
            return Step::Wait;
        }
        let delay = match self.behaviour {
            Behaviour::Delay(delay) => delay,
            _ => Duration::ZERO,
        };
        let lane = self.lane(way);
        let first = lane.chunks.front().map(|chunk| chunk.read_at);
        let Some(read_at) = first.or(lane.ended.map(|(at, _)| at)) else { return Step::Wait };
        let due = match (self.behaviour, lane.is_free_at) {
            (Behaviour::Rate(_), Some(at)) => at.max(read_at),
            _ => read_at + delay,
        };
        match first {
            _ if due > now => Step::WaitUntil(due),
            None => self.last_step(way),
            Some(_) => self.take_chunk(way, now),
        }
    }

    fn last_step(&self, way: Way) -> Step {
        let is_well = self.lane(way).ended.is_some_and(|(_, is_well)| is_well);
        if is_well && !self.lane(way.other()).has_failed { Step::Finish } else { Step::Reset }
    }

    fn take_chunk(&mut self, way: Way, now: Instant) -> Step {
        let allowed = self.cut_at.map_or(u64::MAX, |at| at - self.passed - self.under_way);
        let most = match self.behaviour {
            Behaviour::Trickle => 1,
            Behaviour::Rate(bytes_per_sec) => (bytes_per_sec as usize / SLICES_PER_SEC).max(1),
            _ => HELD_MAX,
        };
        let most = usize::try_from(allowed).unwrap_or(HELD_MAX).min(most);
        if most == 0 {
            // The other direction is writing what is left until the cut.
            return Step::Wait;
        }
        let chunks = &mut self.lanes[way as usize].chunks;
        let Some(mut chunk) = chunks.pop_front() else { return Step::Wait };
        if chunk.bytes.len() > most {
            let first = Chunk { bytes: chunk.bytes.drain(..most).collect(), read_at: chunk.read_at };
            chunks.push_front(std::mem::replace(&mut chunk, first));
        }
        self.under_way += chunk.bytes.len() as u64;
        if let Behaviour::Rate(bytes_per_sec) = self.behaviour {
            let span = Duration::from_secs_f64(chunk.bytes.len() as f64 / f64::from(bytes_per_sec));
            let lane = &mut self.lanes[way as usize];
            // A late writer does not lower the rate.
            let from = lane.is_free_at.filter(|&at| at + LATE_MAX > now).unwrap_or(now);
            lane.is_free_at = Some(from + span);
        }
        Step::Pass(chunk)
    }

    fn lane(&self, way: Way) -> &Lane {
        &self.lanes[way as usize]
    }
}

/// The most that one direction holds: enough for a fast line, little enough for backpressure to work through
/// it.
pub(super) const HELD_MAX: usize = 64 << 10;

/// A narrow line passes as much at once as takes it this long.
const SLICES_PER_SEC: usize = 500;

/// A narrow line makes up for this much of the time in which it passed nothing.
const LATE_MAX: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way::ToUpstream;

    fn passed(flow: &mut Flow, now: Instant) -> Vec<u8> {
        match flow.poll_step(WAY, now) {
            Step::Pass(chunk) => {
                let bytes = chunk.bytes().to_vec();
                flow.on_written(WAY, chunk, bytes.len());
                bytes
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_delay_holds_goes_when_it_ends() {
        let (mut flow, now) = (Flow::new(Behaviour::Delay(Duration::from_secs(9))), Instant::now());
        flow.handle_bytes(WAY, b"one", now);
        flow.handle_bytes(WAY, b"two", now + Duration::from_secs(1));
        flow.handle_end(WAY, true, now + Duration::from_secs(2));
        let at = |secs| now + Duration::from_secs(secs);
        assert_eq!(flow.poll_step(WAY, at(8)), Step::WaitUntil(at(9)));
        assert_eq!(passed(&mut flow, at(9)), b"one");
        assert_eq!(flow.poll_step(WAY, at(9)), Step::WaitUntil(at(10)));
        flow.behave(Behaviour::Clear);
        assert_eq!(passed(&mut flow, at(9)), b"two");
        assert_eq!(flow.poll_step(WAY, at(9)), Step::Finish);
    }

    #[test]
    fn a_write_that_took_a_part_leaves_the_rest_in_front() {
        let (mut flow, now) = (Flow::new(Behaviour::Clear), Instant::now());
        flow.handle_bytes(WAY, b"first", now);
        flow.handle_bytes(WAY, b"second", now);
        let Step::Pass(chunk) = flow.poll_step(WAY, now) else { panic!("nothing to pass") };
        assert!(!flow.on_written(WAY, chunk, 2));
        assert_eq!(passed(&mut flow, now), b"rst");
        assert_eq!(passed(&mut flow, now), b"second");
        assert_eq!(flow.room(WAY), HELD_MAX);
    }

    #[test]
    fn a_stall_takes_in_and_gives_out_nothing() {
        let (mut flow, now) = (Flow::new(Behaviour::Clear), Instant::now());
        flow.handle_bytes(WAY, b"abc", now);
        flow.behave(Behaviour::Stall);
        assert_eq!((flow.room(WAY), flow.poll_step(WAY, now)), (0, Step::Wait));
        flow.behave(Behaviour::Clear);
        assert_eq!((flow.room(WAY), passed(&mut flow, now)), (HELD_MAX - 3, b"abc".to_vec()));
    }

    #[test]
    fn a_deaf_client_is_still_heard() {
        let (mut flow, now) = (Flow::new(Behaviour::Clear), Instant::now());
        Way::BOTH.iter().for_each(|&way| flow.handle_bytes(way, b"abc", now));
        flow.behave(Behaviour::Deaf);
        assert_eq!(passed(&mut flow, now), b"abc");
        assert_eq!((flow.room(Way::ToClient), flow.poll_step(Way::ToClient, now)), (0, Step::Wait));
        flow.behave(Behaviour::Clear);
        assert!(matches!(flow.poll_step(Way::ToClient, now), Step::Pass(_)));
    }

    #[test]
    fn a_trickle_is_one_byte_at_a_time() {
        let (mut flow, now) = (Flow::new(Behaviour::Trickle), Instant::now());
        flow.handle_bytes(WAY, b"abc", now);
        assert_eq!([0; 3].map(|_| passed(&mut flow, now)), [b"a", b"b", b"c"]);
        assert_eq!(flow.poll_step(WAY, now), Step::Wait);
    }

    #[test]
    fn a_narrow_line_passes_its_rate_and_no_more() {
        let (mut flow, now) = (Flow::new(Behaviour::Rate(10_000)), Instant::now());
        flow.handle_bytes(WAY, &[7; 1000], now);
        let (mut at, mut count) = (now, passed(&mut flow, now).len());
        while count < 1000 {
            match flow.poll_step(WAY, at) {
                Step::WaitUntil(due) => at = due,
                Step::Pass(chunk) => {
                    let len = chunk.bytes().len();
                    flow.on_written(WAY, chunk, len);
                    count += len;
                }
                other => panic!("{other:?}"),
            }
        }
        // The last slice is on its way.
        let taken = (at - now).as_millis();
        assert!((97..=100).contains(&taken), "{taken} ms for a tenth of a second's bytes");
    }

    #[test]
    fn two_directions_share_what_is_left_until_the_cut() {
        let (mut flow, now) = (Flow::new(Behaviour::Clear), Instant::now());
        Way::BOTH.iter().for_each(|&way| flow.handle_bytes(way, b"12345", now));
        assert!(!flow.cut_after(Some(7)));
        let Step::Pass(five) = flow.poll_step(Way::ToUpstream, now) else { panic!("nothing to pass") };
        let Step::Pass(two) = flow.poll_step(Way::ToClient, now) else { panic!("nothing to pass") };
        assert_eq!((five.bytes(), two.bytes()), (&b"12345"[..], &b"12"[..]));
        assert!(!flow.on_written(Way::ToClient, two, 2));
        // What the other direction could not pass is available to this one.
        assert_eq!(flow.poll_step(Way::ToClient, now), Step::Wait);
        assert!(!flow.on_written(Way::ToUpstream, five, 2));
        let Step::Pass(three) = flow.poll_step(Way::ToClient, now) else { panic!("nothing to pass") };
        assert!(flow.on_written(Way::ToClient, three, 3));
        assert!(Way::BOTH.iter().all(|&way| flow.poll_step(way, now) == Step::Finish));
    }

    #[test]
    fn a_failed_destination_lets_the_other_direction_finish() {
        let (mut flow, now) = (Flow::new(Behaviour::Clear), Instant::now());
        flow.handle_bytes(WAY, b"last words", now);
        assert!(!flow.on_failed(WAY.other()));
        flow.handle_end(WAY, true, now);
        assert_eq!(passed(&mut flow, now), b"last words");
        assert_eq!(flow.poll_step(WAY, now), Step::Reset);
        assert!(flow.on_failed(WAY.other()));
    }
}
