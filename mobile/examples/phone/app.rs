//! A peer of the app protocol: chat in lines, and one shared terminal at a time.

mod chat;
mod command;
mod ending;
mod inputs;
mod lines;
mod notices;

use std::time::{Duration, Instant};

use relay_client::app::chat::shown;
use relay_client::app::terminal::Exit;
use relay_client::app::{AppEvent, DeskInfo, Hello, Reason};
use relay_client::{AppLink, LinkEvent};
use relay_mobile::engine::{Engine, EngineEvent, EngineSettings, FileKeeper};
use relay_mobile::lines::engine_line;
use relay_mobile::{Code, Role, Stop};

use crate::alone::{Alone, NOBODY};
use crate::args::{Args, Watch};
use crate::desks::Desk;
use crate::terminal::{Dump, Face, Outcome, Viewer, Window, parse_keys};
use crate::{DESK, Failure, print_line};
use chat::Chat;
use command::Command;
use ending::Ending;
use inputs::{Input, Inputs};
use lines::Lines;
use notices::Notices;

/// How long the desk may take with the news that this phone leaves a terminal.
const LEAVE_MAX: Duration = Duration::from_secs(1);

/// How a pair begins.
pub(crate) enum Start {
    Pair(Code),
    Resume,
}

/// A running peer.
pub(crate) struct Peer {
    link: AppLink,
    desk: Desk,
    info: DeskInfo,
    chat: Chat,
    notices: Notices,
    inputs: Inputs,
    lines: Lines,
    viewer: Option<Viewer>,
    /// It shows this terminal, and ends with it.
    watch: Option<Watch>,
    alone: Alone,
    /// Pairing is over: the desk said hello.
    has_met: bool,
    ending: Ending,
    /// Lines that the chat did not take.
    not_sent: usize,
}

/// How this phone connects.
pub(crate) fn settings(args: &Args) -> EngineSettings {
    let mut settings = EngineSettings::new(Role::Phone);
    (settings.ca, settings.proxy) = (args.way.ca.clone(), args.way.proxy.clone());
    settings.options.name = name(args).to_owned();
    settings
}

fn name(args: &Args) -> &str {
    args.name.as_deref().unwrap_or("a phone in a terminal")
}

impl Peer {
    /// Connects in the background.
    pub(crate) fn start(start: Start, desk: Desk, args: Args) -> Result<Self, Failure> {
        let keys = args.watch.as_ref().map(|watch| parse_keys(&watch.keys)).transpose()?.unwrap_or_default();
        let (settings, keeper) = (settings(&args), Box::new(FileKeeper::new(desk.pair_file())));
        let (engine, alone) = match start {
            Start::Pair(code) => (Engine::pair(Role::Phone, code, &settings, keeper)?, Alone::default()),
            Start::Resume => (Engine::resume(&settings, keeper)?, Alone::of_a_pair()),
        };
        let link = AppLink::start(engine, Hello::new("terminal", name(&args)))?;
        let inputs = Inputs::start(&link)?;
        link.set_hidden(args.is_hidden);
        let mut peer = Peer {
            link,
            desk,
            info: DeskInfo::default(),
            chat: Chat::new()?,
            notices: Notices::new(args.push, args.is_hidden),
            inputs,
            lines: Lines::default(),
            viewer: None,
            watch: args.watch,
            has_met: false,
            alone,
            ending: Ending::No,
            not_sent: 0,
        };
        if let Some(watch) = &peer.watch {
            let face = match watch.is_dump {
                true => Face::Dump(Dump::new(watch.is_once)),
                false => Face::Window(Window::open()?),
            };
            peer.viewer = Some(Viewer::new(&watch.terminal, face, keys));
        }
        Ok(peer)
    }

    /// Talks until the end. True if the phone was asked for it, and the desk has every line.
    pub(crate) fn talk(mut self) -> Result<bool, Failure> {
        let ended = self.run();
        // This terminal is given back before anything else is said.
        drop(self.viewer.take());
        self.desk.tidy();
        ended
    }

    fn run(&mut self) -> Result<bool, Failure> {
        loop {
            self.settle()?;
            match self.inputs.next(self.due_at()) {
                None => {
                    if self.alone.is_for_good() {
                        return Err(NOBODY.into());
                    }
                    self.on_time(Instant::now());
                }
                Some(Input::News) => {
                    for event in self.link.next_events(EVENTS_MAX, Duration::ZERO) {
                        if let Some(is_well) = self.on_event(event) {
                            return Ok(is_well);
                        }
                    }
                }
                Some(Input::Typed(piece)) => self.on_typed(&piece),
                Some(Input::Ended) => self.on_input_ended(),
                Some(Input::Resized) => self.viewer.iter_mut().for_each(Viewer::on_resized),
                Some(Input::MustEnd) => self.close(),
            }
        }
    }

