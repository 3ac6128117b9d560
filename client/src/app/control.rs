//! Control messages as bytes: one JSON object with a member `t` for its type. Members that are not known are
//! ignored; a type that is not known is told apart from damage.

use std::borrow::Cow;

use protocol::json;
use protocol::limits::JSON_DEPTH_MAX;
use serde::Deserialize;
use sonic_rs::LazyValue;

use super::hello::{DeskInfo, Hello, TerminalInfo};
use super::limits::{CONTROL_BYTES_MAX, NAME_BYTES_MAX, PARAMS_BYTES_MAX};
use super::reason::Reason;
use super::rights::Rights;
use super::wire::Damage;

/// One control message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// The phone's has an `id`, and the desk's answer names it as `re`.
    Hello {
        hello: Hello,
        id: Option<String>,
        re: Option<String>,
    },
    Desk(DeskInfo),
    Hidden(bool),
    /// The kind is a word, as it may be of a later version.
    Open {
        ch: u32,
        kind: String,
        credit: u32,
        params: String,
    },
    Accept {
        ch: u32,
        credit: u32,
        params: String,
    },
    Refuse {
        ch: u32,
        reason: Reason,
    },
    Credit {
        ch: u32,
        n: u32,
    },
    End {
        ch: u32,
    },
    Reset {
        ch: u32,
        reason: Reason,
    },
}

/// Every member of every type. A type uses its own.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    t: Cow<'a, str>,
    v: Option<u32>,
    #[serde(borrow)]
    features: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    device: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    hidden: Option<bool>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    re: Option<Cow<'a, str>>,
    #[serde(borrow)]
    rights: Option<Vec<Cow<'a, str>>>,
    #[serde(borrow)]
    terminals: Option<Vec<TerminalMembers<'a>>>,
    ch: Option<u32>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
    credit: Option<u32>,
    n: Option<u32>,
    #[serde(borrow)]
    p: Option<LazyValue<'a>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    words: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TerminalMembers<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    title: Cow<'a, str>,
    cols: u16,
    rows: u16,
    #[serde(default)]
    view_only: bool,
}

impl Control {
    /// Reads a message. `Ok(None)`: its type is of a later version.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Damage> {
        if bytes.len() > CONTROL_BYTES_MAX {
            return Err(Damage::TooLong);
        }
        // The parser has no depth limit of its own and aborts the process.
        if !json::nesting_within(bytes, JSON_DEPTH_MAX) {
            return Err(Damage::Json);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Damage::Json)?;
        let members: Members<'_> = sonic_rs::from_str(text).map_err(|_| Damage::Json)?;
        members.read()
    }

    /// The channel that it is about.
    pub(super) fn channel(&self) -> Option<u32> {
        match self {
            Control::Hello { .. } | Control::Desk(_) | Control::Hidden(_) => None,
            Control::Open { ch, .. }
            | Control::Accept { ch, .. }
            | Control::Refuse { ch, .. }
            | Control::Credit { ch, .. }
            | Control::End { ch }
            | Control::Reset { ch, .. } => Some(*ch),
        }
    }

    /// The message as bytes.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Control::Hello { hello, id, re } => out.hello(hello, id.as_deref(), re.as_deref()),
            Control::Desk(desk) => out.desk(desk),
            Control::Hidden(hidden) => out.kind_of("hidden").flag("hidden", *hidden),
            Control::Open { ch, kind, credit, params } => {
                out.channel("open", *ch).text("kind", kind).number("credit", *credit).params(params)
            }
            Control::Accept { ch, credit, params } => {
                out.channel("accept", *ch).number("credit", *credit).params(params)
            }
            Control::Refuse { ch, reason } => out.channel("refuse", *ch).reason(reason),
            Control::Credit { ch, n } => out.channel("credit", *ch).number("n", *n),
            Control::End { ch } => out.channel("end", *ch),
            Control::Reset { ch, reason } => out.channel("reset", *ch).reason(reason),
        };
        out.finish()
    }
}

