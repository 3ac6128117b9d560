//! Pairing with one more phone: shows a code, asks about the phone that uses it, and tells the agent. The
//! code and its question end with this command.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::answers::Answers;
use super::inputs::{Input, Inputs};
use super::session::{Session, thread};
use crate::args::{CodeArgs, RelayArgs};
use crate::code::{MadeCode, Shown};
use crate::exit::Outcome;
use crate::ipc::client::{AgentSender, GONE};
use crate::ipc::wire::{FromAgent, Over, PairRequest, Pairing, ToAgent};
use crate::output::say;
use crate::relay::Relay;
use crate::status::{CodeEnd, Event, RelayState, Reporter};
use crate::talk::prompt::{Meaning, Prompt, Question};

/// What a pairing needs.
pub(crate) struct Pairer<'a> {
    pub(crate) session: &'a Session,
    pub(crate) relay: &'a RelayArgs,
    pub(crate) code: &'a CodeArgs,
    /// What the phone is to be called, if not by its own name.
    pub(crate) name: Option<&'a str>,
    pub(crate) inputs: &'a Arc<Inputs>,
    pub(crate) reporter: &'a Reporter,
}

/// How one code ended.
enum CodeOver {
    Paired,
    Not(Over),
    Interrupted,
}

/// One code on the screen.
struct OneCode {
    agent: AgentSender,
    shown: Shown,
    prompt: Prompt,
    /// The user has said no, which is told already.
    has_denied: bool,
}