    fn due_at(&self) -> Option<Instant> {
        let viewer = self.viewer.as_ref().and_then(Viewer::due_at);
        let alone = self.alone.left().map(|left| Instant::now() + left);
        [viewer, alone, self.ending.due_at()].into_iter().flatten().min()
    }

    fn on_time(&mut self, now: Instant) {
        if self.alone.try_tell() {
            self.tell("waiting for the desk");
        }
        if let Some(viewer) = &mut self.viewer {
            viewer.on_time(now);
        }
        if self.ending.due_at().is_some_and(|until| until <= now) {
            self.close();
        }
    }

    /// After each input: what can be sent is sent, and what is over ends.
    fn settle(&mut self) -> Result<(), Failure> {
        self.take_lines();
        self.chat.settle(&self.link);
        self.notices.settle(&self.link);
        if let Some(viewer) = &mut self.viewer {
            viewer.open(&self.link);
            viewer.settle(&self.link)?;
        }
        if let Some(viewer) = self.viewer.take_if(|viewer| viewer.outcome().is_some()) {
            self.leave(viewer);
        }
        if self.ending.is_asked() && self.has_met && self.chat.unconfirmed() == 0 {
            self.close();
        }
        Ok(())
    }

    /// A terminal is not shown any more.
    fn leave(&mut self, viewer: Viewer) {
        let name = viewer.name().to_owned();
        let outcome = viewer.close(&self.link);
        match &outcome {
            Outcome::Left => {}
            Outcome::Ended(exit) => eprintln!("{name} has ended{}", exit_words(*exit)),
            Outcome::Failed(why) => eprintln!("{name} can't be shown: {why}"),
        }
        if self.watch.is_some() {
            self.not_sent += usize::from(matches!(outcome, Outcome::Failed(_)));
            // If the desk is away, it finds out later.
            let _ = self.link.flush(LEAVE_MAX);
            self.close();
        }
    }

    fn ask_to_end(&mut self) {
        let has_met = self.has_met || self.alone.is_of_a_pair();
        self.ending.ask(has_met, Instant::now());
    }

    fn close(&mut self) {
        if self.ending != Ending::Closing {
            self.ending = Ending::Closing;
            self.link.close();
        }
    }

    /// A line about the state: where another terminal is shown, in its last line.
    fn tell(&mut self, line: &str) {
        match &mut self.viewer {
            Some(viewer) if viewer.is_window() => viewer.set_way(Some(line.to_owned())),
            _ => eprintln!("{line}"),
        }
    }
}

/// Events that are taken at once.
const EVENTS_MAX: usize = 256;

/// Events.
impl Peer {
    /// `Some` at the end: true if all is well.
    fn on_event(&mut self, event: LinkEvent) -> Option<bool> {
        match event {
            LinkEvent::Engine(event) => self.on_engine_event(&event),
            LinkEvent::App(event) => {
                self.on_app_event(&event);
                None
            }
        }
    }

    fn on_engine_event(&mut self, event: &EngineEvent) -> Option<bool> {
        self.alone.note(event);
        if let Some(line) = engine_line(event, DESK) {
            self.tell(&line);
        }
        match event {
            EngineEvent::Opened { .. } => {
                self.viewer.iter_mut().for_each(|viewer| viewer.set_way(None));
                None
            }
            EngineEvent::Stopped { why, .. } => {
                let has_all = self.chat.unconfirmed() == 0 && self.not_sent == 0;
                if self.chat.unconfirmed() > 0 {
                    eprintln!("{} lines are not confirmed by the desk", self.chat.unconfirmed());
                }
                self.on_stopped(why);
                Some(*why == Stop::Closed && has_all)
            }
            _ => None,
        }
    }

    /// A pair that its desk has ended is of no use. What only the relay says may be wrong.
    fn on_stopped(&self, why: &Stop) {
        match why {
            Stop::Removed { is_proven: true, .. } => {
                if let Err(error) = self.desk.remove() {
                    eprintln!("the pair is still kept: {error}");
                }
            }
            Stop::Removed { .. } | Stop::Killed { .. } => {
                eprintln!("`phone forget {}` removes the pair here too", self.desk.shown());
            }
            _ => {}
        }
    }

