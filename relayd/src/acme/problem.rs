//! What the CA says when it refuses: RFC 7807, and RFC 8555 §6.7.

use std::fmt;

use serde::Deserialize;

use super::answer::Answer;

/// A problem document. Everything in it was written by the CA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
    /// A page that a person should visit.
    instance: Option<String>,
    subproblems: Vec<Subproblem>,
}

/// About one of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Subproblem {
    detail: String,
    identifier: Identifier,
}

/// A name at the CA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Identifier {
    pub value: String,
}

impl Problem {
    /// The problem in an answer. An answer without one gives its status.
    pub fn of(answer: &Answer) -> Self {
        let read: Option<Problem> = sonic_rs::from_slice(&answer.body).ok();
        read.filter(|problem| !problem.kind.is_empty() || !problem.detail.is_empty()).unwrap_or_else(|| {
            Problem {
                detail: format!("it answered {} without saying why", answer.status),
                ..Problem::default()
            }
        })
    }

    /// True for an error of this name, such as `badNonce`.
    pub fn is(&self, name: &str) -> bool {
        self.kind.strip_prefix("urn:ietf:params:acme:error:") == Some(name)
    }
}

/// One line of bounded length.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", plain(if self.detail.is_empty() { &self.kind } else { &self.detail }))?;
        for problem in self.subproblems.iter().take(SHOWN_MAX) {
            write!(f, "; {}: {}", plain(&problem.identifier.value), plain(&problem.detail))?;
        }
        if let Some(page) = &self.instance {
            write!(f, "; see {}", plain(page))?;
        }
        Ok(())
    }
}

/// A text of the CA for a log line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS_MAX).collect()
}

const TEXT_CHARS_MAX: usize = 300;

/// How many names with their problems a log line has.
pub(super) const SHOWN_MAX: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(body: &str) -> Problem {
        Problem::of(&Answer { status: 403, body: body.into(), ..Answer::default() })
    }

    #[test]
    fn a_problem_is_one_line_of_what_the_ca_said() {
        let said = problem(
            r#"{"type":"urn:ietf:params:acme:error:dns","detail":"No\nname","subproblems":[
               {"detail":"NXDOMAIN","identifier":{"type":"dns","value":"a.example"}}]}"#,
        );
        assert!(said.is("dns") && !said.is("badNonce"));
        assert_eq!(said.to_string(), "No name; a.example: NXDOMAIN");
        let long = problem(&format!(r#"{{"detail":"{}","instance":"https://ca/terms"}}"#, "x".repeat(5000)));
        assert!(long.to_string().ends_with("; see https://ca/terms") && long.to_string().len() < 400);
        for other in ["", "<html>", "[]", "{}", r#"{"detail":5}"#] {
            assert_eq!(problem(other).to_string(), "it answered 403 without saying why", "{other}");
        }
    }
}
