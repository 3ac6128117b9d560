//! A peer of the app protocol: chat in lines, files both ways, and one shared terminal at a time.

mod chat;
mod clips;
mod command;
mod ending;
mod files;
mod inputs;
mod lines;
mod notices;
mod pipe;
mod words;

use std::time::{Duration, Instant};

use relay_client::app::chat::shown;
use relay_client::app::{AppEvent, DeskInfo, Hello, Reason};
use relay_client::{AppLink, LinkEvent};
use relay_mobile::engine::{Engine, EngineEvent, FileKeeper};
use relay_mobile::lines::engine_line;
use relay_mobile::{Code, Role, Stop};

use crate::alone::{Alone, NOBODY};
use crate::args::{Args, Watch};
use crate::desks::Desk;
use crate::terminal::{Dump, Face, Outcome, Viewer, Window, parse_keys};
use crate::{DESK, Failure, print_line};
use chat::Chat;
use clips::{ClipNews, Clips};
use command::Command;
use ending::Ending;
use files::Files;
use inputs::{Input, Inputs};
use lines::Lines;
use notices::Notices;
use pipe::Pipe;

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
    clips: Clips,
    /// The input and the output belong to it.
    pipe: Option<Pipe>,
    inputs: Inputs,
    lines: Lines,
    files: Files,
    viewer: Option<Viewer>,
    /// It shows this terminal, and ends with it.
    watch: Option<Watch>,
    alone: Alone,
    /// Pairing is over: the desk said hello.
    has_met: bool,
    ending: Ending,
    /// The end of the input, or `--once`: it ends when so many sets of files are over, and none is under way.
    ends_after_sets: Option<usize>,
    /// The link may have more events.
    has_unread: bool,
    /// Lines that the chat did not take.
    not_sent: usize,
}