    fn on_app_event(&mut self, event: &AppEvent) {
        let (mut heard, mut noticed) = (Vec::new(), Vec::new());
        let is_taken = self.viewer.as_mut().is_some_and(|viewer| viewer.on_event(event, &self.link))
            || self.chat.on_event(event, &self.link, &mut heard)
            || self.notices.on_event(event, &self.link, &mut noticed);
        for text in heard {
            self.hear(&format!("{}: {}", self.desk.shown(), shown(&text)));
        }
        for line in noticed {
            self.hear(&shown(&line));
        }
        match event {
            AppEvent::Ready { .. } => self.on_ready(),
            AppEvent::Desk(info) => self.on_desk(info),
            AppEvent::Opened { ch, kind, .. } if !is_taken => {
                let words = format!("this phone has no {}", kind.as_str());
                // It may be gone already.
                let _ = self.link.refuse(*ch, Reason::new(Reason::UNAVAILABLE, words));
            }
            _ => {}
        }
    }

    fn on_ready(&mut self) {
        self.has_met = true;
        self.ending.on_met(Instant::now());
    }

    fn on_desk(&mut self, info: &DeskInfo) {
        let names = |info: &DeskInfo| info.terminals.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        let is_other = self.info.name != info.name || names(&self.info) != names(info);
        self.info = info.clone();
        if let Err(error) = self.desk.set_name(&info.name) {
            self.tell(&format!("the desk's name can't be kept: {error}"));
        }
        if is_other && self.watch.is_none() {
            let shared = match info.terminals.len() {
                0 => "shares no terminal".to_owned(),
                _ => format!("shares {}; /open NAME shows one", names(info).join(", ")),
            };
            self.note(&format!("desk {} {shared}", self.desk.shown()));
        }
    }

    fn hear(&mut self, line: &str) {
        match &mut self.viewer {
            Some(viewer) if viewer.is_window() => viewer.set_notice(line.to_owned()),
            _ => print_line(line),
        }
    }

    /// A line that is not about the state of the way.
    fn note(&mut self, line: &str) {
        if !self.viewer.as_ref().is_some_and(Viewer::is_window) {
            eprintln!("{line}");
        }
    }
}

fn exit_words(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!(" with exit code {code}"),
        Exit::Signal(signal) => format!(" by signal {signal}"),
        Exit::Unknown => String::new(),
    }
}

/// What is typed.
impl Peer {
    fn on_typed(&mut self, piece: &[u8]) {
        match &mut self.viewer {
            Some(viewer) if viewer.is_window() => {
                viewer.on_bytes(piece);
                self.inputs.read_on();
            }
            _ => self.lines.push(piece),
        }
    }

    fn on_input_ended(&mut self) {
        self.lines.finish();
        self.take_lines();
        match &self.viewer {
            // Its terminal is gone.
            Some(viewer) if viewer.is_window() => self.close(),
            // It shows on until it is stopped.
            Some(_) if self.watch.is_some() => {}
            _ => self.ask_to_end(),
        }
    }

    /// Deals with whole lines, as far as the chat takes them.
    fn take_lines(&mut self) {
        while self.chat.has_room() && !self.viewer.as_ref().is_some_and(Viewer::is_window) {
            let Some(line) = self.lines.next() else {
                self.inputs.read_on();
                return;
            };
            let done = line.map_err(str::to_owned).and_then(|line| self.on_line(&line));
            if let Err(words) = done {
                self.not_sent += 1;
                eprintln!("{words}");
            }
        }
    }

    fn on_line(&mut self, line: &str) -> Result<(), String> {
        if let Some(viewer) = &mut self.viewer {
            viewer.type_keys(parse_keys(line)?);
            return Ok(());
        }
        match Command::parse(line)? {
            Command::Say(text) => return self.chat.say(text),
            Command::Quit => self.ask_to_end(),
            Command::Terminals => self.list_terminals(),
            Command::Open(name) => {
                let window = Window::open().map_err(|error| error.to_string())?;
                self.viewer = Some(Viewer::new(name, Face::Window(window), Vec::new()));
            }
        }
        Ok(())
    }

    fn list_terminals(&self) {
        if self.info.terminals.is_empty() {
            eprintln!("the desk shares no terminal; `workstation run` there shares one");
        }
        for terminal in &self.info.terminals {
            let size = format!("{}x{}", terminal.cols, terminal.rows);
            let only = if terminal.view_only { ", to watch only" } else { "" };
            print_line(&format!("{}  {size}  {}{only}", terminal.name, terminal.title));
        }
    }
}
