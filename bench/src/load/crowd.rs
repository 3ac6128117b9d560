//! The pairs of one run that do the same: how they are paced, and what is recorded of them.

use super::group::Group;
use super::pace::Schedule;
use super::record::Recorder;
use crate::workload::Pace;

pub(super) struct Crowd {
    /// `Some` in an open loop.
    pub schedule: Option<Schedule>,
    /// Frames under way per pair in a closed loop, else 0.
    pub window: usize,
    pub reads_late: bool,
    pub recorder: Recorder,
    /// The first of its pairs among all.
    pub first: usize,
    /// Frames of the schedule that were due, over all its pairs.
    released: u64,
}

impl Crowd {
    pub fn new(group: &Group, first: usize) -> Self {
        let (schedule, window) = match group.workload.pace {
            Pace::Window(window) => (None, window as usize),
            Pace::Rate(rate) => {
                (Some(Schedule { rate: u64::from(rate), pairs: group.opened.len() as u64 }), 0)
            }
        };
        let recorder = Recorder::new(group.workload.size);
        Crowd { schedule, window, reads_late: group.reads_late, recorder, first, released: 0 }
    }

    /// The pairs, among all, that may send something new at `now`, and how many frames each may have sent by
    /// then.
    pub fn release(&mut self, now: u64) -> impl Iterator<Item = (usize, u64)> + use<> {
        let (first, schedule, released) = (self.first, self.schedule, self.released);
        let due = schedule.map_or(released, |schedule| schedule.due(now));
        self.released = due;
        schedule.into_iter().flat_map(move |schedule| {
            let pairs = schedule.pairs.min(due - released);
            (released..released + pairs).map(move |frame| {
                let at = frame % schedule.pairs;
                (first + at as usize, schedule.due_of(at, due))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Mode, Setup, Workload};

    #[test]
    fn each_pair_is_released_in_its_turn_and_owes_what_was_missed() {
        let pace = Pace::Rate(1000);
        let workload = Workload { setup: Setup::Local, pairs: 3, size: 200, mode: Mode::Raw, pace };
        let mut crowd = Crowd::new(&Group::new(workload, Vec::new()), 10);
        crowd.schedule = Some(Schedule { rate: 1000, pairs: 3 });
        let mut released = |now| crowd.release(now).collect::<Vec<_>>();
        assert_eq!(released(0), [(10, 1)]);
        assert_eq!(released(999_999), []);
        assert_eq!(released(2_000_000), [(11, 1), (12, 1)]);
        assert_eq!(released(9_000_000), [(10, 4), (11, 3), (12, 3)]);
    }
}