impl Peer {
    /// Connects in the background.
    pub(crate) fn start(start: Start, desk: Desk, args: Args) -> Result<Self, Failure> {
        let keys = args.watch.as_ref().map(|watch| parse_keys(&watch.keys)).transpose()?.unwrap_or_default();
        let (settings, keeper) = (args.settings(), Box::new(FileKeeper::new(desk.pair_file())));
        let (engine, alone) = match start {
            Start::Pair(code) => (Engine::pair(Role::Phone, code, &settings, keeper)?, Alone::default()),
            Start::Resume => (Engine::resume(&settings, keeper)?, Alone::of_a_pair()),
        };
        let link = AppLink::start(engine, Hello::new("terminal", args.phone_name()))?;
        let inputs = Inputs::start(&link)?;
        link.set_hidden(args.is_hidden);
        let mut files = Files::new(&desk.id, args.files.inbox.as_deref())?;
        if !args.files.send.is_empty() {
            files.send(&args.files.send)?;
        }
        let mut peer = Peer {
            link,
            desk,
            info: DeskInfo::default(),
            chat: Chat::new()?,
            notices: Notices::new(args.push, args.is_hidden),
            clips: Clips::default(),
            pipe: args.is_pipe.then(Pipe::default),
            inputs,
            files,
            lines: Lines::default(),
            viewer: None,
            watch: args.watch,
            has_met: false,
            alone,
            ending: Ending::No,
            ends_after_sets: args.files.is_once.then_some(1),
            has_unread: false,
            not_sent: 0,
        };
        if let Some(watch) = &peer.watch {
            let face = match watch.is_dump {
                true => Face::Dump(Dump::new(watch.is_once)),
                false => Face::Window(Window::open()?),
            };
            peer.viewer = Some(match &watch.terminal {
                Some(name) => Viewer::new(name, face, keys),
                None => Viewer::shell(face, keys),
            });
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
                Some(Input::News) => self.has_unread = true,
                Some(Input::Typed(piece)) => self.on_typed(&piece),
                Some(Input::Ended) => self.on_input_ended(),
                Some(Input::Resized) => self.viewer.iter_mut().for_each(Viewer::on_resized),
                Some(Input::MustEnd) => {
                    self.files.cancel(&self.link);
                    // If the desk is away, it finds out later.
                    let _ = self.link.flush(LEAVE_MAX);
                    self.close();
                }
            }
            if let Some(is_well) = self.read_events() {
                return Ok(is_well);
            }
        }
    }

    /// Some of the events; more of them in the next turn. `Some` at the end: true if all is well.
    fn read_events(&mut self) -> Option<bool> {
        if !std::mem::take(&mut self.has_unread) {
            return None;
        }
        let events = self.link.next_events(EVENTS_MAX, Duration::ZERO);
        self.has_unread = events.len() == EVENTS_MAX;
        events.into_iter().find_map(|event| self.on_event(event))
    }

    fn due_at(&self) -> Option<Instant> {
        let viewer = self.viewer.as_ref().and_then(Viewer::due_at);
        let alone = self.alone.left().map(|left| Instant::now() + left);
        let unread = self.has_unread.then(Instant::now);
        [viewer, alone, self.ending.due_at(), self.files.due_at(), unread].into_iter().flatten().min()
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
        self.clips.settle(&self.link);
        self.settle_pipe();
        self.settle_files();
        if let Some(viewer) = &mut self.viewer {
            viewer.open(&self.link);
            viewer.settle(&self.link)?;
        }
        if let Some(viewer) = self.viewer.take_if(|viewer| viewer.outcome().is_some()) {
            self.leave(viewer);
        }
        let has_said_all = self.chat.unconfirmed() == 0 && self.clips.waiting() == 0;
        if self.ending.is_asked() && self.has_met && has_said_all {
            self.close();
        }
        Ok(())
    }

    fn settle_pipe(&mut self) {
        let Some(pipe) = &mut self.pipe else { return };
        if pipe.settle(&self.link) {
            self.inputs.read_on();
        }
        let Some(outcome) = pipe.take_outcome() else { return };
        if let Err(why) = outcome {
            eprintln!("not everything was passed on: {why}");
            self.not_sent += 1;
        }
        // If the desk is away, it finds out later.
        let _ = self.link.flush(LEAVE_MAX);
        self.close();
    }

    fn settle_files(&mut self) {
        self.files.settle(&self.link);
        for line in self.files.take_lines() {
            self.note(&line);
        }
        let is_due = self.ends_after_sets.is_some_and(|sets| self.files.over() >= sets);
        if is_due && !self.files.is_busy() && self.ending == Ending::No {
            // The last words about the files.
            let _ = self.link.flush(LEAVE_MAX);
            self.ask_to_end();
        }
    }

    /// A terminal is not shown any more.
    fn leave(&mut self, viewer: Viewer) {
        let name = viewer.name().to_owned();
        let outcome = viewer.close(&self.link);
        match &outcome {
            Outcome::Left => {}
            Outcome::Ended(exit) => eprintln!("{name} has ended{}", words::exit(*exit)),
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
                if let Some(event) = self.files.take_data(event) {
                    self.on_app_event(&event);
                }
                None
            }
        }
    }

    fn on_engine_event(&mut self, event: &EngineEvent) -> Option<bool> {
        self.alone.note(event);
        match event {
            EngineEvent::Opened { .. } => self.files.on_link(true),
            EngineEvent::Left | EngineEvent::Reconnecting { .. } => self.files.on_link(false),
            _ => {}
        }
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
                let has_all = has_all && self.files.failed() == 0;
                if self.chat.unconfirmed() > 0 {
                    eprintln!("{} lines are not confirmed by the desk", self.chat.unconfirmed());
                }
                self.desk.on_stopped(why);
                Some(*why == Stop::Closed && has_all)
            }
            _ => None,
        }
    }

    fn on_app_event(&mut self, event: &AppEvent) {
        let (mut heard, mut noticed, mut clips) = (Vec::new(), Vec::new(), Vec::new());
        let is_taken = self.viewer.as_mut().is_some_and(|viewer| viewer.on_event(event, &self.link))
            || self.chat.on_event(event, &self.link, &mut heard)
            || self.files.on_event(event, &self.link)
            || self.notices.on_event(event, &self.link, &mut noticed)
            || self.clips.on_event(event, &self.link, &mut clips)
            || self.pipe.as_mut().is_some_and(|pipe| pipe.on_event(event, &self.link));
        for text in heard {
            self.hear(&format!("{}: {}", self.desk.shown(), shown(&text)));
        }
        for line in noticed {
            self.hear(&shown(&line));
        }
        clips.into_iter().for_each(|news| self.on_clip(news));
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

    fn on_clip(&mut self, news: ClipNews) {
        match news {
            ClipNews::Came(text) => self.hear(&format!("clip: {}", shown(&text))),
            ClipNews::Sent => self.note("the desk has the text"),
            ClipNews::NotSent(why) => {
                self.not_sent += 1;
                eprintln!("the desk did not take the text: {why}");
            }
        }
    }

    fn on_ready(&mut self) {
        self.has_met = true;
        self.ending.on_met(Instant::now());
    }

    fn on_desk(&mut self, info: &DeskInfo) {
        let is_other = self.info.name != info.name || words::names(&self.info) != words::names(info);
        self.info = info.clone();
        if let Err(error) = self.desk.set_name(&info.name) {
            self.tell(&format!("the desk's name can't be kept: {error}"));
        }
        if is_other && self.watch.is_none() {
            self.note(&format!("desk {} {}", self.desk.shown(), words::shared(info)));
        }
    }

    fn hear(&mut self, line: &str) {
        match &mut self.viewer {
            Some(viewer) if viewer.is_window() => viewer.set_notice(line.to_owned()),
            // The output is the pipe's.
            _ if self.pipe.is_some() => eprintln!("{line}"),
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

fn own_window() -> Result<Face, String> {
    Window::open().map(Face::Window).map_err(|error| error.to_string())
}

/// What is typed.
impl Peer {
    fn on_typed(&mut self, piece: &[u8]) {
        if let Some(pipe) = &mut self.pipe {
            return pipe.push(piece);
        }
        match &mut self.viewer {
            Some(viewer) if viewer.is_window() => {
                viewer.on_bytes(piece);
                self.inputs.read_on();
            }
            _ => self.lines.push(piece),
        }
    }

    fn on_input_ended(&mut self) {
        if let Some(pipe) = &mut self.pipe {
            return pipe.on_input_ended();
        }
        self.lines.finish();
        self.take_lines();
        match &self.viewer {
            // Its terminal is gone.
            Some(viewer) if viewer.is_window() => self.close(),
            // It shows on until it is stopped.
            Some(_) if self.watch.is_some() => {}
            _ if self.ends_after_sets.is_some() => {}
            _ if self.files.is_busy() => self.ends_after_sets = Some(0),
            _ => self.ask_to_end(),
        }
    }

    /// Deals with whole lines, as far as the chat takes them.
    fn take_lines(&mut self) {
        if self.pipe.is_some() {
            return;
        }
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
            Command::Clip(text) => return self.clips.send(text),
            Command::Send(paths) => self.files.send(&paths)?,
            Command::Terminals => self.list_terminals(),
            Command::Open(name) => self.viewer = Some(Viewer::new(name, own_window()?, Vec::new())),
            Command::Shell => self.viewer = Some(Viewer::shell(own_window()?, Vec::new())),
        }
        Ok(())
    }

    fn list_terminals(&self) {
        if self.info.terminals.is_empty() {
            eprintln!("the desk shares no terminal; `workstation run` there shares one");
        }
        words::rows(&self.info).iter().for_each(|row| print_line(row));
    }
}