impl Members<'_> {
    fn read(self) -> Result<Option<Control>, Damage> {
        let control = match &*self.t {
            "hello" => self.hello()?,
            "desk" => Control::Desk(self.desk()?),
            "hidden" => Control::Hidden(self.hidden.ok_or(Damage::Member("hidden"))?),
            "open" => {
                let (credit, params) = (self.credit()?, self.params()?);
                let kind = self.kind.as_deref().filter(|kind| kind.len() <= NAME_BYTES_MAX);
                let kind = kind.ok_or(Damage::Member("kind"))?.to_owned();
                Control::Open { ch: self.ch()?, kind, credit, params }
            }
            "accept" => Control::Accept { ch: self.ch()?, credit: self.credit()?, params: self.params()? },
            "refuse" => Control::Refuse { ch: self.ch()?, reason: self.reason() },
            "credit" => Control::Credit { ch: self.ch()?, n: self.n.ok_or(Damage::Member("n"))? },
            "end" => Control::End { ch: self.ch()? },
            "reset" => Control::Reset { ch: self.ch()?, reason: self.reason() },
            _ => return Ok(None),
        };
        Ok(Some(control))
    }

    fn ch(&self) -> Result<u32, Damage> {
        self.ch.ok_or(Damage::Member("ch"))
    }

    fn credit(&self) -> Result<u32, Damage> {
        self.credit.ok_or(Damage::Member("credit"))
    }

    fn params(&self) -> Result<String, Damage> {
        let raw = self.p.as_ref().map(LazyValue::as_raw_str);
        match raw {
            None => Ok(NO_PARAMS.to_owned()),
            Some(raw) if raw.len() <= PARAMS_BYTES_MAX && raw.starts_with('{') => Ok(raw.to_owned()),
            Some(_) => Err(Damage::Member("p")),
        }
    }

    fn reason(&self) -> Reason {
        let token = self.reason.as_deref().unwrap_or_default().to_owned();
        Reason::read(token.into(), self.words.as_deref().unwrap_or_default())
    }

    fn hello(&self) -> Result<Control, Damage> {
        let text = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
        let name_of_hello = |id: &Option<Cow<'_, str>>| match id.as_deref() {
            Some(id) if id.len() > NAME_BYTES_MAX => Err(Damage::Member("id")),
            id => Ok(id.map(str::to_owned)),
        };
        let hello = Hello {
            version: self.v.filter(|version| *version > 0).ok_or(Damage::Member("v"))?,
            features: self.features.iter().flatten().map(|feature| feature.clone().into_owned()).collect(),
            device: text(&self.device),
            name: text(&self.name),
            hidden: self.hidden.unwrap_or(false),
        };
        let (id, re) = (name_of_hello(&self.id)?, name_of_hello(&self.re)?);
        Ok(Control::Hello { hello: hello.bounded(), id, re })
    }

    fn desk(&self) -> Result<DeskInfo, Damage> {
        let rights = self.rights.as_ref().ok_or(Damage::Member("rights"))?;
        let terminals = self.terminals.iter().flatten().map(|terminal| TerminalInfo {
            name: terminal.name.clone().into_owned(),
            title: terminal.title.clone().into_owned(),
            cols: terminal.cols,
            rows: terminal.rows,
            view_only: terminal.view_only,
        });
        let desk = DeskInfo {
            name: self.name.as_deref().unwrap_or_default().to_owned(),
            rights: Rights::parse(rights.iter().map(AsRef::as_ref)),
            terminals: terminals.collect(),
        };
        Ok(desk.bounded())
    }
}

/// The parameters of a channel that needs none.
const NO_PARAMS: &str = "{}";

/// True if `params` is one JSON object within the bounds.
pub(super) fn is_params(params: &str) -> bool {
    params.len() <= PARAMS_BYTES_MAX
        && params.starts_with('{')
        && json::nesting_within(params.as_bytes(), JSON_DEPTH_MAX - 1)
        && sonic_rs::from_str::<LazyValue<'_>>(params).is_ok()
}

/// Writes one JSON object, member by member.
struct Writer(Vec<u8>);

impl Writer {
    fn new() -> Self {
        Writer(Vec::with_capacity(64))
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    fn key(&mut self, name: &str) {
        let opening = if self.0.is_empty() { b'{' } else { b',' };
        self.0.push(opening);
        json::write_quoted(&mut self.0, name);
        self.0.push(b':');
    }

    fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.key(name);
        json::write_quoted(&mut self.0, value);
        self
    }

    fn kind_of(&mut self, message: &str) -> &mut Self {
        self.text("t", message)
    }

    fn number(&mut self, name: &str, value: u32) -> &mut Self {
        self.key(name);
        self.0.extend_from_slice(value.to_string().as_bytes());
        self
    }

    fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.key(name);
        self.0.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    fn words<'a>(&mut self, name: &str, words: impl Iterator<Item = &'a str>) -> &mut Self {
        self.key(name);
        self.0.push(b'[');
        for (at, word) in words.enumerate() {
            if at > 0 {
                self.0.push(b',');
            }
            json::write_quoted(&mut self.0, word);
        }
        self.0.push(b']');
        self
    }

    fn channel(&mut self, message: &str, ch: u32) -> &mut Self {
        self.kind_of(message).number("ch", ch)
    }

    fn params(&mut self, params: &str) -> &mut Self {
        self.key("p");
        self.0.extend_from_slice(params.as_bytes());
        self
    }

    fn reason(&mut self, reason: &Reason) -> &mut Self {
        self.text("reason", reason.token());
        if !reason.words().is_empty() {
            self.text("words", reason.words());
        }
        self
    }

    fn hello(&mut self, hello: &Hello, id: Option<&str>, re: Option<&str>) -> &mut Self {
        let features = hello.features.iter().map(String::as_str);
        self.kind_of("hello").number("v", hello.version).words("features", features);
        self.text("device", &hello.device).text("name", &hello.name).flag("hidden", hello.hidden);
        if let Some(id) = id {
            self.text("id", id);
        }
        if let Some(re) = re {
            self.text("re", re);
        }
        self
    }

    fn desk(&mut self, desk: &DeskInfo) -> &mut Self {
        self.kind_of("desk").text("name", &desk.name);
        self.words("rights", desk.rights.iter().map(super::rights::Right::as_str));
        self.key("terminals");
        self.0.push(b'[');
        for (at, terminal) in desk.terminals.iter().enumerate() {
            let written = one_terminal(terminal);
            // A name can grow to twice its bytes where it is escaped; what does not fit is left out.
            if self.0.len() + written.len() + "]},".len() > CONTROL_BYTES_MAX {
                break;
            }
            if at > 0 {
                self.0.push(b',');
            }
            self.0.extend_from_slice(&written);
        }
        self.0.push(b']');
        self
    }
}

fn one_terminal(terminal: &TerminalInfo) -> Vec<u8> {
    let mut out = Writer::new();
    out.text("name", &terminal.name).text("title", &terminal.title);
    out.number("cols", terminal.cols.into()).number("rows", terminal.rows.into());
    out.flag("viewOnly", terminal.view_only);
    out.finish()
}
