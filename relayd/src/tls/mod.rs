//! TLS of the public listener: which certificates are shown, and how they are renewed.
//!
//! No socket here. The reactor takes a [`Presented`] when a handshake begins, and moves the bytes.

mod identity;
mod keeper;
mod presented;
mod x509;

pub use identity::{CertificateFiles, Identity, InvalidIdentity};
pub use keeper::{Presenter, Reloader, TlsError};
pub use presented::Presented;
pub use x509::{Details, days_since_1970, details};