impl Pairer<'_> {
    /// Shows codes until a phone is paired, or the user wants no more.
    ///
    /// # Errors
    /// The relay gave no session, or the agent is gone.
    pub(crate) fn pair(&self) -> anyhow::Result<Outcome> {
        let mut answers = Answers::find();
        if answers.is_none() && !self.code.yes {
            anyhow::bail!(
                "there is no terminal to ask whether a phone may pair: run this in a terminal, or with --yes"
            );
        }
        let mut number = 0;
        loop {
            number += 1;
            let over = self.show_one(number, &mut answers)?;
            let outcome = match over {
                CodeOver::Paired => return Ok(Outcome::Delivered),
                CodeOver::Interrupted => return Ok(Outcome::NobodyCame),
                CodeOver::Not(Over::Denied | Over::Refused) => Outcome::Refused,
                CodeOver::Not(Over::Expired) => Outcome::NobodyCame,
                CodeOver::Not(Over::Failed) => return Ok(Outcome::Failed),
            };
            let wants_more = match &mut answers {
                Some(answers) if !self.code.yes => self.wants_new_code(answers)?,
                _ => false,
            };
            if !wants_more {
                return Ok(outcome);
            }
        }
    }

    fn show_one(&self, number: u32, answers: &mut Option<Answers>) -> anyhow::Result<CodeOver> {
        let agent = self.session.agent()?;
        let (relay, record) = self.session.relay(self.relay)?;
        let Some(made) = self.make_code(relay)? else { return Ok(CodeOver::Interrupted) };
        let shown = Shown::show(&self.code.show_options(), &made.text, &made.address)?;
        let valid_secs = self.code.pair_secs;
        let text = made.text.to_string();
        self.reporter.tell(&Event::Code { text, valid_secs: valid_secs.into() })?;
        let request = PairRequest {
            code: made.code.to_json().to_string(),
            valid_secs,
            relay: record.clone(),
            name: self.name.map(str::to_owned),
        };
        let mut sender = agent.sender().context("can't talk to the agent")?;
        sender.send(&ToAgent::Pair(Box::new(request))).context(GONE)?;
        self.inputs.listen_to(agent, number).context("no thread for the agent")?;
        let mut code = OneCode { agent: sender, shown, prompt: Prompt::default(), has_denied: false };
        let over = self.follow(&mut code, number, answers);
        if over.is_err() {
            code.shown.replace("(the agent has ended, so the code is of no more use)");
        }
        let over = over?;
        if matches!(over, CodeOver::Paired) {
            self.session.keep_first(&record, self.relay)?;
        }
        Ok(over)
    }

    fn follow(
        &self,
        code: &mut OneCode,
        number: u32,
        answers: &mut Option<Answers>,
    ) -> anyhow::Result<CodeOver> {
        loop {
            match self.inputs.next() {
                Input::Agent(of, None) if of == number => anyhow::bail!("{GONE}; run pair again"),
                Input::Agent(of, Some(message)) if of == number => {
                    if let Some(over) = self.on_message(code, message, answers)? {
                        return Ok(over);
                    }
                }
                Input::Typed(line, at) => code.on_typed(&line, at)?,
                Input::Failed(error) => return Err(error),
                Input::Interrupted => {
                    code.shown.replace("(the code is of no more use: the command has ended)");
                    return Ok(CodeOver::Interrupted);
                }
                Input::Agent(..) | Input::AllSaid | Input::CodeMade => {}
            }
        }
    }

    /// Makes a code on a thread of its own, as the relay may take its time. `None` if the user did not want
    /// to wait for it.
    fn make_code(&self, relay: Relay) -> anyhow::Result<Option<MadeCode>> {
        self.reporter.show(&format!("asking {} for a session", relay.server));
        let (made, answer) = mpsc::channel();
        let inputs = Arc::clone(self.inputs);
        let make = move || {
            // Nobody reads it after Ctrl-C.
            let _unwanted = made.send(MadeCode::for_app(&relay));
            inputs.put(Input::CodeMade);
        };
        thread("code", make).context("no thread to make a code")?;
        loop {
            match self.inputs.next() {
                Input::CodeMade => return answer.recv().context("no code was made")?.map(Some),
                Input::Failed(error) => return Err(error),
                Input::Interrupted => return Ok(None),
                Input::Agent(..) | Input::Typed(..) | Input::AllSaid => {}
            }
        }
    }

    fn on_message(
        &self,
        code: &mut OneCode,
        message: FromAgent,
        answers: &mut Option<Answers>,
    ) -> anyhow::Result<Option<CodeOver>> {
        let pairing = match message {
            FromAgent::Pairing(pairing) => pairing,
            FromAgent::Failed { why } => anyhow::bail!("{why}"),
            FromAgent::Note { line } => {
                self.reporter.tell(&Event::Note { text: line })?;
                return Ok(None);
            }
            _ => return Ok(None),
        };
        match pairing {
            Pairing::Ask { question, name, words } => {
                code.shown.replace(CodeEnd::Used.words());
                self.reporter.tell(&Event::Asking { phone: name, words })?;
                self.ask(code, question, answers)?;
            }
            Pairing::AskOver { question } => code.prompt.end(Question::Phone(question)),
            Pairing::Connected => {
                self.reporter.tell(&Event::Relay { state: RelayState::Connected })?;
            }
            Pairing::Retry { in_ms, why } => {
                let after = Duration::from_millis(in_ms);
                self.reporter.tell(&Event::Relay { state: RelayState::Retry { after, why } })?;
                if let Some(answers) = answers {
                    answers.listen_in_foreground(self.inputs)?;
                }
            }
            Pairing::Line { line } => self.reporter.tell(&Event::Note { text: line })?,
            Pairing::Paired { name } => {
                code.end(self.reporter, CodeEnd::Used)?;
                self.reporter.tell(&Event::Paired { phone: name })?;
                return Ok(Some(CodeOver::Paired));
            }
            Pairing::Over { why, line } => {
                let end = if why == Over::Expired { CodeEnd::Expired } else { CodeEnd::Refused };
                code.end(self.reporter, end)?;
                if !code.has_denied {
                    self.reporter.tell(&Event::Note { text: line })?;
                }
                return Ok(Some(CodeOver::Not(why)));
            }
        }
        Ok(None)
    }

    fn ask(&self, code: &mut OneCode, question: u64, answers: &mut Option<Answers>) -> anyhow::Result<()> {
        if self.code.yes {
            return code.answer(question, true);
        }
        if let Some(answers) = answers {
            answers.listen(self.inputs)?;
        }
        code.prompt.ask(Question::Phone(question), Instant::now());
        say(Question::Phone(question).words());
        Ok(())
    }

    /// Asks whether to show a new code.
    fn wants_new_code(&self, answers: &mut Answers) -> anyhow::Result<bool> {
        answers.listen(self.inputs)?;
        let mut prompt = Prompt::default();
        prompt.ask(Question::NewCode, Instant::now());
        say(Question::NewCode.words());
        loop {
            match self.inputs.next() {
                Input::Typed(line, at) => match prompt.take(&line, at) {
                    Meaning::Yes(_) => return Ok(true),
                    Meaning::No(_) => return Ok(false),
                    Meaning::Unclear(question) => say(question.words()),
                    Meaning::Message | Meaning::Repeated => {}
                },
                Input::Failed(error) => return Err(error),
                Input::Interrupted => return Ok(false),
                Input::Agent(..) | Input::AllSaid | Input::CodeMade => {}
            }
        }
    }
}

impl OneCode {
    fn on_typed(&mut self, line: &str, at: Instant) -> anyhow::Result<()> {
        match self.prompt.take(line, at) {
            Meaning::Yes(Question::Phone(question)) => self.answer(question, true),
            Meaning::No(Question::Phone(question)) => {
                self.has_denied = true;
                say("the phone was rejected, and its code cannot be used again");
                self.answer(question, false)
            }
            Meaning::Unclear(question) => {
                say(question.words());
                Ok(())
            }
            Meaning::Message if line.is_empty() => self.agent.send(&ToAgent::Retry).context(GONE),
            // Without a question, a typed line has no receiver.
            Meaning::Yes(Question::NewCode)
            | Meaning::No(Question::NewCode)
            | Meaning::Message
            | Meaning::Repeated => Ok(()),
        }
    }

    fn answer(&mut self, question: u64, yes: bool) -> anyhow::Result<()> {
        self.agent.send(&ToAgent::Answer { question, yes }).context(GONE)
    }

    fn end(&self, reporter: &Reporter, why: CodeEnd) -> anyhow::Result<()> {
        self.shown.replace(why.words());
        reporter.tell(&Event::CodeEnded { why })
    }
}
