//! The question that the user is asked, and what a line typed at the terminal means while it is open. Pure.
//!
//! A line that was complete before the question was asked never answers it.

use std::time::Instant;

/// What the user is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// May this phone pair? Named by the engine's number.
    Phone(u64),
    /// Show a new code after one that has ended?
    NewCode,
}

/// The meaning of a typed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is for the phone.
    Message,
    Yes(Question),
    No(Question),
    /// Not an answer: ask again.
    Unclear(Question),
    /// It repeats an answer that is being carried out.
    Repeated,
}

/// At most one question is open.
#[derive(Debug, Default)]
pub(crate) struct Prompt {
    open: Option<OpenQuestion>,
}

#[derive(Debug)]
struct OpenQuestion {
    question: Question,
    asked_at: Instant,
    /// The yes is being carried out. A no still takes it back.
    said_yes: bool,
}

impl Question {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Question::Phone(_) => "allow it? [y/n]",
            Question::NewCode => "show a new code? [y/n]",
        }
    }
}

impl Prompt {
    /// The question is open from now on, and replaces any other.
    pub(crate) fn ask(&mut self, question: Question, now: Instant) {
        self.open = Some(OpenQuestion { question, asked_at: now, said_yes: false });
    }

    /// The question is over, however it was answered. Another one stays open.
    pub(crate) fn end(&mut self, question: Question) {
        self.open.take_if(|open| open.question == question);
    }

    /// The question that is open, if there is one.
    pub(crate) fn question(&self) -> Option<Question> {
        self.open.as_ref().map(|open| open.question)
    }

    /// A line that the user completed at `typed_at`.
    pub(crate) fn take(&mut self, line: &str, typed_at: Instant) -> Meaning {
        let Some(open) = self.open.as_mut().filter(|open| typed_at > open.asked_at) else {
            return Meaning::Message;
        };
        let question = open.question;
        match line.trim().to_ascii_lowercase().as_str() {
            "n" | "no" => {
                self.open = None;
                Meaning::No(question)
            }
            "y" | "yes" if open.said_yes => Meaning::Repeated,
            "y" | "yes" => {
                open.said_yes = true;
                Meaning::Yes(question)
            }
            _ if open.said_yes => Meaning::Message,
            _ => Meaning::Unclear(question),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    enum Step {
        Ask(Question),
        End(Question),
        /// A line that was complete this many milliseconds after the newest question was asked.
        Line(&'static str, i64, Meaning),
    }

    #[test]
    fn what_a_line_means() {
        use Meaning::*;
        use Question::*;
        use Step::*;
        let (phone, other) = (Phone(1), Phone(2));
        for (name, steps) in [
            ("without a question all is for the phone", vec![Line("y", 0, Message), Line("", 0, Message)]),
            ("yes", vec![Ask(phone), Line(" Y ", 1, Yes(phone)), Line("yes", 2, Repeated)]),
            ("a no takes the yes back", vec![Ask(phone), Line("y", 1, Yes(phone)), Line("n", 2, No(phone))]),
            (
                "no, and what follows is for the phone",
                vec![Ask(phone), Line("no", 1, No(phone)), Line("n", 2, Message)],
            ),
            (
                "anything else asks again",
                vec![Ask(phone), Line("yep", 1, Unclear(phone)), Line("", 2, Unclear(phone))],
            ),
            (
                "a line typed before is no answer",
                vec![Ask(phone), Line("y", -5, Message), Line("y", 0, Message)],
            ),
            (
                "while a yes is carried out one may talk",
                vec![Ask(phone), Line("y", 1, Yes(phone)), Line("hello", 2, Message)],
            ),
            ("a question that is over is not answered", vec![Ask(phone), End(phone), Line("y", 1, Message)]),
            (
                "the newest question stands",
                vec![
                    Ask(phone),
                    Ask(other),
                    End(phone),
                    Line("y", 1, Yes(other)),
                    End(other),
                    Line("n", 2, Message),
                ],
            ),
            (
                "an answer to the earlier question is none to the later",
                vec![
                    Ask(phone),
                    Line("y", 1, Yes(phone)),
                    Ask(other),
                    Line("y", -1, Message),
                    Line("y", 1, Yes(other)),
                ],
            ),
            ("a new code", vec![Ask(NewCode), Line("n", 1, No(NewCode))]),
        ] {
            let (mut prompt, mut now) = (Prompt::default(), Instant::now());
            for (at, step) in steps.into_iter().enumerate() {
                match step {
                    Ask(question) => {
                        now += Duration::from_secs(1);
                        prompt.ask(question, now);
                    }
                    End(question) => prompt.end(question),
                    Line(line, after_ms, meaning) => {
                        let after = Duration::from_millis(after_ms.unsigned_abs());
                        let typed_at = if after_ms < 0 { now - after } else { now + after };
                        assert_eq!(prompt.take(line, typed_at), meaning, "{name}, step {at}");
                    }
                }
            }
        }
    }
}
