//! Phones that look on, at the socket of the terminal's host, where the agent brings them.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use relay_client::app::terminal::{
    DeskMessage, Exit, Key, Modifiers, Received, Screen, ScreenReceiver, Size, SizeOwner, ViewerMessage,
    encode_viewer_message,
};
use relay_tests::harness::guard::GUARD;
use relay_tests::harness::window::Window;

use super::Desk;

const VIEW: u8 = 0x10;
const DATA: u8 = 0x11;

/// A phone's end.
pub(super) struct Phone {
    socket: UnixStream,
    receiver: ScreenReceiver,
    messages: Vec<DeskMessage>,
}

impl Phone {
    pub(super) fn look_on(desk: &Desk, name: &str, may_type: bool) -> Self {
        let socket = UnixStream::connect(desk.socket(name)).unwrap();
        socket.set_read_timeout(Some(GUARD)).unwrap();
        let mut phone = Self { socket, receiver: ScreenReceiver::new(), messages: Vec::new() };
        let view = format!(r#"{{"device":"Pixel","mayType":{may_type}}}"#);
        phone.send_frame(VIEW, view.as_bytes());
        phone
    }

    fn send_frame(&mut self, kind: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        // Reading shows the end, if this comes too late.
        drop(self.socket.write_all(&[&length[..], &[kind], payload].concat()));
    }

    pub(super) fn say(&mut self, message: &ViewerMessage) {
        encode_viewer_message(message).iter().for_each(|part| self.send_frame(DATA, part));
    }

    /// Reads one message; false at the end.
    fn read(&mut self) -> bool {
        let mut header = [0; 5];
        if self.socket.read_exact(&mut header).is_err() {
            return false;
        }
        let [a, b, c, d, kind] = header;
        let mut payload = vec![0; u32::from_be_bytes([a, b, c, d]) as usize];
        self.socket.read_exact(&mut payload).unwrap();
        assert_eq!(kind, DATA);
        match self.receiver.on_message(&payload).unwrap() {
            Received::Updated { seq } => self.say(&ViewerMessage::Ack { seq }),
            Received::Message(message) => self.messages.push(message),
            Received::Part | Received::Unknown => {}
        }
        true
    }

    /// Reads until the screen is as wanted.
    pub(super) fn until(&mut self, what: &str, is_there: impl Fn(&Screen) -> bool) {
        while !is_there(self.receiver.screen()) {
            assert!(self.read(), "the end, and no {what} in {:#?}", self.lines());
        }
    }

    pub(super) fn until_line(&mut self, line: &str) {
        self.until(line, |screen| lines(screen).iter().any(|found| found == line));
    }

    /// Reads until this message came, and forgets those before it.
    fn until_message(&mut self, message: &DeskMessage) {
        while !self.messages.contains(message) {
            assert!(self.read(), "the end, and no {message:?} but {:?}", self.messages);
        }
        self.messages.clear();
    }

    fn lines(&self) -> Vec<String> {
        lines(self.receiver.screen())
    }
}

fn lines(screen: &Screen) -> Vec<String> {
    screen.rows().iter().map(|row| row.to_text().trim_end().to_owned()).collect()
}

fn owner(owner: SizeOwner, may_type: bool) -> DeskMessage {
    DeskMessage::SizeOwner { owner, may_type }
}

#[test]
fn a_phone_sees_the_screen_types_and_is_told_of_the_end() {
    let desk = Desk::new();
    let mut window = desk.run("echo before; read a; echo got $a; read b; exit 6");
    window.until("before");
    let mut phone = Phone::look_on(&desk, "sh", true);
    phone.until_line("before");
    window.until("\u{1b}]2;sh – Pixel watches\u{1b}\\");
    phone.say(&ViewerMessage::Text("from phone".into()));
    phone.say(&ViewerMessage::Key(Key::Enter, Modifiers::default()));
    window.until("\u{1b}]2;sh – Pixel types\u{1b}\\");
    window.until("got from phone");
    phone.until_line("got from phone");
    window.type_text("\n");
    let (code, shown) = window.finish();
    assert_eq!(code, Some(6));
    assert!(shown.contains("\u{1b}[23;2t"), "the title comes back: {shown:?}");
    assert!(shown.ends_with("meanwhile: Pixel came, Pixel typed\r\n"), "{shown:?}");
    phone.until_message(&DeskMessage::Ended(Exit::Code(6)));
    assert!(!phone.read(), "nothing follows");
}

#[test]
fn a_phone_without_the_right_types_nothing() {
    let desk = Desk::new();
    for (options, may_type) in [(&["--view-only"][..], true), (&[], false)] {
        let args = [&["run", "--name", "x"], options, &["--", "sh", "-c", "echo ready; read a; echo got $a"]]
            .concat();
        let mut window = desk.window(&args);
        window.until("ready");
        let mut phone = Phone::look_on(&desk, "x", may_type);
        phone.until_message(&owner(SizeOwner::Desk, false));
        phone.say(&ViewerMessage::Text("from phone\n".into()));
        phone.say(&ViewerMessage::TakeSize(Size::clamped(40, 20)));
        // The answer shows that what was before it has been read.
        phone.say(&ViewerMessage::Scrollback { request: 1, first: 0, count: 1 });
        while !phone.messages.iter().any(|message| matches!(message, DeskMessage::Scrollback(_))) {
            assert!(phone.read());
        }
        window.type_text("from desk\n");
        window.until("got from desk");
        assert_eq!(window.finish().0, Some(0));
        desk.until_terminals(0);
    }
}

#[test]
fn a_phone_takes_the_size_and_gives_it_back() {
    let desk = Desk::new();
    let mut window = desk.run("trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done");
    window.until("24 80\r\n");
    let mut phone = Phone::look_on(&desk, "sh", true);
    phone.until_message(&owner(SizeOwner::Desk, true));
    phone.say(&ViewerMessage::TakeSize(Size::clamped(40, 20)));
    window.until("20 40\r\n");
    phone.until_message(&owner(SizeOwner::You, true));
    phone.until("its size", |screen| screen.size() == Size::clamped(40, 20));
    let mut other = Phone::look_on(&desk, "sh", true);
    other.until_message(&owner(SizeOwner::Other("Pixel".into()), true));
    phone.say(&ViewerMessage::GiveBack);
    window.until("24 80\r\n");
    other.until_message(&owner(SizeOwner::Desk, true));
    phone.say(&ViewerMessage::TakeSize(Size::clamped(50, 10)));
    window.until("10 50\r\n");
    drop(phone);
    window.until("24 80\r\n");
}

#[test]
fn a_terminal_that_answers_by_itself_does_not_take_the_size_back_and_one_window_answers() {
    let desk = Desk::new();
    let mut one =
        desk.run("stty raw -echo; echo ready; dd bs=1 count=6 status=none | od -An -c; stty sane; read b");
    one.until("ready");
    let mut two = desk.window(&["attach", "sh"]);
    two.until("ready");
    let mut phone = Phone::look_on(&desk, "sh", true);
    phone.say(&ViewerMessage::TakeSize(Size::clamped(40, 20)));
    phone.until_message(&owner(SizeOwner::You, true));
    one.type_text("\u{1b}[9;9R");
    two.type_text("\u{1b}[3;1R");
    one.until("033   [   3   ;   1   R");
    assert_eq!(desk.until_terminals(1)[0].number("columns"), 40);
    one.type_text("x");
    relay_tests::harness::guard::read_until("the size of the window", || {
        (desk.terminals()[0].number("columns") == 80).then_some(())
    });
}

#[test]
fn while_nobody_is_at_the_desk_the_phone_goes_on() {
    let desk = Desk::new();
    // It asks its terminal where the cursor is. Nobody but the host is there to answer.
    let script = "echo ready; read a; stty raw -echo; printf '\\033[6n'; dd bs=1 count=6 status=none | od -An -c; stty sane; echo sane; read b";
    let mut window = desk.run(script);
    window.until("ready");
    window.type_text("\u{1c}d");
    assert_eq!(window.finish().0, Some(0));
    let mut phone = Phone::look_on(&desk, "sh", true);
    phone.until_message(&owner(SizeOwner::Nobody, true));
    phone.say(&ViewerMessage::Text("\n".into()));
    phone.until("an answer", |screen| {
        lines(screen).iter().any(|line| line.contains("033   [   3   ;   1   R"))
    });
    // What is typed while the terminal is raw may be lost when it becomes sane.
    phone.until("a sane terminal", |screen| lines(screen).iter().any(|line| line.trim() == "sane"));
    phone.say(&ViewerMessage::Text("\n".into()));
    phone.until_message(&DeskMessage::Ended(Exit::Code(0)));
}

#[test]
fn after_a_flood_a_phone_has_the_last_screen() {
    let desk = Desk::new();
    let mut window = desk.run("read a; seq 1 300000; echo end; read b");
    desk.until_terminals(1);
    let mut phone = Phone::look_on(&desk, "sh", true);
    phone.until_message(&owner(SizeOwner::Desk, true));
    window.type_text("\n");
    phone.until_line("end");
    window.until("end");
    let lines = phone.lines();
    assert_eq!(lines[20..23], ["299999", "300000", "end"], "{lines:#?}");
    drop(window);
}

#[test]
fn a_desk_that_is_resized_all_the_time_and_a_phone_end_up_alike() {
    let desk = Desk::new();
    let mut window: Window = desk.run("trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done");
    window.until("ready");
    let mut phone = Phone::look_on(&desk, "sh", true);
    for columns in 81..=130 {
        window.resize(columns, 30);
    }
    window.until("30 130\r\n");
    phone.until("the last size", |screen| screen.size() == Size::clamped(130, 30));
    phone.until_line("30 130");
}
