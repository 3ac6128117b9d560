//! TLS of the public listener: which certificates are shown, and how they are renewed. Also which CAs are
//! trusted where this program is the client.
//!
//! No socket here. The reactor takes a [`Presented`] when a handshake begins, and moves the bytes.

mod attempts;
mod identity;
mod keeper;
mod presented;
mod presenter;
mod trust;
mod x509;

pub use attempts::{AttemptCounts, AttemptOutcome};
pub use identity::{CertificateFiles, Identity, InvalidIdentity};
pub(crate) use keeper::log_all;
pub use keeper::{TlsError, watch};
pub use presented::{Presented, Proof};
pub use presenter::{Feed, Presenter, Reloader};
pub use trust::{CaBundle, InvalidCaBundle, client_config};
pub use x509::{Details, days_since_1970, details, unix_secs_of};
