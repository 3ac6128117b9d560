//! The parameters that open a channel of this kind.

use serde::{Deserialize, Serialize};

use super::VERSION;
use super::limits::SIZE_MAX;
use crate::app::Reason;

/// What the sender says about its set before the receiver accepts. The numbers are for people: the set may
/// turn out otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetParams {
    /// Files of the set, if known.
    pub files: Option<u64>,
    /// Bytes of them all, if known.
    pub bytes: Option<u64>,
    /// The first file or folder, for a question to the user.
    pub name: String,
}

#[derive(Serialize, Deserialize)]
struct Written {
    v: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(default)]
    name: String,
}

const NAME_BYTES_MAX: usize = 200;

impl SetParams {
    /// As a JSON object.
    pub fn to_json(&self) -> String {
        let name = crate::app::cut(&self.name, NAME_BYTES_MAX).to_owned();
        let written = Written { v: VERSION, files: self.files, bytes: self.bytes, name };
        // Nothing in it can fail to be written.
        sonic_rs::to_string(&written).unwrap_or_default()
    }

    /// Reads what opened a channel.
    ///
    /// # Errors
    /// It is not of this kind, or of no version. Refuse the channel with this reason.
    pub fn parse(params: &str) -> Result<Self, Reason> {
        let written: Written = sonic_rs::from_str(params).map_err(|_| {
            Reason::new(Reason::MALFORMED, "the parameters of the channel are not those of files")
        })?;
        if written.v == 0 {
            return Err(Reason::new(Reason::MALFORMED, "the parameters of the channel name version 0"));
        }
        let within = |number: &u64| *number <= SIZE_MAX;
        let name = crate::app::cut(&written.name, NAME_BYTES_MAX).to_owned();
        let (files, bytes) = (written.files.filter(within), written.bytes.filter(within));
        Ok(SetParams { files, bytes, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_read_back_and_faults_are_named() {
        let params = SetParams { files: Some(3), bytes: Some(1 << 40), name: "photos".into() };
        assert_eq!(SetParams::parse(&params.to_json()), Ok(params));
        let later = SetParams::parse(r#"{"v":2,"files":-1,"more":[]}"#);
        assert_eq!(later.unwrap_err().token(), Reason::MALFORMED);
        let later = SetParams::parse(r#"{"v":2,"files":18446744073709551615,"more":[]}"#);
        assert_eq!(later, Ok(SetParams::default()));
        for wrong in ["", "{}", "[]", r#"{"v":0}"#] {
            assert_eq!(SetParams::parse(wrong).unwrap_err().token(), Reason::MALFORMED, "{wrong}");
        }
    }
}
