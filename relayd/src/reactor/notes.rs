//! Writes the core's notes on other nodes into the log. A session shows as its tag.

use relayd_core::note::{LinkStep, Note, StreamEnd};

/// Writes a note at level `debug`.
pub(super) fn log(note: Note) {
    match note {
        Note::StreamBegan { node } => tracing::debug!(%node, "the stream to a node began"),
        Note::StreamOver { node, why } => {
            tracing::debug!(%node, why = reason(why), "the stream to a node is over");
        }
        Note::Link { step, node, session, role } => {
            let tag = || session.log_tag();
            match step {
                LinkStep::Opening => tracing::debug!(session = %tag(), %role, %node, "link opening"),
                LinkStep::Accepted => tracing::debug!(session = %tag(), %role, %node, "link accepted"),
                LinkStep::Gone => tracing::debug!(session = %tag(), %role, %node, "link gone"),
                LinkStep::EndedHere => {
                    tracing::debug!(session = %tag(), %role, %node, side = "here", "link ended");
                }
                LinkStep::EndedThere => {
                    tracing::debug!(session = %tag(), %role, %node, side = "there", "link ended");
                }
            }
        }
        Note::ProbeLate { age } => {
            tracing::debug!(age_ms = age.as_millis() as u64, "the own probe is late: no node is judged");
        }
        Note::ProbeFresh => tracing::debug!("the own probe is fresh again"),
    }
}

const fn reason(why: StreamEnd) -> &'static str {
    match why {
        StreamEnd::Silent => "silent",
        StreamEnd::Restarted => "restarted",
        StreamEnd::CutOff => "cut off",
        StreamEnd::Unused => "unused",
    }
}
