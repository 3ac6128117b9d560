//! A file and a terminal on one slow line, on a virtual clock: what is typed arrives soon, and the file keeps
//! the line busy.

use std::collections::VecDeque;

use super::*;

/// One direction of a line: so many bytes per second, and a delay behind that.
struct Line {
    bytes_per_sec: u64,
    delay: Duration,
    /// When the last byte that was given leaves.
    free_at: Duration,
    under_way: VecDeque<(Duration, Vec<u8>)>,
}

impl Line {
    fn new(bytes_per_sec: u64, delay: Duration) -> Self {
        Line { bytes_per_sec, delay, free_at: Duration::ZERO, under_way: VecDeque::new() }
    }

    fn give(&mut self, message: Vec<u8>, now: Duration) {
        let bytes = message.len() as u64 + HEADERS;
        let takes = Duration::from_nanos(bytes * 1_000_000_000 / self.bytes_per_sec);
        self.free_at = self.free_at.max(now) + takes;
        self.under_way.push_back((self.free_at + self.delay, message));
    }

    fn arrived(&mut self, now: Duration) -> Option<Vec<u8>> {
        let has_arrived = self.under_way.front().is_some_and(|(at, _)| *at <= now);
        if has_arrived { self.under_way.pop_front().map(|(_, message)| message) } else { None }
    }
}

/// Of a record, a frame and TCP.
const HEADERS: u64 = 100;

/// The line changes: from this time on, its round trip is another one.
type Change = (Duration, Duration);

struct Measured {
    /// From the key to the desk, sorted.
    keys: Vec<Duration>,
    /// Of the file at the desk, in the last half minute.
    bytes_per_sec: u64,
}

/// A file moves for a minute while somebody types five keys a second.
fn measure(bytes_per_sec: u64, round_trip: Duration, change: Option<Change>) -> Measured {
    let mut pair = Pair::ready();
    let (file, file_at_desk) = pair.opened(Kind::File);
    let (terminal, _) = pair.opened(Kind::Terminal);
    let mut lines = [(); 2].map(|()| Line::new(bytes_per_sec, round_trip / 2));
    let (mut keys, mut typed, mut moved) = (Vec::new(), VecDeque::new(), 0);
    let tick = Duration::from_millis(1);
    let (mut now, over) = (Duration::ZERO, Duration::from_secs(60));
    while now < over {
        now += tick;
        if let Some((_, round_trip)) = change.filter(|(at, _)| *at == now) {
            lines.iter_mut().for_each(|line| line.delay = round_trip / 2);
        }
        while pair.phone.send(file, &vec![7; pair.phone.message_len(file)]).is_ok() {}
        if now.as_millis().is_multiple_of(200) {
            pair.phone.send(terminal, b"k").unwrap();
            typed.push_back(now);
        }
        while let Some(message) = pair.phone.poll_message(now) {
            lines[0].give(message, now);
        }
        while let Some(message) = lines[0].arrived(now) {
            pair.desk.on_message(message.clone(), now);
        }
        for event in events(&mut pair.desk) {
            let AppEvent::Data { ch, bytes } = event else { continue };
            pair.desk.consumed(ch, bytes.len());
            if ch == file_at_desk {
                moved += if now > over / 2 { bytes.len() as u64 } else { 0 };
            } else {
                keys.push(now - typed.pop_front().unwrap());
            }
        }
        while let Some(message) = pair.desk.poll_message(now) {
            lines[1].give(message, now);
        }
        while let Some(message) = lines[1].arrived(now) {
            pair.phone.on_message(message.clone(), now);
        }
        events(&mut pair.phone);
    }
    keys.sort_unstable();
    Measured { keys, bytes_per_sec: moved / (over / 2).as_secs() }
}

#[test]
fn a_key_passes_a_file_on_any_line_and_the_file_keeps_it_busy() {
    for (bytes_per_sec, round_trip_ms, key_ms_max) in [
        (125_000, 100, 300),
        (125_000, 20, 300),
        (32_000, 200, 500),
        (1_250_000, 100, 200),
        (12_500_000, 20, 150),
        (1_250_000, 300, 300),
    ] {
        let Measured { keys, bytes_per_sec: moved } =
            measure(bytes_per_sec, Duration::from_millis(round_trip_ms), None);
        let p95 = keys[keys.len() * 95 / 100];
        let share = moved * 100 / bytes_per_sec;
        println!("{bytes_per_sec} B/s, {round_trip_ms} ms: p95 {p95:?}, file {share} %");
        assert!(p95 < Duration::from_millis(key_ms_max), "{bytes_per_sec} B/s, {round_trip_ms} ms: {p95:?}");
        assert!(share >= 85, "{bytes_per_sec} B/s, {round_trip_ms} ms: {share} % of the line");
    }
}

#[test]
fn a_line_that_becomes_longer_is_measured_again() {
    let (ms, secs) = (Duration::from_millis, Duration::from_secs);
    let Measured { bytes_per_sec, .. } = measure(1_250_000, ms(20), Some((secs(15), ms(250))));
    assert!(bytes_per_sec > 1_000_000, "{bytes_per_sec} B/s on a line of 1,250,000");
}
