//! The samples of the listener's TLS.

use super::page::{COUNTER, GAUGE, Page};
use super::{HandshakeFailure, Metrics};
use crate::tls::AttemptOutcome;

impl Metrics {
    pub(super) fn write_tls(&self, page: &mut Page<'_>) {
        page.family("relay_tls_handshakes_total", COUNTER, "TLS handshakes done, by how the keys were made.");
        page.labelled("kind", ["full", "resumed"].into_iter().zip(self.handshakes));
        page.family("relay_tls_failures_total", COUNTER, "TLS handshakes that failed, by why.");
        page.labelled(
            "why",
            HandshakeFailure::ALL.map(HandshakeFailure::why).into_iter().zip(self.handshake_failures),
        );
        page.family(
            "relay_acme_attempts_total",
            COUNTER,
            "Attempts to get a certificate from a CA, by how they ended.",
        );
        page.labelled(
            "outcome",
            AttemptOutcome::ALL.map(AttemptOutcome::name).into_iter().zip(self.certificate_attempts),
        );
        page.family(
            "relay_tls_certificate_not_after_seconds",
            GAUGE,
            "The end of validity of each certificate shown, in seconds since 1970.",
        );
        page.labelled("name", self.certificates.iter().map(|(name, not_after)| (name, *not_after)));
    }
}
