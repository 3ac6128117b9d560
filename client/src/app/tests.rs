//! Tests of the machine: two ends and the messages between them.

mod channels;
mod credit;
mod greeting;
mod line;
mod turns;
mod vectors;

use std::time::Duration;

use protocol::ids::Role;

use super::*;

/// The time, where it does not matter.
const NOW: Duration = Duration::ZERO;

/// Two ends. What one says waits in its line until it is carried.
struct Pair {
    phone: AppEnd,
    desk: AppEnd,
}

impl Pair {
    /// Both tunnels are open, and nothing was said.
    fn new() -> Self {
        let mut phone = AppEnd::new(Role::Phone, Hello::new("phone", "Pixel"), 7);
        let mut desk = AppEnd::new(Role::Workstation, Hello::new("workstation", "desk"), 0);
        phone.on_open();
        desk.on_open();
        desk.set_desk(desk_info());
        Pair { phone, desk }
    }

    /// Both have said hello, and the events of that are read.
    fn ready() -> Self {
        let mut pair = Pair::new();
        pair.carry();
        events(&mut pair.phone);
        events(&mut pair.desk);
        pair
    }

    /// Delivers the messages of both until no more come.
    fn carry(&mut self) {
        while pass(&mut self.phone, &mut self.desk) + pass(&mut self.desk, &mut self.phone) > 0 {}
    }

    /// The phone opens a channel, and the desk accepts it.
    fn opened(&mut self, kind: Kind) -> (ChannelId, ChannelId) {
        let at_phone = self.phone.open(kind, "{}").unwrap();
        self.carry();
        let [AppEvent::Opened { ch: at_desk, .. }] = events(&mut self.desk)[..] else { panic!("not opened") };
        self.desk.accept(at_desk, "{}").unwrap();
        self.carry();
        assert!(matches!(events(&mut self.phone)[..], [AppEvent::Accepted { ch, .. }] if ch == at_phone));
        (at_phone, at_desk)
    }
}

/// Carries what `from` has to say now; gives the number of messages.
fn pass(from: &mut AppEnd, to: &mut AppEnd) -> usize {
    std::iter::from_fn(|| from.poll_message(NOW)).map(|message| to.on_message(message, NOW)).count()
}

fn events(end: &mut AppEnd) -> Vec<AppEvent> {
    std::iter::from_fn(|| end.poll_event()).collect()
}

fn said(end: &mut AppEnd) -> Vec<String> {
    std::iter::from_fn(|| end.poll_message(NOW))
        .map(|message| String::from_utf8_lossy(&message).into())
        .collect()
}

fn desk_info() -> DeskInfo {
    let terminal =
        TerminalInfo { name: "build".into(), title: "make".into(), cols: 80, rows: 24, view_only: true };
    DeskInfo { name: "desk".into(), rights: Rights::default(), terminals: vec![terminal] }
}

fn data(ch: ChannelId, bytes: &[u8]) -> AppEvent {
    AppEvent::Data { ch, bytes: bytes.to_vec() }
}
